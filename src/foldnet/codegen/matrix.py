"""Dense layers: kernels that keep a tile of the result in registers.

Every element of the result is summed in one fixed order, whatever the kernel, so that a row gives the same bits
alone and in a batch: inputs in order, in stretches of ``STRETCH``; the first stretch starts from the bias, each
later one from zero and is added to what came before. (Short stretches also lose less to rounding.)

Two shapes of kernel compute it. For a block of rows, vectors run along the rows and a tile is a few units of
all lanes. For one row, vectors run along the units. Both read the same packed weights: panels of columns, each
row-major.
"""

from __future__ import annotations

from foldnet.codegen.expressions import plus, times

STRETCH = 256
PANEL = 4


def tile(simd: int) -> int:
    """Units of the largest tile of two vectors of lanes, so that all of it fits the registers.

    >>> tile(16), tile(8)
    (8, 4)
    """
    return 4 if simd == 8 else 8


def panels(units: int, simd: int) -> tuple[int, ...]:
    """Widths of the panels that the columns of a matrix are packed in: at most four vectors, the last one padded.

    >>> panels(10, 16), panels(100, 16), panels(1, 16), panels(10, 1)
    ((16,), (64, 48), (1,), (10,))
    """
    if simd == 1:
        return (units,)
    widths = [PANEL * simd] * (units // (PANEL * simd))
    if rest := units % (PANEL * simd):
        narrow = 1
        while narrow < rest:
            narrow *= 2
        widths.append(narrow if narrow <= simd else -(-rest // simd) * simd)
    return tuple(widths)


HAS = """\
#ifdef __clang__
#define HAS(builtin) __has_builtin(builtin)
#else
#define HAS(builtin) 1
#endif
"""
"""C that asks compilers for functions of their own. Those of gcc are older than the question."""

_MULTIPLY_ADD = {
    16: ("__AVX512F__", "__builtin_ia32_vfmaddps512_mask", ", (unsigned short)-1, 4"),
    8: ("__FMA__", "__builtin_ia32_vfmaddps256", ""),
    4: ("__FMA__", "__builtin_ia32_vfmaddps", ""),
}
"""By the floats in a vector: a macro of processors, what compilers call the function there, its last arguments."""

_LARGER = {
    16: ("__AVX512F__", "__builtin_ia32_maxps512_mask(y, x, x, (unsigned short)-1, 4)"),
    8: ("__AVX__", "__builtin_ia32_maxps256(y, x)"),
    4: ("__SSE__", "__builtin_ia32_maxps(y, x)"),
}
"""Likewise, of gcc: the larger number, the second one where that is NaN or both are zeros."""


def vector_types(sizes: set[int]) -> str:
    """Vectors of floats, each with load, store, broadcast and multiply-add."""
    return "\n\n".join([HAS, *(_vector_type(n) for n in sorted(sizes) if n > 1)])


def _vector_type(n: int) -> str:
    return f"""\
typedef float v{n} __attribute__((vector_size({4 * n})));
typedef float u{n} __attribute__((vector_size({4 * n}), aligned(4), may_alias));
typedef int32_t i{n} __attribute__((vector_size({4 * n})));

static inline v{n} load{n}(const float *p) {{ return *(const u{n} *)p; }}

static inline void store{n}(float *p, v{n} x) {{ *(u{n} *)p = x; }}

static inline v{n} fma{n}(v{n} a, v{n} b, v{n} c) {{
{_multiply_add(n)}}}

static inline v{n} raised{n}(v{n} x, float low) {{
  const v{n} y = low - (v{n}){{0}};
{_raise(n)}}}
"""


def _multiply_add(n: int) -> str:
    loop = f"  v{n} r = a;\n  for (int k = 0; k < {n}; k++)\n    r[k] = FMA(a[k], b[k], c[k]);\n  return r;\n"
    if n not in _MULTIPLY_ADD:
        return loop
    feature, name, more = _MULTIPLY_ADD[n]
    return (
        f"#if defined({feature}) && HAS({name})\n  return {name}(a, b, c{more});\n"
        "#elif defined(__clang__) && HAS(__builtin_elementwise_fma) && "
        "(defined(__FMA__) || defined(__ARM_FEATURE_FMA))\n"
        f"  return __builtin_elementwise_fma(a, b, c);\n#else\n{loop}#endif\n"
    )


def _raise(n: int) -> str:
    choice = f"  const i{n} below = x <= y;\n  return (v{n})(((i{n})y & below) | ((i{n})x & ~below));\n"
    if n not in _LARGER:
        return choice
    feature, larger = _LARGER[n]
    # Of two zeros it should be the number to raise to: adding that zero makes it so, and -0.0 changes nothing.
    return (
        f"#if defined({feature}) && !defined(__clang__)\n"
        f"  return {larger} + (low == 0.0f ? 0.0f : -0.0f);\n#else\n{choice}#endif\n"
    )


def raised(value: str, low: str, size: int) -> str:
    """C of a vector of so many floats, or a number, where what is not more than ``low`` is ``low``; NaN stays."""
    return f"raised{size}({value}, {low})" if size > 1 else f"{value} <= {low} ? {low} : {value}"


def block_kernel(units: int, simd: int, lanes: int) -> str:
    """C of a kernel for a block of rows: ``units`` columns of one panel over one stretch of inputs."""
    vectors = lanes // simd
    names = [[f"a{u}_{v}" for v in range(vectors)] for u in range(units)]
    lines = [
        f"static inline void block{units}(const float *x, const float *w, int width, const float *bias, float *y,",
        "                          int count, int more, float low) {",
    ]
    for u in range(units):
        lines.append(f"  const float b{u} = bias ? bias[{u}] : 0.0f;")
        lines.append(f"  v{simd} " + ", ".join(f"{n} = b{u} - (v{simd}){{0}}" for n in names[u]) + ";")
    lines.append(f"  for (int i = 0; i < count; i++, x += {lanes}, w += width) {{")
    xs = ", ".join(f"x{v} = load{simd}({plus('x', v * simd)})" for v in range(vectors))
    lines.append(f"    const v{simd} {xs};")
    for u in range(units):
        lines.append(f"    const v{simd} w{u} = w[{u}] - (v{simd}){{0}};")
        lines += [f"    {n} = fma{simd}(x{v}, w{u}, {n});" for v, n in enumerate(names[u])]
    lines.append("  }")
    lines.append("  if (more) {")
    flat = [(n, u * lanes + v * simd) for u in range(units) for v, n in enumerate(names[u])]
    lines += [f"    {n} = load{simd}({plus('y', at)}) + {n};" for n, at in flat]
    lines += ["  }", "  if (low > -(float)INFINITY) {"]
    lines += [f"    {n} = {raised(n, 'low', simd)};" for n, _ in flat]
    lines.append("  }")
    lines += [f"  store{simd}({plus('y', at)}, {n});" for n, at in flat]
    lines.append("}")
    return "\n".join(lines) + "\n"


def together_in_a_row(width: int, simd: int) -> int:
    """Panels that a kernel for one row computes at once: two where they are of full width, else one.

    >>> together_in_a_row(32, 8), together_in_a_row(16, 8)
    (2, 1)
    """
    return 2 if width == PANEL * simd else 1


def row_name(width: int, several: int = 1) -> str:
    """Name of the C function for one row and so many panels at once."""
    return f"row{width}" if several == 1 else f"row{several}x{width}"


def row_kernel(width: int, simd: int, several: int = 1) -> str:
    """C of a kernel for one row: all columns of one panel, or of neighbouring ones, and all inputs.

    A sum waits for its own last product, and two panels have twice as many sums to go on with meanwhile.

    Args:
        width: of a panel.
        simd: floats in a vector.
        several: how many panels.
    """
    size = min(width, simd)
    count = width // size
    kind = f"v{size}" if size > 1 else "float"

    def load(array: str, at: int) -> str:
        return f"load{size}({plus(array, at)})" if size > 1 else f"{array}[{at}]"

    fma = f"fma{size}" if size > 1 else "FMA"
    zero = "{0}" if size > 1 else "0.0f"
    pointers = ["w" if panel == 0 else f"w{panel}" for panel in range(several)]
    every = range(count * several)
    weights = [load(pointer, k * size) for pointer in pointers for k in range(count)]
    steps = "\n".join(f"      s{k} = {fma}(xi, {weight}, s{k});" for k, weight in enumerate(weights))
    step = ", ".join(f"{pointer} += {width}" if width > 1 else f"{pointer}++" for pointer in pointers)
    broadcast = f"x[i] - (v{size}){{0}}" if size > 1 else "x[i]"
    lines = [
        f"static inline void {row_name(width, several)}(const float *x, const float *w, const float *bias, float *y, "
        "int count) {",
        *(
            f"  const float *w{panel} = w + {times(panel * width, '(long)count')};"
            for panel in range(1, several)
        ),
        f"  {kind} " + ", ".join(f"a{k} = {zero}" for k in every) + ";",
        "  if (bias) {",
        *(f"    a{k} = {load('bias', k * size)};" for k in every),
        "  }",
        f"  for (int start = 0; start < count; start += {STRETCH}) {{",
        f"    const int end = count - start < {STRETCH} ? count : start + {STRETCH};",
        f"    {kind} " + ", ".join(f"s{k} = {zero}" for k in every) + ";",
        "    if (start == 0) {",
        *(f"      s{k} = a{k};" for k in every),
        "    }",
        f"    for (int i = start; i < end; i++, {step}) {{",
        f"      const {kind} xi = {broadcast};",
        steps,
        "    }",
        *(f"    a{k} = start ? a{k} + s{k} : s{k};" for k in every),
        "  }",
        *(f"  store{size}({plus('y', k * size)}, a{k});" if size > 1 else f"  y[{k}] = a{k};" for k in every),
        "}",
    ]
    return "\n".join(lines) + "\n"


def portable_kernel(name: str, bias: str) -> str:
    """C of a kernel without vectors.

    Args:
        name: of the function.
        bias: how C reads ``{}``, an element of the bias.
    """
    return f"""\
/* y = x * w + bias. Sums run over the inputs in order, in stretches of {STRETCH} that are added up. */
static void {name}(const float *x, const float *w, const float *bias, float *y, int inputs, int units) {{
  for (int first = 0; first < units; first += 16) {{
    const int width = units - first < 16 ? units - first : 16;
    float sum[16], total[16] = {{0.0f}}; /* the bias may be y, so y is written last */
    for (int start = 0; start < inputs || start == 0; start += {STRETCH}) {{
      const int end = inputs - start < {STRETCH} ? inputs : start + {STRETCH};
      for (int u = 0; u < width; u++)
        sum[u] = start == 0 && bias ? {bias.format("bias[first + u]")} : 0.0f;
      for (int i = start; i < end; i++)
        for (int u = 0; u < width; u++)
          sum[u] = FMA(x[i], WEIGHT(w[i * units + first + u]), sum[u]);
      for (int u = 0; u < width; u++)
        total[u] = start ? total[u] + sum[u] : sum[u];
    }}
    for (int u = 0; u < width; u++)
      y[first + u] = total[u];
  }}
}}
"""


PORTABLE_KERNELS = {"fn_dense": "WEIGHT({})", "fn_dense_onto": "{}"}
"""Kernels by name, and how they read the bias: among the weights, or in the memory that values lie in."""
