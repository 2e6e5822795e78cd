"""Collects the statements of a training program's functions: lines, loops, and where threads wait for each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from foldnet.codegen.around import LoopsAround
from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.loops import Operand, collapse, laid_out, place, whole_numbers
from foldnet.codegen.loops import loop as loop_head
from foldnet.codegen.names import Namespace
from foldnet.codegen.writer import Body
from foldnet.engines.native.training.functions import Function, JointLoop, written
from foldnet.engines.native.training.sharing import Sharing
from foldnet.graph.training import TrainingProgram

ROWS = "ROWS(r, 0, R)"
"""The head of a loop over all rows."""

COUNTER = "long"
"""What loops count with."""


def loop(variable: str, low: Number, high: Number) -> str:
    """The head of a loop of a training program, see ``COUNTER``."""
    return loop_head(variable, low, high, COUNTER)


def shared(variable: str, count: int) -> str:
    """The head of a loop whose turns are divided among threads."""
    return loop(variable, f"LOW({count})", f"HIGH({count})")


class Statements(Sharing, LoopsAround):
    """The statements of one function.

    Attributes:
        lines: of C so far.
    """

    counter = COUNTER

    def __init__(self, program: TrainingProgram) -> None:
        super().__init__(program)
        self.lines: list[str | JointLoop] = []
        self._seals: list[int] = []
        self._open: tuple[int, list[str]] = (-1, [])
        self._statements: list[list[str]] = []
        self._handed_on: list[tuple[list[str], str]] = []
        self._inside = 0
        self._comment = ""
        self._apart = False
        #: How many operations read the array of this name; more for what is read at the end of a step.
        self._reads: dict[str, int] = {}
        for value in [v for n in self.graph.nodes for v in dict.fromkeys(n.inputs)] + 2 * list(
            self.graph.outputs
        ):
            name = self.names.value(self.roots[value])
            self._reads[name] = self._reads.get(name, 0) + 1

    def announce(self, comment: str) -> None:
        """Put a comment above the next statement."""
        self._comment = f"/* {comment} */"

    def _announced(self) -> list[str]:
        comment, self._comment = self._comment, ""
        return [comment] if comment else []

    def add(self, *lines: str | JointLoop) -> None:
        """Append statements."""
        self.lines += [*self._announced(), *lines]

    def add_ahead(self, line: str) -> None:
        """Append a statement, or put it ahead of the operation before a loop over elements, which stays open to others.

        For what depends on no other statement. Ahead of a product it is done while its operands are waited for. In a
        function apart, whose arrays lie where others were, it stays where it is.
        """
        end, heads = self._open
        if self.threaded or self._apart or end != len(self.lines):
            self.add(line)
            self.wait()
            return
        opened = next(k for k in reversed(range(end)) if isinstance(self.lines[k], JointLoop))
        at = [0, 0, *(seal for seal in self._seals if seal <= opened)][-2]
        self.lines[at:at] = added = [*self._announced(), line]
        self._seals = [seal + len(added) * (seal > at) for seal in self._seals]
        self._open = (len(self.lines), heads)

    def seal(self) -> None:
        """Say that statements may be divided here, between one op and the next."""
        self._comment = ""
        self._seals.append(len(self.lines))

    def function(self, name: str, parameters: str, arguments: str) -> Function:
        """The statements so far as a C function, with declarations of its arrays; then start again."""
        self._hand_on()
        groups: list[list[str]] = []
        done = 0
        for end in [*self._seals, len(self.lines)]:
            groups.append([line for part in self.lines[done:end] for line in written(part)])
            done = end
        self.lines, self._seals, self._open = [], [], (-1, [])
        return Function(name, parameters, arguments, groups, self._declared)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Statements that are collected beside those so far, and have become a function when this ends."""
        outer = self.lines, self._seals, self._open, self._statements, self._handed_on
        self.lines, self._seals, self._open, self._statements, self._handed_on = [], [], (-1, []), [], []
        self._apart = True
        yield
        self._apart = False
        self.lines, self._seals, self._open, self._statements, self._handed_on = outer

    def nest(self, shape: Sequence[int], operands: Sequence[Operand], body: Body, sums: bool = False) -> None:
        """Loops over a shape and the rows around ``body(*elements)``.

        The outermost loop is divided among threads unless ``sums``, for bodies that add up over it.
        """
        laned = any(o.laned and not o.rows for o in operands)
        sizes, steps = collapse(shape, [o.strides for o in operands])
        if (
            laned
            and len(sizes) <= 1
            and all(
                o.laned and not o.rows and o.start == 0 and (not sizes or s == [1])
                for o, s in zip(operands, steps, strict=True)
            )
        ):
            self._flat(sizes[0] if sizes else 1, operands, body, sums)
            return
        heads = [loop(f"i{d}", 0, n) if d or sums else shared("i0", n) for d, n in enumerate(sizes)]
        if sums or not sizes:
            heads = ["if (FIRST)", *heads]
        pointers, elements, names = [], [], Namespace(())
        for operand, step in zip(operands, steps, strict=True):
            at = place(step, operand.start)
            lanes = plus(operand.base, times(at, "R"))
            if not operand.base:
                elements.append("r" if operand.laned else at)
            elif operand.rows:
                elements.append(lanes)
            elif operand.laned and at == "0":
                elements.append(f"{operand.base}[r]")
            elif operand.written and not operand.laned:
                elements.append(f"{operand.base}[{at}]")
            else:
                name = names.fresh(f"{operand.base}_at" if operand.laned else f"{operand.base}_here")
                const = "" if operand.written else "const "
                pointers.append(
                    f"{const}{operand.kind} *{name} = {lanes};"
                    if operand.laned
                    else f"const {operand.kind} {name} = {operand.base}[{at}];"
                )
                elements.append(f"{name}[r]" if operand.laned else name)
        inner = body(*elements)
        rows = [ROWS] if laned and ROWS not in inner else []
        self.add(*laid_out(heads, "\n".join([*pointers, *laid_out(rows, inner)])))
        self.wait()

    def _flat(self, count: int, operands: Sequence[Operand], body: Body, sums: bool) -> None:
        """One loop over all elements and rows, of which all operands have the same."""
        whole = sums or count == 1
        low, high = (0, count) if whole else (f"LOW({count})", f"HIGH({count})")
        text = body(*(f"{o.base}[r]" if o.base else "r" for o in operands))
        heads = ["if (FIRST)"] * whole + [f"ROWS(r, {times(low, 'R')}, {times(high, 'R')})"]
        # One loop for several operations: arrays with names of their own share no element but the same.
        joined = all(o.base in self._declared for o in operands)
        if joined and self._open == (len(self.lines), heads):
            self._statements[-1].append("\n".join([*self._announced(), text]))
            read = [o.base for o in operands if not o.written and o.kind == "float"]
            self._handed_on += [(self._statements[-1], base) for base in read if self._reads.get(base) == 1]
        else:
            self._statements.append([text])
            self.add(JointLoop(heads, self._statements[-1]))
            self.wait()
        self._open = (len(self.lines), heads) if joined else (-1, [])

    def _hand_on(self) -> None:
        """Have loops hand on from statement to statement, without an array, what nothing else reads."""
        text = "\n".join(line for part in self.lines for line in written(part))
        words = Counter(re.findall(r"\b[a-z]\w*", text)) if self._handed_on else {}
        for statements, base in self._handed_on:
            element, write = f"{base}[r]", f"{base}[r] = "
            at = next((k for k, text in enumerate(statements) if write in text), -1)
            own = statements[at].split("\n")
            # What a statement declares is in braces with it.
            if at < 0 or any(line.startswith("const ") for line in own) or statements[at].count(element) != 1:
                continue
            if sum(text.count(element) for text in statements[at:]) != words[base]:
                continue
            # Without the layer's number, so that loops of like layers have the same text; and without const, at which a
            # statement would get braces around it.
            here = f"{re.sub(r'_[0-9]+$', '', base)}_value"
            if any(f" {here} = " in text for text in statements):
                continue
            statements[at] = statements[at].replace(write, f"float {here} = ")
            statements[at + 1 :] = [text.replace(element, here) for text in statements[at + 1 :]]
        self._handed_on = []

    def wait(self) -> None:
        """Threads wait for each other, so that all see what has been written; inside a loop, only after it."""
        if not self._inside:
            self.barrier()

    def barrier(self) -> None:
        """Threads wait for each other, wherever this is."""
        if self.lines and self.lines[-1] != "BARRIER":
            self.lines.append("BARRIER")

    @contextmanager
    def inside(self, head: str) -> Iterator[None]:
        """A block around all that is written inside, in which threads do not wait for each other."""
        self.add(head)
        self._inside += 1
        yield
        self._inside -= 1
        self.add("}")
        self.wait()

    @contextmanager
    def numbers(self, name: str, numbers: Sequence[int]) -> Iterator[str]:
        """An array of whole numbers around all that is written inside; gives its name."""
        self.add("{", whole_numbers(name, numbers))
        yield name
        self.add("}")
