/* Slopes of activations of one float, where one float is not enough for an intermediate result. */

/* a + b - s, exactly, for the rounded sum s of any two numbers (Knuth). */
static inline float fn_sum_rest(float a, float b, float s) {
  float t = s - a;
  return (a - (s - t)) + (b - t);
}

/* (q + low) * scale for a negative x, and 1 minus that for a positive one; NaN for an infinite one. */
static inline float fn_slope_of_side(float x, float q, float low, float scale) {
  float main = 1.0f - q, above = main + (((1.0f - main) - q) - low);
  return (x - x) + (x > 0.0f ? above : (q + low) * scale);
}

/* The slope of x * sigmoid(u) for u = -(a + more), where t + low is -x times the slope of u; with e = exp(u) it is
   e * (1 + e - t) / (1 + e)^2 for a negative x, and 1 minus that for a positive one. */
static inline float fn_gated_slope(float x, float a, float more, float t, float low) {
  float rest, scale, e = fn_exp_parts(-a, -more, &rest, &scale), small = e * scale;
  float u = 1.0f + small, lost = FMA(rest, scale, (1.0f - u) + small);
  float m = u - t, top = e * m, bottom = u * u;
  float under = FMA(rest, m, FMA(e, (fn_sum_rest(u, -t, m) + lost) - low, -fn_rest(top, e, m)));
  float q = fn_quotient(top, under, bottom, FMA(2.0f * u, lost, -fn_rest(bottom, u, u)), &low);
  return fn_slope_of_side(x, q, low, scale);
}

static inline float fn_silu_slope(float x) {
  float a = fn_abs(x);
  a = 120.0f < a ? 120.0f : a;
  return fn_gated_slope(x, a, -0.0f, a, 0.0f);
}

/* The slope of x * sigmoid(u) with u = A * x + B * x^3, of which x times the slope is A * x + 3 * B * x^3. */
static inline float fn_gelu_tanh_slope(float x) {
  float a = fn_abs(x);
  a = 12.0f < a ? 12.0f : a;
  float z = a * a, z_low = -fn_rest(z, a, a), cube = a * z, cube_low = FMA(a, z_low, -fn_rest(cube, a, z));
  float line = 1.59576917f * a, line_low = FMA(-4.534068e-08f, a, -fn_rest(line, 1.59576917f, a));
  float bend = 0.0713548139f * cube;
  float bend_low = FMA(0.0713548139f, cube_low, FMA(2.3988325e-9f, cube, -fn_rest(bend, 0.0713548139f, cube)));
  float u = line + bend, u_low = fn_sum_rest(line, bend, u) + (line_low + bend_low);
  float most = 3.0f * bend, t = line + most;
  float t_low = fn_sum_rest(line, most, t) + FMA(3.0f, bend_low, line_low) - fn_rest(most, 3.0f, bend);
  return fn_gated_slope(x, u, u_low, t, t_low);
}

/* Phi(x) + x * phi(x); for a negative x the difference of two parts that both have the factor exp(-x^2 / 2). */
static inline float fn_gelu_slope(float x) {
  float a = fn_abs(x), low, bell, bell_low, scale;
  a = 15.5f < a ? 15.5f : a;
  float tail = fn_normal_tail(a, &low, &bell, &bell_low, &scale);
  float by = 0.3989423f * a, part = by * bell;
  float by_low = FMA(-1.1335170e-08f, a, -fn_rest(by, 0.3989423f, a));
  float part_low = FMA(by, bell_low, FMA(by_low, bell, -fn_rest(part, by, bell)));
  float q = tail - part;
  return fn_slope_of_side(x, q, fn_sum_rest(tail, -part, q) + (low - part_low), scale);
}

/* e * ((e + 2) * p + 4 x * (e + 1)) / p^2 with e = exp(x) and p = e * (e + 2) + 2; from 20 on it is 1. */
static inline float fn_mish_slope(float x) {
  float c = 20.0f < x ? 20.0f : x, rest, low, scale, e = fn_exp_parts(c, -0.0f, &rest, &scale);
  float far = 4.0f * (-120.0f > c ? -120.0f : c);
  float sum = e + 2.0f, sum_low = fn_sum_lost(2.0f, e, sum) + rest, w = e * sum, p = w + 2.0f;
  float p_low = fn_sum_lost(2.0f, w, p) + FMA(rest, sum, FMA(e, sum_low, -fn_rest(w, e, sum)));
  float one = e + 1.0f, one_low = fn_sum_lost(1.0f, e, one) + rest, m = far * one, most = sum * p, n = most + m;
  float n_low = FMA(sum, p_low, FMA(sum_low, p, -fn_rest(most, sum, p))) + FMA(far, one_low, -fn_rest(m, far, one));
  n_low = n_low + fn_sum_rest(most, m, n);
  float top = e * n, under = FMA(rest, n, FMA(e, n_low, -fn_rest(top, e, n))), bottom = p * p;
  float q = fn_quotient(top, under, bottom, FMA(2.0f * p, p_low, -fn_rest(bottom, p, p)), &low);
  return (c - c) + (q + low) * scale;
}

/* 1 / (1 + |x|)^2 */
static inline float fn_softsign_slope(float x) {
  float a = fn_abs(x), low;
  a = 1e30f < a ? 1e30f : a;
  float d = 1.0f + a, q = fn_quotient(1.0f, 0.0f, d, fn_sum_lost(1.0f, a, d), &low);
  return FMA(2.0f * q, low, q * q);
}

/* tanh(x)^2: x^2 * (1 + h)^2 below 0.55 with the h of fn_tanh, and (1 - e)^2 / (1 + e)^2 with e = exp(-2 |x|). */
static inline float fn_tanh_shrink_slope(float x) {
  float a = fn_abs(x), c = 10.0f < a ? 10.0f : a, z = c * c;
  float p = FMA(FMA(FMA(-0.00624284903f, z, 0.0210507140f), z, -0.0538475476f), z, 0.133325443f);
  float h = z * FMA(p, z, -0.333333164f);
  float near = z + FMA(z, FMA(h, h, 2.0f * h), -fn_rest(z, c, c));
  float rest, low, scale, e = fn_exp_parts(-2.0f * c, -0.0f, &rest, &scale), top = 1.0f - e, bottom = 1.0f + e;
  float q = fn_quotient(top, ((1.0f - top) - e) - rest, bottom, ((1.0f - bottom) + e) + rest, &low);
  return a < 0.55f ? near : FMA(2.0f * q, low, q * q);
}

/* 2 / sqrt(pi) * exp(-x^2) */
static inline float fn_erf_slope(float x) {
  float a = fn_abs(x), low, scale, e = fn_bell_parts(12.0f < a ? 12.0f : a, 1.0f, &low, &scale);
  return FMA(e, 1.12837923f, FMA(low, 1.12837923f, e * -5.8635383e-08f)) * scale;
}
