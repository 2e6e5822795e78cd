"""Templates of the files around ``predict.c``, with ``@words@`` for a network's own text."""

from __future__ import annotations

import re
from collections.abc import Mapping

PREDICT_H = """\
/* Predictions of the network @title@, in C99, needs only libm. @mark@.

@layers@ */

#ifndef @MACRO@_PREDICT_H
#define @MACRO@_PREDICT_H

#include <stddef.h>
#include <stdint.h>

@sizes@

/* Define it before including predict.c, to `static inline` for instance, to change the linkage. */
#ifndef @MACRO@_API
#define @MACRO@_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

@memory@@declared_sizes@@declared_codes@/* Predict one row. @status@ */
@MACRO@_API int @name@_predict(@arguments@);

/* Predict consecutive rows. Stops at the first row without a prediction, and returns its status. */
@MACRO@_API int @name@_predict_rows(@arguments@, size_t rows);

#ifdef __cplusplus
}
#endif

#endif
"""

PREDICT_C = """\
/* The network @title@. @mark@. */

#include "predict.h"

@workspace@@code@
int @name@_predict_rows(@arguments@, size_t rows) {
@rows_start@  for (size_t row = 0; row < rows; row++) {
    const int status = @name@_predict(@row_arguments@);
    if (status)
      return status;
  }
  return 0;
}
"""

MAIN_C = """\
/* Reads rows of numbers and prints a prediction for each. @mark@.

   Usage: predict @length_usage@[FILE]        without a file, from standard input

   A line is a row: @total_words@, separated by commas or blanks@order@. A first line of
   names, without a number, is skipped, and so is one of 0,1,2 and so on, as pandas names columns (+0,1,2 is a
   row). The exit code is 1 if the input is not a table of such rows.@codes_note@

   This file includes predict.c, so that `cc main.c -lm` is enough; compiled with
   -D@MACRO@_SEPARATE it is linked with it instead. */

#ifdef @MACRO@_SEPARATE
#include "predict.h"
#else
#define @MACRO@_API static inline
#include "predict.c"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL 128
#define LENGTHS @lengths@ /* arguments before the file */

@arrays@

/* Store the text as number `index` of the row. Returns whether all of the text is a number. */
static int store(const char *text, size_t length, size_t index) {
  char *end;
@stores@
  return 1; /* too many numbers: the caller counts them */
}

/* Read the text of the next number on the line, cut at CELL characters. Returns its length, 0 at the end of the
   line, or EOF at the end of the file. */
static int next_cell(FILE *file, char *text) {
  int c = getc(file), length = 0;
  while (c == ' ' || c == '\\t' || c == ',' || c == ';' || c == '\\r')
    c = getc(file);
  while (c != EOF && c != '\\n' && c != ' ' && c != '\\t' && c != ',' && c != ';' && c != '\\r') {
    if (length < CELL - 1)
      text[length++] = (char)c;
    c = getc(file);
  }
  text[length] = '\\0';
  if (length == 0)
    return c == EOF ? EOF : 0;
  if (length == CELL - 1)
    text[0] = '?';
  ungetc(c, file);
  return length;
}

/* Fill the arrays with the next row. Returns 1; 0 at the end of the file; -1 for a bad row, after saying why. */
static int read_row(FILE *file, long *line) {
  char text[CELL], place[CELL];
  for (;;) {
    size_t count = 0, right = 0, wrong = 0, places = 0;
    int length;
    ++*line;
    while ((length = next_cell(file, text)) > 0) {
      const int stored = store(text, (size_t)length, count);
      sprintf(place, "%lu", (unsigned long)count);
      places += !strcmp(text, place);
      count++;
      if (stored)
        right += count <= total;
      else if (!wrong)
        wrong = count;
    }
    if (wrong && (*line > 1 || right)) {
      fprintf(stderr, "line %ld: value %lu is not @a_number@\\n", *line, (unsigned long)wrong);
      return -1;
    }
    if (count && !wrong && count != total) {
      fprintf(stderr, "line %ld has %lu numbers, expected %lu\\n", *line, (unsigned long)count, (unsigned long)total);
      return -1;
    }
    if (*line == 1 && count > 1 && places == count) {
      fputs("line 1 counts the columns and is not a row; write +0 to make it one\\n", stderr);
      continue;
    }
    if (count && !wrong)
      return 1;
    if (length == EOF)
      return 0;
  }
}

static int run(FILE *file) {
  long line = 0, rows = 0;
  int status;
  while ((status = read_row(file, &line)) > 0) {
@predict@
    const char *before = "";
@prints@
    putchar('\\n');
    rows++;
  }
  if (status == 0 && ferror(file)) {
    perror("cannot read the rows");
    return EXIT_FAILURE;
  }
  if (status == 0 && rows == 0) {
    fputs("no rows to predict\\n", stderr);
    return EXIT_FAILURE;
  }
  if (fflush(stdout) || ferror(stdout)) {
    perror("cannot write the predictions");
    return EXIT_FAILURE;
  }
  return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
  const char *name = argc > LENGTHS + 1 ? argv[LENGTHS + 1] : "-";
  if (argc < LENGTHS + 1 || argc > LENGTHS + 2 || (name[0] == '-' && name[1] != '\\0')) {
    fputs("usage: predict @length_usage@[FILE]    rows of @total_usage@ in, predictions out\\n", stderr);
    return 2;
  }
@prepare@  if (!strcmp(name, "-"))
    return run(stdin);
  FILE *file = fopen(name, "r");
  if (!file) {
    perror(name);
    return EXIT_FAILURE;
  }
  const int code = run(file);
  fclose(file);
  return code;
}
"""

