/* Sums over the rows of x, of x * y, of (x - m)^2, perhaps of those that count, in a fixed order: name_rows gives the
   sum, name_lanes a vector of 16 sums for `sums16` to add up, sixteen of them at once. */
#define SUM_LANES(name, signature, term)                                                                              \
  static inline V name##_lanes signature {                                                                            \
    V s = {0};                                                                                                        \
    long r = 0;                                                                                                       \
    for (; r + 16 <= rows; r += 16)                                                                                   \
      s += term;                                                                                                      \
    if (r < rows)                                                                                                     \
      s += lanes_below(term, rows - r);                                                                               \
    return s;                                                                                                         \
  }

#define SUM_ROWS(name, signature, arguments)                                                                          \
  static inline float name##_rows signature {                                                                         \
    return across(name##_lanes arguments);                                                                            \
  }

SUM_LANES(sum, (const float *x, long rows), LOAD(x + r))

SUM_ROWS(sum, (const float *x, long rows), (x, rows))

SUM_LANES(counted, (const float *x, const float *w, long rows), where_counted(LOAD(x + r), LOAD(w + r)))

SUM_LANES(counted_spread, (const float *x, const float *w, float m, long rows),
          where_counted((LOAD(x + r) - m) * (LOAD(x + r) - m), LOAD(w + r)))

SUM_LANES(spread, (const float *x, float m, long rows), ((LOAD(x + r) - m) * (LOAD(x + r) - m)))

SUM_LANES(centred, (const float *g, const float *x, float m, long rows), (LOAD(g + r) * (LOAD(x + r) - m)))

/* Adds a row of lanes to sums in double precision, sixteen of them, one a lane. */
static inline void add_double(double *sums, const float *x, long rows) {
  VD low = *(VD *)sums, high = *(VD *)(sums + 8);
  for (long r = 0; r < rows; r += 16) {
    V v = LOAD(x + r);
    if (rows - r < 16)
      v = lanes_below(v, rows - r);
    low += __builtin_convertvector(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7), VD);
    high += __builtin_convertvector(__builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15), VD);
  }
  *(VD *)sums = low;
  *(VD *)(sums + 8) = high;
}

/* Sixteen floats, or those that are left before `end`, where memory ends. */
static inline V load_until(const float *p, const float *end) {
  if (end - p >= 16)
    return LOAD(p);
#ifdef MASKS
  return __builtin_ia32_loadups512_mask(p, (V){0}, (unsigned short)((1u << (end - p)) - 1));
#else
  V x = {0};
  for (long k = 0; k < end - p; k++)
    x[k] = p[k];
  return x;
#endif
}

/* [feature][row] to panels of 64 features: [panel][row][64], the last panel padded. */
static void to_panels(const float *x, long features, long R, float *y, long first, long last) {
  for (long f = first * 16; f < last * 16 && f < features; f += 16)
    for (long r = 0; r < R; r += 16) {
      V t[16];
#pragma GCC unroll 16
      for (int k = 0; k < 16; k++)
        t[k] = f + k < features ? LOAD(x + (f + k) * R + r) : (V){0};
      turn(t);
#pragma GCC unroll 16
      for (int k = 0; k < 16; k++)
        STORE(y + f / 64 * 64 * R + (r + k) * 64 + f % 64, t[k]);
    }
}

/* Rows `low` to `high` of `rows` from a table that has `count`, picked by number, to [feature][row]. */
static void pick_rows(const float *table, long count, const int32_t *order, long rows, long width, long R, float *y,
                      long low, long high) {
  const float *const end = table + count * width;
  if (width < 3) {
    for (long f = 0; f < width; f++) {
      for (long r = low; r < high; r++)
        y[f * R + r] = r < rows ? table[(long)order[r] * width + f] : 0.0f;
    }
    return;
  }
  for (long r = low; r < high; r += 16)
    for (long f = 0; f < width; f += 16) {
      V t[16];
#pragma GCC unroll 16
      for (int k = 0; k < 16; k++) {
        /* Past the last row, that row again: nothing reads it. */
        t[k] = load_until(table + (long)order[r + k < rows ? r + k : rows - 1] * width + f, end);
      }
      turn(t);
#pragma GCC unroll 16
      for (int k = 0; k < 16; k++)
        if (f + k < width)
          STORE(y + (f + k) * R + r, t[k]);
    }
}

