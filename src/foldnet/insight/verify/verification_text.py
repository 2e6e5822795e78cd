"""The result of ``verify`` as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING

from foldnet.insight.layout import name_width, shortened, stacked, wrapped

if TYPE_CHECKING:
    from foldnet.insight.verify.diagnosis import Diagnosis
    from foldnet.insight.verify.verification import LayerResult, Verification

NUMBERS = ("max abs", "max rel", "max ULP", "sight")
STATUSES = ("proven", "unproven", "failed")


def verification_lines(result: Verification, width: int) -> Iterator[str]:
    """The verdict, the table of layers, the notes, and the diagnosis."""
    verdict = "equal" if result.ok else "NOT EQUAL"
    yield from wrapped(f"{result.candidate} against {result.model!r}: {verdict}", width)
    yield from wrapped(f"rows: {result.inputs}", width)
    yield from wrapped(f"tolerance: {result.tolerance}", width)
    yield ""
    yield from _layers(result, width)
    counts = {s: sum(x.status == s for x in result.layers) for s in STATUSES}
    yield from wrapped(", ".join(f"{n} {s}" for s, n in counts.items() if n), width)
    if any(x.compared_at != x.name for x in result.layers):
        yield from wrapped("* differences are those at an output that depends on the layer", width)
    yield from wrapped(
        "sight: the smallest error, in tolerances, that a mistake in this layer would have caused", width
    )
    for note, names in notes_of(result).items():
        yield from wrapped(f"{names}: {note}", width)
    if result.message:
        yield from wrapped(result.message, width)
    if result.searched:
        yield from _diagnoses(result, width)


def layer_cells(layer: LayerResult) -> list[str]:
    """The numbers of a layer for the table."""
    return [short(v) for v in (layer.max_abs, layer.max_rel, layer.max_ulp, layer.sight)]


def notes_of(result: Verification) -> dict[str, str]:
    """The notes, each with its layers."""
    notes: dict[str, list[str]] = {}
    for layer in result.layers:
        if layer.note:
            notes.setdefault(layer.note, []).append(layer.name)
    return {
        note: ", ".join(names) if len(names) < 4 else f"{names[0]} to {names[-1]}, {len(names)} layers"
        for note, names in notes.items()
    }


def diagnosis_sentences(result: Verification) -> Iterator[str]:
    """A sentence for each mistake of the diagnosis."""
    said: dict[str, list[Diagnosis]] = {}
    for found in result.diagnoses:
        said.setdefault(found.mistake, []).append(found)
    for first, *others in said.values():
        places = dict.fromkeys(repr(o.layer) for o in others if o.layer != first.layer)
        yield first.message + (f" Likewise {', '.join(places)}." if places else "")


def _layers(result: Verification, width: int) -> Iterator[str]:
    room = name_width(width, 55)
    rule = "─" * min(width, 100)
    if room is not None:
        yield f"{'layer':<{room}} " + " ".join(f"{n:>9}" for n in NUMBERS) + "  status"
    yield rule
    for layer in result.layers:
        mark = "" if layer.compared_at == layer.name else "*"
        cells = layer_cells(layer)
        if room is not None:
            numbers = " ".join(f"{n:>9}" for n in cells)
            yield f"{shortened(layer.name, room):<{room}} {numbers}  {layer.status}{mark}"
        else:
            told = [("", f"{layer.status}{mark}"), *zip(NUMBERS, cells, strict=True)]
            yield from stacked(layer.name, [(a, b) if a else (b, "") for a, b in told], width)
    yield rule


def _diagnoses(result: Verification, width: int) -> Iterator[str]:
    yield ""
    yield from wrapped(f"diagnosis: {result.searched} tried", width)
    if not result.diagnoses:
        return
    several = len({d.explanation for d in result.diagnoses}) > 1
    rule = "─" * min(width, 100)
    room = name_width(width, 49)
    if room is not None:
        yield f"{'mistake':<31} {'layer':<{room}} {'residual':>8}" + " either" * several
    yield rule
    for found in result.diagnoses:
        if room is not None:
            either = f" {found.explanation:>6}" if several else ""
            layer = shortened(found.layer, room)
            yield f"{found.mistake:<31} {layer:<{room}} {short(found.residual):>8}{either}"
        else:
            cells = [("at", found.layer), ("residual", short(found.residual))]
            cells += [("either", str(found.explanation))] * several
            yield from stacked(found.mistake, cells, width)
    yield rule
    for sentence in diagnosis_sentences(result):
        yield from wrapped(sentence, width)
    if result.tell_apart is not None:
        yield from wrapped(
            f"to tell explanation 1 from {', '.join(map(str, result.tell_apart.distinct))}, predict for "
            f"x = {brief(result.tell_apart.x)[:400]}:",
            width,
        )
        for number, outputs in result.tell_apart.outputs.items():
            yield from wrapped(f"  {number}: {brief(outputs)[:400]}", width)


def short(value: float | None) -> str:
    """A number of the table: two digits."""
    return "-" if value is None else f"{value:.2g}" if isfinite(value) else str(value)


def brief(values: object) -> str:
    """Nested numbers in short form; ``tell_apart`` has all of them."""
    if isinstance(values, list):
        some = [brief(v) for v in values[:12]] + ["..."] * (len(values) > 12)
        return some[0] if len(some) == 1 and isinstance(values[0], list) else f"[{', '.join(some)}]"
    return f"{values:.6g}" if isinstance(values, float) else str(values)
