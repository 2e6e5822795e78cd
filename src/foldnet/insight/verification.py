"""What ``verify`` found: a result to ask, to print as a table, and to store as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Literal

from foldnet.insight.diagnosis import Diagnosis, TellApart

Status = Literal["proven", "unproven", "failed"]
WIDTH = 80


@dataclass(frozen=True)
class LayerResult:
    """What is known of one layer call.

    Attributes:
        name: path of the call: ``dense``, ``inner/dense``, ``dense@1`` for the second call of a shared layer.
        kind: class of the layer.
        max_abs: largest difference from the float64 reference where the layer is compared.
        max_rel: the same, relative to the value, or to a thousandth of its row's largest where that is more.
        max_ulp: the same in float32 units in the last place.
        sight: the smallest error, in units of the tolerance, that any of the possible mistakes with this layer
            would have caused at the compared values; None if there is no mistake to make.
        status: ``failed``: its value, compared, is outside the tolerance. ``proven``: all that it leads to agrees,
            and each mistake would have shown. ``unproven``: some mistake would have gone unnoticed, or what it
            leads to does not agree.
        compared_at: the layer whose value the differences are of: itself, or the output that it leads to.
        mistakes: each possible mistake and the error it would have caused, in units of the tolerance.
        unseen: those mistakes that would have gone unnoticed.
        note: what to know besides.
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
    """The result of ``verify``; it is true in an ``if`` when ``ok``.

    Attributes:
        ok: nothing that was compared is outside the tolerance. Unproven layers do not make it False: they are
            reported, and ``proven`` says whether there are none.
        layers: one result a layer call, in computing order.
        candidate: what was verified, and how its layers' values were had.
        model: name of the network.
        inputs: where the rows came from.
        rows: how many there were.
        tolerance: how it was found.
        message: the reason when not ok, in a sentence; empty when ok.
        diagnoses: the known mistakes that give the candidate's numbers, the likeliest explanation first; empty when
            ok, and when none of them does.
        departs: the layer at which the candidate first departs, of those that could be compared; empty when ok.
        searched: which mistakes were tried.
        tell_apart: an input that tells several explanations apart, if there are several and one was found.
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
        """Plain data for JSON; numbers that are not finite become strings."""
        plain: dict[str, Any] = _plain({"ok": self.ok, "proven": self.proven, **asdict(self)})
        return plain

    def to_json(self) -> str:
        """The result as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    def __str__(self) -> str:
        counts = {s: sum(x.status == s for x in self.layers) for s in ("proven", "unproven", "failed")}
        verdict = "equal" if self.ok else "NOT EQUAL"
        lines = [
            *_wrapped(f"{self.candidate} against {self.model!r}: {verdict}"),
            *_wrapped(f"rows: {self.inputs}"),
            *_wrapped(f"tolerance: {self.tolerance}"),
            "",
            f"{'layer':<25} {'max abs':>9} {'max rel':>9} {'max ULP':>9} {'sight':>9}  status",
            "─" * WIDTH,
        ]
        for layer in self.layers:
            name = layer.name if len(layer.name) <= 25 else "…" + layer.name[-24:]
            mark = "" if layer.compared_at == layer.name else "*"
            numbers = (_number(v) for v in (layer.max_abs, layer.max_rel, layer.max_ulp, layer.sight))
            lines.append(f"{name:<25} " + " ".join(f"{n:>9}" for n in numbers) + f"  {layer.status}{mark}")
        lines.append("─" * WIDTH)
        lines.append(", ".join(f"{n} {s}" for s, n in counts.items() if n))
        if any(x.compared_at != x.name for x in self.layers):
            lines += _wrapped("* differences are those at the output that the layer leads to")
        lines += _wrapped(
            "sight: the smallest error, in tolerances, that a mistake in this layer would have caused"
        )
        notes: dict[str, list[str]] = {}
        for layer in self.layers:
            if layer.note:
                notes.setdefault(layer.note, []).append(layer.name)
        for note, names in notes.items():
            who = ", ".join(names) if len(names) < 4 else f"{names[0]} to {names[-1]}, {len(names)} layers"
            lines += _wrapped(f"{who}: {note}")
        if self.message:
            lines += _wrapped(self.message)
        if self.searched:
            lines += self._diagnoses()
        return "\n".join(lines)

    def _diagnoses(self) -> list[str]:
        lines = ["", *_wrapped(f"diagnosis: {self.searched} tried")]
        if not self.diagnoses:
            return lines
        several = len({d.explanation for d in self.diagnoses}) > 1
        lines += [f"{'mistake':<31} {'layer':<31} {'residual':>8}" + " either" * several, "─" * WIDTH]
        for found in self.diagnoses:
            layer = found.layer if len(found.layer) <= 31 else "…" + found.layer[-30:]
            either = f" {found.explanation:>6}" if several else ""
            lines.append(f"{found.mistake:<31} {layer:<31} {_number(found.residual):>8}{either}")
        lines.append("─" * WIDTH)
        said: dict[str, list[Diagnosis]] = {}
        for found in self.diagnoses:
            said.setdefault(found.mistake, []).append(found)
        for first, *others in said.values():
            places = dict.fromkeys(repr(o.layer) for o in others if o.layer != first.layer)
            lines += _wrapped(first.message + (f" Likewise {', '.join(places)}." if places else ""))
        if self.tell_apart is not None:
            lines += _wrapped(
                f"to tell explanation 1 from {', '.join(map(str, self.tell_apart.distinct))}, predict for "
                f"x = {_brief(self.tell_apart.x)[:400]}:"
            )
            for number, outputs in self.tell_apart.outputs.items():
                lines += _wrapped(f"  {number}: {_brief(outputs)[:400]}")
        return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}" if isfinite(value) else str(value)


def _brief(values: Any) -> str:
    """Nested numbers as a person reads them; the whole of them is in ``tell_apart``."""
    if isinstance(values, list):
        some = [_brief(v) for v in values[:12]] + ["..."] * (len(values) > 12)
        return some[0] if len(some) == 1 and isinstance(values[0], list) else f"[{', '.join(some)}]"
    return f"{values:.6g}" if isinstance(values, float) else str(values)


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value
