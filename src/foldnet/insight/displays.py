"""HTML for notebooks: networks, predictors, and the results of ``verify`` and ``doctor``; no script, no style sheet.

Colours come from the notebook's theme, so that light and dark themes are both readable. No information is shown by
colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from foldnet.insight.explain.page.markup import Html, joined, tag

if TYPE_CHECKING:
    from foldnet.insight.doctor.finding import Report, Severity
    from foldnet.insight.verify.verification import Status, Verification
    from foldnet.network import Network
    from foldnet.predictor import Predictor

_AT = "vertical-align:top;white-space:nowrap;padding:.15em .8em .15em 0"
CELL = f"text-align:left;{_AT}"
NUMBER = f"text-align:right;{_AT};font-variant-numeric:tabular-nums"
CODE = "font-family:monospace;overflow-wrap:anywhere"
SIGNS: dict[Status | Severity, str] = {
    "proven": "✓", "unproven": "?", "failed": "✗", "error": "✗", "warning": "!", "note": "·",
}  # fmt: skip
BORDERS: dict[Severity, str] = {"error": "#c0392b", "warning": "#b7791f", "note": "#7f8c8d"}


def network_html(network: Network) -> str:
    """A network: a table of its layers, and a picture that can be opened."""
    from foldnet.insight.explain.page.picture import network_svg
    from foldnet.insight.sites import sites_of
    from foldnet.summary import counts, readable_size

    kind, name = type(network).__name__, network.name
    if not network.built:
        return _frame(kind, name, "not built yet: give its first layer an input_shape, or call build")
    trained, fixed = counts(network)
    size = readable_size(4 * (trained + fixed))
    said = f"{trained + fixed:,} parameters ({size}), {trained:,} trained, {fixed:,} not"
    sites = sites_of(network)
    rows = [
        (
            _code(site.path),
            site.kind,
            _code(_shape(site.shape)),
            f"{site.layer.count_params():,}",
        )
        for site in sites
    ]
    picture = tag("div", network_svg(sites), style="max-height:24em;overflow:auto;text-align:left")
    return _frame(
        kind,
        name,
        said,
        _table(("layer", "kind", "result", "parameters"), rows, numbers=(3,)),
        tag("details", tag("summary", "The network as a picture", style="cursor:pointer"), picture),
    )


def predictor_html(predictor: Predictor) -> str:
    """A predictor: its inputs and outputs, and its steps, which can be opened."""
    shapes = predictor.input_shapes
    takes = ", ".join(f"{n} {_shape(s)}" for n, s in zip(predictor.input_names, shapes, strict=True))
    gives = ", ".join(_shape(s) for s in predictor.output_shapes)
    said = f"{len(predictor.graph.nodes)} steps on the {predictor.engine} engine, {predictor.dtype}"
    rows = [("takes", _code(takes)), ("gives", _code(gives))]
    steps = tag(
        "pre",
        "\n".join(step for text in predictor.steps() for step in text.split("\n")),
        style=PRE,
    )
    notes = [tag("p", note) for note in predictor.notes]
    return _frame(
        "Predictor",
        "",
        said,
        _table(("", ""), rows, heads=False),
        tag("details", tag("summary", "What it computes", style="cursor:pointer"), steps, *notes),
    )


def verification_html(result: Verification) -> str:
    """The result of ``verify``: the verdict, the mistakes, and the table of layers."""
    from foldnet.insight.verify.verification_text import NUMBERS, diagnosis_sentences, layer_cells, notes_of

    verdict = "equal" if result.ok else "NOT EQUAL"
    rows = [
        (_code(layer.name), f"{SIGNS[layer.status]} {layer.status}", *layer_cells(layer))
        for layer in result.layers
    ]
    mistakes = [_finding("error", [tag("p", text, style=TIGHT)]) for text in diagnosis_sentences(result)]
    table = _table(("layer", "status", *NUMBERS), rows, numbers=(2, 3, 4, 5))
    notes = [tag("p", f"{names}: {note}", style=TIGHT) for note, names in notes_of(result).items()]
    notes.append(tag("p", f"Rows: {result.inputs}. Tolerance: {result.tolerance}.", style=TIGHT))
    is_open = not result.proven
    return _frame(
        "verify",
        f"{result.candidate} against {result.model}",
        f"{SIGNS['proven' if result.ok else 'failed']} {verdict}",
        tag("p", result.message, style=TIGHT) if result.message else None,
        *mistakes,
        tag("details", tag("summary", _counted(result), style="cursor:pointer"), table, *notes, open=is_open),
    )


def _counted(result: Verification) -> str:
    counts = {s: sum(x.status == s for x in result.layers) for s in ("proven", "unproven", "failed")}
    return "Layers: " + ", ".join(f"{n} {s}" for s, n in counts.items() if n)


def report_html(report: Report) -> str:
    """The doctor's report: each finding with its evidence and remedy."""
    from foldnet.insight.doctor.finding import number, verdict

    found = []
    for finding in report:
        place = f" at {finding.layer}" if finding.layer else ""
        seen = "; ".join(f"{k.replace('_', ' ')} {number(v)}" for k, v in finding.evidence.items())
        others = finding.layers[1:]
        lines: list[Html | None] = [
            tag(
                "p",
                tag("b", f"{SIGNS[finding.severity]} {finding.severity}: {finding.check}{place}"),
                style=TIGHT,
            ),
            tag("p", finding.message, style=TIGHT),
            tag("p", tag("i", "seen: "), seen, style=TIGHT) if seen else None,
            tag("p", tag("i", "also at: "), ", ".join(others), style=TIGHT) if others else None,
            tag("p", tag("i", "fix: "), finding.remedy, style=TIGHT),
        ]
        found.append(_finding(finding.severity, lines))
    skipped: dict[str, list[str]] = {}
    for check, reason in report.skipped.items():
        skipped.setdefault(reason, []).append(check)
    left = [tag("p", f"{reason}: {', '.join(names)}", style=TIGHT) for reason, names in skipped.items()]
    if left:
        summary = tag("summary", f"{len(report.skipped)} checks did not run", style="cursor:pointer")
        found.append(tag("details", summary, *left))
    found += [tag("p", f"mended: {line}", style=TIGHT) for line in report.mended]
    return _frame("doctor", report.model, verdict(report), *found)


