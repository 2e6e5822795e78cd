/* The job that Python hands over, and the threads that share a step. */

struct Team;

typedef struct {
  struct Team *team;
  const void **data, **validation;
  const char *validate;
  const float *scalars;
  float *weights, *gradients, *slots, *averages, *lanes_space, *free_space;
  const double *numbers;
  float *kept, *block_gradients;
  double *block_lanes;
  int32_t *order, *plain;
  uint32_t *space;
  double *lanes, *sums, *validation_sums;
  int64_t rows, validation_rows, batch, chunk, epochs, first_epoch, shuffle, seed, step, scalar_row;
  int64_t stop, finished, threads, epoch, position, validating, bad_epoch, bad_step, halt, halted, outside, now_rows;
  double slice, regularization, loss;
} Job;

/* The rows that are worked on at a time, all of a batch or a block of them: which, how many (R: rounded up), in which
   buffers. `loss` becomes the sum of their losses. */
typedef struct {
  long first, rows, R;
  float *lanes_space, *free_space, *gradients;
  double *lanes, loss;
} Block;

/* Whether the caller wants the work to end before the step does; once asked, it stays so. A step that is cut short leaves
   numbers that nobody uses. Threads must leave it at the same place, so the last one at a barrier decides for all. */
#define STOP(job) __atomic_load_n(&(job)->stop, __ATOMIC_RELAXED)

#if THREADED || BLOCK

typedef struct {
  Job *job;
  long me;
} Seat;

typedef struct Team {
  long count, kind, arrived, round, halted, next, due;
  pthread_t handles[8];
  Seat seats[8];
} Team;

static void barrier(Job *job) {
  Team *team = job->team;
  if (team->count == 1) {
    team->halted = STOP(job);
    return;
  }
  const long round = __atomic_load_n(&team->round, __ATOMIC_ACQUIRE);
  if (__atomic_add_fetch(&team->arrived, 1, __ATOMIC_ACQ_REL) == team->count) {
    team->halted = STOP(job);
    __atomic_store_n(&team->arrived, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&team->round, round + 1, __ATOMIC_RELEASE);
    return;
  }
  /* Others may want the processor: give it up when the wait is long. */
  for (long spins = 0; __atomic_load_n(&team->round, __ATOMIC_ACQUIRE) == round; spins++)
    if (spins > 2000)
      sched_yield();
}

#if UNIT != 2

static void work(Job *job, int training, long ME);

static void *member(void *seat) {
  const Seat *s = seat;
  Team *team = s->job->team;
  for (;;) {
    barrier(s->job);
    if (team->kind < 0)
      return 0;
    work(s->job, (int)team->kind, s->me);
    barrier(s->job);
  }
}

static void start_threads(Job *job, Team *team) {
  job->team = team;
  team->count = job->threads < 1 ? 1 : job->threads > 8 ? 8 : job->threads;
  team->arrived = team->round = team->halted = 0;
  for (long k = 1; k < team->count; k++) {
    team->seats[k] = (Seat){job, k};
    if (pthread_create(&team->handles[k], 0, member, &team->seats[k])) {
      /* A system without room for threads: those that exist are sent home, and the fit goes on alone. */
      team->count = k;
      break;
    }
  }
}

static void end_threads(Job *job) {
  Team *team = job->team;
  team->kind = -1;
  barrier(job);
  for (long k = 1; k < team->count; k++)
    pthread_join(team->handles[k], 0);
}

static void together(Job *job, int training) {
  Team *team = job->team;
  team->kind = training;
  barrier(job);
  work(job, training, 0);
  barrier(job);
}

#endif

#else

typedef struct Team {
  long count;
} Team;
#define start_threads(job, seats) ((job)->team = (seats))
#define end_threads(job) ((job)->team = 0)
#define together(job, training) work(job, training, 0)

#endif

#if THREADED

#define NT job->team->count
#define MORE (ROW_0 != 0)
#define FIRST (ME == 0)
#define LOW(n) ((n) * ME / NT)
#define HIGH(n) ((n) * (ME + 1) / NT)
#define HALTED job->team->halted
#define WAIT barrier(job);
#define BARRIER barrier(job); if (HALTED) return;

#else

#define MORE 0
#define FIRST 1
#define LOW(n) 0
#define HIGH(n) (n)
#define HALTED (POLLED && STOP(job))
#define BARRIER if (HALTED) return;
#define WAIT

#endif

/* Whether the caller wants an operation of many steps to end before it is done: nobody uses its result then. */
#define CUT_SHORT (POLLED && STOP(job))

#ifdef __clang__
/* Told to make one vector of the 16 turns: left to itself, it may first write them out and then find no vectors. Of
   what has none, such as a remainder, it need not say so. */
#pragma clang diagnostic ignored "-Wpass-failed"
#define FREELY _Pragma("clang loop vectorize(assume_safety) vectorize_width(16) interleave_count(1) unroll(disable)")
#else
#define FREELY _Pragma("GCC ivdep")
#endif

/* A loop over rows, a vector of them at a time: as the inner loop has 16 turns, each is one instruction without a
   rest to see to. Bounds are multiples of 16. */
#define ROWS(r, from, to)                        \
  for (long r##0 = from; r##0 < (to); r##0 += 16) \
    FREELY for (long r = r##0; r < r##0 + 16; r++)
