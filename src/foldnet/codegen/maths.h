/* Elementary functions of one float, in plain C99; others are in angles.h, activations.h and numbers.h.

   Each is free of branches, so that a loop over it vectorizes; each treats NaN, infinities and denormal numbers
   as its definition says; each gives the same bits whether it is vectorized or not. The largest errors over all floats,
   in units in the last place of the exact result, with fused multiply-add (and without), are held by the tests:

     fn_exp 1.1 (1.1)          fn_expm1 1.6 (1.7)        fn_log 0.9 (0.9)          fn_log1p 0.9 (0.9)
     fn_log2 1.1 (1.2)         fn_log10 0.9 (1)          fn_sinh 1.2 (1.2)         fn_cosh 1.2 (1.2)
     fn_tanh 1.4 (1.4)         fn_sin 0.9 (0.9)          fn_cos 0.9 (0.9)          fn_tan 1.1 (1.1)
     fn_arcsin 1.3 (1.3)       fn_arccos 1.3 (1.3)       fn_arctan 2 (2)           fn_arctan2 0.7 (0.7)
     fn_arcsinh 1.4 (1.4)      fn_arccosh 1 (1)          fn_arctanh 1.2 (1.2)      fn_erf 1 (1.4)
     fn_erfc 1.6 (1.9)         fn_sigmoid 1.7 (1.8)      fn_silu 1.8 (1.8)         fn_softplus 1.7 (1.7)
     fn_log_sigmoid 1.7 (1.7)  fn_mish 1 (1.5)           fn_gelu 1.4 (2)           fn_gelu_tanh 2 (2)
     fn_tanh_shrink 1.5 (1.8)  fn_selu 1.9 (2)           fn_elu 1.7 (1.7)          fn_celu 2 (2)
     fn_softsign 1.5 (1.5)     fn_hard_sigmoid 1 (1)     fn_power 0.6 (0.6)        fn_floor_divide 0.6 (0.6)

   (alpha is 0.3 in fn_elu and fn_celu; of fn_arctan2, fn_power and fn_floor_divide: over a sample.) Where one float is not
   enough for an intermediate result, what rounding took from it is kept in another: `low`, `rest`, `more`.
   The emitter copies only the functions that a network uses; `fn_` marks one. */

typedef union { float f; int32_t i; } fn_bits;
typedef union { double f; uint64_t i; } fn_wide_bits;

static inline float fn_abs(float x) {
  fn_bits u;
  u.f = x;
  u.i &= 0x7fffffff;
  return u.f;
}

static inline float fn_copysign(float x, float sign) {
  fn_bits u, s;
  u.f = x;
  s.f = sign;
  u.i = (u.i & 0x7fffffff) | (s.i & ~0x7fffffff);
  return u.f;
}

/* c - a * b, exactly but for one rounding, where a * b is close to c; without FMA of halves of the digits (Dekker). */
static inline float fn_rest(float c, float a, float b) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return FMA(-a, b, c);
#else
  fn_bits u, v;
  u.f = a;
  v.f = b;
  u.i &= ~0xfff;
  v.i &= ~0xfff;
  float p = a * b, d = a - u.f, e = b - v.f;
  return (c - p) + ((((p - u.f * v.f) - u.f * e) - d * v.f) - d * e);
#endif
}

/* a + b - s, exactly, for the rounded sum s of numbers that are not negative. */
static inline float fn_sum_lost(float a, float b, float s) {
  return ((a > b ? a : b) - s) + (a > b ? b : a);
}

/* (top + t) / (bottom + b) for what rounding took from both; in `low` what it takes from the quotient. */
static inline float fn_quotient(float top, float t, float bottom, float b, float *low) {
  float by = 1.0f / bottom, q = top * by;
  *low = (fn_rest(top, q, bottom) + FMA(-q, b, t)) * by;
  return q;
}

