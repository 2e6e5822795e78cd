"""Histograms of each layer's results, in training and at prediction time."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FoldnetError
from foldnet.insight.explain.normalization import number
from foldnet.insight.explain.page.markup import Html, joined, tag
from foldnet.insight.explain.source import Source
from foldnet.insight.sites import sites_of

BINS = 28
LARGEST = 1e150
"""Values of this size and above count as infinite; in a float32 network they only arise from overflow."""
SEED = 0
"""The seed for Dropout, so that the same rows give the same page."""


@dataclass(frozen=True)
class Histogram:
    """A histogram and what it cannot show.

    Attributes:
        counts: by bin; all zero if no value is finite.
        low: left end of the bins.
        high: right end.
        words: mean, standard deviation, zeros and values that are not finite.
    """

    counts: tuple[int, ...]
    low: float
    high: float
    words: str


def training_values(source: Source) -> tuple[dict[str, Array], str]:
    """Each layer's result with the rows as one training batch, by the layer's path; or the reason why there is none.

    Batch statistics normalize, Dropout drops with a fixed seed; no weight and no statistic is changed.
    """
    # Only a page with data needs the training engine.
    from foldnet.engines.reference.training import forward
    from foldnet.lowering.lower import Mode, lower
    from foldnet.operations.kernels import StepContext

    try:
        graph = lower(source.network, Mode.TRAIN)
        values = {k: v if v.dtype.kind in "iu" else v.astype(np.float64) for k, v in graph.constants.items()}
        for name, array in zip(graph.inputs, source.inputs, strict=True):
            values[name] = array if array.dtype.kind in "iu" else array.astype(np.float64)
        with np.errstate(all="ignore"):
            forward(graph, values, StepContext(training=True, seed=SEED), np.dtype(np.float64))
    except FoldnetError as error:
        return {}, f"There is no training mode to show: {error}"
    return {site.path: values[site.output] for site in sites_of(source.network, graph)}, ""


def histograms(training: Array | None, prediction: Array) -> tuple[Histogram | None, Histogram]:
    """Both histograms on the same bins."""
    both = [a for a in (training, prediction) if a is not None]
    finite = [_finite(a) for a in both]
    some = [f for f in finite if f.size]
    low = min((float(f.min()) for f in some), default=0.0)
    high = max((float(f.max()) for f in some), default=0.0)
    made = [_spread(array, f, low, high) for array, f in zip(both, finite, strict=True)]
    return (made[0] if training is not None else None), made[-1]


def _finite(array: Array) -> Array:
    flat = array.astype(np.float64).reshape(-1)
    # Squares of values beyond this overflow, and so do the widths of bins.
    return flat[np.abs(flat) < LARGEST]


def _spread(array: Array, finite: Array, low: float, high: float) -> Histogram:
    counts = np.zeros(BINS, int)
    words = "no finite value"
    if finite.size:
        place = (finite - low) / (high - low) * BINS if high > low else np.full(finite.shape, BINS // 2)
        counts = np.bincount(np.clip(place.astype(int), 0, BINS - 1), minlength=BINS)
        words = f"mean {number(float(finite.mean()))}, standard deviation {number(float(finite.std()))}"
        zeros = float((finite == 0).mean())
        if zeros:
            words += f", {zeros:.0%} zeros" if zeros >= 0.005 else ", a few zeros"
        if odd := array.size - finite.size:
            words += f", {odd:,} not finite"
    return Histogram(tuple(int(c) for c in counts), low, high, words)


def histogram_html(spread: Histogram) -> Html:
    """The histogram and its words."""
    width, height = 280, 64
    # Root of the count: relu and Dropout give many zeros, and next to their bar the others would be invisible.
    top = sqrt(max(spread.counts)) or 1
    bar = width / BINS
    path = "".join(
        f"M{i * bar:.0f} {height}V{height - sqrt(c) / top * height:.0f}H{(i + 1) * bar - 1:.0f}V{height}Z"
        for i, c in enumerate(spread.counts)
        if c
    )
    label = f"Histogram from {number(spread.low)} to {number(spread.high)}: {spread.words}"
    svg = tag(
        "svg", tag("path", d=path), viewBox=f"0 0 {width} {height}", role="img", class_="histogram",
        preserveAspectRatio="none", aria_label=label,
    )  # fmt: skip
    ends = tag("div", tag("span", number(spread.low)), tag("span", number(spread.high)), class_="ends")
    return joined([svg, ends, tag("p", spread.words, class_="note")])


def histograms_html(training: Array | None, prediction: Array, why: str) -> Html:
    """A layer's results in both modes, side by side."""
    left, right = histograms(training, prediction)
    columns = [tag("div", histogram_html(left) if left else tag("p", why)), tag("div", histogram_html(right))]
    return joined([tag("h3", "Results"), tag("div", *columns, class_="columns")])
