"""NumPy source and descriptions of operations (``text.py`` of each family)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from foldnet.arrays import Array
from foldnet.graph.op import Elementwise, Shape

_CALLED = re.compile(r"(?<![\w.])([a-z]\w*)\(")


@dataclass
class Operands:
    """The operands of an operation as they are named in the file being written.

    Attributes:
        texts: the variable of each operand.
        shapes: of the operands, batch axis first; a constant's has no batch axis.
        result: shape of the result.
        neutral: for each operand, whether it is a constant that changes nothing (scale 1, offset 0).
        layer: the operation's layer, for errors.
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
        """The text; the file must define those functions in it that have no module name."""
        self.helpers |= set(_CALLED.findall(text))
        return text

    def axis(self, axis: int) -> str:
        """An axis of the first operand as an argument; the last one is -1."""
        return f"axis={-1 if axis == len(self.shapes[0]) - 1 else axis}"


def applied(function: Elementwise | None, x: str) -> str:
    """A function of x in short form, with only the parameters that differ from their defaults; None is linear."""
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
        words: a description; by default the name of its class.
        roles: names of its operands, used to name constants.
        neutral: whether a constant operand (given by index) changes nothing and is left out.
        spread: whether its constants are broadcast over rows, so that their leading axes of size 1 can be dropped.
        nests: whether the operand may be an expression, because it occurs only once.
        formula: of the operation and its operands' names, in short form and without a fused activation:
            ``#1 @ kernel + bias``; None for the usual form, ``softmax(#1, axis=1)``.
        brief: the expression as a person would write it, without checks of the data; None if it is the same.
    """

    expression: Callable[..., str]
    words: str = ""
    roles: tuple[str, ...] = ()
    neutral: Callable[[int, Array], bool] = _never
    spread: bool = False
    nests: bool = False
    formula: Callable[..., str] | None = None
    brief: Callable[..., str] | None = None