/* (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2. */
static inline float fn_exp_series(float r) {
  float q = FMA(FMA(FMA(0.00138204114f, r, 0.00836867746f), r, 0.0416682698f), r, 0.166665211f);
  return FMA(q, r, 0.499999940f);
}

/* 2^n of what adding 1.5 * 2^23 + 127 to a number has made of it: its last digits are those of n + 127, which is what
   the exponent of 2^n is written as. */
static inline float fn_pow2_of(float sum) {
  fn_bits u;
  u.f = sum;
  u.i = (int32_t)((uint32_t)u.i << 23);
  return u.f;
}

/* The same of a double and 1.5 * 2^52 + 1023. */
static inline double fn_wide_pow2_of(double sum) {
  fn_wide_bits u;
  u.f = sum;
  u.i <<= 52;
  return u.f;
}

/* exp(x) = 2^n * exp(r) with |r| <= ln(2) / 2; the power is applied in two halves so that n may be -150 to 129. Limits
   come first in comparisons, which leave NaN alone then. */
static inline float fn_exp(float x) {
  float c = -104.0f > x ? -104.0f : x;
  c = 89.0f < c ? 89.0f : c;
  fn_bits u, v;
  u.f = FMA(c, 1.44269504f, 12583166.0f);
  float n = u.f - 12583166.0f, r = FMA(n, -0.693359375f, c);
  r = FMA(n, 2.12194440e-4f, r);
  v.i = (int32_t)((uint32_t)(u.i >> 1) << 23);
  u.i = (int32_t)((uint32_t)((u.i + 1) >> 1) << 23);
  return FMA(u.f, FMA(r * r, fn_exp_series(r), r), u.f) * v.f;
}

/* exp(x + more) = (result + low) * scale for a tiny `more` and x <= 90, no less than exp(-126); the result is between
   2^-100 and 2^101. No `more` is -0.0f, which compilers leave out of a sum. */
static inline float fn_exp_parts(float x, float more, float *low, float *scale) {
  float c = -126.0f > x ? -126.0f : x, n = FMA(c, 1.44269504f, 12582912.0f) - 12582912.0f;
  float far = FMA(n, -0.693359375f, c), near = n * 2.12194440e-4f, r = far + near;
  float t = FMA(r * r, fn_exp_series(r), r), y = t + 1.0f;
  float most = -100.0f > n ? -100.0f : n;
  most = 100.0f < most ? 100.0f : most;
  float power = fn_pow2_of(most + 12583039.0f);
  *low = FMA(y, ((far - r) + near) + more, t - (y - 1.0f)) * power;
  *scale = fn_pow2_of((n - most) + 12583039.0f);
  return y * power;
}

/* exp(x) - 1 = 2 * (t * (exp(r) - 1) + (t - 1/2)) with t = 2^(n-1), without cancellation near 0. */
static inline float fn_expm1(float x) {
  float c = -20.0f > x ? -20.0f : x;
  c = 89.0f < c ? 89.0f : c;
  float sum = FMA(c, 1.44269504f, 12583038.0f), n = sum - 12583038.0f, t = fn_pow2_of(sum);
  float r = FMA(n, -0.693359375f, c);
  r = FMA(n, 2.12194440e-4f, r);
  float q = FMA(FMA(FMA(FMA(0.00138706562f, r, 0.00836626161f), r, 0.0416674353f), r, 0.166665465f), r, 0.499999970f);
  float y = 2.0f * FMA(t, FMA(r * r, q, r), t - 0.5f);
  return fn_abs(x) < 1e-30f ? x : y;
}

/* The power n of two for which x / 2^n is between sqrt(1/2) and sqrt(2), given x's bits; something for a negative x. */
static inline int32_t fn_exponent(int32_t bits) {
  return (int32_t)((uint32_t)bits - 0x3f3504f3u) >> 23;
}

