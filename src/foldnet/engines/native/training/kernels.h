/* What single ops of a training program call; `job` and the loop over a fit follow in loop.h. */

/* Sums over the rows of features lo to hi, sixteen at a time; to out[lo] and on. */
static void feature_sums(const float *x, long lo, long hi, long R, long rows, float *out, int add) {
  for (long j = lo; j < hi; j += 16) {
    const int some = hi - j < 16 ? (int)(hi - j) : 16;
    if (some == 1) {
      out[j] = (add ? out[j] : 0.0f) + sum_rows(x + j * R, rows);
      continue;
    }
    V s[16] = {{0}};
    for (int k = 0; k < some; k++)
      s[k] = sum_lanes(x + (j + k) * R, rows);
    store_part(out + j, sums16(s), add, some);
  }
}

/* The same over `count` positions of `n` features each as well. */
static void position_sums(const float *x, long count, long n, long lo, long hi, long R, long rows, float *out, int add) {
  for (long j = lo; j < hi; j += 16) {
    const int some = hi - j < 16 ? (int)(hi - j) : 16;
    V s[16] = {{0}};
    for (long t = 0; t < count; t++)
      for (int k = 0; k < some; k++)
        s[k] += sum_lanes(x + (t * n + j + k) * R, rows);
    store_part(out + j, sums16(s), add, some);
  }
}

/* How many features are normalized at a time: sixteen, or as many as the first-level cache holds rows of. */
static inline long normalized_at_once(long R, long left) {
  const long fitting = R > 4096 ? 1 : 4096 / R, most = fitting < 16 ? fitting : 16;
  return left < most ? left : most;
}

/* The numbers of some features, zeros after them; without numbers, what there is instead. */
static inline V of_features(const float *numbers, long j, long some, float otherwise) {
  return numbers ? load_until(numbers + j, numbers + j + some) : SPREAD(otherwise);
}

static inline V inverse_root(V x) {
  float y[16] __attribute__((aligned(64)));
  memcpy(y, &x, sizeof y);
  FREELY for (int k = 0; k < 16; k++)
    y[k] = 1.0f / sqrtf(y[k]);
  return LOAD(y);
}

/* Puts so many vectors, given by C of `k`, side by side; zeros after them. With few rows, written out. */
#define SIXTEEN(s, some, few, vector)                          \
  if (few) {                                                   \
    _Pragma("GCC unroll 16") for (long k = 0; k < 16; k++)     \
      s[k] = k < some ? vector : (V){0};                       \
  } else {                                                     \
    for (long k = 0; k < 16; k++)                              \
      s[k] = k < some ? vector : (V){0};                       \
  }

static inline __attribute__((always_inline)) void norms(const float *x, float *y, long lo, long hi, long R, long rows, const float *gamma, const float *beta,
                  float *moving_mean, float *moving_variance, float *mean, float *inverse, float epsilon,
                  float keep, float take, int training, const int few) {
  for (long j = lo, some; j < hi; j += some) {
    some = normalized_at_once(R, hi - j);
    V m = of_features(moving_mean, j, some, 0.0f), v = of_features(moving_variance, j, some, 0.0f), s[16];
    float ms[16], factor[16], addend[16];
    if (training) {
      const V old_mean = m, old_variance = v;
      const float count = (float)rows;
      SIXTEEN(s, some, few, sum_lanes(x + (j + k) * R, rows))
      m = sums16(s) / count;
      STORE(ms, m);
      SIXTEEN(s, some, few, spread_lanes(x + (j + k) * R, ms[k], rows))
      v = sums16(s) / count;
      store_part(moving_mean + j, old_mean * keep + m * take, 0, (int)some);
      store_part(moving_variance + j, old_variance * keep + v * take, 0, (int)some);
    }
    const V i = inverse_root(v + epsilon);
    store_part(mean + j, m, 0, (int)some);
    store_part(inverse + j, i, 0, (int)some);
    STORE(ms, m);
    STORE(factor, i * of_features(gamma, j, some, 1.0f));
    STORE(addend, of_features(beta, j, some, 0.0f));
    for (long k = 0; k < some; k++)
      for (long r = (j + k) * R; r < (j + k + 1) * R; r += 16)
        STORE(y + r, (LOAD(x + r) - ms[k]) * factor[k] + addend[k]);
  }
}

/* Normalizes features lo to hi by the statistics of their rows, which move the moving ones, or by those alone.
   `keep` and `take` are how much of the moving ones is kept, and how much of the new ones taken. */
