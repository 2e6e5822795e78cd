"""Mistakes in the formula of Dense."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from foldnet.insight.verify.mistakes.base import Mistake
from foldnet.insight.verify.mistakes.whole import HalfPrecision, half
from foldnet.insight.verify.recipes import Multiplying
from foldnet.operations.along.op import Glu

Edit = Callable[[Multiplying], Any]


def of_dense(recipe: Multiplying) -> Iterator[Mistake]:
    """Every way to get this Dense wrong."""
    kernel, bias = recipe.kernel, recipe.bias

    def mistake(
        name: str,
        edit: Callable[[Multiplying], Any],
        variant: str = "",
        sight: bool = True,
        jumps: bool = False,
    ) -> Mistake:
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
    if recipe.activation is not None and not isinstance(recipe.activation, Glu):
        yield mistake("activation-missing", lambda r: replace(r, activation=None))
    yield mistake("float16-rounding", _weights_in_half, "weights", False)
    yield mistake("float16-rounding", lambda r: replace(r, kernel=half(r.kernel)), "kernel", False)
    yield mistake("float16-rounding", HalfPrecision, "all", False, jumps=True)


def _weights_in_half(recipe: Multiplying) -> Multiplying:
    bias = None if recipe.bias is None else half(recipe.bias)
    return replace(recipe, kernel=half(recipe.kernel), bias=bias)
