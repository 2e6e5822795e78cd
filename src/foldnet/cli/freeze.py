"""``foldnet freeze``: fold a network into one function, and write it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foldnet.cli.options import FILE, NEW_FILE, common, load_network, print_json, weights_option
from foldnet.cli.outputs import C_FILES, LIBRARY_FILES, check_outputs, writing
from foldnet.cli.terminal import say, text_width

if TYPE_CHECKING:
    from foldnet.network import Network


@click.command(
    epilog="""\b
Examples:
  foldnet freeze wine.keras -o wine.foldnet
  foldnet freeze wine.keras --show-passes
  foldnet freeze wine.keras --to-numpy wine_predict.py
  foldnet freeze wine.keras --to-numpy wine_predict.py --unfolded
  foldnet freeze wine.keras --to-c wine_c/
  foldnet freeze wine.keras --to-library wine_lib/ --target aarch64-linux
  foldnet freeze wine.keras --to-wheel dist/ --wheel-name wine-model \\
    --wheel-version 1.0
  foldnet freeze wine.keras --to-wasm wine_web/
"""
)
@click.argument("file", type=FILE)
@weights_option
@click.option("-o", "--out", type=NEW_FILE, metavar="OUT.foldnet", help="Write the predictor to one file.")
@click.option(
    "--to-numpy", type=NEW_FILE, metavar="OUT.py", help="Write a readable module that needs only NumPy."
)
@click.option("--unfolded", is_flag=True, help="With --to-numpy: one step a layer, nothing folded.")
@click.option(
    "--to-c", type=click.Path(file_okay=False), metavar="FOLDER", help="Write C99 source with a Makefile."
)
@click.option(
    "--to-library",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="Write a Python package with compiled libraries, which needs only NumPy.",
)
@click.option(
    "--to-wheel",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="Write that package as a wheel for each target.",
)
@click.option("--wheel-name", metavar="NAME", help="With --to-wheel: what pip calls it, such as wine-model.")
@click.option("--wheel-version", metavar="VERSION", help="With --to-wheel: such as 1.0.")
@click.option(
    "--target",
    "wanted",
    multiple=True,
    metavar="TARGET",
    help="What --to-library and --to-wheel compile for: host (the default), x86_64-linux, aarch64-linux, "
    "x86_64-windows, aarch64-macos; give it once for each. For wheels also any: NumPy alone.",
)
@click.option(
    "--to-wasm",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="Write WebAssembly for browsers and node, and a page.",
)
@click.option("--show-passes", is_flag=True, help="Print the graph before folding, and after each pass.")
@writing
@common
def command(
    file: str,
    weights: str | None,
    out: str | None,
    to_numpy: str | None,
    unfolded: bool,
    to_c: str | None,
    to_library: str | None,
    to_wheel: str | None,
    wheel_name: str | None,
    wheel_version: str | None,
    wanted: tuple[str, ...],
    to_wasm: str | None,
    show_passes: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Fold a trained network into one function, and write it.

    Dropout is removed, BatchNormalization is folded into its neighbours
    where that is exact, and the rest is compiled. Without an option that
    writes a file, the steps of the function are printed.
    """
    import foldnet
    from foldnet.export.wasm import wasm_files
    from foldnet.graph.free_axes import free_axes

    if unfolded and to_numpy is None:
        raise click.UsageError("--unfolded changes what --to-numpy writes; give --to-numpy OUT.py too")
    if to_wheel is not None and (wheel_name is None or wheel_version is None):
        raise click.UsageError("--to-wheel needs --wheel-name NAME and --wheel-version VERSION")
    if to_wheel is None and (wheel_name is not None or wheel_version is not None):
        raise click.UsageError(
            "--wheel-name and --wheel-version are those of --to-wheel; give --to-wheel FOLDER too"
        )
    if wanted and to_library is None and to_wheel is None:
        raise click.UsageError(
            "--target is what --to-library and --to-wheel compile for; give one of them too"
        )
    for path in filter(None, (out, to_numpy, to_c, to_library, to_wheel, to_wasm)):
        if not Path(path).parent.is_dir():
            raise click.UsageError(f"{path}: there is no folder {Path(path).parent}")
    targets = {
        "--out": out,
        "--to-numpy": to_numpy and [Path(to_numpy), *_weights_beside(to_numpy)],
        "--to-c": to_c and [Path(to_c, name) for name in C_FILES],
        "--to-library": to_library and [Path(to_library, name) for name in LIBRARY_FILES],
        "--to-wasm": to_wasm and wasm_files(to_wasm),
    }
    check_outputs(targets, [file, weights], force=force)
    started = time.perf_counter()
    model = load_network(file, weights)
    passes = traced_passes(model, 80 if as_json else text_width()) if show_passes else []
    if show_passes and not as_json:
        for title, text in passes:
            say(click.style(title, bold=True) + "\n" + text + "\n")
    predictor = foldnet.freeze(model)
    written: dict[str, list[Path]] = {}
    if out is not None:
        predictor.save(out)
        written[out] = [Path(out)]
    if to_numpy is not None:
        written[to_numpy] = predictor.to_numpy(to_numpy, unfolded=unfolded, overwrite=force)
    if to_c is not None:
        written[to_c] = predictor.to_c(to_c, overwrite=force)
    chosen = wanted or ("host",)
    if to_library is not None:
        written[to_library] = predictor.to_library(to_library, targets=chosen, overwrite=force)
    if to_wheel is not None and wheel_name is not None and wheel_version is not None:
        for wheel in predictor.to_wheel(
            to_wheel, name=wheel_name, version=wheel_version, targets=chosen, overwrite=force
        ):
            written[str(wheel)] = [wheel]
    if to_wasm is not None:
        written[to_wasm] = predictor.to_wasm(to_wasm, overwrite=force)
    memory = None if free_axes(predictor.graph) else predictor.memory()
    if as_json:
        print_json(
            {
                "file": file,
                "steps": [str(step) for step in predictor.steps()],
                "memory": None if memory is None else asdict(memory),
                "passes": [{"pass": title, "graph": text} for title, text in passes],
                "written": list(written),
                "seconds": time.perf_counter() - started,
            }
        )
        return
    if not written and not show_passes:
        for step in predictor.steps(text_width()):
            say(step)
        if memory is not None:
            say(str(memory), err=True)
    for name, files in written.items():
        say(f"wrote {name} ({size(files)})", err=True)


def _weights_beside(path: str) -> list[Path]:
    """The separate file of weights of a large network's module; None for a small one."""
    weights = Path(path).with_suffix(".npz")
    return [weights] if weights.exists() and Path(path).suffix != ".npz" else []


def traced_passes(model: Network, width: int) -> list[tuple[str, str]]:
    """The graph as text: as lowered, after each pass that changed it, and the reasons for what was not folded."""
    from foldnet.lowering.lower import Mode, lower
    from foldnet.passes import Step, optimize
    from foldnet.predictor.program_text import graph_text

    steps: list[Step] = []
    before = lower(model, Mode.PREDICT)
    result = graph_text(optimize(before, steps), width)
    seen = [
        ("before", graph_text(before, width)),
        *((f"after {step.name}", graph_text(step.after, width)) for step in steps),
    ]
    return seen if seen[-1][1] == result else [*seen, ("with what was not folded", result)]


def size(files: Iterable[Path]) -> str:
    """The total size of files as text."""
    count = sum(path.stat().st_size for path in files)
    return f"{count:,} bytes" if count < 10_000 else f"{count / 1000:,.0f} kB"