/* The bits of x / 2^n. */
static inline int32_t fn_without(int32_t bits, int32_t n) {
  return (int32_t)((uint32_t)bits - (uint32_t)n * 8388608u);
}

/* (log(1 + f) - f + f^2 / 2) / f^3 for sqrt(1/2) <= 1 + f < sqrt(2). */
static inline float fn_log_series(float f) {
  float p = FMA(0.067466013f, f, -0.116756409f);
  p = FMA(FMA(FMA(p, f, 0.118881747f), f, -0.124055916f), f, 0.142195508f);
  return FMA(FMA(FMA(FMA(p, f, -0.166679963f), f, 0.200021192f), f, -0.250000089f), f, 0.333333135f);
}

/* log(1 + f) - f */
static inline float fn_log_curve(float f) {
  float z = f * f;
  return FMA(z * f, fn_log_series(f), -0.5f * z);
}

/* log((1 + f) * 2^n) + more for a tiny `more`. */
static inline float fn_log_near(float f, float n, float more) {
  float z = f * f, y = FMA(z * f, fn_log_series(f), FMA(n, -2.12194440e-4f, more));
  return FMA(n, 0.693359375f, f + FMA(-0.5f, z, y));
}

static inline float fn_log(float x) {
  int small = x < 1.17549435e-38f;
  fn_bits u;
  u.f = small ? x * 8388608.0f : x;
  int32_t e = fn_exponent(u.i);
  u.i = fn_without(u.i, e);
  float y = fn_log_near(u.f - 1.0f, (float)(e - (small ? 23 : 0)), 0.0f);
  y = x == 0.0f ? -(float)INFINITY : y;
  y = x < 0.0f ? (float)NAN : y;
  return x == (float)INFINITY || x != x ? x : y;
}

/* log(1 + x + more) for a tiny `more`: the logarithm of the rounded sum, and what the rounding lost. */
static inline float fn_log1p_parts(float x, float more, float n) {
  fn_bits u;
  u.f = 1.0f + x;
  float lost = ((x < 1.0f ? x - (u.f - 1.0f) : 1.0f - (u.f - x)) + more) / u.f;
  int32_t e = fn_exponent(u.i);
  u.i = fn_without(u.i, e);
  return fn_log_near(u.f - 1.0f, (float)e + n, lost);
}

static inline float fn_log1p(float x) {
  float y = fn_log1p_parts(x, 0.0f, 0.0f);
  y = x == -1.0f ? -(float)INFINITY : x < -1.0f ? (float)NAN : y;
  return x == (float)INFINITY || x == 0.0f || x != x ? x : y;
}

/* (log((1 + f) * 2^n) - log(2^n)) * (factor + more), with the power added as (high + low) * n. */
static inline float fn_log_scaled(float x, float factor, float more, float high, float low) {
  int small = x < 1.17549435e-38f;
  fn_bits u;
  u.f = small ? x * 8388608.0f : x;
  int32_t e = fn_exponent(u.i);
  u.i = fn_without(u.i, e);
  float f = u.f - 1.0f, n = (float)(e - (small ? 23 : 0)), t = fn_log_curve(f), y = f * factor;
  float rest = FMA(n, low, FMA(t, factor, FMA(f, more, -fn_rest(y, f, factor))));
  float sum = n * high + y;
  y = sum + (((n * high - sum) + y) + rest);
  y = x == 0.0f ? -(float)INFINITY : y;
  y = x < 0.0f ? (float)NAN : y;
  return x == (float)INFINITY || x != x ? x : y;
}

static inline float fn_log2(float x) {
  return fn_log_scaled(x, 1.44269502f, 1.92596303e-08f, 1.0f, 0.0f);
}

static inline float fn_log10(float x) {
  return fn_log_scaled(x, 0.434294492f, -1.010305e-08f, 0.30078125f, 0.000248745666f);
}

