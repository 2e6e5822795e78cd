"""A check of sequences that were padded to one length, in networks that count what was added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.reference.program import Step
from foldnet.errors import FoldnetError
from foldnet.graph.graph import Graph
from foldnet.insight.copies import on_other_inputs
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, graded
from foldnet.insight.doctor.measure import computed
from foldnet.insight.doctor.registry import DATA, Check
from foldnet.insight.mask_trails import follow, uses_masks
from foldnet.insight.sites import Site
from foldnet.layers.input_layer import Input
from foldnet.lowering.lower import lower

FEWEST, MOST = 20, 48
"""Rows that are needed to see that lengths differ, and padded rows that are computed at other lengths."""
FEWEST_STEPS = 4
"""Shorter rows have too few lengths to tell padding from values that happen to be equal."""
PADDED = 0.2
"""The least share of rows with padding: fewer may end in equal steps by themselves."""
LENGTHS = 3
"""So many different lengths: signals that end in equal steps by nature mostly have one, as images with a border."""
INSIDE = 0.01
"""The largest share of steps between that may have the value of the padding: padding is a value that nothing else has,
while a pause, a letter or a black row also occurs among other steps."""
BOTH_ENDS = 0.5
"""A picture is black at both ends; where so many padded rows also begin with the value, it is none of padding."""
COSTS, SHOWS = 0.25, 0.02
"""From which change of the output on, in its own deviations over the rows, it is a warning, and from which a note."""


@dataclass(frozen=True)
class Padding:
    """How the rows of an input are padded.

    Attributes:
        lengths: of all rows, without padding.
        at_end: whether padding is at the end; at the start otherwise.
        value: the step that is repeated.
        padded: which rows have two or more of them, and something else.
    """

    lengths: Array
    at_end: bool
    value: Array
    padded: Array


@dataclass(frozen=True)
class Effect:
    """How much outputs change with other lengths, in their deviations over the rows.

    Attributes:
        longer: with ``added`` more steps of padding.
        cut: for shorter rows, with all but ``left`` steps cut off.
    """

    longer: float
    added: int
    cut: float
    left: int

    @property
    def largest(self) -> float:
        """The larger change."""
        return max(self.longer, self.cut)


def padding_of(x: Array) -> Padding | None:
    """How rows (rows, steps) or (rows, steps, features) are padded; None if they are not."""
    if x.ndim not in (2, 3) or len(x) < FEWEST or x.shape[1] < FEWEST_STEPS:
        return None
    for at_end in (True, False):
        found = _at_end(x if at_end else x[:, ::-1])
        if found is not None:
            lengths, value, padded = found
            return Padding(lengths, at_end, value, padded)
    return None


def _at_end(x: Array) -> tuple[Array, Array, Array] | None:
    """Lengths, the padding's value, and which rows are padded, if rows are padded at the end."""
    steps = x.reshape(*x.shape[:2], -1)
    ends = steps[:, -1]
    repeated = (steps[:, -2] == ends).all(axis=-1) & np.isfinite(ends).all(axis=-1)
    if repeated.mean() < PADDED:
        return None
    values, counts = np.unique(ends[repeated], axis=0, return_counts=True)
    value = values[counts.argmax()]
    same = (steps == value).all(axis=-1)
    lengths, starts = _left(same), x.shape[1] - _left(same[:, ::-1])
    padded = (lengths < x.shape[1] - 1) & (lengths > 0)
    if padded.mean() < PADDED or len(np.unique(lengths[padded])) < LENGTHS:
        return None
    at = np.arange(x.shape[1])
    inside = (at >= starts[:, None]) & (at < lengths[:, None])
    if same[inside].mean() > INSIDE or (starts[padded] > 1).mean() > BOTH_ENDS:
        return None
    return lengths, value.reshape(x.shape[2:]), padded


def _left(same: Array) -> Array:
    """For each row the number of steps up to the last that differs."""
    return np.asarray(same.shape[1] - np.argmin(same[:, ::-1], axis=1)) * ~same.all(axis=1)


def unmasked(context: Context) -> Iterator[Finding]:
    """Padding that no mask leaves out, and that changes what the network gives."""
    trails = follow(context.sites)
    lost = {maker.path for _, maker in (*trails.lost, *trails.without_effect)}
    for site in context.sites:
        value = context.value_names.get(site.output, "")
        if site.operands or value not in context.measured.inputs:
            continue
        after = list(_after(context, site))
        # A mask that ends on its way is the matter of mask-lost.
        if any(s.path in lost for s in after) or not any(len(s.shape) == 3 for s in (site, *after[:1])):
            continue
        x = context.measured.inputs[value]
        padding = padding_of(x)
        effect = None if padding is None else _effect(context, site, value, padding)
        if padding is None or effect is None or effect.largest < SHOWS:
            continue
        masks = [s.layer.masked_value for s in after if s.path in {m.path for m in trails.made.values()}]
        yield _finding(site, next((s for s in after if _counts_steps(s)), site), x, padding, effect, masks)


def _after(context: Context, site: Site) -> Iterator[Site]:
    """The calls that depend on a call's result, in computing order."""
    reached = {site.output}
    for each in context.sites:
        if reached & set(each.operands):
            reached.add(each.path)
            yield each


