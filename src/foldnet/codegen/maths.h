/* Elementary functions and activations of one float, in plain C99.

   Each is free of branches, so that a loop over it vectorizes; each treats NaN, infinities and denormal numbers
   as its definition says; each gives the same bits whether it is vectorized or not. The largest errors over all floats,
   in units in the last place of the exact result, with fused multiply-add (and without), are held by the tests:

     fn_exp 1.1 (1.1)          fn_expm1 1.6 (1.7)        fn_log 0.9 (0.9)          fn_log1p 0.9 (0.9)
     fn_log2 1.1 (1.2)         fn_log10 0.9 (1)          fn_sinh 1.2 (1.2)         fn_cosh 1.2 (1.2)
     fn_tanh 1.4 (1.4)         fn_sin 0.9 (0.9)          fn_cos 0.9 (0.9)          fn_tan 1.1 (1.1)
     fn_arcsin 1.3 (1.3)       fn_arccos 1.3 (1.3)       fn_arctan 2 (2)           fn_arctan2 0.7 (0.7)
     fn_arcsinh 1.4 (1.4)      fn_arccosh 1 (1)          fn_arctanh 1.2 (1.2)      fn_erf 1 (1.4)
     fn_erfc 1.6 (1.9)         fn_sigmoid 1.7 (1.8)      fn_silu 1.7 (1.7)         fn_softplus 1.7 (1.7)
     fn_log_sigmoid 1.7 (1.7)  fn_mish 1 (1.5)           fn_gelu 1.4 (2)           fn_gelu_tanh 1.8 (1.8)
     fn_tanh_shrink 1.5 (1.8)  fn_selu 1.9 (1.9)         fn_elu 1.7 (1.7)          fn_celu 2 (2)
     fn_softsign 1.5 (1.5)     fn_hard_sigmoid 1 (1)     fn_power 0.6 (0.6)        fn_floor_divide 0.6 (0.6)

   (alpha is 0.3 in fn_elu and fn_celu.) Where one float is not enough for an intermediate result, what rounding took
   from it is kept in another: `low`, `rest`, `more`.
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

/* x^y = 2^(y * log2(x)) in double, with log2((1 + s) / (1 - s)) = s * P(s^2). What is special of 0, 1, infinities,
   NaN and negative x is as C has it. */
