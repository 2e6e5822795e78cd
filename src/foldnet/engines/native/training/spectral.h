/* What kernels divided by their largest singular value call. A kernel is a matrix of m rows and n columns. */

/* Numbers divided by their length, or multiplied by `most` where that is less. */
static void to_unit_length(float *x, long count, float most) {
  float length = 0.0f;
  for (long k = 0; k < count; k++)
    length += x[k] * x[k];
  length = 1.0f / sqrtf(length);
  length = length < most ? length : most;
  for (long k = 0; k < count; k++)
    x[k] *= length;
}

/* Power iteration on the singular vectors u and v, in training only, then the kernel divided; sigma is 0 for a kernel that
   stays as it is. */
static void spectral_kernel(const float *w, float *y, float *u, float *v, float *sigma, long m, long n, long turns,
                            float most, int training) {
  int any = 0;
  for (long k = 0; k < m * n; k++)
    any |= w[k] != 0.0f;
  *sigma = 0.0f;
  if (training && any) {
    for (long turn = 0; turn < turns; turn++) {
      for (long i = 0; i < m; i++) {
        float sum = 0.0f;
        for (long j = 0; j < n; j++)
          sum += u[j] * w[i * n + j];
        v[i] = sum;
      }
      to_unit_length(v, m, most);
      for (long j = 0; j < n; j++)
        u[j] = 0.0f;
      for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++)
          u[j] += v[i] * w[i * n + j];
      to_unit_length(u, n, most);
    }
    for (long i = 0; i < m; i++)
      for (long j = 0; j < n; j++)
        *sigma += v[i] * w[i * n + j] * u[j];
  }
  const float divisor = *sigma != 0.0f ? *sigma : 1.0f;
  for (long k = 0; k < m * n; k++)
    y[k] = w[k] / divisor;
}

/* The gradient less its part along the singular vectors, divided. */
static void spectral_kernel_back(const float *y, const float *g, const float *u, const float *v, float sigma, float *to,
                                 long m, long n) {
  float sum = 0.0f;
  for (long k = 0; k < m * n; k++)
    sum += g[k] * y[k];
  for (long i = 0; i < m; i++)
    for (long j = 0; j < n; j++)
      to[i * n + j] = sigma != 0.0f ? (g[i * n + j] - sum * v[i] * u[j]) / sigma : g[i * n + j];
}
