"""C of the gradient of a kernel of windows: each element a sum over windows and rows, which are the lanes.

Sums of as many elements as registers hold go through all windows, so that units that fill no vector leave no lane
idle, and nothing is turned round.
"""

from __future__ import annotations

from dataclasses import dataclass

from foldnet.codegen.expressions import plus, times
from foldnet.codegen.tiles import either
from foldnet.engines.native.training.functions import indented


@dataclass(frozen=True)
class WindowDots:
    """The function for so many inputs and units at a time; together 24 at most, which registers hold."""

    inputs: int
    units: int

    @property
    def name(self) -> str:
        """Of the C function."""
        return f"window_dots{self.inputs}x{self.units}"

    @property
    def _head(self) -> str:
        return (
            f"static void {self.name}(const float *x, const float *g, const int32_t *lines, long count, long along,\n"
            "    long x_step, long apart, long g_step, long R, long rows, float *out, long ldo, int add) {"
        )

    def code(self) -> str:
        """The C function."""
        return either(self._written_out(), self._in_loops())

    def _in_loops(self) -> str:
        given = "x, g, lines, count, along, x_step, apart, g_step, R, rows, out, ldo, add"
        return f"{self._head}\n  any_window_dots({self.inputs}, {self.units}, {given});\n}}\n"

    def _written_out(self) -> str:
        inputs, units = range(self.inputs), range(self.units)
        sums = [[f"s{i}x{j}" for j in units] for i in inputs]

        def added(load: str) -> list[str]:
            """The statements that add the products of a vector of rows to every sum."""
            at = [load.format(plus("xo", times(times(i, "apart"), "R"), "r")) for i in inputs]
            lines = [f"const V {', '.join(f'v{i} = {x}' for i, x in enumerate(at))};", "V w;"]
            for j in units:
                lines.append(f"w = {load.format(plus('go', times(j, 'R'), 'r'))};")
                lines += [f"{sums[i][j]} = MULADD(v{i}, w, {sums[i][j]});" for i in inputs]
            return lines

        vectors = -(-self.inputs * self.units // 16)
        body = [
            *(f"V {', '.join(f'{s} = {{0}}' for s in row)};" for row in sums),
            "for (long l = 0; l < count; l++) {",
            "const float *xo = x + lines[l] * R, *go = g + l * along * g_step * R;",
            "for (long o = 0; o < along; o++, xo += x_step * R, go += g_step * R) {",
            "long r = 0;",
            "for (; r + 16 <= rows; r += 16) {",
            *added("LOAD({})"),
            "}",
            "if (r < rows) {",
            *added("lanes_below(LOAD({}), rows - r)"),
            "}",
            "}",
            "}",
            f"const V s[{16 * vectors}] = {{{', '.join(s for row in sums for s in row)}}};",
            f"float t[{16 * vectors}];",
            *(f"STORE({plus('t', 16 * k)}, sums16({plus('s', 16 * k)}));" for k in range(vectors)),
            *([f"for (long i = 0; i < {self.inputs}; i++)"] if self.inputs > 1 else []),
            *([f"for (long j = 0; j < {self.units}; j++)"] if self.units > 1 else []),
            self._stored(),
        ]
        return "\n".join([self._head, *indented(body, 1), "}", ""])

    def _stored(self) -> str:
        i, j = "i" if self.inputs > 1 else 0, "j" if self.units > 1 else 0
        out, t = f"out[{plus(times(i, 'ldo'), j)}]", f"t[{plus(times(i, self.units), j)}]"
        return f"{out} = (add ? {out} : 0.0f) + {t};"


def any_window_dots() -> str:
    """``any_window_dots``: what the functions compute, their sizes known when it runs."""
    return """\
#ifdef QUICK_TO_COMPILE
static void any_window_dots(long inputs, long units, const float *x, const float *g, const int32_t *lines, long count,
    long along, long x_step, long apart, long g_step, long R, long rows, float *out, long ldo, int add) {
  for (long i = 0; i < inputs; i++)
    for (long j = 0; j < units; j++) {
      V s = {0};
      for (long l = 0; l < count; l++)
        for (long o = 0; o < along; o++)
          for (long r = 0; r < rows; r += 16)
            s = MULADD(lanes_below(LOAD(x + (lines[l] + o * x_step + i * apart) * R + r), rows - r),
                       lanes_below(LOAD(g + ((l * along + o) * g_step + j) * R + r), rows - r), s);
      out[i * ldo + j] = (add ? out[i * ldo + j] : 0.0f) + across(s);
    }
}
#endif"""
