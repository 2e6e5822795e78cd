/* The largest error of a float function over every so many of the 2^32 floats, against doubles. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 4096

typedef void Computed(const float *x, float *y, long n);
typedef void Exact(const double *x, double *y, long n);

typedef struct {
  double error;    /* the largest, in units in the last place of the exact result */
  float at;        /* where */
  int64_t wrong;   /* NaN, an infinity or the sign of 0 where there should be something else, or the reverse */
  float wrong_at;
} Found;

static double unit_of(double d) {
  uint64_t bits;
  memcpy(&bits, &d, 8);
  int64_t e = (int64_t)(bits >> 52 & 0x7ff) - 23;
  e = e < 1023 - 149 ? 1023 - 149 : e;
  bits = (uint64_t)e << 52;
  memcpy(&d, &bits, 8);
  return d;
}

static void look(const float *x, const float *y, const double *d, long n, Found *found) {
  for (long i = 0; i < n; i++) {
    const float r = (float)d[i];
    if (r != r || y[i] != y[i]) {
      if ((r != r) != (y[i] != y[i]))
        found->wrong++, found->wrong_at = x[i];
      continue;
    }
    /* Beyond the largest float the next one would be 2^128. */
    const double got = isinf(y[i]) ? copysign(0x1p128, y[i]) : (double)y[i];
    const double exact = fabs(d[i]) > 0x1p128 ? copysign(0x1p128, d[i]) : d[i];
    const double error = fabs(got - exact) / unit_of(exact);
    if (d[i] == 0 && (y[i] != 0 || signbit(y[i]) != signbit(r)))
      found->wrong++, found->wrong_at = x[i];
    else if (error > found->error)
      found->error = error, found->at = x[i];
  }
}

/* Every step-th float from the first on, and all within `near` of the given ones. */
void sweep(Computed *computed, Exact *exact, uint64_t first, uint64_t step, const float *places, long count, long near,
           Found *found) {
  static float x[BLOCK], y[BLOCK];
  static double wide[BLOCK], d[BLOCK];
  long n = 0;
  uint64_t bits = first;
  long place = 0, beside = -near;
  for (int more = 1; more;) {
    uint32_t next;
    if (bits < (uint64_t)1 << 32) {
      next = (uint32_t)bits;
      bits += step;
    } else if (place < count) {
      memcpy(&next, &places[place], 4);
      next += (uint32_t)beside;
      if (++beside > near) {
        beside = -near;
        place++;
      }
    } else {
      more = 0;
      next = 0;
    }
    memcpy(&x[n++], &next, 4);
    if (n == BLOCK || !more) {
      for (long i = 0; i < n; i++)
        wide[i] = x[i];
      computed(x, y, n);
      exact(wide, d, n);
      look(x, y, d, n, found);
      n = 0;
    }
  }
}
