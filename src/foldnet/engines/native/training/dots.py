"""C of the gradient of a kernel of few units: each element a sum over rows, sixteen elements at a time.

Rows are the lanes of the sums, so that few units leave no lane idle, as they would where the units are the lanes.
"""

from __future__ import annotations

from dataclasses import dataclass

from foldnet.codegen.expressions import plus, times
from foldnet.codegen.tiles import either
from foldnet.engines.native.training.functions import indented

AT_ONCE = 16
"""Elements whose sums are in registers at the same time, and are added up across their lanes together."""


@dataclass(frozen=True)
class Dots:
    """The function for kernels of so many units, at most ``AT_ONCE``."""

    units: int

    @property
    def name(self) -> str:
        """Of the C function."""
        return f"dots{self.units}"

    @property
    def inputs(self) -> int:
        """How many inputs' elements are summed at the same time."""
        return AT_ONCE // self.units

    def code(self) -> str:
        """The C function."""
        return either(self._written_out(), self._in_loops())

    @property
    def _head(self) -> str:
        given = "const float *x, const float *g, long lo, long hi, long R, long rows, float *out, int add"
        return f"static void {self.name}({given}) {{"

    def _in_loops(self) -> str:
        return f"{self._head}\n  any_dots({self.units}, x, g, lo, hi, R, rows, out, add);\n}}\n"

    def _written_out(self) -> str:
        all_inputs = self.inputs
        units, inputs = range(self.units), range(all_inputs)
        stored = times("left" if all_inputs != 1 else 1, self.units)
        sums = [[f"s{i}x{j}" for j in units] for i in inputs]
        j = "j" if self.units != 1 else 0
        ends = [f"x{i} = i + {i} < hi ? {plus('x0', times(i, 'R'))} : x0" for i in inputs if i]

        def added(x: str, g: str, step: str) -> list[str]:
            """The statements that add a vector of rows to every sum."""
            lines = [f"const V {', '.join(f'v{i} = {x.format(i)}' for i in inputs)};", "V w;"]
            for unit in units:
                lines.append(f"w = LOAD({plus(g, times(unit, step))});")
                lines += [f"{sums[i][unit]} = MULADD(v{i}, w, {sums[i][unit]});" for i in inputs]
            return lines

        body = [
            "const long whole = rows / 16 * 16, rest = rows % 16;",
            # The rows that fill no vector, with zeros in the place of what follows them.
            f"float last[{16 * self.units}];",
            "if (rest)",
            *([f"for (long j = 0; j < {self.units}; j++)"] if self.units != 1 else []),
            f"STORE({plus('last', times(16, j))}, lanes_below(LOAD({plus('g', times(j, 'R'), 'whole')}), rest));",
            f"for (long i = lo; i < hi; i += {self.inputs}) {{",
            f"const float *{', *'.join(['x0 = x + i * R', *ends])};",
            *(f"V {', '.join(f'{s} = {{0}}' for s in row)};" for row in sums),
            "for (long r = 0; r < whole; r += 16) {",
            *added("LOAD(x{} + r)", "g + r", "R"),
            "}",
            "if (rest) {",
            *added("lanes_below(LOAD(x{} + whole), rest)", "last", "16"),
            "}",
            f"const V s[16] = {{{', '.join(s for row in sums for s in row)}}};",
            *(
                [f"const int left = hi - i < {all_inputs} ? (int)(hi - i) : {all_inputs};"]
                if all_inputs != 1
                else []
            ),
            f"store_part({plus('out', times('i', self.units))}, sums16(s), add, {stored});",
            "}",
        ]
        return "\n".join([self._head, *indented(body, 1), "}", ""])


def any_dots() -> str:
    """``any_dots``: what the functions compute, their number of units known when it runs."""
    return """\
#ifdef QUICK_TO_COMPILE
static void any_dots(long units, const float *x, const float *g, long lo, long hi, long R, long rows, float *out,
                     int add) {
  for (long i = lo; i < hi; i++)
    for (long j = 0; j < units; j++) {
      V s = {0};
      for (long r = 0; r < rows; r += 16)
        s = MULADD(lanes_below(LOAD(x + i * R + r), rows - r), lanes_below(LOAD(g + j * R + r), rows - r), s);
      out[i * units + j] = (add ? out[i * units + j] : 0.0f) + across(s);
    }
}
#endif"""