static void feature_norms(const float *x, float *y, long lo, long hi, long R, long rows, const float *gamma,
                          const float *beta, float *moving_mean, float *moving_variance, float *mean, float *inverse,
                          float epsilon, float keep, float take, int training) {
  if (rows == 32)
    norms(x, y, lo, hi, 32, 32, gamma, beta, moving_mean, moving_variance, mean, inverse, epsilon, keep, take, training, 1);
  else
    norms(x, y, lo, hi, R, rows, gamma, beta, moving_mean, moving_variance, mean, inverse, epsilon, keep, take, training, 0);
}

static inline __attribute__((always_inline)) void norms_back(const float *x, const float *g, long lo, long hi, long R, long rows, const float *gamma,
                       const float *mean, const float *inverse, float *on_gamma, float *on_beta, float *on_x,
                       const int few) {
  const float count = (float)rows;
  for (long j = lo, some; j < hi; j += some) {
    some = normalized_at_once(R, hi - j);
    V s[16];
    float factor[16], a[16], b[16];
    const V i = of_features(inverse, j, some, 0.0f);
    SIXTEEN(s, some, few, sum_lanes(g + (j + k) * R, rows))
    const V total = sums16(s);
    SIXTEEN(s, some, few, centred_lanes(g + (j + k) * R, x + (j + k) * R, mean[j + k], rows))
    const V along = sums16(s) * i;
    if (on_gamma)
      store_part(on_gamma + j, along, 0, (int)some);
    if (on_beta)
      store_part(on_beta + j, total, 0, (int)some);
    if (!on_x)
      continue;
    STORE(factor, i * of_features(gamma, j, some, 1.0f));
    STORE(a, total / count);
    STORE(b, along / count * i);
    for (long k = 0; k < some; k++)
      for (long r = (j + k) * R; r < (j + k + 1) * R; r += 16)
        STORE(on_x + r, factor[k] * (LOAD(g + r) - a[k] - (LOAD(x + r) - mean[j + k]) * b[k]));
  }
}

/* The gradients of that on gamma, beta and x, of those that are asked for, given the one on y: Ioffe and Szegedy (2015),
   section 3, in closed form. */
static void feature_norms_back(const float *x, const float *g, long lo, long hi, long R, long rows, const float *gamma,
                               const float *mean, const float *inverse, float *on_gamma, float *on_beta, float *on_x) {
  if (rows == 32)
    norms_back(x, g, lo, hi, 32, 32, gamma, mean, inverse, on_gamma, on_beta, on_x, 1);
  else
    norms_back(x, g, lo, hi, R, rows, gamma, mean, inverse, on_gamma, on_beta, on_x, 0);
}

/* y = w' x + bias for units lo to hi. Columns of w are first brought together, 24 at a time: read where they lie, each
   would take a whole cache line from a place of its own. With `packed` they are as an earlier call left them. */
static void packed_dense(const Job *job, const float *x, const float *w, const float *bias, float *y, long fan_in, long units,
                                long R, long lo, long hi, float *pack, int packed) {
  for (long j = lo; j < hi; j += 24, pack += 24 * fan_in) {
    const long m = hi - j < 24 ? hi - j : 24;
    for (long k = 0; k < fan_in && !packed; k++)
      if (m == 24)
        memcpy(pack + k * 24, w + k * units + j, 24 * sizeof(float));
      else
        memcpy(pack + k * 24, w + k * units + j, sizeof(float) * (size_t)m);
    product(job, m, R, fan_in, pack, 1, 24, x, R, 0, y + j * R, R, bias ? bias + j : 0, 0);
  }
}

/* cos and sin of 2 pi v for 0 <= v < 1: within a quarter turn of the nearest axis by polynomials. */
static inline void turn_of(float v, float *c, float *s) {
  const float q = floorf(v * 4.0f + 0.5f), t = (v * 4.0f - q) * 1.57079633f, z = t * t;
  const float sn = t * FMA(FMA(FMA(FMA(2.75573192e-6f, z, -1.98412698e-4f), z, 8.33333333e-3f), z, -0.166666667f), z, 1.0f);
  const float cs = FMA(FMA(FMA(FMA(2.48015873e-5f, z, -1.38888889e-3f), z, 4.16666667e-2f), z, -0.5f), z, 1.0f);
  *c = q == 1.0f ? -sn : q == 2.0f ? -cs : q == 3.0f ? sn : cs;
  *s = q == 1.0f ? cs : q == 2.0f ? -sn : q == 3.0f ? -cs : sn;
}

/* For each number whether it is at most `last`: one value or another. */
static inline void choose(float *to, VI x, uint32_t last, float yes, float no) {
  uint32_t drawn[16] __attribute__((aligned(64)));
  memcpy(drawn, &x, sizeof drawn);
  FREELY for (int k = 0; k < 16; k++)
    to[k] = drawn[k] <= last ? yes : no;
}

