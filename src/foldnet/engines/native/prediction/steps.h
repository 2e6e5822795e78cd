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
  int part, low, high;
} turns_t;

/* The next turns for this thread: those of a part that nobody has taken. Each thread has parts of its own, so that it
   finds in its cache what it left there in the step before, and takes those of others when it is done with them. Without
   a team all turns are one part. It is no part of its callers: what is in memory is what other threads left there, and
   compilers take their time with code that is written out at every step. */
static __attribute__((noinline)) int next_turns(const team_t *team, int number, int count, int parts, turns_t *turns) {
  if (!team) {
    const int begun = turns->part >= 0;
    *turns = (turns_t){0, 0, count};
    return !begun && count > 0;
  }
  step_t *step = team->steps + number;
  const int most = parts < PARTS_EACH * team->members ? parts : PARTS_EACH * team->members;
  const int all = most < count ? most : count;
  __asm__ volatile("" ::: "memory");
  if (turns->part >= 0)
    __atomic_fetch_add(&step->done, 1, __ATOMIC_RELEASE);
  for (int i = 0, part = all * team->me / team->members; i < all; i++, part = part + 1 < all ? part + 1 : 0) {
    const uint32_t bit = (uint32_t)1 << part;
    if (!(__atomic_load_n(&step->taken, __ATOMIC_RELAXED) & bit) &&
        !(__atomic_fetch_or(&step->taken, bit, __ATOMIC_RELAXED) & bit)) {
      *turns = (turns_t){part, (int)((int64_t)count * part / all), (int)((int64_t)count * (part + 1) / all)};
      return 1;
    }
  }
  for (int spins = 0; __atomic_load_n(&step->done, __ATOMIC_ACQUIRE) < all; spins++)
    rest(spins);
  __asm__ volatile("" ::: "memory");
  return 0;
}

/* No team, hidden from compilers, which would make a copy of body_row for it. */
static inline const team_t *no_team(void) {
  const team_t *team = NULL;
  __asm__("" : "+r"(team));
  return team;
}

#define TURNS(step, count, parts) for (turns_t t = {-1, 0, 0}; next_turns(team, step, count, parts, &t);)
