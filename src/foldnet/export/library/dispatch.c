/* What surrounds the code of the levels: which of them this processor can run, and their weights. The generated code
   above defines NAME(x), API, DATA, the table `levels` and the parts of each level's weights. */

/* Copies of some rows of numbers: they are `stride` apart in the data, and `width` apart for a level. */
typedef struct {
  int64_t from, to;
  int32_t rows, stride, count, width;
} part_t;

typedef struct {
  const char *name;
  int64_t (*run)(const void *const *, void *const *, const float *, int64_t, int64_t, const int64_t *);
#ifdef LENGTHS
  int64_t (*sizes)(const int64_t *, int64_t *);
#endif
  const part_t *parts;
  int64_t parts_count, floats;
} level_t;

@tables@

#define LEVELS (int)(sizeof levels / sizeof levels[0])

static float *weights[LEVELS];
static int in_use; /* 1 + the number of the level; 0 until the first call */

#if defined(__x86_64__)
#include <cpuid.h>

/* The highest level that processor and system can run. */
static int highest(void) {
  const unsigned basic = 1u << 12 | 1u << 27 | 1u << 28;              /* FMA, OSXSAVE, AVX */
  const unsigned wide = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;    /* AVX512 F, DQ, BW, VL */
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & basic) != basic)
    return 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 5))
    return 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 0x6) != 0x6)
    return 0;
  return (b & wide) == wide && (low & 0xe0) == 0xe0 ? 2 : 1;
}
#else
static int highest(void) {
  return 0;
}
#endif

static int level_number(void) {
  int number = __atomic_load_n(&in_use, __ATOMIC_ACQUIRE);
  if (!number) {
    const int most = highest();
    number = 1 + (most < LEVELS ? most : LEVELS - 1);
    __atomic_store_n(&in_use, number, __ATOMIC_RELEASE);
  }
  return number - 1;
}

/* The weights as a level reads them, made once; NULL where there is no memory. */
static const float *weights_of(int number) {
  float *found = __atomic_load_n(&weights[number], __ATOMIC_ACQUIRE);
  if (found)
    return found;
  const level_t *level = levels + number;
  char *memory = calloc((size_t)level->floats * sizeof(float) + 64, 1);
  if (!memory)
    return NULL;
  float *made = (float *)(memory + (64 - (uintptr_t)memory % 64));
  for (const part_t *part = level->parts; part < level->parts + level->parts_count; part++)
    for (int64_t row = 0; row < part->rows; row++)
      memcpy(made + part->to + row * part->width, DATA + sizeof(float) * (size_t)(part->from + row * part->stride),
             sizeof(float) * (size_t)part->count);
  if (__atomic_compare_exchange_n(&weights[number], &found, made, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    return made;
  free(memory); /* another thread was first */
  return found;
}

API const char *NAME(level)(void) {
  return levels[level_number()].name;
}

API int NAME(use_level)(const char *name) {
  const int most = highest();
  for (int i = 0; name && i < LEVELS && i <= most; i++)
    if (!strcmp(levels[i].name, name)) {
      __atomic_store_n(&in_use, 1 + i, __ATOMIC_RELEASE);
      return 1;
    }
  return 0;
}

#ifdef LENGTHS
API int NAME(sizes)(const int64_t *lengths, int64_t *sizes) {
  for (int i = 0; i < LENGTHS; i++)
    if (lengths[i] < 1 || lengths[i] > LONGEST)
      return 0;
  return (int)levels[level_number()].sizes(lengths, sizes);
}
#endif

API int64_t NAME(run)(const void *const *in, void *const *out, int64_t rows, int64_t threads, const int64_t *lengths) {
  const int number = level_number();
  const float *w = weights_of(number);
  if (!w)
    return -1;
#ifdef LENGTHS
  int64_t sizes[SIZES + 1];
  if (!NAME(sizes)(lengths, sizes))
    return -2;
#endif
  return rows < 1 ? 0 : levels[number].run(in, out, w, rows, threads, lengths);
}
