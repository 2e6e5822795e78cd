"""The demonstration, step by step: read, explain, freeze, prove, time, export, run without foldnet."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import click
import numpy as np

import foldnet
from foldnet.arrays import Array
from foldnet.demo.run_exports import find_compiler, run_c, run_python
from foldnet.errors import FoldnetError
from foldnet.insight.explain import explain
from foldnet.insight.verify import verify
from foldnet.network import Network
from foldnet.passes import Step, optimize
from foldnet.predictor import Predictor
from foldnet.tables import Selection, open_table

TOLERANCE = 1e-5
"""The largest allowed difference between two computations, relative to the largest prediction."""
LAYER = "norm_1"
FOLDER = "wine_c"
SHIPPED = {
    "wine.foldnet": "the frozen predictor",
    "wine_predict.py": "NumPy alone, folded",
    "wine_unfolded.py": "NumPy alone, a step for each layer",
    FOLDER: "C99, no allocation",
}


@dataclass
class Demo:
    """The state of the demonstration.

    Attributes:
        out: folder that it writes to.
        rows: of the large timing.
        say: prints a text.
        overwrite: whether files that foldnet did not write may be replaced.
        report: what ``--json`` prints.
    """

    out: Path
    rows: int
    say: Callable[[str], Any]
    overwrite: bool = False
    report: dict[str, Any] = field(default_factory=lambda: {"checks": [], "timings": {}, "written": []})

    def title(self, number: int, text: str) -> None:
        """Begin a step."""
        self.say("\n" + click.style(f"{number}. {text}", bold=True) + "\n")

    def check(self, what: str, got: Array, expected: Array) -> None:
        """Compare two arrays of predictions, and say how far apart they are."""
        scale = float(np.abs(expected).max())
        same_shape = got.shape == expected.shape
        difference = float(np.abs(got.astype(np.float64) - expected).max()) if same_shape else float("inf")
        ok = difference <= TOLERANCE * scale  # False for NaN too
        self.report["checks"].append(
            {"name": what, "max_abs": difference, "allowed": TOLERANCE * scale, "ok": ok}
        )
        verdict = click.style("agrees", fg="green") if ok else click.style("DISAGREES", fg="red")
        self.say(f"  {what:<48} max diff {difference:7.1e}  {verdict}")


def run(
    out: str | Path, rows: int = 1_000_000, say: Callable[[str], Any] = print, *, overwrite: bool = False
) -> dict[str, Any]:
    """Run the demonstration.

    Args:
        out: folder to write to; created if missing.
        rows: of the large timing.
        say: prints a text.
        overwrite: whether files that foldnet did not write may be replaced.

    Returns:
        ``ok``, ``checks`` (each with ``name``, ``max_abs``, ``allowed``, ``ok``), ``verified``, ``timings`` in
        seconds, ``written`` and ``seconds``.
    """
    started = time.perf_counter()
    demo = Demo(Path(out), rows, say, overwrite)
    demo.out.mkdir(parents=True, exist_ok=True)
    with resources.as_file(resources.files("foldnet.demo")) as packaged:
        with open_table(packaged / "wine.csv", Selection(drop="quality")) as table:
            x = np.concatenate(list(table.blocks())).astype(np.float32)
        with np.load(packaged / "wine.npz") as recorded:
            keras_y = recorded["y"]
        model = foldnet.load_model(packaged / "wine.keras")
    say("A network that Keras trained to judge 1,599 red wines by 11 measurements.")
    say("From here on there is no Keras: its file is read, folded, proved and shipped.")
    _look(demo, model, x)
    predictor = _freeze(demo, model)
    _prove(demo, model, predictor, x, keras_y)
    _time(demo, predictor, x)
    _ship(demo, predictor, x)
    demo.report["seconds"] = time.perf_counter() - started
    demo.report["ok"] = demo.report["verified"] and all(check["ok"] for check in demo.report["checks"])
    _end(demo)
    return demo.report


def _look(demo: Demo, model: Network, x: Array) -> None:
    demo.title(1, "The network, read from wine.keras")
    model.summary(print_fn=demo.say)
    demo.title(2, f"What the layer {LAYER} does, on these wines")
    busiest = int(np.argmax(model.get_layer(LAYER).moving_variance))
    demo.say(str(explain(model, x, layer=LAYER, channel=busiest)))


def _freeze(demo: Demo, model: Network) -> Predictor:
    demo.title(3, "Folded into one function")
    started = time.perf_counter()
    predictor = foldnet.freeze(model)
    demo.report["timings"]["freeze"] = time.perf_counter() - started
    trace: list[Step] = []
    optimize(predictor.unfolded, trace)
    for step in trace:
        demo.say(f"  {step.name:<18} {len(step.before.nodes):>3} steps become {len(step.after.nodes)}")
    demo.say(f"\nWhat is left of {len(model.layers)} layers, with shapes, weights, and where it came from:\n")
    for line in predictor.steps():
        demo.say(line)
    return predictor


def _prove(demo: Demo, model: Network, predictor: Predictor, x: Array, keras_y: Array) -> None:
    demo.title(4, "Proved")
    demo.check("All 1,599 wines, against what Keras predicted", predictor(x), keras_y)
    result = verify(predictor, model, x, rows=len(x))
    demo.report["verified"] = bool(result.ok)
    demo.say("\n" + str(result))


def _time(demo: Demo, predictor: Predictor, x: Array) -> None:
    demo.title(5, "Timed")
    many = np.resize(x, (demo.rows, x.shape[1]))
    one, all_rows = x[:1].copy(), _best(lambda: predictor(many), 3)
    batches = [_best(lambda: [predictor(one) for _ in range(200)], 1) / 200 for _ in range(9)]
    alone = statistics.median(batches)
    demo.report["timings"] |= {"one_row": alone, "rows": demo.rows, "all_rows": all_rows}
    demo.say(f"  {'one row':<16} {alone * 1e6:10.2f} µs")
    demo.say(f"  {f'{demo.rows:,} rows':<16} {all_rows * 1e3:10.2f} ms   {demo.rows / all_rows:.1e} rows/s")
    demo.say(f"  {'engine':<16} {predictor.engine:>10}")
    same = np.array_equal(predictor(many)[:1], predictor(one))
    demo.report["checks"].append({"name": "one row alone gives the same bits as among all", "ok": same})
    demo.say(f"  one wine alone and among {demo.rows:,}: {'the same bits' if same else 'OTHER BITS'}")


def _best(function: Callable[[], Any], times: int) -> float:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _ship(demo: Demo, predictor: Predictor, x: Array) -> None:
    demo.title(6, "Shipped, and run where foldnet is not")
    files = {name: demo.out / name for name in SHIPPED}
    predictor.save(files["wine.foldnet"])
    predictor.to_numpy(files["wine_predict.py"], overwrite=demo.overwrite)
    predictor.to_numpy(files["wine_unfolded.py"], unfolded=True, overwrite=demo.overwrite)
    predictor.to_c(files[FOLDER], overwrite=demo.overwrite)
    demo.report["written"] = [str(path) for path in files.values()]
    y = predictor(x)
    demo.check("wine.foldnet, loaded again", foldnet.load_predictor(files["wine.foldnet"])(x), y)
    demo.check("wine_predict.py, a Python with NumPy alone", run_python(files["wine_predict.py"], x), y)
    demo.check("wine_unfolded.py, every layer as it stands", run_python(files["wine_unfolded.py"], x), y)
    compiler = find_compiler()
    if compiler is None:
        demo.say("  wine_c/ was not run: there is no C compiler here (cc, gcc, clang or $CC)")
        return
    try:
        got, command = run_c(files[FOLDER], compiler, x)
    except FoldnetError as error:
        demo.report["checks"].append({"name": "wine_c/", "ok": False, "message": str(error)})
        demo.say(f"  wine_c/ FAILED: {error}")
        return
    demo.check("wine_c/, compiled and fed from stdin", got, y)
    demo.say(f"\n  $ {command}")


def _end(demo: Demo) -> None:
    verdict = "Every number agrees." if demo.report["ok"] else "SOMETHING DISAGREES; see above."
    demo.say("\n" + click.style(verdict, bold=True) + f" It took {demo.report['seconds']:.1f} s.\n")
    demo.say("Written:")
    width = max(map(len, demo.report["written"]))
    for path, what in zip(demo.report["written"], SHIPPED.values(), strict=True):
        demo.say(f"  {path:<{width}}  {what}")
    demo.say("\nTry next, with a file of your own:")
    for command in (
        "foldnet explain YOUR.keras",
        "foldnet freeze YOUR.keras -o YOUR.foldnet",
        "foldnet --help",
    ):
        demo.say(f"  {command}")
