/* What surrounds the body of a network: blocks of rows, threads, and the one function that is called from outside.
   The generated code above defines body_row and, where rows fit side by side in the cache, body_block. With LENGTHS, the
   lengths of free axes are handed over at the call. */

#ifdef LENGTHS
#define LENGTHS_ARGUMENT , lengths
#else
#define LENGTHS_ARGUMENT
#endif

#if STEPS
#define TEAM_ARGUMENT , no_team()
#else
#define TEAM_ARGUMENT
#endif

#if ROWS_STEPS
#define ROWS_TEAM_ARGUMENT , no_team()
#else
#define ROWS_TEAM_ARGUMENT
#endif

#if KEPT && !SMALL
/* Large workspaces stay for the next calls: the system would hand out their pages at each of them, which takes longer
   than many predictions. */
static char *kept[KEPT];

static char *take_memory(size_t bytes) {
  for (int i = 0; i < KEPT; i++) {
    char *memory = __atomic_exchange_n(&kept[i], NULL, __ATOMIC_ACQUIRE);
    if (memory)
      return memory;
  }
  return malloc(bytes);
}

static void give_memory(char *memory) {
  for (int i = 0; i < KEPT; i++) {
    char *none = NULL;
    if (__atomic_compare_exchange_n(&kept[i], &none, memory, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
      return;
  }
  free(memory);
}
#else
#define take_memory(bytes) malloc(bytes)
#define give_memory(memory) free(memory)
#endif

typedef struct {
  const void *const *in;
  void *const *out;
  const float *w;
  int64_t rows, chunk, next, bad;
#ifdef LENGTHS
  const int64_t *lengths;
#endif
#if STEPS || ROWS_STEPS
  float *f;
  int32_t *j;
  step_t *steps;
  int64_t first;
  int count;
#endif
} job_t;

#if ROWS > 1
/* Rows of each of the blocks that so many rows are divided into, a multiple of the highest tile. */
static int64_t block_of(int64_t rows, int64_t threads) {
  const int64_t blocks = threads * ((rows + threads * ROWS - 1) / (threads * ROWS));
  const int64_t each = (rows + blocks - 1) / blocks;
  return (each + HEIGHT - 1) / HEIGHT * HEIGHT;
}
#endif

static void rows_of(const job_t *job, int64_t first, int64_t last, float *f, int32_t *j, int64_t *bad) {
#ifdef LENGTHS
  const int64_t *lengths = job->lengths;
#endif
  int64_t row = first;
#if LANES > 1
  while (last - row >= FEW) {
    const int count = last - row < LANES ? (int)(last - row) : LANES;
    body_block(job->w, job->in, job->out, f, j, row, count, bad);
    row += count;
  }
#endif
#if ROWS > 1
  const int64_t block = block_of(last - first, 1);
  while (last - row >= FEW) {
    const int count = (int)(last - row < block ? last - row : block);
    body_rows(job->w, job->in, job->out, f, j, row, count, bad ROWS_TEAM_ARGUMENT);
    row += count;
  }
#endif
  for (; row < last; row++)
    body_row(job->w, job->in, job->out, f, j, row, bad LENGTHS_ARGUMENT TEAM_ARGUMENT);
}

/* The least one wins, so that the report does not depend on the threads. */
static void report(job_t *job, int64_t bad) {
  int64_t seen = __atomic_load_n(&job->bad, __ATOMIC_RELAXED);
  while (bad < seen && !__atomic_compare_exchange_n(&job->bad, &seen, bad, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    ;
}

/* Chunks of rows until none is left. A thread without memory leaves its share to the others. */
static void chunks(void *argument, int me, int members) {
  (void)me;
  (void)members;
  job_t *job = argument;
#ifdef LENGTHS
  const int64_t *lengths = job->lengths;
#endif
#if SMALL
  float f[FLOATS] __attribute__((aligned(64)));
  int32_t j[INTS];
#else
  const size_t bytes = sizeof(float) * FLOATS + sizeof(int32_t) * INTS;
  char *memory = take_memory(bytes + 128);
  if (!memory)
    return;
  float *f = (float *)(memory + (64 - (uintptr_t)memory % 64));
  int32_t *j = (int32_t *)(f + FLOATS);
#endif
  int64_t bad = INT64_MAX;
  for (;;) {
    const int64_t first = __atomic_fetch_add(&job->next, job->chunk, __ATOMIC_RELAXED);
    if (first >= job->rows)
      break;
    rows_of(job, first, first + job->chunk < job->rows ? first + job->chunk : job->rows, f, j, &bad);
  }
#if !SMALL
  give_memory(memory);
#endif
  report(job, bad);
}

#if STEPS
/* A share of one row. */
static void share_of_row(void *argument, int me, int members) {
  job_t *job = argument;
#ifdef LENGTHS
  const int64_t *lengths = job->lengths;
#endif
  int64_t bad = INT64_MAX;
  const team_t team = {job->steps, me, members};
  body_row(job->w, job->in, job->out, job->f, job->j, 0, &bad LENGTHS_ARGUMENT, &team);
  report(job, bad);
}
#endif

#if ROWS_STEPS
/* A share of a block of rows. */
static void share_of_rows(void *argument, int me, int members) {
  job_t *job = argument;
  int64_t bad = INT64_MAX;
  const team_t team = {job->steps, me, members};
  body_rows(job->w, job->in, job->out, job->f, job->j, job->first, job->count, &bad, &team);
  report(job, bad);
}

/* Rows that all threads share, as few rows for each of them would read the weights for too little. */
static int64_t rows_together(job_t *job, int64_t threads) {
  char *memory = take_memory(sizeof(float) * FLOATS + sizeof(int32_t) * INTS + 128);
  if (!memory)
    return -1;
  job->f = (float *)(memory + (64 - (uintptr_t)memory % 64));
  job->j = (int32_t *)(job->f + FLOATS);
  const int64_t block = block_of(job->rows, 1);
  for (job->first = 0; job->first < job->rows; job->first += job->count) {
    step_t steps[ROWS_STEPS] = {{0, 0}};
    job->steps = steps;
    job->count = (int)(job->rows - job->first < block ? job->rows - job->first : block);
    with_helpers(share_of_rows, job, (int)(threads < HELPERS ? threads - 1 : HELPERS));
  }
  give_memory(memory);
  return job->bad == INT64_MAX ? 0 : 1 + job->bad;
}
#endif

/* One row in a given workspace. */
static int64_t one_row(job_t *job, float *f, int32_t *j, int64_t threads) {
#ifdef LENGTHS
  const int64_t *lengths = job->lengths;
#endif
#if STEPS
  const int64_t most = TEAM;
  threads = threads < most ? threads : most;
  if (threads > 1) {
    step_t steps[STEPS] = {{0, 0}};
    job->f = f;
    job->j = j;
    job->steps = steps;
    with_helpers(share_of_row, job, (int)(threads < HELPERS ? threads - 1 : HELPERS));
    return job->bad == INT64_MAX ? 0 : 1 + job->bad;
  }
#endif
  (void)threads;
  body_row(job->w, job->in, job->out, f, j, 0, &job->bad LENGTHS_ARGUMENT TEAM_ARGUMENT);
  return job->bad == INT64_MAX ? 0 : 1 + job->bad;
}

/* Predict `rows` rows with at most `threads` threads. Returns 0; -1 when memory ran out; or, when a node found
   fault with a row, 1 + row * (number of nodes that can) + which of them. */
FOLDNET_EXPORT int64_t foldnet_run(const void *const *in, void *const *out, const float *w, int64_t rows,
                                   int64_t threads, const int64_t *lengths) {
  (void)lengths;
  job_t job = {.in = in, .out = out, .w = w, .rows = rows, .chunk = rows, .bad = INT64_MAX};
#ifdef LENGTHS
  job.lengths = lengths;
#endif
  if (rows == 1) {
#if STACK
    if (FLOATS_ROW < STACK && INTS_ROW < STACK_INTS) {
      float f[STACK] __attribute__((aligned(64)));
      int32_t j[STACK_INTS];
      return one_row(&job, f, j, threads);
    }
#endif
    char *memory = take_memory(sizeof(float) * FLOATS + sizeof(int32_t) * INTS + 128);
    if (!memory)
      return -1;
    float *f = (float *)(memory + (64 - (uintptr_t)memory % 64));
    const int64_t code = one_row(&job, f, (int32_t *)(f + FLOATS), threads);
    give_memory(memory);
    return code;
  }
#if ROWS_STEPS
  const int64_t members = rows / ROWS_EACH;
  if (threads > 1 && members > 1 && rows < threads * APART)
    return rows_together(&job, threads < members ? threads : members);
#endif
  const int64_t share = SHARE, parts = rows / share;
  if (threads > parts)
    threads = parts;
#if ROWS > 1
  job.chunk = block_of(rows, threads > 1 ? threads : 1);
#else
  if (threads > 1)
    job.chunk = share;
#endif
  with_helpers(chunks, &job, (int)(threads < HELPERS ? threads - 1 : HELPERS));
  if (job.next < rows)
    return -1;
  return job.bad == INT64_MAX ? 0 : 1 + job.bad;
}
