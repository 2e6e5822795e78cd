/* A step of a batch: over all of its rows at once, or block by block where no operation mixes rows. */

/* A thread's share of a block's rows of the data, in the order of the epoch, to the workspace. */
static void fetch(Job *job, const Block *block, int training, long ME) {
  const void **data = training ? job->data : job->validation;
  const long count = training ? job->rows : job->validation_rows, start = job->position + block->first;
  const long low = LOW(block->R / 16) * 16, high = HIGH(block->R / 16) * 16;
  const long last = high < block->rows ? high : block->rows;
  int32_t *order = job->order + start;
  if (!training || !job->shuffle) {
    order = job->plain + block->first;
    for (long r = low; r < last; r++)
      order[r] = (int32_t)(start + r);
  }
  (void)ME;
  load_rows(block->lanes_space, data, count, order, block->rows, block->R, low, high);
}

#if BLOCK && !THREADED

/* Block k of the batch in a thread's own buffers. Gradients and sums of the first one go straight to where those of the
   others are added. */
static Block block_of(Job *job, long k, long me) {
  const long first = k * BLOCK, left = job->now_rows - first, rows = left < BLOCK ? left : BLOCK;
  float *lanes_space = job->lanes_space + me * (LANES * BLOCK), *free_space = job->free_space + me * FREE;
  if (k == 0)
    return (Block){first, rows, (rows + 15) / 16 * 16, lanes_space, free_space, job->gradients, job->lanes, 0.0};
  double *lanes = job->block_lanes + me * (16 * SUMS);
  memset(lanes, 0, sizeof(double) * 16 * SUMS);
  return (Block){first, rows, (rows + 15) / 16 * 16, lanes_space, free_space, job->block_gradients + me * TRAINABLE,
                 lanes, 0.0};
}

/* Adds what a block gives to the others' sum: blocks in order, so that the sums do not depend on the threads. */
static void hand_in(Job *job, const Block *block, long k, int training) {
  Team *team = job->team;
  for (long spins = 0; __atomic_load_n(&team->due, __ATOMIC_ACQUIRE) != k; spins++) {
    if (HALTED)
      return;
    if (spins > 2000)
      sched_yield();
  }
  job->loss = k ? job->loss + block->loss : block->loss;
  if (k) {
    for (long i = 0; i < 16 * SUMS; i++)
      job->lanes[i] += block->lanes[i];
    if (training)
      ROWS(i, 0, TRAINABLE)
        job->gradients[i] += block->gradients[i];
  }
  __atomic_store_n(&team->due, k + 1, __ATOMIC_RELEASE);
}

/* A thread takes one block after the other until none is left. */
static void work(Job *job, int training, long me) {
  Team *team = job->team;
  for (;;) {
    const long k = team->count == 1 ? team->next++ : __atomic_fetch_add(&team->next, 1, __ATOMIC_RELAXED);
    if (k * BLOCK >= job->now_rows || HALTED)
      return;
    Block block = block_of(job, k, me);
    fetch(job, &block, training, 0);
    pass(job, &block, 0, training);
    if (HALTED)
      return;
    hand_in(job, &block, k, training);
  }
}

static void step_of(Job *job, int training) {
  Team *team = job->team;
  team->next = team->due = 0;
  if (team->count == 1 || job->now_rows <= BLOCK)
    work(job, training, 0);
  else
    together(job, training);
  if (HALTED)
    return;
  job->loss /= (double)job->now_rows;
  penalty(job, 0);
  if (training) {
    job->finished = 1;
    update(job, 0);
  }
}

#else

/* All threads work on the same rows: a block of the batch after the other, or all at once. */
static void work(Job *job, int training, long ME) {
  const long all = job->now_rows, most = BLOCK ? BLOCK : all;
  for (long first = 0; first < all; first += most) {
    const long rows = all - first < most ? all - first : most;
    Block block = {first,           rows,           (rows + 15) / 16 * 16, job->lanes_space, job->free_space,
                   job->gradients,  job->lanes,     0.0};
    fetch(job, &block, training, ME);
    WAIT
    pass(job, &block, ME, training);
    if (HALTED)
      return;
    if (FIRST)
      job->loss = first ? job->loss + block.loss : block.loss;
  }
  if (FIRST) {
    job->loss /= (double)all;
    penalty(job, 0);
  }
  if (!training)
    return;
  if (FIRST)
    job->finished = 1;
  update(job, ME);
}

#define step_of(job, training) together(job, training)

#endif
