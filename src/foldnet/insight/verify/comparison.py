"""Compare a candidate's values with the exact ones: at which layers, and by how much they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.oracle import difference, in_tolerances, row_scale, spread_rows, ulp
from foldnet.insight.verify.candidates import Candidate
from foldnet.insight.verify.sight import ExactValues
from foldnet.insight.verify.users_code import where_raised


@dataclass(frozen=True)
class Answers:
    """A candidate's results for some rows.

    Attributes:
        outputs: one array per output of the network; None if it failed, or shows layers only.
        layers: values of the layer calls that it shows, by path.
        trouble: why it failed, in a sentence; empty if it succeeded.
        nothing: whether it returned nothing at all.
    """

    outputs: Sequence[Array] | None
    layers: Mapping[str, Array]
    trouble: str = ""
    nothing: bool = False


def run_candidate(candidate: Candidate, inputs: Sequence[Array], exact: Sequence[Array]) -> Answers:
    """Run the candidate. An error that it raises is a finding, so it is stored instead of raised.

    Args:
        candidate: to run.
        inputs: rows.
        exact: the right outputs, for their number and shapes.
    """
    try:
        outputs = [] if candidate.outputs is None else candidate.outputs(inputs)
        layers = candidate.layers(inputs)
    except Exception as error:
        place = where_raised(error)
        said = f"the candidate raised {type(error).__name__}: {error}"
        return Answers(None, {}, f"{said} ({place})" if place else said)
    if candidate.flat:
        outputs = _unflattened(outputs[0], exact)
    if not outputs and layers:
        return Answers(None, layers)
    if not outputs and exact:
        return Answers(None, {}, "the candidate returned nothing", nothing=True)
    if len(outputs) != len(exact):
        return Answers(None, {}, f"the candidate gave {len(outputs)} outputs, the network has {len(exact)}")
    return Answers(outputs, layers)


def _unflattened(flat: Array, exact: Sequence[Array]) -> list[Array]:
    """Split an array with all outputs side by side; unchanged if the sizes do not fit."""
    sizes = [e[0].size for e in exact]
    if flat.shape != (len(exact[0]), sum(sizes)):
        return [flat]
    parts = np.split(flat, np.cumsum(sizes)[:-1].tolist(), axis=1)
    return [part.reshape(e.shape) for part, e in zip(parts, exact, strict=True)]


@dataclass(frozen=True)
class Point:
    """One value that was compared.

    Attributes:
        path: the layer call whose value it is.
        value: the candidate's; None if it has the wrong shape.
        worst: the largest difference in units of the tolerance.
        own: whether the candidate computed it with its own engine.
        trouble: what is wrong apart from the numbers; empty if nothing.
    """

    path: str
    value: Array | None
    max_abs: float
    max_rel: float
    max_ulp: float
    worst: float
    own: bool
    trouble: str = ""

    @property
    def agrees(self) -> bool:
        """Whether every difference is within the tolerance."""
        return self.worst <= 1.0


def compare(name: str, path: str, value: Array | None, exact: ExactValues, own: bool) -> Point:
    """Compare the candidate's value for a named value of the graph with the exact one."""
    right = exact.values[name]
    value = None if value is None else _fitted(np.asarray(value), right)
    if value is None or value.shape != right.shape or value.dtype.kind not in "fiub":
        trouble = (
            ""
            if value is None
            else f"the candidate gives {value.dtype} of shape {value.shape}, the network {right.shape}"
        )
        return Point(path, None, inf, inf, inf, inf, own, trouble)
    error = difference(value, right)
    magnitude = np.abs(np.where(np.isfinite(right), right, 0.0))
    scale = np.maximum(magnitude, spread_rows(row_scale(right), right) / 1000)
    with np.errstate(all="ignore"):
        relative = np.where(error == 0, 0.0, error / scale)
    return Point(
        path,
        value,
        largest(error),
        largest(relative),
        largest(error / ulp(scale)),
        largest(in_tolerances(value, right, exact.tolerances[name])),
        own,
    )


def largest(array: Array) -> float:
    """The largest value; 0 for an empty array."""
    return float(array.max()) if array.size else 0.0


def _fitted(value: Array, right: Array) -> Array:
    """The value in the right shape, if it differs only by axes of size 1: (rows,) for (rows, 1)."""

    def without_ones(array: Array) -> tuple[int, ...]:
        return array.shape[:1] + tuple(n for n in array.shape[1:] if n != 1)

    same = value.ndim > 0 and without_ones(value) == without_ones(right)
    return value.reshape(right.shape) if same else value
