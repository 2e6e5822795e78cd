/* What every training program is built on: vectors of 16 lanes, sums over rows, transposition, random numbers.

   Values lie as [element][row]: the rows of a batch are the lanes of vectors. R is the number of rows rounded up
   to 16; lanes past the last row hold numbers that nothing reads: sums over rows stop at `rows`. */

/* Functions here are static and take vectors wider than many machines have: how these are passed between files of
   different compilers, which gcc warns of, does not matter. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

typedef float V __attribute__((vector_size(64)));
typedef float U __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t VI __attribute__((vector_size(64)));
typedef double VD __attribute__((vector_size(64)));
typedef float H __attribute__((vector_size(32)));
typedef float Q __attribute__((vector_size(16)));
typedef uint64_t W8 __attribute__((vector_size(64)));

#define LOAD(p) ((V) * (const U *)(p))
#define STORE(p, x) (*(U *)(p) = (U)(x))
#define SPREAD(x) ((x) - (V){0})

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FMA(a, b, c) __builtin_fmaf(a, b, c)
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#endif

/* Instructions of AVX-512 by gcc's names for them. */
#if defined(__AVX512F__) && !defined(__clang__)
#define MASKS 1
#endif

static inline V MULADD(V a, V b, V c) {
#ifdef MASKS
  return __builtin_ia32_vfmaddps512_mask(a, b, c, (unsigned short)-1, 4);
#else
  V y;
  for (int k = 0; k < 16; k++)
    y[k] = FMA(a[k], b[k], c[k]);
  return y;
#endif
}

/* The first `part` lanes of a vector to memory, perhaps added to what is there. */
static inline void store_part(float *p, V x, int add, int part) {
  if (part == 16) {
    STORE(p, add ? LOAD(p) + x : x);
    return;
  }
#ifdef MASKS
  const unsigned short mask = (unsigned short)((1u << part) - 1);
  if (add)
    x += __builtin_ia32_loadups512_mask(p, (V){0}, mask);
  __builtin_ia32_storeups512_mask(p, x, mask);
#else
  for (int k = 0; k < part; k++)
    p[k] = add ? p[k] + x[k] : x[k];
#endif
}

/* The sum of all lanes, halves added to halves. */
static inline float across(V x) {
  H h = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
  Q q = __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7);
  q += __builtin_shufflevector(q, q, 2, 3, 2, 3);
  return q[0] + q[1];
}

static inline V lanes_below(V x, long count) {
  const VI place = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return (V)((VI)x & (place < (int32_t)count));
}

/* x where w is not 0, else 0, whatever x is there. */
static inline V where_counted(V x, V w) { return (V)((VI)x & (VI)(w != (V){0})); }
