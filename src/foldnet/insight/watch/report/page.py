"""A run as one self-contained HTML page: no network access, light and dark, usable by keyboard."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from string import Template

from foldnet.arrays import Array
from foldnet.disk.atomic import write_text
from foldnet.escaping import escaped_html
from foldnet.files.overwrite import MARK
from foldnet.insight.watch.report.charts import chart
from foldnet.insight.watch.report.figures import (
    CHANNELS,
    Figure,
    in_words,
    latest,
    layer_figures,
    left_over,
    log_figures,
    share,
    thinned,
)
from foldnet.insight.watch.run_files import Run, RunLayer, read_run

ASSETS = Path(__file__).parent


def write_page(run: Run | str | PathLike[str], path: str | PathLike[str]) -> None:
    """Write the report of a run, or of a run's directory, to an HTML file.

    Raises:
        FileNotFoundError: there is no run.
        FileFormatError: its files are damaged.
    """
    text = page(run if isinstance(run, Run) else read_run(run))
    write_text(path, text)


def page(run: Run) -> str:
    """The report of a run as HTML."""
    places = thinned(run)
    sections: list[tuple[str, str, list[Figure]]] = []
    logs = log_figures(run, places)
    if logs:
        sections.append(("Loss and metrics", "", logs))
    for layer in run.layers:
        sections.append((layer.name, _about(run, layer), layer_figures(run, layer, places)))
    figures = [figure for _, _, several in sections for figure in several]
    numbers = iter(range(len(figures)))
    body = "".join(
        _section(title, about, several, numbers, i) for i, (title, about, several) in enumerate(sections)
    )
    template = Template((ASSETS / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        mark=MARK,
        title=escaped_html(f"{run.network}: normalization in training"),
        style=(ASSETS / "page.css").read_text(encoding="utf-8"),
        script=(ASSETS / "page.js").read_text(encoding="utf-8"),
        heading=escaped_html(run.network),
        facts=escaped_html(_facts(run)),
        summary=_summary(run),
        sections=body,
        last=len(places) - 1,
        data=_data(run, places, figures),
    )


def _facts(run: Run) -> str:
    steps = int(run.steps[-1] - run.first_step)
    state = "finished" if run.finished else "not finished"
    return f"{steps:,} steps, {int(run.epochs[-1])} epochs, {run.seconds[-1]:.1f} s, {state}"


def _summary(run: Run) -> str:
    rows = []
    for i, layer in enumerate(run.layers):
        now = latest(run, layer)
        cells = ["not known"] * 4
        if now is not None:
            cells = [f"{now.step:,}", *(f"{n:.3g}" for n in (now.median, now.largest, now.ratio))]
        left = left_over(run, layer)
        mark = ' class="warn"' if left > 0.01 else ""
        place = i + (1 if run.logs else 0)
        rows.append(
            f'<tr><th scope="row"><a href="#s{place}">{escaped_html(layer.name)}</a></th><td>{layer.channels}</td>'
            f"<td{mark}>{share(left)}</td>{''.join(f'<td>{c}</td>' for c in cells)}</tr>"
        )
    return "".join(rows)


def _about(run: Run, layer: RunLayer) -> str:
    words = in_words(run, layer)
    if layer.channels > CHANNELS:
        words.append(f"{min(CHANNELS, len(layer.recorded))} of {layer.channels} channels are drawn.")
    return escaped_html(" ".join(words))


def _section(title: str, about: str, figures: Sequence[Figure], numbers: Iterator[int], place: int) -> str:
    drawn = "".join(_figure(figure, next(numbers)) for figure in figures)
    text = f"<p>{about}</p>" if about else ""
    return f'<section id="s{place}"><h2>{escaped_html(title)}</h2>{text}<div class="charts">{drawn}</div></section>'


def _figure(figure: Figure, number: int) -> str:
    keys = "".join(
        f'<li><span class="key c{line.colour % 8}"></span>{escaped_html(line.name)} '
        f'<output data-line="{i}"></output></li>'
        for i, line in enumerate(figure.lines)
        if not line.faint
    )
    return (
        f"<figure><figcaption><b>{escaped_html(figure.title)}</b> {escaped_html(figure.about)}</figcaption>"
        f'{chart(figure, number)}<ul class="keys" data-keys="{number}">{keys}</ul></figure>'
    )


def _data(run: Run, places: Array, figures: Sequence[Figure]) -> str:
    """The charts' numbers, shown at the cursor; no text, which could end the script element."""
    document = {
        "steps": [int(s) for s in run.steps[places]],
        "epochs": [int(e) for e in run.epochs[places]],
        "figures": [[[_number(v) for v in line.values] for line in figure.lines] for figure in figures],
    }
    return json.dumps(document, separators=(",", ":"))


def _number(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