static inline float fn_power(float x, float y) {
  if (sizeof(double) < 8)
    return powf(x, y);
  float a = fn_abs(x), b = fn_abs(y), most = b < 16777216.0f ? b : 16777216.0f;
  int32_t count = (int32_t)most, whole = (float)count == most, odd = whole && (count & 1) != 0, small = a < 1.17549435e-38f;
  fn_bits u;
  u.f = small ? a * 8388608.0f : a;
  int32_t e = fn_exponent(u.i);
  u.i = fn_without(u.i, e);
  float n = a == (float)INFINITY ? a : (float)(e - (small ? 23 : 0));
  n = a == 0.0f ? -(float)INFINITY : n;
  double m = (double)u.f, s = (m - 1.0) / (m + 1.0), z = s * s;
  double p = (0.3407489861588144 * z + 0.4116717455171809) * z + 0.5770836003345697;
  double t = (double)y * (((p * z + 0.9617966732662703) * z + 2.885390081790142) * s + (double)n);
  t = -200.0 > t ? -200.0 : t;
  t = 200.0 < t ? 200.0 : t;
  double sum = t + 6755399441056767.0, f = t - (sum - 6755399441056767.0);
  double q = (0.00015345762 * f + 0.0013399984006304893) * f + 0.009618489548812862;
  q = ((q * f + 0.05550328646713051) * f + 0.2402264688136437) * f + 0.6931472057969754;
  float size = (float)((q * f + 1.0000000005559548) * fn_wide_pow2_of(sum));
  size = odd && fn_copysign(1.0f, x) < 0.0f ? -size : size;
  size = x < 0.0f && !whole && a < (float)INFINITY ? (float)NAN : size;
  size = a == 1.0f && b == (float)INFINITY ? 1.0f : size;
  return x != x || y != y ? (y == 0.0f || x == 1.0f ? 1.0f : (float)NAN) : y == 0.0f ? 1.0f : size;
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

/* The first of four numbers for a < 2^54, or the one after it for each 29 digits more. */
static inline double fn_by_size(double a, double first, double second, double third, double fourth) {
  double low = a < 1.8014398509481984e16 ? first : second, high = a < 5.1922968585348276e33 ? third : fourth;
  return a < 9.6714065569170334e24 ? low : high;
}

/* What a number from 0 to 2^54 is away from the nearest multiple of 4. */
static inline double fn_off_four(double a) {
  return a - ((a + 1.8014398509481984e16) - 1.8014398509481984e16);
}

/* |x| in quarter turns, the nearest of which is the result; what is left, in radians, is *r + *low. The digits of 2 / pi are
   taken 29 at a time, as the product of so many and of a float is exact in double; those before would add whole turns
   (Payne and Hanek). */
static inline int32_t fn_quarter_turns(float x, float *r, float *low) {
  double a = (double)fn_abs(x);
  double high = a * fn_by_size(a, 0.636619770899415, 1.4681663246252086e-09, 2.2760100671971816e-18, 5.8812147387730434e-27);
  double middle = a * fn_by_size(a, 1.4681663246252086e-09, 2.2760100671971816e-18, 5.8812147387730434e-27, 1.0346868700836215e-35);
  double rest = a * fn_by_size(a, 2.276010073078396e-18, 5.881214749119912e-27, 1.0346868704619472e-35, 3.7832563882960676e-45);
  high = fn_off_four(high);
  middle = fn_off_four(middle);
  /* Adding 1.5 * 2^52 leaves no room for a fraction, and has a whole number in the last digits. */
  fn_wide_bits turns;
  turns.f = ((high + middle) + rest) + 6755399441055744.0;
  double left = (((high - (turns.f - 6755399441055744.0)) + middle) + rest) * 1.5707963267948966;
  *r = (float)left;
  *low = (float)(left - (double)*r);
  return (int32_t)(uint32_t)turns.i;
}

/* sin(r + low), and what rounding takes from it, for |r| <= pi/4. */
static inline float fn_sin_near(float r, float low, float *rest) {
  float z = r * r, p = FMA(FMA(-0.000195179091f, z, 0.00833218731f), z, -0.166666552f);
  *rest = FMA(r * z, p, FMA(-0.5f * z, low, low));
  return r;
}

/* The same of cos(r + low). */
static inline float fn_cos_near(float r, float low, float *rest) {
  float z = r * r, half = 0.5f * z, y = 1.0f - half;
  float p = FMA(FMA(2.44323364e-05f, z, -0.00138873095f), z, 0.0416666456f);
  *rest = ((1.0f - y) - half) + FMA(z * z, p, -r * low);
  return y;
}

/* Of what is not finite there is none. Where a double is no more than a float, the C library knows better. */
static inline float fn_sin(float x) {
  if (sizeof(double) < 8)
    return sinf(x);
  float r, low, s, c;
  int32_t turns = fn_quarter_turns(x, &r, &low);
  float sine = fn_sin_near(r, low, &s), cosine = fn_cos_near(r, low, &c);
  float y = (turns & 1) != 0 ? cosine + c : sine + s;
  y = (turns & 2) != 0 ? -y : y;
  return x - x == 0.0f ? fn_copysign(1.0f, x) * y : (float)NAN;
}

static inline float fn_cos(float x) {
  if (sizeof(double) < 8)
    return cosf(x);
  float r, low, s, c;
  int32_t turns = fn_quarter_turns(x, &r, &low);
  float sine = fn_sin_near(r, low, &s), cosine = fn_cos_near(r, low, &c);
  float y = (turns & 1) != 0 ? sine + s : cosine + c;
  y = ((turns + 1) & 2) != 0 ? -y : y;
  return x - x == 0.0f ? y : (float)NAN;
}

static inline float fn_tan(float x) {
  if (sizeof(double) < 8)
    return tanf(x);
  float r, low, s, c, lost;
  int32_t turns = fn_quarter_turns(x, &r, &low), odd = (turns & 1) != 0;
  float sine = fn_sin_near(r, low, &s), cosine = fn_cos_near(r, low, &c);
  float a = sine + s, b = cosine + c, t = (sine - a) + s, u = (cosine - b) + c;
  float q = fn_quotient(odd ? -b : a, odd ? -u : t, odd ? a : b, odd ? t : u, &lost);
  return x - x == 0.0f ? fn_copysign(1.0f, x) * (q + lost) : (float)NAN;
}

/* arctan(t + low) + base for |t| <= tan(pi/8) and a tiny `low`; in `rest` what rounding took from the sum. */
static inline float fn_arctan_near(float t, float low, float base, float more, float *rest) {
  float z = t * t, y = base + t;
  float p = FMA(FMA(FMA(FMA(-0.060898677f, z, 0.10599121f), z, -0.14244388f), z, 0.19998528f), z, -0.33333316f);
  *rest = (base == 0.0f ? 0.0f : (base - y) + t) + FMA(t * z, p, more + low);
  return y;
}

/* By what a tangent is away from that of 0, pi/4 or pi/2. */
static inline float fn_arctan(float x) {
  float a = fn_abs(x), c = 1e10f < a ? 1e10f : a, rest;
  int steep = c > 2.41421366f, middle = c > 0.414213568f;
  float t = (steep ? -1.0f : middle ? c - 1.0f : c) / (steep ? c : middle ? c + 1.0f : 1.0f);
  float base = steep ? 1.57079637f : middle ? 0.785398185f : 0.0f;
  float y = fn_arctan_near(t, 0.0f, base, steep ? -4.37113883e-8f : middle ? -2.18556941e-8f : 0.0f, &rest);
  return fn_copysign(y + rest, x);
}

/* The angle of (x, y). Sizes are brought to where no sum and no product is too large or small; of what is far smaller than
   the other the quotient is the angle. */
static inline float fn_arctan2(float y, float x) {
  float a = fn_abs(y), b = fn_abs(x), most = a > b ? a : b, low, rest;
  b = most == 0.0f ? 1.0f : b;
  float tiny = a / b, scale = most > 1e18f ? 5.42101086e-20f : most < 1e-18f ? 1.84467441e19f : 1.0f;
  a = 1.26765060e30f < a * scale ? 1.26765060e30f : a * scale;
  b = 1.26765060e30f < b * scale ? 1.26765060e30f : b * scale;
  int steep = a > 2.41421366f * b, middle = !steep && a > 0.414213568f * b;
  float top = steep ? -b : middle ? a - b : a, bottom = steep ? a : middle ? a + b : b;
  float t = middle ? a > b ? (a - top) - b : a - (b + top) : 0.0f;
  float q = fn_quotient(top, t, bottom, middle ? fn_sum_lost(a, b, bottom) : 0.0f, &low);
  float base = steep ? 1.57079637f : middle ? 0.785398185f : 0.0f;
  float angle = fn_arctan_near(q, low, base, steep ? -4.37113883e-8f : middle ? -2.18556941e-8f : 0.0f, &rest);
  float other = 3.14159274f - angle;
  other = other + (((3.14159274f - other) - angle) - (rest + 8.74227766e-8f));
  angle = tiny < 1e-6f ? tiny : angle + rest;
  angle = fn_copysign(fn_copysign(1.0f, x) < 0.0f ? other : angle, y);
  return x != x ? x : angle;
}

/* arcsin(s) = s + s^3 * P(s^2) up to 1/2; above by s = sqrt((1 - |x|) / 2), whose arcsine is half of what is missing. */
static inline float fn_arcsin_parts(float x, float *s) {
  float a = fn_abs(x), z = a <= 0.5f ? a * a : 0.5f * (1.0f - a);
  *s = a <= 0.5f ? a : sqrtf(z);
  float p = FMA(FMA(FMA(0.037657455f, z, 0.014336775f), z, 0.031834897f), z, 0.04451369f);
  return *s * z * FMA(FMA(p, z, 0.07500521f), z, 0.1666666f);
}

static inline float fn_arcsin(float x) {
  float s, more = fn_arcsin_parts(x, &s), rest = 1.57079637f - 2.0f * s;
  float far = rest + (((1.57079637f - rest) - 2.0f * s) - FMA(2.0f, more, 4.37113883e-8f));
  float y = fn_copysign(fn_abs(x) <= 0.5f ? s + more : far, x);
  return x != x ? x : y;
}

static inline float fn_arccos(float x) {
  float s, more = fn_arcsin_parts(x, &s);
  float middle = 1.57079637f - fn_copysign(s + (more + fn_copysign(4.37113883e-8f, x)), x);
  float far = x > 0.0f ? 2.0f * (s + more) : 3.14159274f - (2.0f * (s + more) + 8.74227766e-8f);
  return fn_abs(x) <= 0.5f ? middle : far;
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

static inline float fn_linear(float x) {
  return x;
}

/* With a threshold and no slope, NaN gives 0, as in Keras. */
static inline float fn_relu(float x, float negative_slope, float max_value, float threshold) {
  float positive = x <= 0.0f ? 0.0f : x, above = x > threshold ? x : 0.0f;
  float y = threshold != 0.0f ? above : positive;
  y = y > max_value ? max_value : y;
  float depth = threshold - x;
  depth = depth <= 0.0f ? 0.0f : depth;
  return negative_slope != 0.0f ? y - negative_slope * depth : y;
}

static inline float fn_relu_plain(float x) {
  return x <= 0.0f ? 0.0f : x;
}

static inline float fn_relu6(float x) {
  float y = x <= 0.0f ? 0.0f : x;
  return y > 6.0f ? 6.0f : y;
}

static inline float fn_leaky_relu(float x, float negative_slope) {
  return x < 0.0f ? negative_slope * x : x;
}

static inline float fn_elu(float x, float alpha) {
  return x > 0.0f ? x : alpha * fn_expm1(x);
}

static inline float fn_selu(float x) {
  return (x > 0.0f ? 1.05070102f : 1.75809932f) * (x > 0.0f ? x : fn_expm1(x));
}

static inline float fn_celu(float x, float alpha) {
  return x > 0.0f ? x : alpha * fn_expm1(x / alpha);
}

static inline float fn_exponential(float x) {
  return fn_exp(x);
}

/* log(1 + e^-|x|), for what is added to max(x, 0). The power is 2^24 times as large, so that it is a float. */
static inline float fn_softplus(float x) {
  float c = -fn_abs(x);
  c = -104.0f > c ? -104.0f : c;
  float sum = FMA(c, 1.44269504f, 12583063.0f), n = sum - 12583063.0f, power = fn_pow2_of(sum);
  float r = FMA(n, -0.693359375f, c);
  r = FMA(n, 2.12194440e-4f, r);
  float e = FMA(power, FMA(r * r, fn_exp_series(r), r), power) * 5.96046448e-8f;
  float u = 1.0f + e, lost = (1.0f - u) + e;
  int large = u > 1.41421356f;
  float y = fn_log_near((large ? 0.5f * u : u) - 1.0f, large ? 1.0f : 0.0f, lost / u);
  return (x < 0.0f ? 0.0f : x) + y;
}

static inline float fn_log_sigmoid(float x) {
  return -fn_softplus(-x);
}

static inline float fn_softsign(float x) {
  return x / (1.0f + fn_abs(x));
}

static inline float fn_silu(float x) {
  return fn_gated(x, x, 0.0f);
}

/* x * Phi(x) with Phi(-x) = exp(-x^2 / 2) * P((x - 4) / (x + 4)) / (x + 0.8125) for 0 <= x <= 15.5. */
static inline float fn_gelu(float x) {
  float a = fn_abs(x), low, rest, scale;
  a = a < 15.5f ? a : 15.5f;
  float q = FMA(2.0f * a, 1.0f / (a + 4.0f), -1.0f);
  float p = FMA(FMA(FMA(-7.4257805e-05f, q, -5.300076e-05f), q, 0.0007244823f), q, -0.00042355203f);
  p = FMA(FMA(FMA(FMA(p, q, -0.0050980356f), q, 0.019532513f), q, -0.03798471f), q, 0.04204514f);
  p = FMA(FMA(FMA(p, q, -0.009321489f), q, -0.0647539f), q, 0.016851211f);
  float e = fn_bell_parts(a, 0.5f, &rest, &scale), high = 0.4375f + p, t = p - (high - 0.4375f);
  float top = e * high, bottom = a + 0.8125f;
  t = FMA(rest, high, FMA(e, t, -fn_rest(top, e, high)));
  float tail = fn_quotient(top, t, bottom, fn_sum_lost(a, 0.8125f, bottom), &low), main = 1.0f - tail;
  low = x > 0.0f ? ((1.0f - main) - tail) - low : low;
  return fn_copysign(fn_weighted(x, x > 0.0f ? main : tail, low, x > 0.0f ? 1.0f : scale), x);
}

/* x * sigmoid(x * (A + B * x^2)); what rounding takes from the sigmoid's argument shows where it is large. */
static inline float fn_gelu_tanh(float x) {
  float c = -12.0f > x ? -12.0f : x;
  c = 12.0f < c ? 12.0f : c;
  float z = c * c, b = 0.0713548139f * z, t = 1.59576917f + b, u = c * t;
  float more = FMA(-0.0713548139f, fn_rest(z, c, c), FMA(2.3988325e-9f, z, -fn_rest(b, 0.0713548139f, z)));
  more = (fn_sum_lost(1.59576917f, b, t) + more) - 4.534068e-08f;
  return fn_gated(x, u, FMA(c, more, -fn_rest(u, c, t)));
}

static inline float fn_hard_sigmoid(float x) {
  float y = x + 3.0f;
  y = y < 0.0f ? 0.0f : y;
  return (y > 6.0f ? 6.0f : y) / 6.0f;
}

/* What Keras 1 and 2 computed under the name of the former. */
static inline float fn_hard_sigmoid_keras2(float x) {
  /* 0.2 x + 0.5 would cancel near -2.5, where 0.2f is not 0.2. */
  float y = (x + 2.5f) * 0.2f;
  y = y < 0.0f ? 0.0f : y;
  return y > 1.0f ? 1.0f : y;
}

static inline float fn_hard_silu(float x) {
  return x * fn_hard_sigmoid(x);
}

static inline float fn_hard_tanh(float x) {
  float y = x < -1.0f ? -1.0f : x;
  return y > 1.0f ? 1.0f : y;
}

/* NaN gives 0 in both, as in Keras. */
static inline float fn_hard_shrink(float x, float threshold) {
  return fn_abs(x) > threshold ? x : 0.0f;
}

static inline float fn_soft_shrink(float x, float threshold) {
  float a = fn_abs(x);
  return a > threshold ? fn_copysign(a - threshold, x) : 0.0f;
}

/* x - tanh(x): x^3 * P(x^2) below 1, where the difference would cancel, and |x| - 1 + 2 * sigmoid(-2 |x|) from there. */
static inline float fn_tanh_shrink(float x) {
  float a = fn_abs(x), z = a * a, cube = a * z;
  float p = FMA(FMA(FMA(0.00011377148f, z, -0.00060319365f), z, 0.0016818146f), z, -0.0038587358f);
  p = FMA(FMA(FMA(FMA(p, z, 0.009009318f), z, -0.021910703f), z, 0.05397386f), z, -0.13333362f);
  p = FMA(p, z, 0.083333336f);
  float high = 0.25f + p, rest = p - (high - 0.25f);
  rest = FMA(cube, rest, -high * FMA(a, fn_rest(z, a, a), fn_rest(cube, a, z)));
  float far = (a - 1.0f) + 2.0f * fn_sigmoid(-2.0f * a);
  float y = fn_copysign(a < 1.0f ? FMA(cube, high, rest) : far, x);
  return x != x ? x : y;
}

/* In double, so that the square neither overflows nor cancels. */
static inline float fn_squareplus(float x, float b) {
  double d = (double)x;
  return (float)(0.5 * (d + sqrt(d * d + (double)b)));
}

static inline float fn_sparse_plus(float x) {
  float middle = 0.25f * (x + 1.0f) * (x + 1.0f);
  float y = x < 1.0f ? middle : x;
  return x <= -1.0f ? 0.0f : y;
}

static inline float fn_sparse_sigmoid(float x) {
  float y = x + 1.0f;
  y = y < 0.0f ? 0.0f : y;
  return 0.5f * (y > 2.0f ? 2.0f : y);
}

static inline float fn_threshold(float x, float threshold, float default_value) {
  return x > threshold ? x : default_value;
}

static inline float fn_thresholded_relu(float x, float theta) {
  return x * (x > theta ? 1.0f : 0.0f);
}

/* max(x, 0) - alpha * max(-x, 0) */
static inline float fn_prelu(float x, float alpha) {
  float positive = x <= 0.0f ? 0.0f : x, negative = x >= 0.0f ? 0.0f : -x;
  return positive - alpha * negative;
}

/* x * tanh(log(1 + e^x)) = x * w / (w + 2) with w = e^x * (e^x + 2); from 20 on the factor is 1. */
static inline float fn_mish(float x) {
  float rest, low, scale, e = fn_exp_parts(x < 20.0f ? x : 20.0f, -0.0f, &rest, &scale);
  float sum = e + 2.0f, w = e * sum, bottom = w + 2.0f;
  float t = FMA(rest, sum, FMA(e, fn_sum_lost(2.0f, e, sum) + rest, -fn_rest(w, e, sum)));
  float q = fn_quotient(w, t, bottom, fn_sum_lost(2.0f, w, bottom) + t, &low), y = fn_weighted(x, q, low, scale);
  return x < 20.0f ? fn_copysign(y, x) : x;
}

/* Towards zero. What does not fit, NaN included, is reported by the caller and becomes 0. */
static inline int fn_is_index(float x) {
  return x >= -2147483648.0f && x < 2147483648.0f;
}

static inline int32_t fn_to_int(float x) {
  return fn_is_index(x) ? (int32_t)x : 0;
}

/* The place of a number among ascending keys; -1 if it is none of them. */
static inline int32_t fn_find(int32_t x, const int32_t *keys, int32_t count) {
  int32_t low = 0, high = count;
  while (low < high) {
    int32_t middle = low + (high - low) / 2;
    if (keys[middle] < x)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && keys[low] == x ? low : -1;
}

/* With the sign of the divisor, as Python's %. */
static inline int32_t fn_floor_mod(int32_t x, int32_t n) {
  int32_t rest = x % n;
  return rest < 0 ? rest + n : rest;
}

/* NaN in either operand is kept, as NumPy's maximum and minimum do. */
static inline float fn_maximum(float a, float b) {
  float y = a > b ? a : b;
  return a != a ? a : y;
}

static inline float fn_minimum(float a, float b) {
  float y = a < b ? a : b;
  return a != a ? a : y;
}

/* r without the nearest multiple of b / 2^29, exactly, as the multiple has 29 digits or less. */
static inline double fn_without_multiple(double r, double *b, double *by, double *count) {
  *b *= 1.86264514923095703e-9;
  *by *= 536870912.0;
  double q = (r * *by + 6755399441055744.0) - 6755399441055744.0;
  *count = *count * 536870912.0 + q;
  return r - q * *b;
}

/* |a| divided by |b|: what is left, and in *count how many times b was taken. The quotient of two floats may have 277
   digits before the point, which are found 29 at a time. Where a double is no more than a float, by the C library. */
static inline float fn_remainder(float a, float b, double *count) {
  if (sizeof(double) < 8) {
    float rest = fmodf(fn_abs(a), fn_abs(b));
    *count = (double)floorf((fn_abs(a) - rest) / fn_abs(b) + 0.5f);
    return rest;
  }
  double r = (double)fn_abs(a), d = (double)fn_abs(b);
  /* d * 2^290 */
  double n = d * 8.3076749736557242e34 * 8.3076749736557242e34 * 2.8823037615171174e17, by = 1.0 / n;
  *count = 0.0;
  r = fn_without_multiple(r, &n, &by, count);
  r = fn_without_multiple(r, &n, &by, count);
  r = fn_without_multiple(r, &n, &by, count);
  r = fn_without_multiple(r, &n, &by, count);
  r = fn_without_multiple(r, &n, &by, count);
  r = fn_without_multiple(r, &n, &by, count);
  r = fn_without_multiple(r, &n, &by, count);
  r = fn_without_multiple(r, &n, &by, count);
  r = fn_without_multiple(r, &n, &by, count);
  r = fn_without_multiple(r, &n, &by, count);
  *count -= r < 0.0 ? 1.0 : 0.0;
  r = r < 0.0 ? r + d : r;
  /* Of infinity nothing is taken from what is finite. */
  int none = fn_abs(b) == (float)INFINITY && fn_abs(a) < (float)INFINITY;
  *count = none ? 0.0 : *count;
  return none ? fn_abs(a) : (float)r;
}

/* The remainder with the sign of the divisor, as NumPy has it. */
static inline float fn_mod(float a, float b) {
  double count;
  float r = fn_remainder(a, b, &count);
  return fn_copysign(r != 0.0f && (a < 0.0f) != (b < 0.0f) ? fn_abs(b) - r : r, b);
}

/* The quotient rounded down. */
static inline float fn_floor_divide(float a, float b) {
  double count;
  float r = fn_remainder(a, b, &count), y = (float)(r != 0.0f && (a < 0.0f) != (b < 0.0f) ? -1.0 - count : count);
  y = r == 0.0f ? fn_copysign(y, a / b) : y;
  return b == 0.0f ? a / b : y;
}
