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

double sin(double), cos(double), tan(double), exp(double), log(double);
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

#endif
