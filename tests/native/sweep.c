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

static inline int64_t bits_of(double d) {
  int64_t bits;
  memcpy(&bits, &d, 8);
  return bits;
}

static inline double from_bits(int64_t bits) {
  double d;
  memcpy(&d, &bits, 8);
  return d;
}

/* In units in the last place of `size`, of d itself where that is larger. Without branches, so that it is quick. */
static inline double error_of(float y, double d, double size) {
  /* Beyond the largest float comes 2^128. */
  const double wide = (double)y, low = wide < -0x1p128 ? -0x1p128 : wide, got = low > 0x1p128 ? 0x1p128 : low;
  const double least = d < -0x1p128 ? -0x1p128 : d, exact = least > 0x1p128 ? 0x1p128 : least;
  const double a = fabs(exact) < size ? size : fabs(exact), b = a < 0x1p-126 ? 0x1p-126 : a, c = b > 0x1p127 ? 0x1p127 : b;
  /* 2^(23 - e) for c from 2^e on. */
  const double units = from_bits(((int64_t)(2 * 1023 + 23) << 52) - (bits_of(c) & (int64_t)0x7ff << 52));
  const double error = fabs(got - exact) * units;
  const int zero = (d == 0) & (size == 0) & (bits_of(wide) != bits_of(d)), none = (wide != wide) != (d != d);
  const double found = d != d ? 0 : error;
  return zero | none ? (double)INFINITY : found;
}

/* Errors are not negative, so that they compare as whole numbers do, which compilers make vectors of. */
static void look(const float *x, const float *y, const double *d, const double *size, long n, Found *found) {
  int64_t errors[BLOCK], worst = 0;
  for (long i = 0; i < n; i++) {
    const double error = error_of(y[i], d[i], size[i]);
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

/* Every step-th float from the first on, and all that lie within `near` of the given ones. For results that are sums,
   `sizes` gives what their errors are measured by. */
__attribute__((visibility("default"))) void
sweep(Computed *const *computed, long count, Exact *exact, Exact *sizes, uint64_t first, uint64_t step,
           const uint32_t *places, long place_count, long near, Found *found) {
  uint32_t bits[BLOCK];
  float x[BLOCK], y[BLOCK];
  double wide[BLOCK], d[BLOCK], size[BLOCK] = {0};
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
    if (sizes)
      sizes(wide, size, n);
    for (long c = 0; c < count; c++) {
      computed[c](x, y, n);
      look(x, y, d, size, n, found + c);
    }
  }
}
