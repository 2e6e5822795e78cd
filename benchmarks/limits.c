/* What this machine can do at most: multiply-adds of full vectors, and bytes read from memory. */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
enum { BYTES = 64, CHAINS = 24 };
#elif defined(__AVX__)
enum { BYTES = 32, CHAINS = 12 };
#else
enum { BYTES = 16, CHAINS = 12 };
#endif
#if defined(__aarch64__)
#define REGISTER(x) "+w"(x)
#else
#define REGISTER(x) "+v"(x)
#endif
typedef float lanes __attribute__((vector_size(BYTES)));
typedef uint64_t words __attribute__((vector_size(BYTES)));

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Floating-point operations a second: chains of multiply-adds that do not wait for each other. Every loop over them is
   unrolled, so that all are in registers. */
__attribute__((visibility("default"))) double operations_a_second(long rounds, float *result) {
  lanes sums[CHAINS], factor = {0}, term = {0};
  factor += 0.999f, term += 0.001f;
#pragma GCC unroll 32
  for (int k = 0; k < CHAINS; k++) sums[k] = term * (float)k;
  double start = now();
  for (long i = 0; i < rounds; i++)
#pragma GCC unroll 32
    for (int k = 0; k < CHAINS; k++) {
      sums[k] = sums[k] * factor + term;
      /* Otherwise a compiler may compute several rounds at once. */
      __asm__ volatile("" : REGISTER(sums[k]));
    }
  double taken = now() - start;
#pragma GCC unroll 32
  for (int k = 1; k < CHAINS; k++) sums[0] += sums[k];
  memcpy(result, &sums[0], sizeof *result);
  return 2.0 * CHAINS * (BYTES / sizeof(float)) * (double)rounds / taken;
}

/* Bytes a second, reading an array once. */
__attribute__((visibility("default"))) double bytes_a_second(const char *array, long size, uint64_t *result) {
  words sums[8] = {{0}};
  double start = now();
  for (long i = 0; i + (long)sizeof sums <= size; i += sizeof sums)
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) {
      words read;
      memcpy(&read, array + i + k * (long)sizeof read, sizeof read);
      sums[k] += read;
    }
  double taken = now() - start;
#pragma GCC unroll 8
  for (int k = 1; k < 8; k++) sums[0] += sums[k];
  memcpy(result, &sums[0], sizeof *result);
  return (double)(size / (long)sizeof sums * (long)sizeof sums) / taken;
}
