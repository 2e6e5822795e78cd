/* What changes of images call: values that rows choose, images at mapped positions, images of the same batch. */

/* Which of `count` values a row takes by its number: what lies beyond them, or is none, stands for the last or the first. */
static inline long value_taken(float number, long count) {
  return number >= 0.0f ? number < (float)count ? (long)number : count - 1 : 0;
}

/* Whether some row takes this value. */
static int is_taken(const float *numbers, long rows, long value, long count) {
  for (long r = 0; r < rows; r++)
    if (value_taken(numbers[r], count) == value)
      return 1;
  return 0;
}

/* For each row its value; elements lo to hi. */
static void choose_values(const float *const *values, long count, const float *numbers, float *to, long R, long lo,
                          long hi) {
  for (long r = 0; r < R; r += 16) {
    const float *from[16];
    int same = 1;
    for (int l = 0; l < 16; l++) {
      from[l] = values[value_taken(numbers[r + l], count)];
      same = same && from[l] == from[0];
    }
    for (long i = lo; i < hi; i++)
      if (same)
        STORE(to + i * R + r, LOAD(from[0] + i * R + r));
      else
        for (int l = 0; l < 16; l++)
          to[i * R + r + l] = from[l][i * R + r + l];
  }
}

/* The places within an axis of size n that stand for 16 whole numbers anywhere; -1 for none. Fill modes: 0 reflect, 1 wrap,
   2 nearest, 3 constant. Whatever is given, a place is on the axis: lanes past the last row may hold anything. */
static inline void places_on_axis(int32_t *place, const float *at, float n, int fill) {
  float on[16] __attribute__((aligned(64)));
  FREELY for (int l = 0; l < 16; l++)
    on[l] = at[l];
  if (fill == 1)
    FREELY for (int l = 0; l < 16; l++)
      on[l] -= n * floorf(on[l] / n);
  if (fill == 0)
    FREELY for (int l = 0; l < 16; l++) {
      const float within = on[l] - 2.0f * n * floorf(on[l] / (2.0f * n));
      on[l] = within < n ? within : 2.0f * n - 1.0f - within;
    }
  FREELY for (int l = 0; l < 16; l++) {
    const float least = on[l] > 0.0f ? on[l] : 0.0f;
    place[l] = (int32_t)(least < n ? least : n - 1.0f);
  }
  if (fill == 3)
    FREELY for (int l = 0; l < 16; l++)
      place[l] = at[l] >= 0.0f && at[l] < n ? place[l] : -1;
}

/* For 16 coordinates on an axis of size n the places that are read, up to two, and the weight of each. Where a perspective
   has its horizon, a coordinate is infinite, or none; it is far beyond the borders then. */
static inline void places_around(int32_t place[2][16], float weight[2][16], const float *coordinate, float n, int nearest,
                                 int fill) {
  float first[16] __attribute__((aligned(64))), second[16] __attribute__((aligned(64)));
  FREELY for (int l = 0; l < 16; l++) {
    const float at = fabsf(coordinate[l]) < 1073741824.0f ? coordinate[l] : -1073741824.0f;
    const float whole = truncf(at), rest = at - whole, below = floorf(at);
    const float away = (rest >= 0.5f ? 1.0f : 0.0f) - (rest <= -0.5f ? 1.0f : 0.0f);
    first[l] = nearest ? whole + away : below;
    second[l] = below + 1.0f;
    weight[1][l] = nearest ? 0.0f : at - below;
    weight[0][l] = 1.0f - weight[1][l];
  }
  places_on_axis(place[0], first, n, fill);
  if (!nearest)
    places_on_axis(place[1], second, n, fill);
}

/* What position p of images reads for 16 rows, see MapImage: one place or four, -1 for those beyond the borders, and the
   weight of each. Gives how many. */
static inline int places_read(int32_t place[4][16], float weight[4][16], const float *map, long R, long p, long height,
                              long width, int by_position, float cy, float cx, int nearest, int fill) {
  const float y = (float)(p / width), x = (float)(p % width), y0 = y - cy, x0 = x - cx;
  const float h = (float)height, w = (float)width;
  float row_at[16] __attribute__((aligned(64))), column_at[16] __attribute__((aligned(64)));
  float down[2][16], right[2][16];
  int32_t row[2][16], column[2][16];
  if (by_position)
    FREELY for (int l = 0; l < 16; l++) {
      row_at[l] = y + map[p * 2 * R + l];
      column_at[l] = x + map[(p * 2 + 1) * R + l];
    }
  else
    FREELY for (int l = 0; l < 16; l++) {
      const float distance = 1.0f + map[6 * R + l] * y0 + map[7 * R + l] * x0;
      row_at[l] = (map[l] * y0 + map[R + l] * x0 + map[4 * R + l] * h) / distance + cy;
      column_at[l] = (map[2 * R + l] * y0 + map[3 * R + l] * x0 + map[5 * R + l] * w) / distance + cx;
    }
  places_around(row, down, row_at, h, nearest, fill);
  places_around(column, right, column_at, w, nearest, fill);
  const int count = nearest ? 1 : 4;
  for (int k = 0; k < count; k++)
    FREELY for (int l = 0; l < 16; l++) {
      const int32_t at = row[k / 2][l] * (int32_t)width + column[k % 2][l];
      place[k][l] = row[k / 2][l] < 0 || column[k % 2][l] < 0 ? -1 : at;
      weight[k][l] = down[k / 2][l] * right[k % 2][l];
    }
  return count;
}

