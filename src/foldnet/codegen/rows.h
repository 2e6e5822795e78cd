/* Ops along an axis. An array is seen as (n, inner): n steps along the axis, each of `inner` neighbours (lanes
   among them), which are independent. Every sum runs along the axis in order, so that the layout of the
   neighbours changes no bit. */

/* exp(x - max) / sum(exp(x - max)), or its logarithm, of one row, where the loop along it is the one to vectorize. */
static inline void fn_softmax_row(const float *x, float *y, int n, int logarithm) {
  const int whole = n < 16 ? 0 : n / 8 * 8;
  float tops[8], parts[8] = {0.0f}, top = -(float)INFINITY, sum = 0.0f;
  for (int q = 0; q < 8; q++)
    tops[q] = top;
  for (int i = 0; i < whole; i += 8)
    AS_A_LOOP
    for (int q = 0; q < 8; q++)
      tops[q] = x[i + q] > tops[q] ? x[i + q] : tops[q];
  for (int q = 0; q < 8; q++)
    top = tops[q] > top ? tops[q] : top;
  for (int i = whole; i < n; i++)
    top = x[i] > top ? x[i] : top;
  for (int i = 0; i < n; i++)
    y[i] = logarithm ? x[i] - top : fn_exp(x[i] - top);
  for (int i = 0; i < whole; i += 8)
    for (int q = 0; q < 8; q++)
      parts[q] += logarithm ? fn_exp(y[i + q]) : y[i + q];
  for (int i = whole; i < n; i++) {
    const float term = logarithm ? fn_exp(y[i]) : y[i];
    if (whole)
      parts[i - whole] += term;
    else
      sum += term;
  }
  if (whole)
    sum = ((parts[0] + parts[4]) + (parts[2] + parts[6])) + ((parts[1] + parts[5]) + (parts[3] + parts[7]));
  if (logarithm) {
    sum = fn_log(sum);
    for (int i = 0; i < n; i++)
      y[i] = y[i] - sum;
    return;
  }
  for (int i = 0; i < n; i++)
    y[i] = y[i] / sum;
}

/* max(x - tau, 0) with Keras's tau: over the values in falling order, as long as they belong to the support, the sum
   of their running sums, less 1, divided by their number. The next value in order is searched for; few are. */
static inline void fn_sparsemax(const float *x, float *y, int n, int inner) {
  for (int k = 0; k < inner; k++) {
    double sum = 0.0, sums = 0.0;
    float last = (float)INFINITY;
    int last_at = -1, count = 0;
    for (;;) {
      int at = -1;
      float best = -(float)INFINITY;
      for (int i = 0; i < n; i++) {
        const float v = x[i * inner + k];
        const int later = v < last || (v == last && i > last_at);
        if (later && (at < 0 || v > best)) {
          best = v;
          at = i;
        }
      }
      if (at < 0 || !((double)best - (sum + (double)best - 1.0) / (count + 1) > 0.0))
        break;
      last = best;
      last_at = at;
      sum += (double)best;
      sums += sum;
      count++;
    }
    const double tau = (sums - 1.0) / (double)count;
    for (int i = 0; i < n; i++) {
      const double v = (double)x[i * inner + k] - tau;
      y[i * inner + k] = v <= 0.0 ? 0.0f : (float)v;
    }
  }
}

/* Weights of positions by their distance, 0 where they would be without rounding: see operations/resampling/weights.py.
   They are in double, as the sums of all weights of a position are. */
static inline double fn_counted(double weight) {
  return fabs(weight) < 1e-12 ? 0.0 : weight;
}

static inline double fn_bilinear(double x) {
  return fn_counted(x < 1.0 ? 1.0 - x : 0.0);
}

static inline double fn_bicubic(double x) {
  const double near = (1.5 * x - 2.5) * x * x + 1.0, far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;
  return fn_counted(x < 1.0 ? near : x < 2.0 ? far : 0.0);
}

static inline double fn_lanczos(double x, double radius) {
  const double pi = 3.14159265358979323846, a = pi * x, b = pi * (x / radius);
  return x <= 1e-3 ? 1.0 : x > radius ? 0.0 : fn_counted(sin(a) / a * (sin(b) / b));
}

static inline double fn_lanczos3(double x) {
  return fn_lanczos(x, 3.0);
}

static inline double fn_lanczos5(double x) {
  return fn_lanczos(x, 5.0);
}
