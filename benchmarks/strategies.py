"""Whether the cheaper way to compute several rows is chosen: both ways, forced by hand, on a grid of networks.

For each network and batch the two are timed by turns, on one thread; their results have the same bits. The choice is
right if it takes at most a tenth longer than the faster one.

    python benchmarks/strategies.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import numpy as np

TOLERANCE = 1.1
BATCHES = (32, 1024)
TURNS = 15


def grid(quick: bool) -> list[tuple[int, ...]]:
    """The sizes of Dense networks: inputs, two hidden layers of the same width, results; and some of other kinds."""
    shapes = [
        (inputs, hidden, hidden, results)
        for inputs in (4, 11, 20, 64, 200)
        for hidden in (4, 8, 16, 24, 32, 48, 64, 128)
        for results in (1, 10, 64)
    ]
    shapes += [(4, 4, 3), (11, 10, 8, 6, 1), (784, 32, 10), (784, 128, 10), (784, 512, 512, 10)]
    shapes += [
        (30, 100, 100, 5),
        (13, 17, 19, 23, 29),
        (300, 70, 33, 5),
        (8, 256, 256, 8),
        (2, 64, 64, 64, 3),
    ]
    return shapes[::8] if quick else shapes


def graph_of(sizes: tuple[int, ...]):
    """The folded graph of such a network, with random weights."""
    import foldnet
    from foldnet import layers

    hidden = [layers.Dense(n, activation="relu") for n in sizes[1:-1]]
    model = foldnet.Sequential([layers.Input((sizes[0],)), *hidden, layers.Dense(sizes[-1])])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) / np.sqrt(len(w)) for w in model.get_weights()])
    return foldnet.freeze(model, engine="reference").graph


def chosen(graph) -> str:
    """The strategy that foldnet chooses."""
    from foldnet.engines.native.compiler import machine
    from foldnet.engines.native.prediction.source import emit

    return "lanes" if "#define ROWS 1\n" in emit(graph, simd=machine().simd).code else "rows"


def seconds(programs, x: np.ndarray) -> dict[str, float]:
    """The shortest time of each, of many turns."""
    best = dict.fromkeys(programs, float("inf"))
    for _ in range(TURNS):
        for name, program in programs.items():
            for _ in range(3):
                started = time.perf_counter()
                program.run([x])
                best[name] = min(best[name], time.perf_counter() - started)
    return best


def main() -> int:
    """Print each network whose choice is wrong, and how many are right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the networks")
    quick = parser.parse_args().quick
    os.environ.setdefault("FOLDNET_THREADS", "1")
    from foldnet.engines.native import NativeProgram

    right, count = 0, 0
    for sizes in grid(quick):
        graph = graph_of(sizes)
        programs = {name: NativeProgram(graph, threads=1, strategy=name) for name in ("lanes", "rows")}
        choice = chosen(graph)
        for batch in BATCHES:
            x = np.random.default_rng(1).normal(size=(batch, sizes[0])).astype(np.float32)
            a, b = (program.run([x])[0] for program in programs.values())
            if not np.array_equal(a, b):
                sys.exit(f"{sizes}: the strategies differ; nothing was timed")
            times = seconds(programs, x)
            loss = times[choice] / min(times.values())
            count, right = count + 1, right + (loss <= TOLERANCE)
            if loss > TOLERANCE:
                each = ", ".join(f"{name} {t / batch * 1e9:.1f} ns" for name, t in times.items())
                print(
                    f"{'-'.join(map(str, sizes))}, {batch} rows: {each} a row; {choice} was chosen, {loss:.2f}"
                )
    print(f"{right} of {count} choices take at most {TOLERANCE - 1:.0%} longer than the best")
    return 0 if right == count else 1


if __name__ == "__main__":
    raise SystemExit(main())
