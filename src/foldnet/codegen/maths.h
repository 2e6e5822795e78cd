/* Elementary functions and activations of one float, in plain C99.

   Each is free of branches, so that a loop over it vectorizes; each treats NaN, infinities and denormal numbers
   as its definition says; each gives the same bits whether it is vectorized or not. The largest errors, in units
   in the last place against the exact result, with fused multiply-add (and without), are held by the tests:

     fn_exp 1.1 (1.1)     fn_expm1 1.5 (1.5)    fn_log 1 (1)          fn_log1p 1.6 (1.6)
     fn_tanh 1.5 (1.5)    fn_sigmoid 2.2 (2.2)  fn_erfc 7 (7)         fn_tanh_shrink 12 (12)
     fn_gelu 8 (8)        fn_silu 3 (3)         fn_softplus 2.5 (2.5)

   (The error of fn_gelu and fn_silu counts from 2^-100 on: below, a factor is denormal. fn_gelu_tanh: 8 from -2 on,
   below that 2.5 (4 + |argument of the sigmoid|), for that argument is rounded.)
   The emitter copies only the functions that a network uses; `fn_` marks one. */

typedef union { float f; int32_t i; } fn_bits;

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

/* 2 to the power n, for -126 <= n <= 127. */
static inline float fn_pow2(int32_t n) {
  fn_bits u;
  u.i = (n + 127) * 8388608;
  return u.f;
}

/* The nearest integer, for |x| < 2^22: adding 1.5 * 2^23 leaves no room for a fraction. */
static inline float fn_nearest(float x) {
  return (x + 12582912.0f) - 12582912.0f;
}

/* exp(x) = 2^n * exp(r) with |r| <= ln(2) / 2; the power is applied in two halves so that n may be -150 to 129. */
static inline float fn_exp(float x) {
  float c = x > -104.0f ? x : -104.0f;
  c = c < 89.0f ? c : 89.0f;
  float n = fn_nearest(c * 1.44269504f);
  float r = FMA(n, -0.693359375f, c);
  r = FMA(n, 2.12194440e-4f, r);
  float q = FMA(FMA(FMA(FMA(0.00139517174f, r, 0.00836959854f), r, 0.0416661873f), r, 0.166665122f), r, 0.5f);
  float y = FMA(r * r, q, r) + 1.0f;
  int32_t k = (int32_t)n, half = k >> 1;
  y = y * fn_pow2(half) * fn_pow2(k - half);
  return x != x ? x : y;
}

/* exp(x) - 1 = 2 * (t * (exp(r) - 1) + (t - 1/2)) with t = 2^(n-1), without cancellation near 0. */
static inline float fn_expm1(float x) {
  float c = x > -20.0f ? x : -20.0f;
  c = c < 89.0f ? c : 89.0f;
  float n = fn_nearest(c * 1.44269504f);
  float r = FMA(n, -0.693359375f, c);
  r = FMA(n, 2.12194440e-4f, r);
  float q = FMA(FMA(FMA(FMA(FMA(0.00019915032f, r, 0.00139420596f), r, 0.00833327137f), r, 0.0416663401f), r,
                    0.166666672f), r, 0.5f);
  float p = FMA(r * r, q, r);
  int32_t k = (int32_t)n;
  float t = fn_pow2(k - 1);
  float y = k == 0 ? p : 2.0f * FMA(t, p, t - 0.5f);
  return x != x || x == 0.0f ? x : y;
}

/* log(x) = e * ln(2) + log(1 + f) with sqrt(1/2) <= 1 + f < sqrt(2). */
static inline float fn_log(float x) {
  int small = x < 1.17549435e-38f;
  fn_bits u;
  u.f = small ? x * 8388608.0f : x;
  int32_t e = (u.i - 0x3f3504f3) >> 23;
  u.i -= e * 8388608;
  float f = u.f - 1.0f, n = (float)(e - (small ? 23 : 0));
  float p = FMA(0.067466013f, f, -0.116756409f);
  p = FMA(FMA(FMA(p, f, 0.118881747f), f, -0.124055916f), f, 0.142195508f);
  p = FMA(FMA(FMA(FMA(p, f, -0.166679963f), f, 0.200021192f), f, -0.250000089f), f, 0.333333135f);
  float z = f * f;
  float y = FMA(z * f, p, n * -2.12194440e-4f);
  y = FMA(-0.5f, z, y);
  y = FMA(n, 0.693359375f, f + y);
  y = x == 0.0f ? -(float)INFINITY : y;
  y = x < 0.0f ? (float)NAN : y;
  return x == (float)INFINITY || x != x ? x : y;
}

/* log(1 + x): the logarithm of the rounded sum, and what the rounding lost. */
static inline float fn_log1p(float x) {
  float u = 1.0f + x;
  float lost = x < 1.0f ? x - (u - 1.0f) : 1.0f - (u - x);
  float y = fn_log(u) + lost / u;
  return x == (float)INFINITY || x == 0.0f ? x : x == -1.0f ? -(float)INFINITY : y;
}

