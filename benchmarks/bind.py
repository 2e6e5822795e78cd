"""A bound call against the public call: `predict.bind(x, y)` and `predict(x)`, by turns in one process.

    python benchmarks/bind.py [--quick]

Of one row of a narrow network the arithmetic is the smaller part, so the target is there: at most half of the public
call. The least that a call from Python can cost is that of a C function that does nothing.
"""

from __future__ import annotations

import argparse
import sys
import timeit

import numpy as np
from cases import TABLE
from networks import Network, build, random_rows

TARGET = 0.5
CASES = (
    (TABLE, 1, 20_000),
    (TABLE, 32, 5_000),
    (Network((64, 128, 128, 10), last="softmax"), 1, 2_000),
)


def nanoseconds(call, names, repeats):
    return timeit.timeit(call, globals=names, number=repeats) / repeats * 1e9


def compare(network, rows, repeats, turns):
    """The ratio of both calls' shortest times."""
    import foldnet

    predict = foldnet.freeze(build(foldnet, network), engine="native")
    x = random_rows(rows, network.units[0])
    bound = predict.bind(x)
    if not np.array_equal(bound(), predict(x)):
        sys.exit("the bound call and the public call differ; nothing was timed")
    calls = {
        "public": ("call(x)", {"call": predict, "x": x}),
        "bound": ("call()", {"call": bound}),
        "nothing": ("call()", {"call": [].sort}),
    }
    times = {name: [] for name in calls}
    for turn in range(turns + 2):
        for name, (call, names) in calls.items():
            taken = nanoseconds(call, names, repeats)
            if turn >= 2:  # the first turns warm caches and clocks
                times[name].append(taken)
    found = {name: min(t) for name, t in times.items()}  # what others run meanwhile only adds
    ratio = found["bound"] / found["public"]
    print(
        f"{'-'.join(map(str, network.units))}, {rows} row{'s' * (rows > 1)}: bound {found['bound']:.0f} ns, public "
        f"{found['public']:.0f} ns, ratio {ratio:.2f}; a call of nothing {found['nothing']:.0f} ns"
    )
    return ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    turns = 21 if parser.parse_args().quick else 101
    ratios = [compare(*case, turns) for case in CASES]
    met = ratios[0] <= TARGET
    print(
        f"{'met' if met else 'MISSED'}: at most {TARGET} asked for one row of the narrow network, {ratios[0]:.2f} found"
    )
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
