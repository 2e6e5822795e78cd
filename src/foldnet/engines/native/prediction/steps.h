#define PARTS_EACH 4

/* How threads share the steps of one row. Each takes parts of a step's turns until none is left, and goes on when all
   are done: nobody waits for a thread that has taken nothing. */

typedef struct {
  uint32_t taken; /* parts, a bit for each */
  int done;
} __attribute__((aligned(64))) step_t;

/* A thread among those that share a row. */
typedef struct {
  step_t *steps;
  int me, members;
} team_t;

typedef struct {
  int low, high;
} turns_t;

/* A part that nobody has taken. Each thread has parts of its own, so that it finds in its cache what it left there in the
   step before, and takes those of others when it is done with them. */
static turns_t part_of(const team_t *team, int number, int count, int parts) {
  step_t *step = team->steps + number;
  const int most = parts < PARTS_EACH * team->members ? parts : PARTS_EACH * team->members;
  const int all = most < count ? most : count;
  for (int i = 0, part = all * team->me / team->members; i < all; i++, part = part + 1 < all ? part + 1 : 0) {
    const uint32_t bit = (uint32_t)1 << part;
    if (!(__atomic_load_n(&step->taken, __ATOMIC_RELAXED) & bit) &&
        !(__atomic_fetch_or(&step->taken, bit, __ATOMIC_RELAXED) & bit))
      return (turns_t){(int)((int64_t)count * part / all), (int)((int64_t)count * (part + 1) / all)};
  }
  for (int spins = 0; __atomic_load_n(&step->done, __ATOMIC_ACQUIRE) < all; spins++)
    rest(spins);
  return (turns_t){0, 0};
}

/* Without a team all turns are one part. What is in memory is what other threads left there, whatever compilers know of
   the pointers to it. */
static inline turns_t first_turns(const team_t *team, int step, int count, int parts) {
  if (!team)
    return (turns_t){0, count};
  const turns_t turns = part_of(team, step, count, parts);
  __asm__ volatile("" ::: "memory");
  return turns;
}

static inline turns_t next_turns(const team_t *team, int step, int count, int parts) {
  if (!team)
    return (turns_t){0, 0};
  __asm__ volatile("" ::: "memory");
  __atomic_fetch_add(&team->steps[step].done, 1, __ATOMIC_RELEASE);
  const turns_t turns = part_of(team, step, count, parts);
  __asm__ volatile("" ::: "memory");
  return turns;
}

#define TURNS(step, count, parts)                                            \
  for (turns_t t = first_turns(team, step, count, parts); t.low < t.high;    \
       t = next_turns(team, step, count, parts))