/* (tanh(x) - x) / x^3 for |x| < 0.625, from z = x^2. */
static inline float fn_tanh_series(float z) {
  float p = FMA(FMA(FMA(0.00229899655f, z, -0.00835006684f), z, 0.0217710193f), z, -0.0539595559f);
  return FMA(FMA(p, z, 0.133333057f), z, -0.333333343f);
}

static inline float fn_tanh(float x) {
  float a = fn_abs(x), z = a * a;
  float near = FMA(a * z, fn_tanh_series(z), a);
  float c = a < 20.0f ? a : 20.0f;
  float far = 1.0f - 2.0f / (fn_exp(2.0f * c) + 1.0f);
  float y = fn_copysign(a < 0.625f ? near : far, x);
  return x != x ? x : y;
}

static inline float fn_sigmoid(float x) {
  float e = fn_exp(-fn_abs(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* exp(-scale * x^2) for a scale that is a power of two, with what rounding takes from the square (Dekker). */
static inline float fn_exp_square(float x, float scale) {
  fn_bits u;
  u.f = x;
  u.i &= ~0xfff;
  float high = u.f, low = x - high, square = x * x;
  float lost = ((high * high - square) + 2.0f * high * low) + low * low;
  float e = fn_exp(-scale * square);
  return e - e * (scale * lost);
}

/* erfc(x) / exp(-x^2) for x >= 0: s * P(s) with s = 1 / (1 + 0.3 x). */
static inline float fn_erfc_scaled(float x) {
  float s = 1.0f / FMA(0.3f, x, 1.0f), v = FMA(2.0f, s, -1.0f);
  float p = FMA(FMA(FMA(5.23721683e-05f, v, -0.000101131758f), v, -0.000496672175f), v, -0.000180006507f);
  p = FMA(FMA(FMA(FMA(p, v, 0.00436035264f), v, 0.0204006229f), v, 0.0569611229f), v, 0.118718758f);
  return s * FMA(FMA(FMA(p, v, 0.198781103f), v, 0.27652356f), v, 0.324979931f);
}

static inline float fn_erfc(float x) {
  float a = fn_abs(x);
  a = a < 11.0f ? a : 11.0f;
  float tail = fn_erfc_scaled(a) * fn_exp_square(a, 1.0f);
  float y = x < 0.0f ? 2.0f - tail : tail;
  return x != x ? x : y;
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
  return 1.05070098f * (x > 0.0f ? x : 1.67326324f * fn_expm1(x));
}

static inline float fn_celu(float x, float alpha) {
  return x > 0.0f ? x : alpha * fn_expm1(x / alpha);
}

static inline float fn_exponential(float x) {
  return fn_exp(x);
}

static inline float fn_softplus(float x) {
  return (x < 0.0f ? 0.0f : x) + fn_log1p(fn_exp(-fn_abs(x)));
}

static inline float fn_log_sigmoid(float x) {
  return -fn_softplus(-x);
}

static inline float fn_softsign(float x) {
  return x / (1.0f + fn_abs(x));
}

static inline float fn_silu(float x) {
  return x * fn_sigmoid(x);
}

/* x * Phi(x) with Phi(x) = erfc(-x / sqrt(2)) / 2; the square is x's own, as that of the rounded x / sqrt(2) is off. */
static inline float fn_gelu(float x) {
  float a = fn_abs(x);
  a = a < 15.5f ? a : 15.5f;
  float tail = 0.5f * fn_erfc_scaled(0.707106781f * a) * fn_exp_square(a, 0.5f);
  return x * (x > 0.0f ? 1.0f - tail : tail);
}

static inline float fn_gelu_tanh(float x) {
  return x * fn_sigmoid(1.59576912f * FMA(0.044715f * x * x, x, x));
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

/* x - tanh(x), near 0 from the series, where the difference would cancel. */
static inline float fn_tanh_shrink(float x) {
  float z = x * x, near = -(x * z * fn_tanh_series(z));
  return fn_abs(x) < 0.625f ? near : x - fn_tanh(x);
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
  float e = fn_exp(x < 20.0f ? x : 20.0f);
  float w = e * (e + 2.0f);
  float y = x * (w / (w + 2.0f));
  return x < 20.0f ? y : x;
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

/* The remainder with the sign of the divisor, as NumPy has it. */
static inline float fn_mod(float a, float b) {
  float r = fmodf(a, b);
  return r != 0.0f && (r < 0.0f) != (b < 0.0f) ? r + b : r;
}

/* The quotient rounded down: what is left after the remainder is a whole multiple but for rounding. Infinity is no
   multiple of anything: there the quotient is 0, or -1 where the signs differ. */
static inline float fn_floor_divide(float a, float b) {
  const float q = rintf((a - fn_mod(a, b)) / b), small = a != 0.0f && (a < 0.0f) != (b < 0.0f) ? -1.0f : a / b;
  return b == 0.0f ? a / b : fabsf(b) == (float)INFINITY && fabsf(a) < (float)INFINITY ? small : q;
}
