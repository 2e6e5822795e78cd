"""The float64 reference for all comparisons, and the difference that rounding alone may cause.

The tolerance is not a constant: it is measured on this network and these rows. The network is run once in
float32, and several times in float64 with every weight and every intermediate value, the result included, moved
by one float32 rounding unit in a random direction (the inputs of row normalizations by two). The largest
distance of these runs from the exact one, but at least one unit in the last place of the row's largest value, is
the effect of float32 rounding; a candidate may differ by ``FACTOR`` times it. Where the network cancels (a mean far
above the standard deviation) the tolerance is larger, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.reference.program import Step
from foldnet.graph.graph import Graph
from foldnet.graph.op import INT, Sum
from foldnet.insight.blocks import Blocks, Patch, Patched, Rounded, rounded_result

FACTOR = 4.0
"""How many times the measured rounding a candidate may differ by."""
RUNS = 6
"""Runs with random rounding."""
UNIT = 2.0**-23
ONE_UNIT = np.array([1 - UNIT, 1 + UNIT])
"""What moves a value down or up by one unit."""
LARGEST_WHOLE = 2.0**24
"""Float32 has all whole numbers below it."""
KEPT = 1_000_000
"""Up to how many weights the rounded ones of each run are kept for the next measurement."""


class Oracle:
    """A graph computed exactly (in float64), optionally with some values replaced."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        # Every operand is an input: weights can be replaced like any other value.
        self._steps = [Step(graph, node) for node in graph.nodes]
        # A masked value has to be found exactly.
        self._compared = {v for n in graph.nodes if n.op.compares for v in n.inputs}
        self._shaken_constants: dict[int, tuple[dict[str, Array], Mapping[str, object]]] = {}

    def values(self, inputs: Sequence[Array]) -> dict[str, Array]:
        """Every value of the graph in float64."""
        return self._run(inputs, self._constants(_unrounded), _unrounded)

    def rerun(self, values: Mapping[str, Array], changed: Mapping[str, Array]) -> dict[str, Array]:
        """The values after some are replaced: only those that depend on them are computed again."""
        result = {**values, **changed}
        stale = set(changed)
        with np.errstate(all="ignore"):
            self._rerun(result, stale, changed)
        return result

    def _rerun(self, result: dict[str, Array], stale: set[str], changed: Mapping[str, Array]) -> None:
        for step in self._steps:
            node = step.node
            if node.output not in changed and stale.intersection(node.inputs):
                result[node.output] = step.measure([result[v] for v in node.inputs])
                stale.add(node.output)

    def patched(self, values: Mapping[str, Array], network: Patched, last: int) -> dict[str, Array]:
        """The values of a network some of whose layers compute something else.

        Args:
            values: of the network with other patches, or none.
            network: with all its patches; what depends on the changed values is computed again.
            last: the number of nodes to compute; later values are not changed.
        """
        result = dict(values)

        def patch(name: str) -> None:
            if name in network.patches:
                network.patches[name](result, result[name], _unrounded)

        self._recompute(result, network.changed, last, patch)
        return result

    def side_by_side(self, values: Mapping[str, Array], networks: Sequence[Patched], last: int) -> Blocks:
        """The same for several networks at once, none of which mixes rows."""
        result = Blocks(values, self.graph.constants, networks)
        patched = {name for network in networks for name in network.patches}

        def patch(name: str) -> None:
            if name in patched:
                result.patch(name, _unrounded)

        self._recompute(result, (name for network in networks for name in network.changed), last, patch)
        return result

    def _recompute(
        self, values: dict[str, Array], changed: Iterable[str], last: int, patch: Callable[[str], None]
    ) -> None:
        """Compute what changes and what depends on it, and patch each value before others read it."""
        stale = set(changed)
        with np.errstate(all="ignore"):
            for name in self.graph.inputs:
                if name in stale:
                    patch(name)
            for step in self._steps[:last]:
                node = step.node
                if node.output in stale or not stale.isdisjoint(node.inputs):
                    values[node.output] = step.measure([values[v] for v in node.inputs])
                    stale.add(node.output)
                    patch(node.output)

    def tolerances(
        self,
        inputs: Sequence[Array],
        exact: Mapping[str, Array],
        names: Iterable[str],
        patches: Mapping[str, Patch] | None = None,
    ) -> dict[str, Array]:
        """For each named value, what rounding may change in each row: arrays of shape (rows,)."""
        noise = {name: np.zeros(len(inputs[0])) for name in names}
        for run in self._rounded_runs(inputs, patches or {}):
            for name in noise:
                noise[name] = np.maximum(noise[name], row_max(difference(run[name], exact[name])))
        return {name: FACTOR * noise[name] + ulp(np.zeros(1)) for name in noise}

    def one_rounding(
        self, inputs: Sequence[Array], patches: Mapping[str, Patch], last: int
    ) -> dict[str, Array]:
        """The values of a single run with random rounding, of so many nodes."""
        constants, rounded = self._shaking(0)
        return self._run(inputs, constants, rounded, False, patches, last)

    def _rounded_runs(
        self, inputs: Sequence[Array], patches: Mapping[str, Patch]
    ) -> Iterator[dict[str, Array]]:
        yield self._run(inputs, self._constants(_to_float32), _to_float32, True, patches)
        for seed in range(RUNS):
            constants, rounded = self._shaking(seed)
            yield self._run(inputs, constants, rounded, False, patches)

    def _shaking(self, seed: int) -> tuple[dict[str, Array], Rounded]:
        """The constants and the way to round of one run; the constants, which come first, are rounded once only."""
        generator = np.random.default_rng(seed)

        def rounded(array: Array) -> Array:
            return _shaken(array, generator)

        if seed in self._shaken_constants:
            constants, generator.bit_generator.state = self._shaken_constants[seed]
            return constants, rounded
        constants = self._constants(rounded)
        if sum(a.size for a in constants.values()) <= KEPT:
            self._shaken_constants[seed] = constants, generator.bit_generator.state
        return constants, rounded

    def _constants(self, rounded: Rounded) -> dict[str, Array]:
        def kept(name: str, array: Array) -> Array:
            if array.dtype.kind in "iub":
                return array
            exact = array.astype(np.float64)
            return exact if name in self._compared else rounded(exact)

        return {k: kept(k, v) for k, v in self.graph.constants.items()}

    def _run(
        self,
        inputs: Sequence[Array],
        constants: Mapping[str, Array],
        rounded: Rounded,
        sums_in_float32: bool = False,
        patches: Mapping[str, Patch] | None = None,
        last: int | None = None,
    ) -> dict[str, Array]:
        """Every value, with each result rounded in a way of the caller's, and sums term by term."""
        values = dict(constants)
        for name, array in zip(self.graph.inputs, inputs, strict=True):
            values[name] = array if self.graph.types[name].dtype == INT else array.astype(np.float64)
        patches = patches or {}
        with np.errstate(all="ignore"):
            for name in self.graph.inputs:
                if name in patches:
                    patches[name](values, values[name], rounded)
            for step in self._steps[:last]:
                node = step.node
                operands = [values[v] for v in node.inputs]
                if node.op.standardizes:
                    # In float32 a row's mean, and so each deviation from it, is off by a rounding unit of the
                    # values: much if the spread is small, even if the values themselves are exact.
                    operands[0] = rounded(rounded(operands[0]))
                shapes = [a.shape for a in operands]
                total = node.op.summed(*shapes) if sums_in_float32 else None
                if total is None:
                    result = step.measure(operands)
                else:
                    result = sum_in_float32(total, operands).reshape(node.op.output_shape(*shapes))
                exact = result.dtype.kind != "f" or _is_exact(result, operands)
                values[node.output] = result if exact else rounded_result(result, operands, rounded)
                if node.output in patches:
                    patches[node.output](values, values[node.output], rounded)
        return values


