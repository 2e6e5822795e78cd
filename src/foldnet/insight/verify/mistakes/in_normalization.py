"""Mistakes in the formula of a normalization."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.sites import Site
from foldnet.insight.verify.mistakes.base import Mistake
from foldnet.insight.verify.mistakes.whole import HalfPrecision, half
from foldnet.insight.verify.recipes import Moments, Normalizing, at_least, moments_over, root

Edit = Callable[[Normalizing], Normalizing]
EPSILONS = {0.0: "epsilon-missing", 1e-5: "epsilon-1e-5", 1e-3: "epsilon-1e-3"}
"""Values that a wrong port may use: 0, PyTorch's and ONNX's default, Keras's default."""


def of_normalization(site: Site, recipe: Normalizing) -> Iterator[Mistake]:
    """Every way to get this normalization's formula wrong."""
    for name, variant, sight, of_batch, edit in (
        *_of_weights(recipe),
        *_of_epsilon(site, recipe),
        *_of_statistics(recipe),
        *_of_axes(site, recipe),
        *_of_order(recipe),
    ):
        yield Mistake(name, None, variant, sight, recipe, edit, of_batch=of_batch)
    yield Mistake("float16-rounding", None, "weights", False, recipe, _weights_in_half)
    yield Mistake("float16-rounding", None, "all", False, recipe, HalfPrecision, jumps=True)


Row = tuple[str, str, bool, bool, Edit]


def _of_weights(recipe: Normalizing) -> Iterator[Row]:
    if recipe.gamma is not None and not (recipe.gamma == 1).all():
        yield "gamma-missing", "", True, False, lambda r: replace(r, gamma=None)
    if recipe.beta is not None and not (recipe.beta == 0).all():
        yield "beta-missing", "", True, False, lambda r: replace(r, beta=None)
    if recipe.gamma is not None or recipe.beta is not None:
        yield (
            "gamma-beta-swapped", "", False, False,
            lambda r: replace(
                r, gamma=np.zeros(1) if r.beta is None else r.beta, beta=np.ones(1) if r.gamma is None else r.gamma
            ),
        )  # fmt: skip


def _of_epsilon(site: Site, recipe: Normalizing) -> Iterator[Row]:
    yield "variance-without-sqrt", "", False, False, lambda r: replace(r, divisor=lambda v, e: v + e)
    if recipe.divisor is at_least:
        return
    yield "epsilon-outside-sqrt", "", False, False, lambda r: replace(r, divisor=lambda v, e: np.sqrt(v) + e)
    for other, name in EPSILONS.items():
        if other != recipe.epsilon and _epsilon_matters(recipe, other):
            yield name, "", True, False, partial(_with_epsilon, epsilon=other)


def _with_epsilon(recipe: Normalizing, epsilon: float) -> Normalizing:
    return replace(recipe, epsilon=epsilon)


def _epsilon_matters(recipe: Normalizing, other: float) -> bool:
    """Whether another epsilon changes any factor by more than float32 rounding; if not, it is no mistake."""
    if not recipe.stored:
        return True
    _, variance = recipe.statistics(np.zeros(0))
    with np.errstate(all="ignore"):
        ratio = root(variance, recipe.epsilon) / root(variance, other)
    return not bool((np.abs(ratio - 1) <= 2.0**-24).all())


def _of_statistics(recipe: Normalizing) -> Iterator[Row]:
    right = recipe.statistics
    yield "statistics-swapped", "", False, False, lambda r: replace(r, statistics=lambda x: right(x)[::-1])
    # A mean may be negative, and then has no root; some code takes the root of its absolute value.
    unsigned = lambda x: (right(x)[1], np.abs(right(x)[0]))  # noqa: E731 - two values of one call
    yield "statistics-swapped", "unsigned", False, False, partial(_with_statistics, statistics=unsigned)
    if not recipe.stored:
        return
    mean, variance = right(np.zeros(0))
    zero, one = np.zeros_like(mean), np.ones_like(variance)
    fresh = 0
    if (mean != 0).any():
        fresh += 1
        yield "mean-missing", "", True, False, lambda r: replace(r, statistics=lambda x: (zero, variance))
    if (variance != 1).any():
        fresh += 1
        yield "variance-missing", "", True, False, lambda r: replace(r, statistics=lambda x: (mean, one))
    if fresh == 2:
        yield "statistics-fresh", "", True, False, lambda r: replace(r, statistics=lambda x: (zero, one))
    for ddof, variant in ((0, "variance / n"), (1, "variance / (n - 1)")):
        own = partial(moments_over, recipe.axes, ddof=ddof)
        yield "statistics-of-this-batch", variant, False, True, partial(_with_statistics, statistics=own)


def _with_statistics(recipe: Normalizing, statistics: Callable[[Array], Moments]) -> Normalizing:
    return replace(recipe, statistics=statistics)


def _of_axes(site: Site, recipe: Normalizing) -> Iterator[Row]:
    """Statistics of other axes, or the right ones along another axis."""
    rank = len(site.shape)
    kept = tuple(a for a in range(1, rank) if a not in recipe.axes)
    wrong = {(a,) for a in range(rank)} | {tuple(range(1, rank)), kept or (0,)}
    for axes in sorted(wrong - {recipe.axes}):
        own = partial(moments_over, axes)
        yield "wrong-axis", f"over {axes}", False, 0 in axes, partial(_with_statistics, statistics=own)
    full = tuple(n or 1 for n in site.shape)
    parts = [_transposed(w, tuple(range(rank))) for w in _weights(recipe)]
    for order in permutations(range(1, rank)):
        laid = [_transposed(w, (0, *order)) for w in _weights(recipe)]
        fits = all(n in (1, m) for a in laid for n, m in zip(a.shape[1:], full[1:], strict=False))
        same = all(a.shape == b.shape and np.array_equal(a, b) for a, b in zip(laid, parts, strict=True))
        if order != tuple(range(1, rank)) and fits and not same:
            yield "wrong-axis", f"laid along {order}", False, False, partial(_lay, order=(0, *order))


def _weights(recipe: Normalizing) -> list[Array]:
    weights = [recipe.gamma, recipe.beta, *(recipe.statistics(np.zeros(0)) if recipe.stored else ())]
    return [w for w in weights if w is not None]


def _transposed(array: Array, order: tuple[int, ...]) -> Array:
    """The array with its axes in another order; it may lack the first ones, whose size is 1."""
    return array.reshape((1,) * (len(order) - array.ndim) + array.shape).transpose(order)


def _lay(recipe: Normalizing, order: tuple[int, ...]) -> Normalizing:
    return _mapped(recipe, lambda a: _transposed(a, order))


def _of_order(recipe: Normalizing) -> Iterator[Row]:
    """Weights with their channels in reverse."""
    if any(a.size > 1 for a in _weights(recipe)):
        yield "channels-order", "weights", False, False, lambda r: _mapped(r, _backwards)


def _backwards(array: Array) -> Array:
    return array.reshape(-1)[::-1].reshape(array.shape)


def _weights_in_half(recipe: Normalizing) -> Normalizing:
    return _mapped(recipe, half)


def _mapped(recipe: Normalizing, change: Callable[[Array], Array]) -> Normalizing:
    """The recipe with every weight changed."""
    right = recipe.statistics

    def statistics(x: Array) -> Moments:
        mean, variance = right(x)
        return change(mean), change(variance)

    changed: Any = {
        k: None if v is None else change(v) for k, v in (("gamma", recipe.gamma), ("beta", recipe.beta))
    }
    return replace(recipe, statistics=statistics if recipe.stored else right, **changed)
