"""A mistake: another way to compute one layer call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from foldnet.arrays import Array
from foldnet.insight.blocks import Patch, Rounded, rounded_result
from foldnet.insight.sites import Site
from foldnet.insight.verify.recipes import Recipe

Compute = Callable[[Sequence[Array], Array], Array]
"""From the operands and the right result to the wrong result."""


@dataclass(frozen=True, eq=False)
class Mistake:
    """One way to get a layer wrong.

    Attributes:
        name: its stable id; ``catalogue`` describes it.
        compute: the wrong result, if no recipe is edited.
        variant: which of several ways to make it; in several layers it is made in the same way.
        sight: whether ``verify`` must be able to see it to call a layer proven. Other mistakes are covered by these, or
            do not apply to every layer, and only explain wrong numbers.
        recipe: the layer's right formula, if the mistake is an edit of it.
        edit: from the formula to the wrong one. Edits of one layer combine.
        reads: the values that ``compute`` takes, if not the layer's operands.
        shown: the value that the candidate would show for the layer, if it continues with another value.
        of_batch: whether a row's result depends on the other rows.
        jumps: whether the result jumps if the operands change by a rounding (as when rounding to float16).
    """

    name: str
    compute: Compute | None = None
    variant: str = ""
    sight: bool = False
    recipe: Recipe | None = None
    edit: Callable[[Any], Any] | None = None
    reads: tuple[str, ...] | None = None
    shown: Compute | None = None
    of_batch: bool = False
    jumps: bool = False

    def wrong(self, operands: Sequence[Array], right: Array) -> Array:
        """The wrong result, without rounding."""
        if self.edit is not None and self.recipe is not None:
            return as_shaped(self.edit(self.recipe)(operands), right)
        return right if self.compute is None else self.compute(operands, right)


@dataclass(frozen=True, eq=False)
class Suspect:
    """One mistake at one layer call; some involve another layer, too."""

    site: Site
    mistake: Mistake
    others: tuple[tuple[Site, Mistake], ...] = ()

    @property
    def parts(self) -> tuple[tuple[Site, Mistake], ...]:
        """All layer calls that are computed differently."""
        return ((self.site, self.mistake), *self.others)


def as_shaped(wrong: Array, right: Array) -> Array:
    """The wrong result; NaN if it has another shape, with which the network cannot continue."""
    return wrong if wrong.shape == right.shape else right * 0


def shown_as(value: str) -> str:
    """The name under which a run stores the value a candidate would show, if it continues with another one."""
    return value + " as shown"


def patches_of(suspects: Iterable[Suspect]) -> dict[str, Patch]:
    """The patches that put all these mistakes into a network, by the value that each replaces."""
    parts: dict[str, list[tuple[Site, Mistake]]] = {}
    for suspect in suspects:
        for site, mistake in suspect.parts:
            parts.setdefault(site.output, []).append((site, mistake))
    return {output: _patch(output, made) for output, made in parts.items()}


def _patch(output: str, made: Sequence[tuple[Site, Mistake]]) -> Patch:
    # Mistakes that are no edits of a formula come last, because they cannot be edited further.
    edits = sorted((m for _, m in made if m.edit is not None), key=lambda m: m.jumps)
    wholes = [(site, m) for site, m in made if m.edit is None]
    edited = next((site.operands for site, m in made if m.edit is not None), ())

    def patch(values: dict[str, Array], right: Array, rounded: Rounded) -> None:
        if edits:
            operands = [values[v] for v in edited]
            recipe: Any = edits[0].recipe
            for mistake in edits:
                recipe = mistake.edit(recipe) if mistake.edit else recipe
            right = as_shaped(recipe(operands, rounded), right)
        shown = None
        for site, mistake in wholes:
            read = [values[v] for v in (site.operands if mistake.reads is None else mistake.reads)]
            if mistake.shown is not None:
                shown = as_shaped(mistake.shown(read, right), right)
            if mistake.compute is not None:
                wrong = mistake.compute(read, right)
                right = as_shaped(
                    rounded_result(wrong, read, rounded) if wrong.dtype.kind == "f" else wrong, right
                )
        values[output] = right
        values.pop(shown_as(output), None)
        if shown is not None:
            values[shown_as(output)] = shown

    return patch