def _is_exact(result: Array, operands: Sequence[Array]) -> bool:
    """Whether float32 gives a result exactly: a mask of 0 and 1, or whole numbers of whole numbers, as positions."""
    if not result.size or result.flat[0] % 1:
        return False
    return bool(((result == 0) | (result == 1)).all()) or all(map(_are_whole, (result, *operands)))


def _are_whole(array: Array) -> bool:
    return bool((np.abs(array) < LARGEST_WHOLE).all()) and not (array % 1).any()


def _unrounded(array: Array) -> Array:
    return array


def _to_float32(array: Array) -> Array:
    return array.astype(np.float32).astype(np.float64)


def _shaken(array: Array, generator: np.random.Generator) -> Array:
    """Each value moved up or down by one float32 rounding unit."""
    return array * ONE_UNIT[generator.integers(0, 2, array.shape)]


def sum_in_float32(total: Sum, operands: Sequence[Array]) -> Array:
    """The sum in float32, one term after the other, as a plain loop computes it."""
    count = len(total.operands)
    factors = [x.astype(np.float32) for x in operands[:count]]
    if total.running:
        axis = list(total.operands[0]).index(total.running)
        return np.add.accumulate(factors[0], axis, dtype=np.float32).astype(np.float64)
    gone = list(dict.fromkeys(k for letters in total.operands for k in letters if k not in total.result))
    spread = [_spread(x, own, [*gone, *total.result]) for x, own in zip(factors, total.operands, strict=True)]
    sizes = np.broadcast_shapes(*(x.shape for x in spread))
    result = np.zeros(sizes[len(gone) :], np.float32)
    for place in np.ndindex(*sizes[: len(gone)]):
        terms = [x[tuple(min(p, n - 1) for p, n in zip(place, x.shape, strict=False))] for x in spread]
        result += terms[0] * terms[1] if len(terms) > 1 else terms[0]
    if total.mean:
        result /= np.float32(prod(sizes[: len(gone)]))
    return sum(operands[count:], result.astype(np.float64))


