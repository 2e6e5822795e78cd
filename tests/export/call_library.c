/* Opens a library as a program of its system does, and predicts rows: LIBRARY PREFIX ROWS INPUT OUTPUT FROM TO [LEVEL],
   where INPUT and OUTPUT are how many numbers a row has, and FROM and TO files of such numbers. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef _WIN32
#include <windows.h>
#define OPEN(path) ((void *)LoadLibraryA(path))
#define FIND(library, name) ((void *)GetProcAddress((HMODULE)library, name))
#else
#include <dlfcn.h>
#define OPEN(path) dlopen(path, RTLD_NOW)
#define FIND dlsym
#endif

static void *found(void *library, const char *prefix, const char *end) {
  char name[200];
  snprintf(name, sizeof name, "%s_%s", prefix, end);
  void *function = FIND(library, name);
  if (!function) {
    fprintf(stderr, "no %s\n", name);
    exit(3);
  }
  return function;
}

int main(int count, char **given) {
  int64_t (*run)(const void *const *, void *const *, int64_t, int64_t, const int64_t *);
  const char *(*level)(void);
  int (*use_level)(const char *);
  if (count < 8)
    return 2;
  void *library = OPEN(given[1]);
  if (!library)
    return 4;
  *(void **)&run = found(library, given[2], "run");
  *(void **)&level = found(library, given[2], "level");
  *(void **)&use_level = found(library, given[2], "use_level");
  if (count > 8 && !use_level(given[8]))
    return 5;
  const size_t rows = (size_t)atoi(given[3]), takes = rows * (size_t)atoi(given[4]), gives = rows * (size_t)atoi(given[5]);
  float *x = malloc(sizeof *x * takes), *y = malloc(sizeof *y * gives);
  FILE *from = fopen(given[6], "rb"), *to = fopen(given[7], "wb");
  if (!x || !y || !from || !to || fread(x, sizeof *x, takes, from) != takes)
    return 6;
  const void *in[] = {x};
  void *out[] = {y};
  const int64_t status = run(in, out, (int64_t)rows, 3, NULL);
  if (fwrite(y, sizeof *y, gives, to) != gives || fclose(to))
    return 7;
  printf("%s %d\n", level(), (int)status);
  return 0;
}
