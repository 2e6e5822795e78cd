/* Whole numbers, and functions of two numbers. */

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
