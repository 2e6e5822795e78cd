/* What surrounds the body of a network: blocks of rows, threads, and the one function that is called from outside.
   The generated code above defines body_row and, where rows fit side by side in the cache, body_block. With LENGTHS, the
   lengths of free axes are handed over at the call. */

#ifdef LENGTHS
#define LENGTHS_ARGUMENT , lengths
#else
#define LENGTHS_ARGUMENT
#endif

typedef struct {
  const void *const *in;
  void *const *out;
  const float *w;
  int64_t rows, chunk, next, bad;
  int failed;
#ifdef LENGTHS
  const int64_t *lengths;
#endif
} job_t;

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
  for (; row < last; row++)
    body_row(job->w, job->in, job->out, f, j, row, bad LENGTHS_ARGUMENT);
}

/* Chunks until none is left; returns 0, or 1 when there is no memory for the workspace. */
static int work(job_t *job) {
#ifdef LENGTHS
  const int64_t *lengths = job->lengths;
#endif
  const size_t bytes = sizeof(float) * FLOATS + sizeof(int32_t) * INTS;
  char *memory = malloc(bytes + 128);
  if (!memory)
    return 1;
  float *f = (float *)(memory + (64 - (uintptr_t)memory % 64));
  int32_t *j = (int32_t *)(f + FLOATS);
  int64_t bad = INT64_MAX;
  for (;;) {
    const int64_t first = __atomic_fetch_add(&job->next, job->chunk, __ATOMIC_RELAXED);
    if (first >= job->rows)
      break;
    rows_of(job, first, first + job->chunk < job->rows ? first + job->chunk : job->rows, f, j, &bad);
  }
  free(memory);
  /* The least one wins, so that the report does not depend on the threads. */
  int64_t seen = __atomic_load_n(&job->bad, __ATOMIC_RELAXED);
  while (bad < seen && !__atomic_compare_exchange_n(&job->bad, &seen, bad, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    ;
  return 0;
}

static void *worker(void *argument) {
  job_t *job = argument;
  if (work(job))
    __atomic_store_n(&job->failed, 1, __ATOMIC_RELAXED);
  return NULL;
}

/* Predict `rows` rows with at most `threads` threads. Returns 0; -1 when memory ran out; or, when a node found
   fault with a row, 1 + row * (number of nodes that can) + which of them. Threads live for one call only: starting them
   costs microseconds, which a batch worth sharing does not notice, and nothing is left behind for a fork. */
FOLDNET_EXPORT int64_t foldnet_run(const void *const *in, void *const *out, const float *w, int64_t rows,
                                   int64_t threads, const int64_t *lengths) {
  (void)lengths;
  job_t job = {in, out, w, rows, rows, 0, INT64_MAX, 0 LENGTHS_ARGUMENT};
#if STACK
  if (rows == 1 && FLOATS_ROW < STACK && INTS_ROW < STACK_INTS) {
    float f[STACK] __attribute__((aligned(64)));
    int32_t j[STACK_INTS];
    body_row(w, in, out, f, j, 0, &job.bad LENGTHS_ARGUMENT);
    return job.bad == INT64_MAX ? 0 : 1 + job.bad;
  }
#endif
  const int64_t share = SHARE, parts = rows / share;
  if (threads > parts)
    threads = parts;
  if (threads > MAX_THREADS)
    threads = MAX_THREADS;
  if (threads <= 1) {
    if (work(&job))
      return -1;
    return job.bad == INT64_MAX ? 0 : 1 + job.bad;
  }
  pthread_t started[MAX_THREADS];
  int count = 0;
  job.chunk = share;
  while (count < threads - 1 && !pthread_create(&started[count], NULL, worker, &job))
    count++;
  const int failed = work(&job);
  for (int t = 0; t < count; t++)
    pthread_join(started[t], NULL);
  /* A thread without memory leaves its share to the others; only when none had any is the work undone. */
  if (failed && job.next < rows)
    return -1;
  return job.bad == INT64_MAX ? 0 : 1 + job.bad;
}
