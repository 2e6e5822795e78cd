"""What an operation's ``text.py`` says: how it is written in NumPy source, and in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from foldnet.arrays import Array
from foldnet.graph.op import Elementwise, Shape

_CALLED = re.compile(r"(?<![\w.])([a-z]\w*)\(")


@dataclass
class Operands:
    """What an operation is applied to, in the words of the file being written.

    Attributes:
        texts: the variable of each operand.
        shapes: of the operands, batch axis first; a constant's has no batch axis.
        result: shape of the result.
        neutral: for each operand, whether it is a constant that changes nothing (scale 1, offset 0).
        layer: whose operation it is, for errors.
        helpers: names of the functions called so far that the file must define.
    """

    texts: Sequence[str]
    shapes: Sequence[Shape]
    result: Shape
    neutral: Sequence[bool]
    layer: str = ""
    helpers: set[str] = field(default_factory=set)

    def call(self, helper: str, *arguments: str) -> str:
        """A call of a function that the file must define."""
        self.helpers.add(helper)
        return f"{helper}({', '.join(arguments)})"

    def calls(self, text: str) -> str:
        """The text, whose functions without a module's name the file must define."""
        self.helpers |= set(_CALLED.findall(text))
        return text

    def axis(self, axis: int) -> str:
        """An axis of the first operand as an argument; the last one is -1."""
        return f"axis={-1 if axis == len(self.shapes[0]) - 1 else axis}"


def applied(function: Elementwise | None, x: str) -> str:
    """A function of x in short, with the parameters that differ from those of the plain function; None is linear."""
    if function is None:
        return x
    plain = {"negative_slope": 0.0, "max_value": float("inf"), "threshold": 0.0}
    changed = [f"{k}={v:g}" for k, v in function.params if plain.get(k) != v]
    return " ".join([f"{function.name}({x})", *changed])


def _never(index: int, array: Array) -> bool:
    return False


@dataclass(frozen=True)
class Text:
    """How an operation is written.

    Attributes:
        expression: of the operation and its operands, without a fused activation.
        words: what it does; by default the name of its class.
        roles: what it calls its operands, for naming the constant ones.
        neutral: whether a constant operand, by its place, changes nothing, and is left out.
        spread: whether its constants are spread over rows, so that axes of size 1 in front of them can go.
        nests: whether the operand may be an expression, as it is written once.
        formula: of the operation and its operands' names, in short and without a fused activation:
            ``#1 @ kernel + bias``; None for the usual form, ``softmax(#1, axis=1)``.
        brief: the expression as a person writes it, without checks of the data; None where that is no other.
    """

    expression: Callable[..., str]
    words: str = ""
    roles: tuple[str, ...] = ()
    neutral: Callable[[int, Array], bool] = _never
    spread: bool = False
    nests: bool = False
    formula: Callable[..., str] | None = None
    brief: Callable[..., str] | None = None
