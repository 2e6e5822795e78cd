/* Activations of one float. */

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

/* Phi(-x) = exp(-x^2 / 2) * P((x - 4) / (x + 4)) / (x + 0.8125) for 0 <= x <= 15.5, as (result + low) * scale, and the
   first factor as (bell + bell_low) * scale. */
static inline float fn_normal_tail(float x, float *low, float *bell, float *bell_low, float *scale) {
  float q = FMA(2.0f * x, 1.0f / (x + 4.0f), -1.0f);
  float p = FMA(FMA(FMA(-7.4257805e-05f, q, -5.300076e-05f), q, 0.0007244823f), q, -0.00042355203f);
  p = FMA(FMA(FMA(FMA(p, q, -0.0050980356f), q, 0.019532513f), q, -0.03798471f), q, 0.04204514f);
  p = FMA(FMA(FMA(p, q, -0.009321489f), q, -0.0647539f), q, 0.016851211f);
  float rest, e = fn_bell_parts(x, 0.5f, &rest, scale), high = 0.4375f + p, t = p - (high - 0.4375f);
  float top = e * high, bottom = x + 0.8125f;
  t = FMA(rest, high, FMA(e, t, -fn_rest(top, e, high)));
  *bell = e;
  *bell_low = rest;
  return fn_quotient(top, t, bottom, fn_sum_lost(x, 0.8125f, bottom), low);
}

/* x * Phi(x) */
static inline float fn_gelu(float x) {
  float a = fn_abs(x), low, bell, rest, scale;
  float tail = fn_normal_tail(a < 15.5f ? a : 15.5f, &low, &bell, &rest, &scale), main = 1.0f - tail;
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