/* Philox4x32-10 of 32 counters, which sit in the low halves of 64-bit lanes, eight in each c[n], so that some compute
   while others wait; what the high halves hold is noise. */
typedef struct {
  uint32_t k0, k1;
} Key;

#ifdef MASKS
typedef long long W8S __attribute__((vector_size(64)));
#define WIDE_MUL(x, y) ((W8)__builtin_ia32_pmuludq512_mask((VI)(x), (VI)(y), (W8S){0}, (unsigned char)-1))
#else
#define WIDE_MUL(x, y) (((x) & 0xffffffffu) * (y))
#endif

/* The high halves in the place of the low ones: by a shuffle, as shifts wait for the port that multiplies. */
static inline W8 upper(W8 x) {
  const VI v = (VI)x;
  return (W8)__builtin_shufflevector(v, v, 1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 13, 13, 15, 15);
}

static inline void philox(W8 c[4][4], const uint64_t *keys) {
  const W8 m0 = 0xD2511F53u - (W8){0}, m1 = 0xCD9E8D57u - (W8){0};
  for (int round = 0; round < 10; round++) {
    const W8 k0 = keys[2 * round] - (W8){0}, k1 = keys[2 * round + 1] - (W8){0};
#pragma GCC unroll 4
    for (int n = 0; n < 4; n++) {
      const W8 p0 = WIDE_MUL(c[n][0], m0), p1 = WIDE_MUL(c[n][2], m1);
      c[n][0] = upper(p1) ^ c[n][1] ^ k0;
      c[n][2] = upper(p0) ^ c[n][3] ^ k1;
      c[n][1] = p1;
      c[n][3] = p0;
    }
  }
}

/* The keys of the ten rounds. */
static inline void key_schedule(uint64_t *keys, Key key) {
  for (int round = 0; round < 10; round++) {
    keys[2 * round] = key.k0 + 0x9E3779B9u * (uint32_t)round;
    keys[2 * round + 1] = key.k1 + 0xBB67AE85u * (uint32_t)round;
  }
}

/* Numbers for 32 rows: block `quad` of `quads` of each row, the four lanes of the first sixteen to out[0..3], of the
   others to out[4..7]. With `each` 0 all rows have the same. */
static inline void row_numbers(VI *out, long row, long each, long quads, long quad, uint64_t step,
                               const uint64_t *keys) {
  const W8 place = {0, 2, 4, 6, 8, 10, 12, 14}, apart = (uint64_t)(quads * each) - (W8){0};
  W8 c[4][4];
#pragma GCC unroll 4
  for (int n = 0; n < 4; n++) {
    /* 32 by 32 bits: a row's number and the blocks of a row are less than 2^32. */
    c[n][0] = WIDE_MUL(place + (uint64_t)(row + n % 2 + n / 2 * 16), apart) + (uint64_t)quad;
    c[n][1] = c[n][0] >> 32;
    c[n][2] = step - (W8){0};
    c[n][3] = (step >> 32) - (W8){0};
  }
  philox(c, keys);
#pragma GCC unroll 8
  for (int k = 0; k < 8; k++)
    out[k] = __builtin_shufflevector((VI)c[k / 4 * 2][k % 4], (VI)c[k / 4 * 2 + 1][k % 4], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24,
                                     10, 26, 12, 28, 14, 30);
}

/* The numbers of the first `count` places, in order. */
static void numbers(uint32_t *out, long count, uint64_t step, Key key) {
  uint64_t keys[20];
  key_schedule(keys, key);
  for (long block = 0; block * 4 < count; block += 32) {
    VI x[8];
    row_numbers(x, block, 1, 1, 0, step, keys);
    for (long k = 0; k < 128 && block * 4 + k < count; k++)
      out[block * 4 + k] = (uint32_t)x[k / 64 * 4 + k % 4][k / 4 % 16];
  }
}

/* Fisher and Yates, from the last place down; `space` holds `count` numbers. */
static void shuffle(int32_t *order, long count, uint32_t *space, uint64_t epoch, Key key) {
  numbers(space, count, epoch, key);
  for (long i = count - 1; i > 0; i--) {
    uint32_t j = space[i] % (uint32_t)(i + 1);
    int32_t t = order[i];
    order[i] = order[j];
    order[j] = t;
  }
}
