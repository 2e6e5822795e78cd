"""Which positions of the network's input a layer's results depend on, and where masks come from and go, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foldnet.insight.explain.explanation import Words
from foldnet.insight.mask_trails import Trails
from foldnet.insight.sites import Site


@dataclass(frozen=True)
class Field:
    """The positions of the network's input that one position of a value depends on, on each spatial axis.

    Attributes:
        sizes: how many neighbouring ones.
        steps: how far the next position's are from these.
    """

    sizes: tuple[int, ...]
    steps: tuple[int, ...]

    def through(self, covers: Sequence[int], strides: Sequence[int]) -> Field:
        """After a window of this size and these steps.

        Source of the formula: Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks",
        2019.

        >>> Field((1,), (1,)).through([3], [2]).through([3], [1])
        Field(sizes=(7,), steps=(2,))
        """
        axes = list(zip(self.sizes, self.steps, covers, strides, strict=True))
        return Field(tuple(n + (c - 1) * s for n, s, c, _ in axes), tuple(s * k for _, s, _, k in axes))


def fields_of(sites: Sequence[Site]) -> dict[str, Field]:
    """For each call, by path, the field of its result, as long as its spatial axes are those of an input."""
    found: dict[str, Field] = {}
    of_value: dict[str, Field] = {}
    for site in sites:
        rank = len(site.shape)
        if site.layer.is_input:
            of_value[site.output] = Field((1,) * (rank - 2), (1,) * (rank - 2))
            continue
        fields = [of_value[v] for v in site.operands if v in of_value]
        if len(fields) != len(site.operands) or not fields or len({f.steps for f in fields}) > 1:
            continue
        joined = Field(tuple(map(max, zip(*(f.sizes for f in fields), strict=True))), fields[0].steps)
        window = site.layer.window
        if window is not None:
            found[site.path] = of_value[site.output] = joined.through(*window)
        elif _keeps_positions(site):
            of_value[site.output] = joined
    return found


def _keeps_positions(site: Site) -> bool:
    """Whether each position of the result is computed from the same one of the inputs."""
    layer = site.layer
    if layer.identity_in_prediction:
        return True
    if layer.joins_inputs:  # along an axis of positions, they would come from different ones
        return all(s[:-1] == site.shape[:-1] for s in site.input_shapes)
    alone = layer.ends_with is not None and not layer.specs
    by_channel = layer.normalizes_by == "batch" or layer.scales_values
    return site.input_shapes[0] == site.shape and (alone or by_channel)


def field_words(path: str, fields: Mapping[str, Field]) -> list[Words]:
    """The receptive field of a layer's results."""
    if path not in fields:
        return []
    field = fields[path]
    sizes, steps = (" x ".join(map(str, n)) for n in (field.sizes, field.steps))
    return [
        Words(
            f"Receptive field: each of its positions depends on {sizes} positions of the network's input, as far as "
            f"these are not beyond its ends; the next position's are {steps} further on."
        )
    ]


def mask_words(site: Site, trails: Trails) -> list[Words]:
    """Whether a layer makes, uses, passes on or loses a mask."""
    made, lost = trails.made.get(site.output), {s.path: m for s, m in trails.lost}
    if made is not None and made.path == site.path:
        users = [path for path, maker in trails.used.items() if maker.path == site.path]
        by = f"It is used by {', '.join(map(repr, users))}." if users else "No layer uses it."
        return [Words(f"It makes a mask: 1 for each position that counts, 0 for one that is left out. {by}")]
    if site.path in trails.used:
        end = "passes it on" if made is not None else "its result has none"
        return [
            Words(
                f"It leaves out the positions that the mask of {trails.used[site.path].path!r} says; {end}."
            )
        ]
    if site.path in lost:
        return [Words(f"The mask of {lost[site.path].path!r} ends here: later layers see all positions.")]
    ignored = {s.path: m for s, m in trails.without_effect}
    if site.path in ignored:
        return [
            Words(
                f"It ignores the mask of {ignored[site.path].path!r}, because initial_state is given, as in Keras 3."
            )
        ]
    return []
