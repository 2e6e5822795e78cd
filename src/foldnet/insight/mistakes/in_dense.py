"""Mistakes with the formula of Dense."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from foldnet.graph import ops
from foldnet.insight.mistakes.base import Mistake
from foldnet.insight.mistakes.whole import half
from foldnet.insight.oracle import Array, Rounded
from foldnet.insight.recipes import Multiplying, exactly

Edit = Callable[[Multiplying], Multiplying]


def of_dense(recipe: Multiplying) -> Iterator[Mistake]:
    """Every way to get this Dense wrong."""
    kernel, bias = recipe.kernel, recipe.bias

    def mistake(name: str, edit: Edit, variant: str = "", sight: bool = True, jumps: bool = False) -> Mistake:
        return Mistake(name, None, variant, sight, recipe, edit, jumps=jumps)

    if (kernel != 0).any():
        yield mistake("kernel-missing", lambda r: replace(r, kernel=np.zeros_like(kernel)))
    if bias is not None and (bias != 0).any():
        yield mistake("bias-missing", lambda r: replace(r, bias=None))
    transposed = kernel.T.reshape(kernel.shape)
    if not np.array_equal(transposed, kernel):
        square = kernel.shape[0] == kernel.shape[1]
        yield mistake(
            "kernel-transposed", lambda r: replace(r, kernel=transposed), "" if square else "reshaped", square
        )
    if recipe.activation is not None and not isinstance(recipe.activation, ops.Glu):
        yield mistake("activation-missing", lambda r: replace(r, activation=None))
    yield mistake("float16-rounding", _weights_in_half, "weights", False)
    yield mistake("float16-rounding", lambda r: replace(r, kernel=half(r.kernel)), "kernel", False)
    yield mistake("float16-rounding", InHalf, "all", False, jumps=True)  # type: ignore[arg-type]


def _weights_in_half(recipe: Multiplying) -> Multiplying:
    bias = None if recipe.bias is None else half(recipe.bias)
    return replace(recipe, kernel=half(recipe.kernel), bias=bias)


@dataclass(frozen=True, eq=False)
class InHalf:
    """A recipe with every weight and every step in float16."""

    recipe: Multiplying

    def __call__(self, operands: Sequence[Array], rounded: Rounded = exactly) -> Array:
        """The result for a batch."""
        return half(self.recipe([half(operands[0])], half))