# -- parts --------------------------------------------------------------------------------------------------

TIGHT = "margin:.2em 0;text-align:left"
PRE = "overflow-x:auto;margin:.3em 0;text-align:left;line-height:1.35"


def _frame(kind: str, name: str, said: str, *parts: str | None) -> Html:
    head = tag(
        "p",
        tag("b", kind),
        f" {name}" if name else None,
        " · ",
        said,
        style=f"{TIGHT};overflow-wrap:anywhere",
    )
    return tag("div", head, *parts, style="max-width:62em;text-align:left")


def _finding(severity: Severity, lines: Iterable[str | None]) -> Html:
    border = (
        f"border-left:.25em solid {BORDERS[severity]};padding-left:.7em;margin:.5em 0;overflow-wrap:anywhere"
    )
    return tag("div", *lines, style=border)


def _code(text: str) -> Html:
    return tag("span", text, style=CODE)


def _shape(shape: Sequence[Any]) -> str:
    sizes = ["rows", *("any" if n is None else str(n) for n in shape[1:])]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = (), heads: bool = True
) -> Html:
    styles = [NUMBER if i in numbers else CELL for i in range(len(header))]
    head = tag("tr", *(tag("th", h, scope="col", style=s) for h, s in zip(header, styles, strict=True)))
    body = [
        tag("tr", *(tag("td", cell, style=s) for cell, s in zip(row, styles, strict=True))) for row in rows
    ]
    table = tag(
        "table",
        tag("thead", head) if heads else None,
        tag("tbody", *body),
        style="border-collapse:collapse;margin:.3em 0",
    )
    return tag("div", joined([table]), style="overflow-x:auto")
