/* A whole fit: epochs of steps and of validation, in slices of time, so that the caller can be asked to stop. */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fold(const double *lanes, double *sums) {
  for (long i = 0; i < SUMS; i++) {
    double s[16];
    memcpy(s, lanes + i * 16, sizeof s);
    for (int step = 8; step; step /= 2)
      for (int k = 0; k < step; k++)
        s[k] += s[k + step];
    sums[i] = s[0];
  }
}

/* Goes on with the job until it is done (0) or its slice of time is over (1). */
__attribute__((visibility("default"))) int foldnet_train(Job *job) {
  const double until = now() + job->slice;
  long since = 0;
  int over = 0;
  Team team;
  start_threads(job, &team);
  while (job->epoch < job->epochs && !over) {
    const int validating = job->validating;
    const long total = validating ? job->validation_rows : job->rows, batch = validating ? job->chunk : job->batch;
    if (job->position == 0) {
      memset(job->lanes, 0, sizeof(double) * 16 * SUMS);
      job->regularization = 0;
      if (!validating && job->shuffle) {
        for (long i = 0; i < job->rows; i++)
          job->order[i] = (int32_t)i;
        shuffle(job->order, job->rows, job->space, (uint64_t)(job->first_epoch + job->epoch),
                (Key){(uint32_t)job->seed, 0xFFFFFFFFu});
      }
    }
    while (job->position < total && !over) {
      const long rows = total - job->position < batch ? total - job->position : batch;
      job->now_rows = rows;
      if (!validating)
        keep(job, 0);
      job->finished = 0;
      step_of(job, !validating);
      over = STOP(job) != 0;
      if (over && (validating || !job->finished)) { /* cut short, or nobody knows */
        if (!validating)
          keep(job, 1);
        break;
      }
      if (!validating) {
        if (!(job->loss - job->loss == 0.0) && job->bad_epoch < 0) {
          job->bad_epoch = job->first_epoch + job->epoch;
          job->bad_step = job->position / job->batch;
          job->halted = job->halt;
        }
        job->step++;
        job->scalar_row++;
      }
      job->position += rows;
      since += rows;
      if (job->halted && !validating)
        break; /* the epoch ends here */
      if (since >= POLL_ROWS) {
        since = 0;
        over = over || job->outside || now() > until;
      }
    }
    if (job->position < total && (validating || !job->halted))
      break;
    double *to = (validating ? job->validation_sums : job->sums) + job->epoch * (SUMS + 2);
    fold(job->lanes, to);
    to[SUMS] = job->regularization;
    to[SUMS + 1] = (double)job->position;
    job->position = 0;
    job->validating = 0;
    if (!validating && job->validate && job->validate[job->epoch])
      job->validating = 1;
    else {
      job->epoch++;
      if (job->halted)
        job->epochs = job->epoch;
    }
  }
  end_threads(job);
  return job->epoch < job->epochs && !job->outside;
}
