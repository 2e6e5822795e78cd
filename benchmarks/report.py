"""Tables in Markdown out of what was measured. Nothing is measured here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

OURS, BOUND = "foldnet", "foldnet bound"


def duration(seconds: float) -> str:
    """A time with three digits and a unit."""
    units = (("s", 1.0), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9))
    unit, scale = next((u for u in units if seconds * u[1] >= 0.9995), units[-1])
    return f"{figure(seconds * scale)} {unit}"


def figure(number: float) -> str:
    """A number with three digits."""
    if abs(number) >= 99.95:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 9.995 else f"{number:.2f}"


def percent(part: float) -> str:
    """A part of 1 in percent."""
    return f"{part * 100:.0f} %"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Lines of a table."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *map(list, rows)]
    return ["| " + " | ".join(cell for cell in line) + " |" for line in lines]


def verdict(met: bool, wanted: str) -> str:
    """A target, and whether it is met."""
    return wanted if met else f"**{wanted}, missed**"


def spread(side: dict[str, Any]) -> str:
    """A median with its spread."""
    return f"{duration(side['median'])} ({duration(side['p10'])} to {duration(side['p90'])})"


def missed(results: dict[str, Any]) -> list[str]:
    """What is not as wanted, a line for each."""
    found = []
    for r in results["prediction"]:
        if r["at_most"] is not None and r["ratio"] is not None and r["ratio"] > r["at_most"]:
            of = f"{r['ratio']:.2f} of {r['fastest']}, wanted {r['at_most']:g}"
            found.append(f"{r['name']}, {r['rows']:,} rows, {threads(r)}: {of}")
    for r in results["training"]:
        for name, wanted in r["at_least"].items():
            times = against(r, name)
            if times is not None and times < wanted:
                of = f"{figure(times)} times as fast as {name}, wanted {wanted:g}"
                found.append(f"{r['name']}, batch {r['batch']:,}, {threads(r)}: {of}")
    for r in results["activations"]:
        if r["ratio"] > r["at_most"]:
            found.append(
                f"{r['name']}, {threads(r)}: {figure(r['ratio'])} times relu's step, wanted {r['at_most']:g}"
            )
    for r in results["compilations"]:
        if r["at_most"] is not None and r["median"] > r["at_most"]:
            found.append(f"{r['name']}: {duration(r['median'])}, wanted {r['at_most']:g} s")
    return found


def threads(record: dict[str, Any]) -> str:
    """How many threads a record is about."""
    return "1 thread" if record["threads"] == 1 else f"{record['threads']} threads"


def against(record: dict[str, Any], name: str) -> float | None:
    """How many times our time another side takes; None if it was left out."""
    sides = record["sides"]
    return sides[name]["median"] / sides[OURS]["median"] if {name, OURS} <= sides.keys() else None


def machine(about: dict[str, Any], limits: dict[str, Any]) -> list[str]:
    """What it was measured on."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    rows = (
        [count, f"{limit['flops'] / 1e9:.0f} GFLOP/s", f"{limit['bytes'] / 1e9:.0f} GB/s"]
        for count, limit in limits.items()
    )
    part = "This is no complete run: cases are missing, or took fewer turns. " if about["partial"] else ""
    return [
        f"{part}Measured on {about['date']}: {about['processor']}, {about['processors']} processors, vectors of "
        f"{about['lanes']} floats, {about['system']}, Python {about['python']}, {about['compiler']}. {versions}.",
        "",
        "The limit of this machine, measured by `benchmarks/limits.c`: multiply-adds of full vectors that do not wait "
        "for each other (each is two operations), and reading an array four times as large as the last cache.",
        "",
        *table(("threads", "arithmetic", "memory"), rows),
    ]


def prediction(records: list[dict[str, Any]]) -> list[str]:
    """A line for each case: our time, the ratio to the fastest, rates."""
    rows = []
    for r in records:
        ours = r["sides"][OURS]
        bound = r["sides"].get(BOUND)
        wanted = "–" if r["at_most"] is None else f"{r['at_most']:g}"
        met = r["at_most"] is None or r["ratio"] is None or r["ratio"] <= r["at_most"]
        ratio = "–" if r["ratio"] is None else f"{r['ratio']:.2f} of {r['fastest']}"
        rows.append(
            [
                r["name"], f"{r['rows']:,}", spread(ours), ratio, verdict(met, wanted), figure(r["gflops"]),
                f"{percent(r['share'])} ({r['limit']})", duration(bound["median"]) if bound else "–",
            ]
        )  # fmt: skip
    heads = (
        "network",
        "rows",
        "foldnet",
        "ratio to the fastest",
        "at most",
        "GFLOP/s",
        "of the limit",
        "bound call",
    )
    return table(heads, rows)