static inline float fn_sinh(float x) {
  float a = fn_abs(x), z = a * a, low, scale, e = 0.5f * fn_exp_parts(90.0f < a ? 90.0f : a, -0.0f, &low, &scale);
  float far = (e - (0.25f / e - 0.5f * low)) * scale;
  float p = FMA(FMA(FMA(2.7822302e-06f, z, 0.00019842894f), z, 0.0083333105f), z, 0.16666667f);
  return fn_copysign(a < 1.0f ? FMA(a * z, p, a) : far, x);
}

static inline float fn_cosh(float x) {
  float a = fn_abs(x), low, scale, e = 0.5f * fn_exp_parts(90.0f < a ? 90.0f : a, -0.0f, &low, &scale);
  return (e + (0.25f / e + 0.5f * low)) * scale;
}

/* log(1 + a + a^2 / (1 + sqrt(1 + a^2))) for a = |x|; from 2^13 on log(2 a). */
static inline float fn_arcsinh(float x) {
  float a = fn_abs(x);
  int far = a >= 8192.0f;
  float c = far ? 8192.0f : a, z = c * c, w = z / (1.0f + sqrtf(1.0f + z)), u = c + w;
  float y = fn_log1p_parts(far ? a - 1.0f : u, far ? 0.0f : fn_sum_lost(c, w, u), far ? 1.0f : 0.0f);
  return a < (float)INFINITY ? fn_copysign(y, x) : x;
}

/* log(1 + t + sqrt(t * (t + 2))) for t = x - 1; from 2^13 on log(2 x). */
static inline float fn_arccosh(float x) {
  int far = x >= 8192.0f;
  float t = (far ? 8192.0f : x) - 1.0f, sum = t + 2.0f, h = t * sum, s = sqrtf(h), u = t + s;
  float low = FMA(t, fn_sum_lost(2.0f, t, sum), fn_rest(h, s, s) - fn_rest(h, t, sum)) / (2.0f * s + 1e-30f);
  float y = fn_log1p_parts(far ? x - 1.0f : u, far ? 0.0f : fn_sum_lost(t, s, u) + low, far ? 1.0f : 0.0f);
  y = x < 1.0f ? (float)NAN : y;
  return x == (float)INFINITY || x != x ? x : y;
}

/* log(1 + 2 a / (1 - a)) / 2 for a = |x|. */
static inline float fn_arctanh(float x) {
  float a = fn_abs(x), c = a < 1.0f ? a : 0.0f, bottom = 1.0f - c, low;
  float u = fn_quotient(2.0f * c, 0.0f, bottom, (1.0f - bottom) - c, &low);
  float y = fn_copysign(0.5f * fn_log1p_parts(u, low, 0.0f), x);
  y = a == 1.0f ? fn_copysign((float)INFINITY, x) : a > 1.0f ? (float)NAN : y;
  return x != x || x == 0.0f ? x : y;
}

/* x + x^3 * P(x^2) below 0.55, and 1 - 2 / (exp(2 x) + 1) from there. */
static inline float fn_tanh(float x) {
  float a = fn_abs(x), c = 10.0f < a ? 10.0f : a, z = a * a;
  float p = FMA(FMA(FMA(-0.00624284903f, z, 0.0210507140f), z, -0.0538475476f), z, 0.133325443f);
  float near = FMA(a * z, FMA(p, z, -0.333333164f), a);
  float sum = FMA(c, 2.88539008f, 12583039.0f), n = sum - 12583039.0f, power = fn_pow2_of(sum);
  float r = FMA(n, -0.693359375f, c + c);
  r = FMA(n, 2.12194440e-4f, r);
  float far = 1.0f - 2.0f / FMA(power, FMA(r * r, fn_exp_series(r), r), power + 1.0f);
  return fn_copysign(a < 0.55f ? near : far, x);
}

/* by * sigmoid(x + more) for a tiny `more` and |by| <= 126, as by * 2^n / (2^n + exp(r)) with r = n * ln(2) - x. The
   power is 2^48 times as large, so that it is a float; `lost` is what rounding took from 1 + 2^n. */