SELF_TEST_C = """\
/* Checks predict.c, as compiled here, against recorded rows and predictions. @mark@.

   Usage: self_test        exit code 0 when all agree; `make test` builds and runs it

   The predictions were computed in double precision; a few times float's rounding error is allowed. */

#ifdef @MACRO@_SEPARATE
#include "predict.h"
#else
#define @MACRO@_API static inline
#include "predict.c"
#endif

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS @rows@
#define ALLOWED @allowed@ /* of 1 + |expected| */

@recorded@
@recorded_codes@
/* Relative difference between computed and recorded; 1 if only one of them is a number. */
static double difference(double y, double expected) {
  const double d = y - expected, size = expected < 0 ? -expected : expected;
  if (y == expected || (y != y && expected != expected))
    return 0.0;
  if (!(size < 1e300) || !(d < 1e300 && d > -1e300))
    return 1.0;
  return (d < 0 ? -d : d) / (1.0 + size);
}

int main(void) {
  double worst = 0.0;
@self_test_codes@@self_test_start@  if (@name@_predict_rows(@rows_call@, ROWS)) {
    fputs("self-test: a recorded row has no prediction\\n", stderr);
    return EXIT_FAILURE;
  }
@compares@
  for (size_t row = 0; row < ROWS; row++) {
    if (@name@_predict(@one_call@)@one_check@) {
      fprintf(stderr, "self-test: row %lu alone differs from the same row among others\\n", (unsigned long)row);
      return EXIT_FAILURE;
    }
  }
  printf("self-test: %d rows, largest difference %.2g, allowed %.2g: %s\\n", ROWS, worst, ALLOWED,
         worst <= ALLOWED ? "ok" : "FAILED");
  return worst <= ALLOWED ? EXIT_SUCCESS : EXIT_FAILURE;
}
"""

MAKEFILE = """\
# @mark@.
#   make         builds ./predict, which reads rows and prints predictions
#   make test    checks this machine's compilation against recorded predictions

CC ?= cc
CFLAGS ?= -O2
WARNINGS = -std=c99 -Wall -Wextra -Wpedantic
SEPARATE = -D@MACRO@_SEPARATE

all: predict

predict: main.c predict.o
	$(CC) $(CFLAGS) $(WARNINGS) $(SEPARATE) $(LDFLAGS) -o $@ main.c predict.o -lm

self_test: self_test.c predict.o
	$(CC) $(CFLAGS) $(WARNINGS) $(SEPARATE) $(LDFLAGS) -o $@ self_test.c predict.o -lm

predict.o: predict.c predict.h
	$(CC) $(CFLAGS) $(WARNINGS) -c -o $@ predict.c

test: self_test
	./self_test

clean:
	rm -f predict self_test predict.o

.PHONY: all test clean
"""

README = """\
# The network @title@ in C

@mark@. C99, no allocation, no library except libm.

    make && ./predict @length_usage@< rows.csv
    make test

or without make:

    cc main.c -lm

A line of input is a row: @total_words@@order@. A line of output is its prediction.

## In your own program

Compile `predict.c` with it, and include `predict.h`:

```c
#include "predict.h"

@example@
```

@status@
@codes_words@
@memory_words@ On AVR the weights stay in flash; with `-DWEIGHTS_IN_RAM` they are copied to memory.

## What it computes

@table@

`self_test.c` holds @rows@ rows with their predictions in double precision; `make test` compares.
"""


