/* The largest errors of float functions over every so many of the 2^32 floats, against doubles. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 2048

typedef void Computed(const float *x, float *y, long n);
typedef void Exact(const double *x, double *y, long n);

/* The largest error, in units in the last place of the exact result, and where. It is infinite where there is NaN, or
   0 of the other sign, instead of something else, or the reverse. */
typedef struct {
  double error;
  float at;
} Found;

static inline double power_of_two(int64_t e) {
  const int64_t bits = (e + 1023) << 52;
  double d;
  memcpy(&d, &bits, 8);
  return d;
}

static inline double error_of(float y, double d) {
  int64_t bits;
  memcpy(&bits, &d, 8);
  int64_t e = ((bits >> 52) & 0x7ff) - 1023;
  e = e < -126 ? -126 : e > 127 ? 127 : e;
  /* Beyond the largest float comes 2^128. */
  const double most = power_of_two(128), wide = (double)y;
  const double got = wide > most ? most : wide < -most ? -most : wide;
  const double exact = d > most ? most : d < -most ? -most : d;
  const double error = fabs(got - exact) * power_of_two(23 - e);
  const int zero = d == 0 && (1 / wide != 1 / d), none = (y != y) != (d != d);
  return zero || none ? (double)INFINITY : d != d ? 0 : error;
}

/* Errors are not negative, so that they compare as whole numbers do, which compilers make vectors of. */
static void look(const float *x, const float *y, const double *d, long n, Found *found) {
  int64_t errors[BLOCK], worst = 0;
  for (long i = 0; i < n; i++) {
    const double error = error_of(y[i], d[i]);
    memcpy(&errors[i], &error, 8);
  }
  for (long i = 0; i < n; i++)
    worst = errors[i] > worst ? errors[i] : worst;
  double error;
  memcpy(&error, &worst, 8);
  for (long i = 0; error > found->error && i < n; i++)
    if (errors[i] == worst) {
      found->error = error;
      found->at = x[i];
    }
}

/* Every step-th float from the first on, and all that lie within `near` of the given ones. */
void sweep(Computed *const *computed, long count, Exact *exact, uint64_t first, uint64_t step, const uint32_t *places,
           long place_count, long near, Found *found) {
  uint32_t bits[BLOCK];
  float x[BLOCK], y[BLOCK];
  double wide[BLOCK], d[BLOCK];
  const uint64_t all = ((uint64_t)1 << 32) > first ? (((uint64_t)1 << 32) - first + step - 1) / step : 0;
  const uint64_t beside = (uint64_t)(2 * near + 1), total = all + beside * (uint64_t)place_count;
  for (uint64_t at = 0; at < total; at += BLOCK) {
    const long n = total - at < BLOCK ? (long)(total - at) : BLOCK;
    for (long i = 0; i < n; i++) {
      const uint64_t k = at + (uint64_t)i, rest = k - all;
      bits[i] = k < all ? (uint32_t)(first + k * step) : places[rest / beside] + (uint32_t)(rest % beside) - (uint32_t)near;
    }
    memcpy(x, bits, sizeof x);
    for (long i = 0; i < n; i++)
      wide[i] = x[i];
    exact(wide, d, n);
    for (long c = 0; c < count; c++) {
      computed[c](x, y, n);
      look(x, y, d, n, found + c);
    }
  }
}
