"""The float64 reference that everything is compared with, and how far rounding alone may lead from it.

The tolerance is not a constant: it is measured on this network and these rows. The network is run once in
float32, and several times in float64 with every weight and every intermediate value moved by one float32
rounding unit in a random direction. The largest distance of any of these runs from the exact one is what
honest float32 arithmetic does here; ``FACTOR`` times it, and never less than ``FLOOR_ULP`` units in the last
place of the row's largest value, is what a candidate may differ by. Where the network cancels (a mean far
above the standard deviation) the tolerance widens by itself, row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from foldnet.engines.reference import ReferenceProgram
from foldnet.graph.graph import Graph

Array = np.ndarray[Any, Any]

FACTOR = 4.0
"""How many times the measured rounding a candidate may differ by."""
FLOOR_ULP = 4.0
"""The least tolerance, in float32 units in the last place of the row's largest value."""
RUNS = 6
"""Runs with random rounding."""
UNIT = 2.0**-23


class Oracle:
    """A graph, computed exactly (float64), and with part of its values replaced."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._exact = ReferenceProgram(graph, "float64")
        self._single = ReferenceProgram(graph, "float32")

    def values(self, inputs: Sequence[Array]) -> dict[str, Array]:
        """Every value of the graph in float64."""
        return self._exact.values(inputs)

    def rerun(self, values: Mapping[str, Array], changed: Mapping[str, Array]) -> dict[str, Array]:
        """The values once some of them are replaced: only what depends on those is computed anew."""
        result = {**values, **changed}
        stale = set(changed)
        with np.errstate(all="ignore"):
            for node in self.graph.nodes:
                if node.output not in changed and stale.intersection(node.inputs):
                    result[node.output] = self._exact.compute(node, result)
                    stale.add(node.output)
        return result

    def tolerances(
        self, inputs: Sequence[Array], exact: Mapping[str, Array], names: Iterable[str]
    ) -> dict[str, Array]:
        """For each named value, what rounding may change in each row: arrays of shape (rows,)."""
        names = list(names)
        noise = {name: row_max(difference(exact[name], exact[name])) for name in names}
        runs = [self._single.values(inputs)]
        runs += (self._shaken(inputs, np.random.default_rng(seed)) for seed in range(RUNS))
        for run in runs:
            for name in names:
                noise[name] = np.maximum(noise[name], row_max(difference(run[name], exact[name])))
        return {name: FACTOR * noise[name] + FLOOR_ULP * ulp(row_scale(exact[name])) for name in names}

    def _shaken(self, inputs: Sequence[Array], generator: np.random.Generator) -> dict[str, Array]:
        def shake(array: Array) -> Array:
            if array.dtype.kind != "f":
                return array
            return array * (1 + UNIT * generator.choice(np.array([-1.0, 1.0]), array.shape))

        values = {k: shake(v.astype(np.float64)) if v.dtype.kind == "f" else v.astype(np.int32)
                  for k, v in self.graph.constants.items()}
        for name, array in zip(self.graph.inputs, inputs, strict=True):
            is_int = self.graph.types[name].dtype == "int"
            values[name] = array.astype(np.int32 if is_int else np.float64)
        with np.errstate(all="ignore"):
            for node in self.graph.nodes:
                values[node.output] = shake(self._exact.compute(node, values))
        return values


def difference(a: Array, b: Array) -> Array:
    """``|a - b|`` in float64; 0 where both are NaN or the same infinity, infinite where only one is."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    with np.errstate(all="ignore"):
        distance = np.abs(a - b)
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
    """One number a row, shaped to broadcast against an array of rows."""
    return per_row.reshape(len(per_row), *(1,) * (like.ndim - 1))
