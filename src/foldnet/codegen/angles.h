/* Sines and their like, and the angles that they are of. */

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

/* The sine of the size of x, so many quarter turns ahead. Of what is not finite there is none. */
static inline float fn_wave(float x, int32_t ahead) {
  float r, low, s, c;
  int32_t turns = fn_quarter_turns(x, &r, &low) + ahead;
  float sine = fn_sin_near(r, low, &s), cosine = fn_cos_near(r, low, &c);
  float y = (turns & 1) != 0 ? cosine + c : sine + s;
  return x - x == 0.0f ? ((turns & 2) != 0 ? -y : y) : (float)NAN;
}

/* Where a double is no more than a float, the C library knows better. */
static inline float fn_sin(float x) {
  return sizeof(double) < 8 ? sinf(x) : fn_copysign(1.0f, x) * fn_wave(x, 0);
}

static inline float fn_cos(float x) {
  return sizeof(double) < 8 ? cosf(x) : fn_wave(x, 1);
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
