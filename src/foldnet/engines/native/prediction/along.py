"""Work along axes of a row in C: stages one after the other, for every position of the axes that stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.loops import Operand, index, strides_of
from foldnet.codegen.writer import IN_PARTS, PARTS, Along, Body, Each, Once, Stage, Total
from foldnet.graph.sizes import free

if TYPE_CHECKING:
    from foldnet.engines.native.prediction.writer import BlockWriter


class AlongAxes:
    """The statements of some stages.

    Args:
        body: that collects them.
        loops: what is worked along, and the values.
    """

    def __init__(self, body: BlockWriter, loops: Along) -> None:
        self._body, self._loops, self._lanes = body, loops, body.lanes
        self._kind = "float" if loops.single else body.real.type
        self._strides = tuple(strides_of(loops.shape)[a] for a in loops.axes)

    def write(self, stages: Sequence[Stage]) -> None:
        """All of them."""
        loops, body, kept = self._loops, self._body, self._loops.kept
        steps, small = strides_of(loops.shape), strides_of([loops.shape[a] for a in kept])
        at = plus(*(times(f"k{a}", steps[a] * self._lanes) for a in kept))
        to = plus(*(times(f"k{a}", s * self._lanes) for a, s in zip(kept, small, strict=True)))
        with ExitStack() as nested:
            for a in kept:
                cost = 10 * prod(loops.shape)
                nested.enter_context(body.turns(f"k{a}", loops.shape[a], cost))
            if not kept:
                nested.enter_context(body.inside("{"))
            for const, group, where in (
                ("const ", loops.reads, at),
                ("", loops.writes, at),
                ("", loops.small, to),
            ):
                for name, value in group.items():
                    body.add(f"{const}float *{name} = {plus(body.base(value), where)};")
            self._start_sums()
            for stage in stages:
                if isinstance(stage, Total):
                    self._total(stage)
                else:
                    self._stage(stage)

    def _start_sums(self) -> None:
        """Declares the sums, with what they start with."""
        sums = self._loops.sums
        if not sums:
            return
        if self._lanes == 1:
            starts = (f"{name} = {self._filled(start, {})}" for name, start in sums.items())
            self._body.add(f"{self._kind} {', '.join(starts)};")
            return
        self._body.add(f"{self._kind} {', '.join(f'{name}[{self._lanes}]' for name in sums)};")
        self._stage(Once("\n".join(f"{{{name}}} = {start};" for name, start in sums.items())))

    def _nest(self, shape: Sequence[int], operands: Sequence[Operand], statement: Body) -> None:
        self._body.add(*self._body.nested(shape, operands, statement))

    def _stage(self, stage: Each | Once) -> None:
        """A statement for every element, or for every position of the axes that stay."""
        each = isinstance(stage, Each)
        sizes = [self._loops.shape[a] for a in self._loops.axes] if each else []
        steps, start = self._strides if each else (), 0
        if isinstance(stage, Each) and stage.reverse:
            steps, start = tuple(-s for s in steps), (sizes[0] - 1) * steps[0]
        operands = self._operands(stage.text, steps, start)
        if each and "{k}" in stage.text:
            operands["k"] = index(0, len(sizes))

        def statement(*elements: str) -> str:
            return self._filled(stage.text, dict(zip(operands, elements, strict=True)))

        self._nest(sizes, list(operands.values()), statement)

    def _operands(self, text: str, steps: tuple[int, ...], start: Number) -> dict[str, Operand]:
        """What a statement uses, in loops with these steps along the axes."""
        loops, still = self._loops, (0,) * len(steps)
        found = {name: Operand(name, steps, start=start) for name in (*loops.reads, *loops.writes)}
        found |= {name: Operand(name, still) for name in loops.small}
        if self._lanes > 1:
            found |= {name: Operand(name, still) for name in loops.sums}
        return {name: operand for name, operand in found.items() if f"{{{name}}}" in text}

    def _filled(self, text: str, elements: Mapping[str, str]) -> str:
        """A stage's text with elements in place of the names; alone, a sum is a variable, and others are pointers."""
        loops = self._loops
        for name in (*loops.reads, *loops.writes, *loops.small, *loops.sums, "k"):
            text = text.replace(
                f"{{{name}}}", elements.get(name, name if name in loops.sums else f"{name}[0]")
            )
        return text

    def _total(self, stage: Total) -> None:
        """In order or in parts; by its length when the code runs, if that is not known before."""
        n = self._loops.shape[self._loops.axes[-1]]
        if free(n) is None:
            if n < IN_PARTS:
                self._stage(stage.in_order)
            else:
                self._in_parts(stage)
            return
        with self._body.inside(f"if ({n} < {IN_PARTS}) {{"):
            self._stage(stage.in_order)
        with self._body.inside("else {"):
            self._in_parts(stage)

    def _in_parts(self, stage: Total) -> None:
        *outer, n = (self._loops.shape[a] for a in self._loops.axes)
        *steps, step = self._strides
        whole, rest = n // PARTS, n % PARTS
        with self._body.inside("{"):
            self._body.add(f"{self._kind} parts[{PARTS * self._lanes}] = {{0}};")
            # Positions of the last axis eight at a time; then those that are left.
            self._add_to_parts(stage, (*outer, whole, PARTS), (*steps, step * PARTS, step), 0)
            if free(rest) is not None or rest:
                self._add_to_parts(stage, (*outer, rest), (*steps, step), whole * PARTS * step)
            self._join_parts(stage.name)

    def _add_to_parts(
        self, stage: Total, sizes: tuple[int, ...], steps: tuple[int, ...], start: Number
    ) -> None:
        """Adds a term of each element to a part; the last loop goes over the parts."""
        operands = self._operands(stage.term, steps, start)
        parts = Operand("parts", (*(0 for _ in steps[1:]), 1))

        def statement(part: str, *elements: str) -> str:
            return f"{part} += {self._filled(stage.term, dict(zip(operands, elements, strict=True)))};"

        self._nest(sizes, [parts, *operands.values()], statement)

    def _join_parts(self, name: str) -> None:
        """Adds up the parts, the upper half to the lower half until one is left, and adds that to the sum."""
        parts, half = Operand("parts", (1,)), PARTS // 2
        while half:
            upper = replace(parts, start=half)
            self._nest((half,), [parts, upper], lambda low, high: f"{low} += {high};")
            half //= 2
        if self._lanes == 1:
            self._body.add(f"{name} += parts[0];")
        else:
            total = Operand(name, ())
            self._nest((), [total, replace(parts, strides=())], lambda y, x: f"{y} += {x};")