/* Elements lo up to hi of R rows are all ones, their addends zeros: what a Drop does outside training. */
static inline void unchanged(float *factor, float *addend, long count, long R, long lo, long hi) {
  for (long r = lo * R; r < hi * R && r < count * R; r += 16) {
    if (factor)
      STORE(factor + r, SPREAD(1.0f));
    if (addend)
      STORE(addend + r, SPREAD(0.0f));
  }
}

/* Factors (and addends) of a Drop for R rows from number `row` on, of the elements that blocks lo up to hi of the
   generator make: the low one where the number drawn is below the threshold, else the high one. With `sharing` 2, the
   halves of a number are two elements', and only the threshold's high half is not 0. */
static void random_choice(float *factor, float *addend, long count, long row, long R, long each, long lo, long hi,
                          int training, uint64_t step, Key key, int sharing, double threshold, float low, float high,
                          float addend_low, float addend_high) {
  const long made = 4 * sharing, blocks = (count + made - 1) / made;
  const uint32_t last = threshold >= 1.0 ? (uint32_t)(threshold - 1.0) : 0;
  uint64_t keys[20];
  if (!training) {
    unchanged(factor, addend, count, R, lo * made, hi * made);
    return;
  }
  if (threshold < 1.0) {
    low = high;
    addend_low = addend_high;
  }
  key_schedule(keys, key);
  for (long first = 0; first < R; first += 32)
    for (long block = lo; block < hi; block++) {
      VI drawn[8];
      row_numbers(drawn, row + first, each, blocks, block, step, keys);
#pragma GCC unroll 8
      for (long k = 0; k < 8; k++) {
        const long element = block * made + k;
        if (k == made || element >= count)
          break;
#pragma GCC unroll 2
        for (long half = 0; half < 2; half++) {
          const long r = first + 16 * half;
          if (r >= R)
            break;
          const VI whole = drawn[4 * half + k / sharing], x = k % sharing + 1 < sharing ? whole << 16 : whole;
          choose(factor + element * R + r, x, last, low, high);
          if (addend)
            choose(addend + element * R + r, x, last, addend_low, addend_high);
        }
      }
    }
}

/* Elements 4 * lo up to 4 * hi of R rows: numbers from 0 on and below 1; zeros outside training. */
static void random_uniforms(float *to, long count, long row, long R, long each, long lo, long hi, int training,
                            uint64_t step, Key key) {
  const long quads = (count + 3) / 4;
  uint64_t keys[20];
  if (!training) {
    unchanged(NULL, to, count, R, 4 * lo, 4 * hi);
    return;
  }
  key_schedule(keys, key);
  for (long first = 0; first < R; first += 32)
    for (long q = lo; q < hi; q++) {
      VI drawn[8];
      row_numbers(drawn, row + first, each, quads, q, step, keys);
      for (long k = 0; k < 8; k++) {
        const long element = q * 4 + k % 4, r = first + k / 4 * 16;
        if (element >= count || r >= R)
          continue;
        float numbers[16];
        for (int l = 0; l < 16; l++)
          numbers[l] = (float)((uint32_t)drawn[k][l] >> 8) * 5.96046448e-8f;
        STORE(to + element * R + r, LOAD(numbers));
      }
    }
}

/* The numbers of a Drop by normal ones: factors around 1, or addends around 0 where there are any. Without factors, the
   normal numbers themselves. */
static void random_normals(float *factor, float *addend, long count, long row, long R, long each, long lo, long hi,
                           int training, uint64_t step, Key key, float spread) {
  const long quads = (count + 3) / 4;
  float *const to = addend ? addend : factor;
  uint64_t keys[20];
  if (!training || (addend && factor))
    unchanged(factor, addend, count, R, 4 * lo, 4 * hi);
  if (!training)
    return;
  key_schedule(keys, key);
  for (long first = 0; first < R; first += 32)
    for (long q = lo; q < hi; q++) {
      VI drawn[8];
      row_numbers(drawn, row + first, each, quads, q, step, keys);
      for (long k = 0; k < 8; k += 2) {
        const long element = q * 4 + k % 4, r = first + k / 4 * 16;
        if (element >= count || r >= R)
          continue;
        /* Box and Muller: two numbers make two. */
        float one[16], two[16];
        for (int l = 0; l < 16; l++) {
          const float u = (float)(((uint32_t)drawn[k][l] >> 8) + 1u) * 5.96046448e-8f;
          const float v = (float)((uint32_t)drawn[k + 1][l] >> 8) * 5.96046448e-8f;
          const float radius = sqrtf(-2.0f * fn_log(u)) * spread;
          float c, s;
          turn_of(v, &c, &s);
          one[l] = addend ? radius * c : 1.0f + radius * c;
          two[l] = addend ? radius * s : 1.0f + radius * s;
        }
        STORE(to + element * R + r, LOAD(one));
        if (element + 1 < count)
          STORE(to + (element + 1) * R + r, LOAD(two));
      }
    }
}