FIXED = {
    "sizes": """\
/* The number of values in a row. */
@size_macros@""",
    "memory": """\
/* Memory: @weights_bytes@ bytes of constant weights (on AVR in flash, unless compiled with -DWEIGHTS_IN_RAM), and
   @workspace_bytes@ bytes for the values between the layers. These are on the stack if @MACRO@_STATIC is 0 (the
   calls need more); if it is 1 they are in static memory, and only one thread at a time may predict. Define it
   when compiling predict.c, as in -D@MACRO@_STATIC=1. */
#ifndef @MACRO@_STATIC
#define @MACRO@_STATIC @static@
#endif

""",
    "declared_sizes": "",
    "workspace": """\
#if @MACRO@_STATIC
#define WORKSPACE static
#else
#define WORKSPACE
#endif

""",
    "rows_start": "",
    "lengths": "0",
    "length_usage": "",
    "total_words": "@total@ numbers",
    "total_usage": "@total@ numbers",
    "arrays": """\
static const size_t total = @total@;
@static_arrays@""",
    "prepare": "",
    "self_test_start": "",
    "memory_words": """\
Weights take @weights_bytes@ bytes, the values between the layers @workspace_bytes@. `-D@MACRO@_STATIC=1` keeps these in
static memory, so that only one thread at a time may predict; `-D@MACRO@_STATIC=0` keeps them on the stack. The default
here is @static@.""",
}
"""Texts for a network whose sizes are all known."""

OF_LENGTHS = {
    "sizes": """\
/* @shapes@

   The sizes for some lengths of the free axes: how many values a row of each input and output has, and how many bytes
   the workspace. */
struct @name@_predict_sizes {
  size_t @size_members@, workspace;
};""",
    "memory": """\
/* Memory: @weights_bytes@ bytes of constant weights (on AVR in flash, unless compiled with -DWEIGHTS_IN_RAM). The
   caller gives the memory for the values between the layers: `workspace` points to as many bytes as the sizes say,
   aligned as a float. Calls with workspaces of their own may run at the same time. */

""",
    "declared_sizes": """\
/* The sizes for these lengths. Returns 1, or 0 if the network cannot take them. */
@MACRO@_API int @name@_predict_sizes(@length_parameters@, struct @name@_predict_sizes *sizes);

""",
    "workspace": "",
    "rows_start": """\
  struct @name@_predict_sizes sizes;
  if (!@name@_predict_sizes(@length_arguments@, &sizes))
    return -1;
""",
    "lengths": "@length_count@",
    "length_usage": "@length_words@ ",
    "total_words": "all numbers of its inputs for the given lengths",
    "total_usage": "numbers",
    "arrays": """\
static long @length_arguments@;
static size_t @size_variables@, total;
@pointers@
static void *workspace;

/* Read the lengths, and get memory for a row and its prediction. Returns whether that worked. */
static int prepare(char **argv) {
  long *const lengths[LENGTHS] = {@length_pointers@};
  struct @name@_predict_sizes sizes;
  for (int k = 0; k < LENGTHS; k++) {
    char *end;
    *lengths[k] = strtol(argv[k + 1], &end, 10);
    if (end == argv[k + 1] || *end) {
      fprintf(stderr, "%s is not a length\\n", argv[k + 1]);
      return 0;
    }
  }
  if (!@name@_predict_sizes(@length_arguments@, &sizes)) {
    fputs("the network cannot take these lengths\\n", stderr);
    return 0;
  }
@sizes_taken@
  workspace = malloc(sizes.workspace + 1);
  if (!workspace || @no_memory@) {
    fputs("no memory for a row of these lengths\\n", stderr);
    return 0;
  }
  return 1;
}""",
    "prepare": """\
  if (!prepare(argv))
    return 2;
""",
    "self_test_start": """\
  struct @name@_predict_sizes sizes;
  if (!@name@_predict_sizes(@recorded_lengths@, &sizes) || sizes.workspace > sizeof workspace) {
    fputs("self-test: the network cannot take the recorded lengths\\n", stderr);
    return EXIT_FAILURE;
  }
""",
    "memory_words": """\
Weights take @weights_bytes@ bytes. The caller gives the memory for the values between the layers: as many bytes as
`@name@_predict_sizes` says.""",
}
"""Texts for a network with free axes."""


def fill(template: str, words: Mapping[str, str]) -> str:
    """The template with every ``@word@`` replaced once: the inserted texts are not searched again.

    >>> fill("@a@ and @b@", {"a": "@b@", "b": "2"})
    '@b@ and 2'
    """
    return re.sub(r"@(\w+)@", lambda m: words[m[1]], template)
