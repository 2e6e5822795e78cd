"""Is anything slower than it was? Ratios to a few programs, compared with recorded ones: ``make bench-quick``.

    python benchmarks/quick.py [--record]

A ratio is of the shortest turns of both sides, which other work on the machine changes least. A case that fails is
repeated, also where a program failed or computed something else. Exit code 1 if a ratio is more than a quarter above
the one in ``bounds.json`` (see ``bounds.py``), if a case has none, or if a program that is compared with could not be
timed. ``--record`` writes ``bounds.json`` instead.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator

import bounds
import predict
import train
from cases import PREDICTIONS, TRAININGS
from measure import Effort
from peers import OURS, PREDICTING, TRAINING
from sides import Sides

from foldnet.engines.native.compiler import machine

AGAIN = 3
"""How often a case that fails is repeated."""

EFFORT = Effort(0.1, 8)
WITH = {"prediction": ("LiteRT", "ONNX Runtime", "OpenVINO", "NumPy"), "training": ("JAX scan",)}
PREDICTED = {
    "11-10-8-6-1": (1, 1_024, 10_000),
    "20-64-64-1": (1, 1_024),
    "64-128-128-10": (1, 1_024),
    "784-512-512-10": (1, 32, 1_024),
    "2048-4096-1000": (1, 32),
}
TRAINED = {
    "4-32-16-4 tanh": (128, 10_000),
    "11-10-8-6-1 normalized": (32,),
    "20-64-64-1": (1_024,),
    "64-128-128-10": (128, 4_096),
    "784-512-512-10": (128,),
}
FUNCTIONS = ("relu", "tanh", "gelu", "softplus", "mish", "sigmoid")
Measured = dict[str, float]


class IncompleteError(Exception):
    """A side could not be timed."""


def complete(record: dict, names: tuple[str, ...]) -> float:
    """The ratio of a record that has all its sides."""
    missing = {OURS, *names} - record["sides"].keys()
    if missing:
        raise IncompleteError(f"{record['name']}: without {', '.join(sorted(missing))}")
    return record["ratio_least"]


def jobs(threads: int) -> Iterator[tuple[Sides, Callable[[], Measured]]]:
    """What is measured with so many threads; each job gives ratios by the names of cases."""
    label = f"{threads} thread{'s' * (threads > 1)}"
    names = WITH["prediction"]
    sides = Sides({name: PREDICTING[name] for name in (OURS, *names)}, threads)
    for case in PREDICTIONS:
        if case.rows in PREDICTED.get(case.name, ()):
            title = f"{case.title}, {label}"
            yield (
                sides,
                lambda case=case, title=title: {
                    title: complete(predict.compared(case, sides, EFFORT, None), names)
                },
            )
    trained = Sides({name: TRAINING[name] for name in (OURS, *WITH["training"])}, threads)
    for case in TRAININGS:
        if case.batch in TRAINED.get(case.name, ()):
            title = f"{case.title}, {label}"
            yield (
                trained,
                lambda case=case, title=title: {
                    title: complete(train.compared(case, trained, EFFORT, None), WITH["training"])
                },
            )
    if threads == 1:
        yield (
            trained,
            lambda: {
                f"a step with {r['name']}, as a multiple of relu's": r["ratio_least"]
                for r in train.activations(trained, EFFORT, FUNCTIONS)
                if r["name"] != "relu"
            },
        )


def tried(sides: Sides, job: Callable[[], Measured], again: int) -> Measured:
    """What a job gives; where a side is missing, it is done so many times more, with new processes.

    A program whose results are wrong once, or which ends, must not hide what all others show.

    Raises:
        IncompleteError: a side was missing each time.
    """
    for _ in range(again):
        try:
            return job()
        except IncompleteError as reason:
            print(f"once more with new processes: {reason}", flush=True)
            sides.close()
    return job()


def measured(known: bounds.Bounds, again: int) -> Measured:
    """All ratios; those that are worse than recorded are the best of so many more."""
    found: Measured = {}
    for threads in (1, 2) if (os.cpu_count() or 1) > 1 else (1,):
        used: list[Sides] = []
        try:
            for sides, job in jobs(threads):
                used.append(sides)
                ratios = tried(sides, job, again)
                for _ in range(again):
                    if not known.worse(ratios):
                        break
                    ratios = {name: min(r, ratios[name]) for name, r in tried(sides, job, again).items()}
                for name, ratio in ratios.items():
                    print(f"{name}: {ratio:.3f}", flush=True)
                found |= ratios
        finally:
            for sides in used:
                sides.close()
    return found


def main() -> int:
    """Measure, and compare or record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true", help="write bounds.json")
    options = parser.parse_args()
    simd = machine().simd
    known = bounds.Bounds() if options.record else bounds.read(simd)
    try:
        ratios = measured(known, 0 if options.record else AGAIN)
    except IncompleteError as reason:
        print(f"failed: {reason}")
        return 1
    print()
    print(known.table(ratios))
    if options.record:
        bounds.write(ratios, simd)
        return 0
    print(f"a ratio may be {known.factor:g} times the recorded one")
    for name in known.missing(ratios):
        print(f"not measured, though a bound is recorded: {name}")
    return 1 if known.worse(ratios) else 0


if __name__ == "__main__":
    raise SystemExit(main())
