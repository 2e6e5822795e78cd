"""Pictures of what was measured, as SVG. Nothing is measured here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot

mpl.rcParams |= {
    "backend": "svg",
    "svg.fonttype": "none", "svg.hashsalt": "foldnet", "font.size": 9, "axes.grid": True, "grid.color": "#dddddd",
    "axes.edgecolor": "#888888", "axes.spines.top": False, "axes.spines.right": False, "figure.facecolor": "white",
}  # fmt: skip

OURS = "foldnet"
COLOURS = {
    OURS: "#d1495b", "LiteRT": "#e8a33d", "ONNX Runtime": "#2e86ab", "OpenVINO": "#6a4c93", "Keras-JAX": "#3a7d44",
    "Keras-TF": "#8d6e63", "JAX jit": "#7cb518", "JAX scan": "#7cb518", "NumPy": "#6c757d", "PyTorch": "#ee6352",
    "scikit-learn": "#17a2b8", "Keras-JAX predict": "#a3c9a8",
}  # fmt: skip
MARKS = dict(zip(COLOURS, "osD^vP*XphH<>", strict=False))


def save(figure: Any, path: Path) -> None:
    """The same bytes for the same figures."""
    figure.savefig(path, format="svg", metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)


def times(records: list[dict[str, Any]], size: str, path: Path) -> None:
    """A panel for each network and number of threads: every program's time as a multiple of foldnet's."""
    sizes: dict[str, set[int]] = {}
    for r in records:
        sizes.setdefault(r["name"], set()).add(r[size])
    networks = list(sizes)
    counts = sorted({r["threads"] for r in records})
    shape = (len(networks), len(counts))
    figure, axes = pyplot.subplots(
        *shape, figsize=(5.2 * len(counts) + 1, 2.3 * len(networks)), squeeze=False, layout="constrained"
    )
    handles: dict[str, Any] = {}
    for i, network in enumerate(networks):
        for j, count in enumerate(counts):
            own = [r for r in records if (r["name"], r["threads"]) == (network, count)]
            handles |= panel(axes[i, j], own, size)
            axes[i, j].set_title(f"{network}, {count} thread{'s' * (count > 1)}", fontsize=9, loc="left")
    for axis in axes[-1]:
        axis.set_xlabel("rows in a call" if size == "rows" else "rows in a step")
    figure.supylabel("time, foldnet = 1 (below 1 is faster)", fontsize=9)
    order = [name for name in COLOURS if name in handles]
    figure.legend([handles[n] for n in order], order, loc="outside upper center", ncols=5, frameon=False)
    save(figure, path)


def panel(axis: Any, records: list[dict[str, Any]], size: str) -> dict[str, Any]:
    """Lines of one network; what they are called."""
    handles: dict[str, Any] = {}
    for name, colour in COLOURS.items():
        points = [
            (r[size], r["sides"][name]["median"] / r["sides"][OURS]["median"])
            for r in records
            if {name, OURS} <= r["sides"].keys()
        ]
        if points:
            style = {"lw": 2.2, "zorder": 3} if name == OURS else {"lw": 1.0, "alpha": 0.9}
            (handles[name],) = axis.plot(
                *zip(*sorted(points), strict=True), marker=MARKS[name], ms=4, color=colour, **style
            )
    axis.set_xscale("log")
    axis.set_yscale("log")
    ticks = sorted({r[size] for r in records})
    axis.set_xticks(ticks, [f"{n:,}" for n in ticks])
    axis.minorticks_off()
    low, high = axis.get_ylim()
    steps = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 100, 300, 1_000, 3_000, 10_000) if low <= t <= high]
    axis.set_yticks(steps, [f"{t:g}" for t in steps])
    return handles


def limit(results: dict[str, Any], path: Path) -> None:
    """Rates by operations per byte, below the lines of what the machine can do."""
    counts = sorted(results["limits"], key=int)
    figure, axes = pyplot.subplots(
        1, len(counts), figsize=(5.4 * len(counts), 4), squeeze=False, sharey=True, layout="constrained"
    )
    for axis, count in zip(axes[0], counts, strict=True):
        top = results["limits"][count]
        for key, marker, label in (("prediction", "o", "prediction"), ("training", "^", "training")):
            own = [r for r in results[key] if r["threads"] == int(count)]
            x = [r["gflops"] / r["gbytes"] for r in own]
            rates = [r["gflops"] for r in own]
            axis.scatter(x, rates, marker=marker, s=22, color=COLOURS[OURS], label=f"foldnet, {label}", zorder=3,
                         facecolors=COLOURS[OURS] if marker == "o" else "none")  # fmt: skip
            best = [r["gflops"] * (r["ratio"] or np.nan) for r in own]
            axis.scatter(x, best, marker=marker, s=14, color="#2e86ab", label=f"fastest other, {label}", alpha=0.8,
                         facecolors="#2e86ab" if marker == "o" else "none")  # fmt: skip
        line = np.geomspace(0.2, 2_000, 100)
        roof = np.minimum(top["flops"], line * top["bytes"]) / 1e9
        axis.plot(line, roof, color="#444444", lw=1.2, label="limit: memory, arithmetic")
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_title(f"{count} thread{'s' * (int(count) > 1)}", fontsize=9, loc="left")
        axis.set_xlabel("operations for each byte that must be read or written")
    axes[0, 0].set_ylabel("GFLOP/s")
    axes[0, -1].legend(fontsize=7, frameon=False, loc="lower right")
    save(figure, path)


def draw(results: dict[str, Any], folder: Path) -> None:
    """All pictures."""
    times(results["prediction"], "rows", folder / "prediction.svg")
    times(results["training"], "batch", folder / "training.svg")
    limit(results, folder / "limit.svg")