def training(records: list[dict[str, Any]]) -> list[str]:
    """A line for each case: our step, how many times that the others take, rates."""
    names = list(dict.fromkeys(name for r in records for name in r["sides"] if name != OURS))
    rows = []
    for r in records:
        cells = []
        for name in names:
            times, wanted = against(r, name), r["at_least"].get(name)
            text = "–" if times is None else f"{figure(times)} ×"
            if wanted is not None and times is not None:
                text = verdict(times >= wanted, f"{text} (at least {wanted:g})")
            cells.append(text)
        share = f"{percent(r['share'])} ({r['limit']})"
        rows.append(
            [r["name"], f"{r['batch']:,}", spread(r["sides"][OURS]), *cells, figure(r["gflops"]), share]
        )
    return table(("network", "batch", "foldnet, a step", *names, "GFLOP/s", "of the limit"), rows)


def every_side(records: list[dict[str, Any]], size: str) -> list[str]:
    """The median of every side, the fastest other than ours in bold."""
    names = list(dict.fromkeys(name for r in records for name in r["sides"]))
    rows = []
    for r in records:
        cells = []
        for name in names:
            text = duration(r["sides"][name]["median"]) if name in r["sides"] else "–"
            cells.append(f"**{text}**" if name == r["fastest"] else text)
        rows.append([r["name"], f"{r[size]:,}", *cells])
    return table(("network", "rows" if size == "rows" else size, *names), rows)


def activations(records: list[dict[str, Any]]) -> list[str]:
    """A line for each activation, with a column for each number of threads."""
    counts = sorted({r["threads"] for r in records})
    rows = []
    for name in dict.fromkeys(r["name"] for r in records):
        cells = []
        for count in counts:
            r = next((r for r in records if (r["name"], r["threads"]) == (name, count)), None)
            if r is None:
                cells.append("–")
            else:
                ratio = verdict(
                    r["ratio"] <= r["at_most"], f"{figure(r['ratio'])} (at most {r['at_most']:g})"
                )
                cells.append(f"{duration(r['median'])}, {ratio}")
        rows.append([name, *cells])
    return table(("activation", *(f"{n} thread{'s' * (n > 1)}" for n in counts)), rows)


def processes(records: list[dict[str, Any]]) -> list[str]:
    """A line for each program."""
    rows = (
        [r["name"], spread(r), f"{r['memory'] / 1e6:,.0f} MB", f"{r['installed'] / 1e6:,.0f} MB"]
        for r in records
    )
    return table(("program", "start to first prediction", "peak memory", "installed"), rows)


def compilations(records: list[dict[str, Any]]) -> list[str]:
    """A line for each network."""
    rows = []
    for r in records:
        wanted = r["at_most"]
        cell = "–" if wanted is None else verdict(r["median"] <= wanted, f"{wanted:g} s")
        rows.append([r["name"], spread(r), cell])
    return table(("network", "first time", "at most"), rows)


def left_out(records: list[dict[str, Any]]) -> list[str]:
    """What could not be timed, each reason once."""
    found: dict[tuple[str, str], list[str]] = {}
    for r in records:
        case = r["case"] + (f" ({threads(r)})" if "threads" in r else "")
        found.setdefault((r["side"], r["why"]), []).append(case)
    return [f"- {side}: {why}. In: {'; '.join(cases)}." for (side, why), cases in found.items()]


def page(results: dict[str, Any]) -> str:
    """The whole page."""
    lines = [
        "# Figures of the last run", "",
        "`make bench` writes this page, [results.json](results.json) and the pictures; [Benchmarks](../benchmarks.md) "
        "explains how it measures.", "", *machine(results["about"], results["limits"]), "",
    ]  # fmt: skip
    counts = sorted({r["threads"] for r in results["prediction"] + results["training"]})
    for title, key, size, write in (
        ("Prediction", "prediction", "rows", prediction),
        ("Training", "training", "batch", training),
    ):
        lines += [f"## {title}", "", f"![{title}: every program's time](./{key}.svg)", ""]
        for count in counts:
            records = [r for r in results[key] if r["threads"] == count]
            label = threads({"threads": count})
            lines += [f"### {title}, {label}", "", *write(records), ""]
            lines += [f"The median of every program, {label}:", "", *every_side(records, size), ""]
    lines += ["## The machine's limit", "", "![Rates and the machine's limit](./limit.svg)", ""]
    lines += ["## A training step with each activation", "", *activations(results["activations"]), ""]
    lines += ["## Whole processes", "", *processes(results["processes"]), ""]
    lines += ["## First compilations", "", *compilations(results["compilations"]), ""]
    wrong = missed(results)
    lines += ["## Targets that are missed", "", *(f"- {line}." for line in wrong)] if wrong else []
    lines += ["", "## Left out", "", *left_out(results["left_out"])] if results["left_out"] else []
    return "\n".join(lines).rstrip() + "\n"
