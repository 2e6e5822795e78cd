/* Threads that help with calls: one call at a time, others go without. They begin with the first call that wants them,
   look for the next call for a moment, then sleep, and end when none comes for a second. */

#define LOOKING_NS 100000
#define SLEEPING_S 1
#define HELPERS 255

/* Of one thread. */
typedef struct {
  pthread_t thread;
  int taken;
} seat_t;

typedef struct {
  pthread_mutex_t mutex;
  pthread_cond_t called;
  void (*work)(void *, int, int);
  void *job;
  uint64_t call; /* its number << 33 | whether it is open << 32 | helpers that it wants << 16 | helpers in it */
  int busy, alive, asleep, ready;
  seat_t seats[HELPERS];
  int apart; /* 1 + the processor that they keep away from */
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

/* Threads that are woken are often put where the one runs that wakes them, although other processors are idle. So the
   helpers keep away from the caller's. The caller holds the mutex. */
static void keep_apart(void) {
#ifdef __linux__
  const int here = sched_getcpu();
  cpu_set_t others;
  if (here < 0 || helpers.apart == 1 + here || sched_getaffinity(0, sizeof others, &others))
    return;
  CPU_CLR(here, &others);
  if (CPU_COUNT(&others) == 0)
    return;
  helpers.apart = 1 + here;
  for (int i = 0; i < HELPERS; i++)
    if (helpers.seats[i].taken)
      pthread_setaffinity_np(helpers.seats[i].thread, sizeof others, &others);
#endif
}

static int is_new(uint64_t call, uint64_t seen) {
  return call & OPEN && NUMBER(call) != seen;
}

/* The next call; 0 when none came for long. */
static uint64_t next_call(seat_t *own, uint64_t seen) {
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
    own->taken = 0;
    helpers.alive--;
  }
  pthread_mutex_unlock(&helpers.mutex);
  return call;
}

static void *helper(void *own) {
  uint64_t seen = 0, call;
  while ((call = next_call(own, seen))) {
    seen = NUMBER(call);
    /* Enter it, unless it is over or has helpers enough. */
    while (call & OPEN && NUMBER(call) == seen && INSIDE(call) < INSIDE(call >> 16))
      if (__atomic_compare_exchange_n(&helpers.call, &call, call + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        helpers.work(helpers.job, (int)INSIDE(call) + 1, (int)INSIDE(call >> 16) + 1);
        __atomic_fetch_sub(&helpers.call, 1, __ATOMIC_RELEASE);
        break;
      }
  }
  return NULL;
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
  for (int i = 0; helpers.ready && i < HELPERS && helpers.alive < wanted; i++)
    if (!helpers.seats[i].taken) {
      if (pthread_create(&helpers.seats[i].thread, &detached, helper, &helpers.seats[i]))
        break;
      helpers.seats[i].taken = 1;
      helpers.alive++;
    }
  helpers.apart = 0;
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
    keep_apart();
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
