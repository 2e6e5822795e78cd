/* FarmHash's fingerprint, as in github.com/google/farmhash (farmhashna::Hash64), and a search among known texts. Parts of
   a text are little-endian numbers on every machine. */

static inline uint64_t fn_bytes(const unsigned char *text, int count) {
  uint64_t x = 0;
  for (int i = count - 1; i >= 0; i--)
    x = x << 8 | text[i];
  return x;
}

static inline uint64_t fn_turned(uint64_t x, int count) {
  return x >> count | x << (64 - count);
}

static inline uint64_t fn_mixed(uint64_t u, uint64_t v, uint64_t by) {
  uint64_t a = (u ^ v) * by, b = (v ^ a ^ a >> 47) * by;
  return (b ^ b >> 47) * by;
}

/* The fingerprint of up to 16 bytes. */
static inline uint64_t fn_hash_16(const unsigned char *text, int count) {
  const uint64_t k0 = 0xc3a5c85c97cb3127u, k2 = 0x9ae16a3b2f90404fu;
  if (count == 0)
    return k2;
  if (count < 4) {
    uint64_t y = text[0] + ((uint64_t)text[count / 2] << 8), z = (uint64_t)count + ((uint64_t)text[count - 1] << 2);
    uint64_t x = y * k2 ^ z * k0;
    return (x ^ x >> 47) * k2;
  }
  uint64_t by = k2 + 2 * (uint64_t)count;
  if (count < 8)
    return fn_mixed((uint64_t)count + (fn_bytes(text, 4) << 3), fn_bytes(text + count - 4, 4), by);
  uint64_t a = fn_bytes(text, 8) + k2, b = fn_bytes(text + count - 8, 8);
  return fn_mixed(fn_turned(b, 37) * by + a, (fn_turned(a, 25) + b) * by, by);
}

/* The fingerprint of a whole number's decimal digits. */
static inline uint64_t fn_fingerprint(int32_t number) {
  unsigned char text[11];
  uint32_t rest = number < 0 ? 0u - (uint32_t)number : (uint32_t)number, digits = rest;
  int count = number < 0;
  do
    count++;
  while (digits /= 10);
  text[0] = '-';
  for (int i = count - 1; i >= (number < 0); i--, rest /= 10)
    text[i] = (unsigned char)('0' + rest % 10);
  return fn_hash_16(text, count);
}

/* What the first and the last 16 bytes give: two numbers. */
static inline void fn_ends(const unsigned char *text, int count, uint64_t first, uint64_t *ends) {
  const uint64_t k2 = 0x9ae16a3b2f90404fu, by = k2 + 2 * (uint64_t)count;
  uint64_t a = fn_bytes(text, 8) * first, b = fn_bytes(text + 8, 8);
  uint64_t c = fn_bytes(text + count - 8, 8) * by, d = fn_bytes(text + count - 16, 8) * k2;
  ends[0] = fn_turned(a + b, 43) + fn_turned(c, 30) + d;
  ends[1] = a + fn_turned(b + k2, 18) + c;
}

/* The fingerprint of 17 to 64 bytes. */
static inline uint64_t fn_hash_64(const unsigned char *text, int count) {
  const uint64_t k1 = 0xb492b66fbe98f273u, k2 = 0x9ae16a3b2f90404fu, by = k2 + 2 * (uint64_t)count;
  uint64_t ends[2];
  fn_ends(text, count, count <= 32 ? k1 : k2, ends);
  uint64_t z = fn_mixed(ends[0], ends[1], by);
  if (count <= 32)
    return z;
  uint64_t a = fn_bytes(text, 8) * k2, e = fn_bytes(text + 16, 8) * by, f = fn_bytes(text + 24, 8);
  uint64_t g = (ends[0] + fn_bytes(text + count - 32, 8)) * by, h = (z + fn_bytes(text + count - 24, 8)) * by;
  return fn_mixed(fn_turned(e + f, 43) + fn_turned(g, 30) + h, e + fn_turned(f + a, 18) + g, by);
}

/* 32 bytes and two numbers as two numbers. */
static inline void fn_weak(const unsigned char *text, uint64_t a, uint64_t b, uint64_t *pair) {
  uint64_t last = fn_bytes(text + 24, 8), c;
  a += fn_bytes(text, 8);
  b = fn_turned(b + a + last, 21);
  c = a;
  a += fn_bytes(text + 8, 8) + fn_bytes(text + 16, 8);
  pair[0] = a + last;
  pair[1] = b + fn_turned(a, 44) + c;
}

/* Take 64 bytes into the state: x, y, z, and the pairs v and w. */
static inline void fn_take_64(const unsigned char *text, uint64_t *state, uint64_t by, uint64_t times) {
  uint64_t *v = state + 3, *w = state + 5;
  uint64_t x = fn_turned(state[0] + state[1] + v[0] + fn_bytes(text + 8, 8), 37) * by;
  uint64_t y = fn_turned(state[1] + v[1] + fn_bytes(text + 48, 8), 42) * by;
  uint64_t z = fn_turned(state[2] + w[0], 33) * by;
  x ^= w[1] * times;
  y += v[0] * times + fn_bytes(text + 40, 8);
  fn_weak(text, v[1] * by, x + w[0], v);
  fn_weak(text + 32, z + w[1], y + fn_bytes(text + 16, 8), w);
  state[0] = z;
  state[1] = y;
  state[2] = x;
}

/* The fingerprint of a text's bytes. */
static inline uint64_t fn_text_hash(const unsigned char *text, size_t count) {
  const uint64_t k0 = 0xc3a5c85c97cb3127u, k1 = 0xb492b66fbe98f273u, k2 = 0x9ae16a3b2f90404fu;
  if (count <= 16)
    return fn_hash_16(text, (int)count);
  if (count <= 64)
    return fn_hash_64(text, (int)count);
  uint64_t y = 81 * k1 + 113, z = (y * k2 + 113), rest = (count - 1) % 64;
  z = (z ^ z >> 47) * k2;
  uint64_t state[7] = {81 * k2 + fn_bytes(text, 8), y, z, 0, 0, 0, 0};
  for (size_t at = 0; at + 64 < count; at += 64)
    fn_take_64(text + at, state, k1, 1);
  uint64_t by = k1 + ((state[2] & 255) << 1);
  state[5] += rest;
  state[3] += state[5];
  state[5] += state[3];
  fn_take_64(text + count - 64, state, by, 9);
  y = state[1];
  z = fn_mixed(state[3], state[5], by) + (y ^ y >> 47) * k0 + state[2];
  return fn_mixed(z, fn_mixed(state[4], state[6], by) + state[0], by);
}

/* The place of a text among known ones, which ascend byte by byte; -1 if it is none of them. */
static inline int32_t fn_find_text(const unsigned char *text, size_t count, const unsigned char *known,
                                   const uint32_t *starts, int32_t texts) {
  int32_t low = 0, high = texts;
  while (low < high) {
    const int32_t middle = low + (high - low) / 2;
    const uint32_t start = TEXT_START(starts[middle]), size = TEXT_START(starts[middle + 1]) - start;
    size_t same = 0;
    while (same < count && same < size && text[same] == TEXT_BYTE(known[start + same]))
      same++;
    if (same == count && same == size)
      return middle;
    if (same == size || (same < count && text[same] > TEXT_BYTE(known[start + same])))
      low = middle + 1;
    else
      high = middle;
  }
  return -1;
}
