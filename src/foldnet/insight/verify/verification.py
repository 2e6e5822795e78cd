"""The result of ``verify``: attributes, a table as text, and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Literal

from foldnet.escaping import escaped
from foldnet.insight.arguments import whole
from foldnet.insight.layout import WIDTH
from foldnet.insight.verify.diagnosis import Diagnosis, TellApart

Status = Literal["proven", "unproven", "failed"]


@dataclass(frozen=True)
class LayerResult:
    """The result for one layer call.

    Attributes:
        name: path of the call: ``dense``, ``inner/dense``, ``dense@1`` for the second call of a shared layer.
        kind: class of the layer.
        max_abs: largest difference from the float64 reference at the value compared for the layer.
        max_rel: the same, relative to the value, or to a thousandth of its row's largest where that is more.
        max_ulp: the same in float32 units in the last place.
        sight: the smallest error, in units of the tolerance, that any possible mistake with this layer would have
            caused at the compared values; None if no mistake is possible.
        status: ``failed``: its value is outside the tolerance. ``proven``: all values that depend on it agree, and each
            mistake would have been visible. ``unproven``: some mistake would have gone unnoticed, or a value that
            depends on it does not agree.
        compared_at: the layer whose value was compared: itself, or an output that depends on it.
        mistakes: each possible mistake and the error it would have caused, in units of the tolerance.
        unseen: those mistakes that would have gone unnoticed.
        note: a remark.
    """

    name: str
    kind: str
    max_abs: float
    max_rel: float
    max_ulp: float
    sight: float | None
    status: Status
    compared_at: str
    mistakes: dict[str, float]
    unseen: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Verification:
    """The result of ``verify``; ``bool(result)`` is ``ok``.

    Attributes:
        ok: all compared values are within the tolerance. Unproven layers do not make it False; they are reported,
            and ``proven`` is True if there are none.
        layers: one result a layer call, in computing order.
        candidate: a description of the candidate, and how its layers' values were obtained.
        model: name of the network.
        inputs: where the rows came from.
        rows: how many there were.
        tolerance: how it was determined.
        message: the reason when not ok, in a sentence; empty when ok.
        diagnoses: the known mistakes that give the candidate's numbers, the most likely explanation first; empty if ok,
            or if none explains them.
        departs: the first layer that differs, among those that could be compared; empty if ok.
        searched: which mistakes were tried.
        tell_apart: an input for which several explanations give different outputs, if there is one.
    """

    ok: bool
    layers: tuple[LayerResult, ...]
    candidate: str
    model: str
    inputs: str
    rows: int
    tolerance: str
    message: str = ""
    diagnoses: list[Diagnosis] = field(default_factory=list)
    departs: str = ""
    searched: str = ""
    tell_apart: TellApart | None = None

    @property
    def proven(self) -> bool:
        """Whether it is ok and every layer is proven."""
        return self.ok and all(layer.status == "proven" for layer in self.layers)

    @property
    def exit_code(self) -> int:
        """1 when it fails, else 0."""
        return 0 if self.ok else 1

    def __bool__(self) -> bool:
        return self.ok

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; NaN and infinities become strings."""
        whole = {"ok": self.ok, "proven": self.proven, **asdict(self)}
        return {name: _plain(value) for name, value in whole.items()}

    def to_json(self) -> str:
        """The result as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    def text(self, width: int = WIDTH) -> str:
        """The result for a terminal of this width."""
        from foldnet.insight.verify.verification_text import verification_lines

        return escaped("\n".join(verification_lines(self, whole("width", width, 20))))

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """The result in a notebook."""
        from foldnet.insight.displays import verification_html

        return verification_html(self)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value