static inline float fn_sigmoid_times(float x, float more, float by) {
  const float unit = 3.55271368e-15f;
  float c = -110.0f > x ? -110.0f : x;
  c = 20.0f < c ? 20.0f : c;
  float sum = FMA(c, 1.44269504f, 12583087.0f), n = sum - 12583087.0f, power = fn_pow2_of(sum);
  float r = FMA(n, 0.693359375f, -c);
  r = FMA(n, -2.12194440e-4f, r) - more;
  float one = FMA(power, unit, 1.0f), lost = FMA(power, unit, 1.0f - one);
  return by * power / (one + (FMA(r * r, fn_exp_series(r), r) + lost)) * unit;
}

static inline float fn_sigmoid(float x) {
  return fn_sigmoid_times(x, 0.0f, 1.0f);
}

/* x * sigmoid(u + more). From 126 on it has grown to x or fallen to 0. */
static inline float fn_gated(float x, float u, float more) {
  float y = fn_sigmoid_times(u, more, x);
  return fn_abs(x) < 126.0f ? y : x > 0.0f ? x : x * 0.0f;
}

/* x * (q + low) * scale. From 126 on a function that grows as x or falls to 0 has done so. */
static inline float fn_weighted(float x, float q, float low, float scale) {
  float y = FMA(x, q, x * low) * scale;
  return fn_abs(x) < 126.0f ? y : x > 0.0f ? x : x * 0.0f;
}

/* exp(-by * x^2) = (result + low) * scale, where `by` is a power of two. */
static inline float fn_bell_parts(float x, float by, float *low, float *scale) {
  float square = x * x;
  return fn_exp_parts(-by * square, by * fn_rest(square, x, x), low, scale);
}

/* erfc(x) = exp(-x^2) * P((x - 2.875) / (x + 2.875)) / (x + 0.5625) for 0 <= x <= 10.5, as (result + low) * scale. */
static inline float fn_erfc_parts(float x, float *low, float *scale) {
  float q = FMA(2.0f * x, 1.0f / (x + 2.875f), -1.0f);
  float p = FMA(FMA(FMA(-0.000117642776f, q, -0.00015667782f), q, 0.0010593861f), q, -0.00015406343f);
  p = FMA(FMA(FMA(FMA(p, q, -0.008413647f), q, 0.029225718f), q, -0.05477546f), q, 0.059647493f);
  p = FMA(FMA(FMA(p, q, -0.013978213f), q, -0.08772421f), q, 0.014563839f);
  float rest, e = fn_bell_parts(x, 1.0f, &rest, scale), high = 0.625f + p, t = p - (high - 0.625f);
  float top = e * high, bottom = x + 0.5625f;
  t = FMA(rest, high, FMA(e, t, -fn_rest(top, e, high)));
  return fn_quotient(top, t, bottom, fn_sum_lost(x, 0.5625f, bottom), low);
}

static inline float fn_erfc(float x) {
  float a = fn_abs(x), low, scale, q = fn_erfc_parts(a < 10.5f ? a : 10.5f, &low, &scale);
  float tail = (q + low) * scale, y = x < 0.0f ? 2.0f - tail : tail;
  return x != x ? x : y;
}

/* From 1 on by erfc; below x + x * P(x^2). */
static inline float fn_erf(float x) {
  float a = fn_abs(x), z = x * x;
  float p = FMA(FMA(FMA(7.806904e-05f, z, -0.0007997853f), z, 0.005187162f), z, -0.026853347f);
  p = FMA(FMA(FMA(p, z, 0.11283579f), z, -0.37612626f), z, 0.12837917f);
  float near = FMA(x, p, x), far = fn_copysign(1.0f - fn_erfc(a), x);
  return a < 1.0f ? near : far;
}