/* Adds gradients to the rows of a table that were looked up by their numbers. */
static void add_up(const int32_t *which, const float *g, float *table, long size, long count, long width, long R,
                   long rows, long lo, long hi) {
  for (long i = 0; i < size; i++)
    for (long r = 0; r < rows; r++) {
      const long row = which[i * R + r];
      if (row >= 0 && row < count)
        for (long w = lo; w < hi; w++)
          table[row * width + w] += g[(i * width + w) * R + r];
    }
}

static inline void sort_down(const float *x, float *z, long n, long step) {
  for (long i = 0; i < n; i++) {
    long k = i;
    for (; k > 0 && z[k - 1] < x[i * step]; k--)
      z[k] = z[k - 1];
    z[k] = x[i * step];
  }
}

/* tau is the sum of the support's k running sums, less 1, over k: the j-th largest x is in k - j of them. */
static void sparsemax_back(const float *x, const float *y, const float *g, float *to, float *z, long n,
                           long step) {
  sort_down(x, z, n, step);
  float sum = 0.0f, through = 0.0f;
  long support = 0;
  for (long i = 0; i < n; i++) {
    sum += z[i];
    support += z[i] - (sum - 1.0f) / (float)(i + 1) > 0.0f;
    through += y[i * step] > 0.0f ? g[i * step] : 0.0f;
  }
  for (long i = 0; i < n; i++) {
    long j = 0; /* place among the sorted; equal ones in their order */
    for (long k = 0; k < n; k++)
      j += x[k * step] > x[i * step] || (x[k * step] == x[i * step] && k < i);
    const float share = j < support ? (float)(support - j) / (float)support : 0.0f;
    to[i * step] = (y[i * step] > 0.0f ? g[i * step] : 0.0f) - share * through;
  }
}

/* Rows of a matrix, each made of length 1, packed; element k of row i lies at w[i * row + k * col]. */
static void unit_rows(const float *w, long rows, long cols, long row, long col, float *unit) {
  for (long i = 0; i < rows; i++) {
    float square = 0.0f;
    for (long k = 0; k < cols; k++)
      square += w[i * row + k * col] * w[i * row + k * col];
    const float length = sqrtf(square), by = length > 1e-7f ? length : 1e-7f;
    for (long k = 0; k < cols; k++)
      unit[i * cols + k] = w[i * row + k * col] / by;
  }
}

static inline float product_of(const float *a, const float *b, long count) {
  float s = 0.0f;
  for (long k = 0; k < count; k++)
    s += a[k] * b[k];
  return s;
}

/* Sum of the absolute products of all pairs of rows of length 1, each pair counted in both orders. */
static double pairs_sum(const float *unit, long rows, long cols) {
  double total = 0.0;
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < i; j++)
      total += 2.0 * fabs((double)product_of(unit + i * cols, unit + j * cols, cols));
  return total;
}

/* Adds `factor` times the gradient of that sum to g; `on` is room for one row. */
static void pairs_slope(const float *w, float *g, long rows, long cols, long row, long col, float *unit,
                               float *on, float factor) {
  unit_rows(w, rows, cols, row, col, unit);
  for (long i = 0; i < rows; i++) {
    const float *own = unit + i * cols;
    float square = 0.0f;
    for (long k = 0; k < cols; k++) {
      on[k] = 0.0f;
      square += w[i * row + k * col] * w[i * row + k * col];
    }
    for (long j = 0; j < rows; j++) {
      const float p = j == i ? 0.0f : product_of(own, unit + j * cols, cols);
      const float sign = p > 0.0f ? 1.0f : p < 0.0f ? -1.0f : p;
      for (long k = 0; k < cols; k++)
        on[k] += sign * unit[j * cols + k];
    }
    const float length = sqrtf(square), by = length > 1e-7f ? length : 1e-7f;
    const float along = length > 1e-7f ? product_of(on, own, cols) : 0.0f;
    for (long k = 0; k < cols; k++)
      g[i * row + k * col] += factor * 2.0f * (on[k] - own[k] * along) / by;
  }
}

/* Sum of squares in double precision, in one order whatever the threads. */
static double square_sum(const float *x, long count) {
  double s[8] = {0};
  long i = 0;
  for (; i + 8 <= count; i += 8)
    for (int k = 0; k < 8; k++)
      s[k] += (double)x[i + k] * x[i + k];
  for (; i < count; i++)
    s[0] += (double)x[i] * x[i];
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static double abs_sum(const float *x, long count) {
  double s = 0;
  for (long i = 0; i < count; i++)
    s += x[i] < 0 ? -(double)x[i] : (double)x[i];
  return s;
}
