"""Convolutional and recurrent networks and attention against LiteRT, OpenVINO and ONNX Runtime.

All sides take turns on the same rows, in float32, with one thread and with two, as in ``compare.py``. On a machine with
other work, the shortest turns say more, so that their ratio is printed, too. A ratio below 1 means foldnet is faster.

    python benchmarks/deep.py [--quick] [--case fer] [--threads 1]

Exit code 1 if a ratio, or the time of a first compilation, is not what is wanted, or if a side could not be timed.
"""

from __future__ import annotations

import statistics

from compilations import alone
from deep_networks import CASES, Case
from measure import QUICK, Effort
from options import parser
from peers import OURS, PREDICTING
from predict import compared
from report import duration
from sides import Sides

NAMES = (OURS, "LiteRT", "ONNX Runtime", "OpenVINO")
COMPILE = 2.0
"""Seconds that the first compilation of fer's network may take."""


def met(case: Case, sides: Sides, effort: Effort) -> bool:
    """Time all by turns and print the ratios."""
    record = compared(case, sides, effort, None)
    if record["ratio"] is None:
        return False
    ours = record["sides"].pop(OURS)["median"]
    others = (
        f"{ours / side['median']:.2f} of {name} ({duration(side['median'])})"
        for name, side in record["sides"].items()
    )
    print(f"{case.name}, {sides.threads} threads: foldnet {duration(ours)}; {', '.join(others)}")
    fine = record["ratio"] <= case.at_most
    print(
        f"  {'met' if fine else 'MISSED'}: {record['ratio']:.2f} of {record['fastest']}, wanted {case.at_most:g} "
        f"({record['ratio_least']:.2f} by the shortest turns)",
        flush=True,
    )
    return fine


def compilation(turns: int) -> bool:
    """Seconds of the first compilation of fer's network, in processes of their own; nothing is compiled before."""
    code = (
        "import time, foldnet; from deep_networks import fer; model = fer(); start = time.perf_counter(); "
        "foldnet.freeze(model, engine='native'); print(time.perf_counter() - start)"
    )
    median = statistics.median(alone(code) for _ in range(turns))
    verdict = "met" if median <= COMPILE else "MISSED"
    print(f"fer, first compilation: {median:.2f} s\n  {verdict}: wanted {COMPILE:g} s")
    return median <= COMPILE


def main() -> int:
    """All cases, or those whose name begins as asked."""
    given = parser(__doc__)
    options = given.parse_args()
    results = []
    for threads in (1, 2):
        if options.threads in (None, threads):
            with Sides({name: PREDICTING[name] for name in NAMES}, threads) as sides:
                effort = QUICK if options.quick else Effort()
                chosen = [case for case in CASES if case.name.startswith(tuple(options.case or [""]))]
                results += [met(case, sides, effort) for case in chosen]
                results.append(not sides.left_out)
    if not options.case:
        results.append(compilation(3 if options.quick else 7))
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
