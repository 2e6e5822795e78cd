/* Where there are no POSIX threads, the caller's thread does all of its call; see helpers.h. */

#define HELPERS 0

/* Nobody waits. */
#define rest(spins) ((void)(spins))

static void with_helpers(void (*work)(void *, int, int), void *job, int wanted) {
  (void)wanted;
  work(job, 0, 1);
}