def _counts_steps(site: Site) -> bool:
    """Whether a layer's result depends on steps other than its own."""
    window = site.layer.window
    return (
        uses_masks(site.layer)
        or bool(site.layer.pooled_axes(site.input_shapes[0]))
        or (window is not None and max(window[0]) > 1)
    )


def _finding(
    site: Site, user: Site, x: Array, padding: Padding, effect: Effect, masks: Sequence[float | None]
) -> Finding:
    value = float(padding.value.reshape(-1)[0])
    said = f"{value:g}" if (padding.value == value).all() else "always the same"
    other = next((mask for mask in masks if mask is not None), None)
    masked = "" if other is None else f" Its mask leaves out another value, {other:g}."
    remedy = (
        "Embedding(mask_zero=True), with 0 as the code of padding and of nothing else"
        if x.ndim == 2
        else f"Masking(mask_value={value:g}) at the start"
    )
    return graded(
        "warning" if effect.largest >= COSTS else "note", user.path,
        f"The rows of {site.path!r} are padded at the {'end' if padding.at_end else 'start'} with steps that are "
        f"{said}, and {user.path!r} counts them like all others: what the network gives for a row depends on how far "
        f"it is padded.{masked}",
        f"{remedy}; then train again. Conv1D passes no mask on: there put rows of similar length into a batch, and pad "
        "as little as possible.",
        steps=x.shape[1], padded_rows=int(padding.padded.sum()), rows=len(x),
        usual_length=float(np.median(padding.lengths)), padding_value=value,
        change_if_longer=effect.longer, steps_added=effect.added, change_if_cut=effect.cut, steps_left=effect.left,
    )  # fmt: skip


def _effect(context: Context, site: Site, value: str, padding: Padding) -> Effect | None:
    """What padded rows give with more padding and with less; None if the network takes no other lengths."""
    measured = context.measured
    rows = np.flatnonzero(padding.padded)
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST)).round().astype(np.int64)]
    shorter = rows[padding.lengths[rows] <= np.median(padding.lengths[rows])]
    steps = measured.inputs[value].shape[1]
    more, least = max(steps // 4, 2), int(padding.lengths[shorter].max())
    try:
        graph = _for_any_length(context, site)
        longer = _change(context, graph, value, padding, rows, steps + more)
        cut = _change(context, graph, value, padding, shorter, least)
    except (FoldnetError, ValueError):  # a layer needs this very length
        return None
    if longer is None or cut is None:
        return None
    return Effect(longer, more, cut, least)


def _for_any_length(context: Context, site: Site) -> Graph:
    """The network's program, with a free number of steps of an input.

    Raises:
        FoldnetError: it has no such program.
    """
    if site.shape[1] is None:
        return context.lowered[0]
    network = context.network
    inputs = {
        t: Input(
            batch_shape=(t.shape[0], None, *t.shape[2:]) if t.name == site.path else t.shape,
            dtype=t.dtype,
            name=t.name,
        )
        for t in network.inputs
    }
    return lower(on_other_inputs(network, inputs))


def _change(
    context: Context, graph: Graph, value: str, padding: Padding, rows: Array, steps: int
) -> float | None:
    """The largest root mean square change of an output for some rows at another length; None if none varies."""
    measured = context.measured
    inputs = [
        _resized(a[rows], steps, padding) if name == value else a[rows] for name, a in measured.inputs.items()
    ]
    values = computed(graph, [Step(graph, node) for node in graph.nodes], inputs)
    old = measured.inputs[value].shape[1]
    found = []
    for before, name in zip(measured.outputs(), graph.outputs, strict=True):
        spread = float(before.std(axis=0).max(initial=0))
        moved = _apart(before[rows], values[name], padding, padding.lengths[rows], (old, steps))
        if spread > 0 and np.isfinite(moved):
            found.append(moved / spread)
    return max(found, default=None)


def _apart(before: Array, after: Array, padding: Padding, lengths: Array, steps: tuple[int, int]) -> float:
    """The root mean square difference; of results for every step only at those that are no padding."""
    if before.shape == after.shape and before.shape[1:2] != steps[:1]:
        return float(np.sqrt(np.mean((before - after) ** 2)))
    if before.shape[1:2] + after.shape[1:2] != steps:
        return float("nan")
    count = min(steps)
    at = np.arange(count)
    if padding.at_end:
        real, both = at < lengths[:, None], (before[:, :count], after[:, :count])
    else:
        real, both = at >= count - lengths[:, None], (before[:, -count:], after[:, -count:])
    return float(np.sqrt(np.mean((both[0] - both[1])[real] ** 2)))


def _resized(x: Array, steps: int, padding: Padding) -> Array:
    """Rows with padding added or cut."""
    more = steps - x.shape[1]
    if more <= 0:
        return x[:, :steps] if padding.at_end else x[:, -steps:]
    added = np.broadcast_to(padding.value, (len(x), more, *x.shape[2:])).astype(x.dtype)
    return np.concatenate([x, added] if padding.at_end else [added, x], axis=1)


CHECKS = (
    Check("padding-without-mask", DATA, "padded steps that count", unmasked, measures=True, excuse="learned"),
)