def _spread(x: Array, own: Sequence[str], letters: Sequence[str]) -> Array:
    """The array with an axis for each of the letters, of size 1 for letters that it does not have."""
    order = [letter for letter in letters if letter in own]
    x = x.transpose([list(own).index(letter) for letter in order])
    return x.reshape([x.shape[order.index(k)] if k in order else 1 for k in letters])


def difference(a: Array, b: Array) -> Array:
    """``|a - b|`` in float64; 0 where both are NaN or the same infinity, infinite where only one is."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    with np.errstate(all="ignore"):
        distance = np.abs(a - b)
        if np.isfinite(distance).all():
            return distance
        same = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))


def in_tolerances(value: Array, right: Array, tolerances: Array) -> Array:
    """For each row, the largest difference in units of the row's tolerance."""
    error = row_max(difference(value, right))
    with np.errstate(all="ignore"):
        ratio = error / tolerances
    # An infinite tolerance (the network overflows float32 there) allows anything; a zero one nothing.
    return np.where(error == 0, 0.0, np.where(np.isinf(tolerances), 0.0, ratio))


def row_max(array: Array) -> Array:
    """The largest value of each row, 0 for rows without values."""
    flat = array.reshape(len(array), -1) if array.size else np.zeros((len(array), 1))
    return np.asarray(flat.max(axis=1))


def row_scale(array: Array) -> Array:
    """The largest finite magnitude of each row."""
    magnitude = np.abs(np.asarray(array, np.float64))
    return row_max(np.where(np.isfinite(magnitude), magnitude, 0.0))


def ulp(magnitude: Array) -> Array:
    """The float32 unit in the last place of values of this size, in float64."""
    limits = np.finfo(np.float32)
    clipped = np.clip(magnitude, limits.tiny, limits.max).astype(np.float32)
    return np.spacing(clipped).astype(np.float64)


def spread_rows(per_row: Array, like: Array) -> Array:
    """One number per row, shaped to broadcast against an array of rows."""
    return per_row.reshape(len(per_row), *(1,) * (like.ndim - 1))
