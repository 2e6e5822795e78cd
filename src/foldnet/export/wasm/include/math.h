/* math.h where there is no library of C: instructions of the machine, functions of the compiler's own library, and
   functions of a float that are computed in double, so that their results are rounded once but for 1e-13. */

#ifndef FOLDNET_MATH_H
#define FOLDNET_MATH_H

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")

#define fabs __builtin_fabs
#define fabsf __builtin_fabsf
#define sqrt __builtin_sqrt
#define floor __builtin_floor
#define ceil __builtin_ceil
#define sqrtf __builtin_sqrtf
#define floorf __builtin_floorf
#define ceilf __builtin_ceilf
#define truncf __builtin_truncf
#define rintf __builtin_rintf

double sin(double), cos(double), tan(double), exp(double), log(double), log2(double), log10(double);
float fmodf(float, float);

static inline float sinf(float x) {
  return (float)sin((double)x);
}

static inline float cosf(float x) {
  return (float)cos((double)x);
}

static inline float tanf(float x) {
  return (float)tan((double)x);
}

static inline float log2f(float x) {
  return (float)log2((double)x);
}

static inline float log10f(float x) {
  return (float)log10((double)x);
}

/* For |x| below this the first terms of a series are closer than a difference of numbers near 1. */
#define SMALL 1e-3

static inline float sinhf(float x) {
  const double d = (double)x, e = exp(d);
  return (float)(d < SMALL && d > -SMALL ? d + d * d * d / 6.0 : 0.5 * (e - 1.0 / e));
}

static inline float coshf(float x) {
  const double e = exp((double)x);
  return (float)(0.5 * (e + 1.0 / e));
}

static inline float asinhf(float x) {
  const double d = (double)x, a = fabs(d), y = log(a + sqrt(a * a + 1.0));
  return (float)(a < SMALL ? d - d * d * d / 6.0 : d < 0.0 ? -y : y);
}

static inline float acoshf(float x) {
  const double d = (double)x;
  return d < 1.0 ? NAN : (float)log(d + sqrt((d - 1.0) * (d + 1.0)));
}

static inline float atanhf(float x) {
  const double d = (double)x;
  return (float)(d < SMALL && d > -SMALL ? d + d * d * d / 3.0 : 0.5 * log((1.0 + d) / (1.0 - d)));
}

/* The angle of (x, y), for y >= 0: of x / y or y / x, halved twice, so that the series has a number below 0.2. */
static inline double fn_angle(double y, double x) {
  const double half_pi = 1.57079632679489661923, a = fabs(x);
  const int steep = y > a;
  double t = steep ? x / y : y == 0.0 ? 0.0 : y == x ? 1.0 : y == a ? -1.0 : y / x;
  t = t / (1.0 + sqrt(1.0 + t * t));
  t = t / (1.0 + sqrt(1.0 + t * t));
  const double z = t * t;
  double series = 0.0;
  for (int k = 21; k >= 3; k -= 2)
    series = z * (1.0 / (double)k - series);
  const double angle = 4.0 * (t - t * series);
  return steep ? half_pi - angle : x < 0.0 || (x == 0.0 && 1.0 / x < 0.0) ? 2.0 * half_pi + angle : angle;
}

static inline float atan2f(float y, float x) {
  const double angle = fn_angle(fabs((double)y), (double)x);
  return x != x || y != y ? x + y : (float)__builtin_copysign(angle, (double)y);
}

static inline float atanf(float x) {
  return atan2f(x, 1.0f);
}

static inline float asinf(float x) {
  const double d = (double)x, angle = fn_angle(fabs(d), sqrt((1.0 - d) * (1.0 + d)));
  return (float)__builtin_copysign(angle, d);
}

static inline float acosf(float x) {
  const double d = (double)x;
  return (float)fn_angle(sqrt((1.0 - d) * (1.0 + d)), d);
}

/* The sum 2/sqrt(pi) * (x - x^3/3 + x^5/10 - ...) near 0; beyond, a continued fraction of 1 - erf(x). */
static inline float erff(float x) {
  const double d = (double)x, a = fabs(d), z = d * d;
  double y = 1.0;
  if (a < 2.5) {
    double term = a;
    y = a;
    for (int k = 1; k < 60; k++) {
      term *= -z / (double)k;
      y += term / (double)(2 * k + 1);
    }
    y *= 1.12837916709551257390;
  } else if (a < 6.0) {
    double below = a;
    for (int k = 60; k > 0; k--)
      below = a + 0.5 * (double)k / below;
    y = 1.0 - exp(-z) / (below * 1.77245385090551602730);
  }
  return x != x ? x : (float)__builtin_copysign(y, d);
}

/* exp(y log |x|), whose error in double is far below a float's; with the special cases of C99. */
static inline float powf(float x, float y) {
  const double a = fabs((double)x), p = (double)y;
  if (y == 0.0f || x == 1.0f)
    return 1.0f;
  if (x != x || y != y)
    return x + y;
  const int whole = floor(p) == p, odd = whole && fabs(p) < 9007199254740992.0 && floor(0.5 * p) != 0.5 * p;
  if (a == 1.0 && fabs(p) == (double)INFINITY)
    return 1.0f;
  if (x < 0.0f && !whole && a != (double)INFINITY)
    return NAN;
  const double size = exp(p * log(a));
  return (float)(odd && __builtin_signbit(x) ? -size : size);
}

#undef SMALL

#endif
