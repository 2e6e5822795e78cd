"""Generate inputs for which every layer has a visible effect, if the caller gives none.

Rows are drawn around the statistics of the data that the network contains (those of a normalization of the input, else
0 and 1), at several scales. For mistakes that no row shows, the rows that come closest are changed in small steps:
float64 still shows differences that a saturated sigmoid or a nearly dead ReLU hides from float32, so there is a slope
to climb. Mistakes that no row shows are reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph
from foldnet.graph.op import INT
from foldnet.graph.tables import sample_numbers, smallest_tables
from foldnet.insight.sites import Site
from foldnet.insight.verify.mistakes import Suspect
from foldnet.insight.verify.sight import VISIBLE, Sight

ROWS = 64
MOST_ROWS = 1024
"""For a vocabulary of which 64 rows cannot hold each number once."""
SCALES = (1.0, 0.3, 3.0, 0.1, 10.0, 0.03, 30.0)
CLIMBS = 24
FREE = 5
"""The size used for a free axis."""


@dataclass(frozen=True)
class Source:
    """The distribution of one input: a centre and a width for floats, numbers to choose from for whole ones."""

    shape: tuple[int, ...]
    center: Array
    width: Array
    numbers: Array | None
    origin: str
    masked: float | None = None
    whole: bool = False
    """Whether each of the numbers must occur."""

    @property
    def rows(self) -> int:
        """How many rows hold each of the numbers once, if they are to choose from, but not too many."""
        if self.numbers is None or not self.whole:
            return ROWS
        return min(max(ROWS, -(-len(self.numbers) // max(int(np.prod(self.shape)), 1))), MOST_ROWS)

    def draw(self, generator: np.random.Generator, rows: int, scale: float) -> Array:
        """Fresh rows; half of them end in positions that a mask leaves out, if there is one."""
        drawn = self._drawn(generator, rows, scale)
        if self.masked is not None and self.shape[0] > 1:
            for row in drawn[::2]:
                row[generator.integers(1, self.shape[0]) :] = self.masked
        return drawn

    def _drawn(self, generator: np.random.Generator, rows: int, scale: float) -> Array:
        if self.numbers is not None:
            count = len(self.numbers)
            drawn = generator.integers(0, count, (rows, *self.shape))
            if scale == 1.0:  # the first draw covers the whole table
                flat = drawn.reshape(-1)
                spread = np.unique(np.linspace(0, count - 1, min(count, flat.size)).round().astype(int))
                flat[: spread.size] = generator.permutation(spread)
            return np.asarray(self.numbers[drawn])
        noise = generator.standard_normal((rows, *self.shape))
        return (self.center + scale * self.width * noise).astype(np.float32)

    def near(self, generator: np.random.Generator, row: Array, rows: int) -> Array:
        """Rows that differ a little, or somewhat more, from one row."""
        copies = np.repeat(row[None], rows, axis=0)
        if self.numbers is not None:
            swap = generator.random(copies.shape) < 0.2
            others = self.numbers[generator.integers(0, len(self.numbers), copies.shape)]
            return np.where(swap, others, copies).astype(np.int32)
        step = 10.0 ** generator.uniform(-2.5, 0.7, (rows, *(1,) * len(self.shape)))
        noise = generator.standard_normal(copies.shape)
        shrink = generator.choice([1.0, 1.0, 0.5, 2.0], (rows, *(1,) * len(self.shape)))
        moved = self.center + (copies - self.center) * shrink + step * self.width * noise
        return moved.astype(np.float32)


def make_inputs(sight: Sight, seed: int = 0) -> tuple[list[Array], str]:
    """Rows for which every mistake (if possible) is visible in the network's outputs, and a description of them.

    Args:
        sight: of the network.
        seed: of the draws; the same seed gives the same rows.

    Returns:
        One array per input, and a sentence on how they were made.
    """
    graph = sight.oracle.graph
    sources = [_source(graph, name, sight.sites) for name in graph.inputs]
    generator = np.random.default_rng(seed)
    best: dict[Suspect, tuple[float, list[Array]]] = {}
    tried = 0

    def unseen() -> list[Suspect]:
        return [s for s in sight.suspects if s not in best or best[s][0] <= VISIBLE]

    def look(rows: list[Array]) -> None:
        nonlocal tried
        tried += len(rows[0])
        exact = sight.exact(rows, graph.outputs)
        for suspect in unseen():
            seen = np.maximum.reduce(list(sight.visible(suspect, exact, graph.outputs).values()))
            top = int(seen.argmax())
            if suspect not in best or seen[top] > best[suspect][0]:
                best[suspect] = (float(seen[top]), [x[top] for x in rows])

    count = max(s.rows for s in sources)
    first = [s.draw(generator, count, SCALES[0]) for s in sources]
    look(first)
    for scale in SCALES[1:]:
        if unseen():
            look([s.draw(generator, ROWS, scale) for s in sources])
    for _ in range(CLIMBS):
        climbable = [s for s in unseen() if best[s][0] > 0]
        if not climbable:
            break
        for suspect in climbable[:4]:
            if best[suspect][0] <= VISIBLE:
                look([s.near(generator, row, ROWS) for s, row in zip(sources, best[suspect][1], strict=True)])
    extra = [row for seen, row in best.values() if seen > VISIBLE and not _within(row, first)]
    inputs = [
        np.concatenate([x, *(row[i][None] for row in extra)]).astype(x.dtype) for i, x in enumerate(first)
    ]
    how = f"{len(inputs[0])} rows made: {count} drawn around {' and '.join(dict.fromkeys(s.origin for s in sources))}"
    if extra:
        how += f", {len(extra)} found among {tried} rows for what those did not show"
    if blind := len(unseen()):
        how += f"; {blind} of {len(sight.suspects)} possible mistakes show on none of {tried} rows"
    return inputs, how


def sample_rows(sight: Sight, seed: int = 0) -> Iterator[list[Array]]:
    """Rows drawn around the values that the network expects, at several scales; one array per input for each scale."""
    sources = [_source(sight.oracle.graph, name, sight.sites) for name in sight.oracle.graph.inputs]
    generator = np.random.default_rng(seed)
    for scale in SCALES:
        yield [s.draw(generator, ROWS, scale) for s in sources]


def _within(row: list[Array], rows: list[Array]) -> bool:
    flags = [(x == r).reshape(len(x), -1).all(axis=1) for x, r in zip(rows, row, strict=True)]
    return bool(np.logical_and.reduce(flags).any())


def _source(graph: Graph, name: str, sites: Sequence[Site]) -> Source:
    kind = graph.types[name]
    shape = tuple(n or FREE for n in kind.shape[1:])
    zero, one = np.zeros(shape), np.ones(shape)
    makers = [s.layer.masked_value for s in sites if name in s.operands]
    masked = next((m for m in makers if m is not None), None) if shape else None
    if (table := smallest_tables(graph).get(name)) is not None:
        rows = np.arange(table, dtype=np.int32)
        return Source(shape, zero, one, rows, f"all {table} rows of an embedding's table", masked)
    if numbers := sample_numbers(graph).get(name):
        what = f"the {len(numbers)} codes of texts" if name in graph.texts else "the numbers of a vocabulary"
        return Source(shape, zero, one, np.array(numbers, np.int32), f"{what} for {name!r}", masked, True)
    if kind.dtype == INT:
        return Source(shape, zero, one, np.arange(10, dtype=np.int32), "the whole numbers 0 to 9", masked)
    for site in sites:
        weights = site.layer.named_weights
        kept_axes = getattr(site.layer, "kept_axes", None)
        if name in site.operands and "moving_mean" in weights and kept_axes is not None:
            kept = kept_axes(len(shape) + 1)
            spread = tuple(n if a in kept else 1 for a, n in enumerate(shape, start=1))
            center = weights["moving_mean"].astype(np.float64).reshape(spread) + zero
            variance = weights["moving_variance"].astype(np.float64).reshape(spread)
            width = np.sqrt(np.maximum(variance, site.layer.epsilon)) + zero
            return Source(shape, center, width, None, f"the moving statistics of {site.path!r}")
    return Source(shape, zero, one, None, "zero with variance one", masked)
