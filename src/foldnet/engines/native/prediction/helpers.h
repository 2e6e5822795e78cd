/* Threads that help with calls: one call at a time, others go without. They begin with the first call that wants them,
   look for the next call for a moment, then sleep, and end when none comes for a second. */

#define LOOKING_NS 100000
#define SLEEPING_S 1
#define HELPERS 255

typedef struct {
  pthread_mutex_t mutex;
  pthread_cond_t called;
  void (*work)(void *, int, int);
  void *job;
  uint64_t call; /* its number << 33 | whether it is open << 32 | helpers that it wants << 16 | helpers in it */
  int busy, alive, asleep, ready;
} helpers_t;

static helpers_t helpers = {.mutex = PTHREAD_MUTEX_INITIALIZER, .called = PTHREAD_COND_INITIALIZER};

#define OPEN ((uint64_t)1 << 32)
#define NUMBER(call) ((call) >> 33)
#define INSIDE(call) ((call) & 0xffff)

/* One turn of a loop that waits; when it is long, others may have the processor. */
static void rest(int spins) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
  if (spins > 2000)
    sched_yield();
}

static int is_new(uint64_t call, uint64_t seen) {
  return call & OPEN && NUMBER(call) != seen;
}

/* The next call; 0 when none came for long. */
static uint64_t next_call(uint64_t seen) {
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  int64_t waited = 0;
  for (int spins = 1; waited < LOOKING_NS; spins++) {
    const uint64_t call = __atomic_load_n(&helpers.call, __ATOMIC_ACQUIRE);
    if (is_new(call, seen))
      return call;
    rest(0);
    if (spins % 32 == 0) {
      clock_gettime(CLOCK_MONOTONIC, &now);
      waited = (now.tv_sec - start.tv_sec) * 1000000000LL + now.tv_nsec - start.tv_nsec;
    }
  }
  pthread_mutex_lock(&helpers.mutex);
  __atomic_fetch_add(&helpers.asleep, 1, __ATOMIC_SEQ_CST);
  clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec += SLEEPING_S;
  uint64_t call;
  int late = 0;
  while (!is_new(call = __atomic_load_n(&helpers.call, __ATOMIC_SEQ_CST), seen) && !late)
    late = pthread_cond_timedwait(&helpers.called, &helpers.mutex, &now);
  __atomic_fetch_sub(&helpers.asleep, 1, __ATOMIC_SEQ_CST);
  if (!is_new(call, seen)) {
    call = 0;
    helpers.alive--;
  }
  pthread_mutex_unlock(&helpers.mutex);
  return call;
}

static void *helper(void *nothing) {
  uint64_t seen = 0, call;
  while ((call = next_call(seen))) {
    seen = NUMBER(call);
    /* Enter it, unless it is over or has helpers enough. */
    while (call & OPEN && NUMBER(call) == seen && INSIDE(call) < INSIDE(call >> 16))
      if (__atomic_compare_exchange_n(&helpers.call, &call, call + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        helpers.work(helpers.job, (int)INSIDE(call) + 1, (int)INSIDE(call >> 16) + 1);
        __atomic_fetch_sub(&helpers.call, 1, __ATOMIC_RELEASE);
        break;
      }
  }
  return nothing;
}

/* A child has none of its parent's threads. */
static void after_fork(void) {
  const int ready = helpers.ready;
  helpers = (helpers_t){.mutex = PTHREAD_MUTEX_INITIALIZER, .called = PTHREAD_COND_INITIALIZER, .ready = ready};
}

static void start_helpers(int wanted) {
  pthread_attr_t detached;
  sigset_t every, before;
  if (pthread_attr_init(&detached))
    return;
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  /* Signals are for the caller's threads. */
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  pthread_mutex_lock(&helpers.mutex);
  if (!helpers.ready)
    helpers.ready = !pthread_atfork(NULL, NULL, after_fork);
  pthread_t thread;
  while (helpers.ready && helpers.alive < wanted && !pthread_create(&thread, &detached, helper, NULL))
    helpers.alive++;
  pthread_mutex_unlock(&helpers.mutex);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&detached);
}

/* Do work(job, number of the thread, threads), also by so many helpers, which may come late or not at all. */
static void with_helpers(void (*work)(void *, int, int), void *job, int wanted) {
  if (wanted < 1 || __atomic_exchange_n(&helpers.busy, 1, __ATOMIC_ACQUIRE)) {
    work(job, 0, 1);
    return;
  }
  if (__atomic_load_n(&helpers.alive, __ATOMIC_RELAXED) < wanted)
    start_helpers(wanted);
  helpers.work = work;
  helpers.job = job;
  const uint64_t number = NUMBER(__atomic_load_n(&helpers.call, __ATOMIC_RELAXED)) + 1;
  __atomic_store_n(&helpers.call, number << 33 | OPEN | (uint64_t)wanted << 16, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&helpers.asleep, __ATOMIC_SEQ_CST)) {
    pthread_mutex_lock(&helpers.mutex);
    for (int i = 0; i < wanted && i < helpers.asleep; i++)
      pthread_cond_signal(&helpers.called);
    pthread_mutex_unlock(&helpers.mutex);
  }
  work(job, 0, wanted + 1);
  uint64_t call = __atomic_and_fetch(&helpers.call, ~OPEN, __ATOMIC_ACQ_REL);
  for (int spins = 0; INSIDE(call); spins++) {
    rest(spins);
    call = __atomic_load_n(&helpers.call, __ATOMIC_ACQUIRE);
  }
  __atomic_store_n(&helpers.busy, 0, __ATOMIC_RELEASE);
}