/* Images at mapped positions; positions lo to hi. Neighbouring positions lie `of_position` elements apart, channels
   `of_channel`. */
static void map_images(const float *x, const float *map, float *y, long height, long width, long channels, long of_position,
                       long of_channel, int by_position, float cy, float cx, int nearest, int fill, float value, long R,
                       long lo, long hi) {
  for (long p = lo; p < hi; p++)
    for (long r = 0; r < R; r += 16) {
      int32_t place[4][16];
      float weight[4][16];
      const int count = places_read(place, weight, map + r, R, p, height, width, by_position, cy, cx, nearest, fill);
      for (long c = 0; c < channels; c++) {
        const float *from = x + c * of_channel * R + r;
        float *to = y + (p * of_position + c * of_channel) * R + r, sum[16] = {0};
        for (int k = 0; k < count; k++)
          FREELY for (int l = 0; l < 16; l++) {
            const int32_t at = place[k][l];
            const float here = from[(at < 0 ? 0 : at) * of_position * R + l];
            sum[l] += weight[k][l] * (at < 0 ? value : here);
          }
        STORE(to, LOAD(sum));
      }
    }
}

/* The gradient on the images: what each position has, added up at the places that it reads; rows 16 * lo to 16 * hi. */
static void map_images_back(const float *g, const float *map, float *to, long height, long width, long channels,
                            long of_position, long of_channel, int by_position, float cy, float cx, int nearest, int fill,
                            long R, long lo, long hi) {
  for (long r = lo * 16; r < hi * 16; r += 16) {
    for (long i = 0; i < height * width * channels; i++)
      STORE(to + i * R + r, SPREAD(0.0f));
    for (long p = 0; p < height * width; p++) {
      int32_t place[4][16];
      float weight[4][16];
      const int count = places_read(place, weight, map + r, R, p, height, width, by_position, cy, cx, nearest, fill);
      for (long c = 0; c < channels; c++) {
        const float *own = g + (p * of_position + c * of_channel) * R + r;
        for (int k = 0; k < count; k++)
          FREELY for (int l = 0; l < 16; l++)
            if (place[k][l] >= 0)
              to[(place[k][l] * of_position + c * of_channel) * R + r + l] += weight[k][l] * own[l];
      }
    }
  }
}

/* The order of the rows of a step; that of rows which do not count, and of all outside training, stays. */
static void order_of_rows(int32_t *order, long rows, long R, int training, uint64_t step, Key key) {
  for (long r = 0; r < R; r++)
    order[r] = (int32_t)r;
  if (training)
    shuffle(order, rows, (uint32_t *)(order + R), step, key);
}

/* Rows in an order, or back from it; elements lo to hi. */
static void shuffle_rows(const int32_t *order, const float *x, float *y, int back, long R, long lo, long hi) {
  for (long i = lo; i < hi; i++)
    for (long r = 0; r < R; r++)
      if (back)
        y[i * R + order[r]] = x[i * R + r];
      else
        y[i * R + r] = x[i * R + order[r]];
}

/* The level of a value that is given in levels: cut to a whole number, held to those that there are. */
static inline long level_of(float value) { return value >= 0.0f ? value < 255.0f ? (long)value : 255 : 0; }

/* What each level of an axis's position becomes, see Equalize; 0 if its values do not have two levels. */
static int table_of_levels(const float *x, float *table, long outer, long step, long inner, long R, long rows) {
  long counts[256] = {0}, upto = 0, first = 0, levels = 0;
  for (long o = 0; o < outer; o++)
    for (long i = 0; i < inner; i++)
      for (long r = 0; r < rows; r++)
        counts[level_of(x[(o * step + i) * R + r] * 255.0f / 255.0f)]++;
  for (long k = 0; k < 256; k++) {
    if (counts[k] && !levels++)
      first = counts[k];
    upto += counts[k];
  }
  const float all = (float)(upto > first ? upto - first : 1);
  upto = 0;
  for (long k = 0; k < 256; k++) {
    upto += counts[k];
    const float to = rintf((float)((upto - first) * 255) / all);
    table[k] = to > 0.0f ? to < 255.0f ? to : 255.0f : 0.0f;
  }
  return levels > 1;
}

/* Positions lo to hi of an axis, each equalized over all rows; with a gradient, that on the values instead. */
static void equalize(const float *x, const float *g, float *y, long outer, long count, long inner, long R, long rows,
                     long lo, long hi) {
  for (long c = lo; c < hi; c++) {
    float table[256];
    const float *own = x + c * inner * R;
    const int looked_up = table_of_levels(own, table, outer, count * inner, inner, R, rows);
    for (long o = 0; o < outer; o++)
      for (long i = 0; i < inner; i++)
        for (long r = 0; r < R; r++) {
          const long at = (o * count * inner + i) * R + r;
          const float same = g ? g[c * inner * R + at] : own[at];
          y[c * inner * R + at] = !looked_up ? same : g ? 0.0f : table[level_of(own[at] / 255.0f * 255.0f)];
        }
  }
}
