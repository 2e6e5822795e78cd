"""The part of the suite that ``make test-quick`` runs, chosen by how long each test took when it was last measured.

``seconds.json`` says for each file what its tests took in seconds of processor time, their children included: each
test function that took long, with the number of its cases, and all others together. ``make test-seconds`` measures
anew. From this the quick part is chosen: every function that is not listed runs whole; of the others so many cases
run as fit into a share of time, the same for each function and as large as the whole allows; and every file runs
one case at least, unless each of its cases takes more than a few seconds. So the quick part stays quick when tests
are added, and nobody keeps a list.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePath

import pytest

TESTS = Path(__file__).parents[1]
MEASURED = TESTS / "seconds.json"
WHOLE = 35.0
"""Seconds of processor time for the tests; finding and preparing them takes two processes about twice as long."""
MOST = 5.0
"""Seconds of a case up to which its file runs it, where the file has no shorter one."""
LONG = 0.1
"""Seconds from which on a function is listed by itself."""
OTHERS = "all others"
TOOK = "processor seconds"
STARTED = pytest.StashKey[float]()

Measured = dict[str, dict[str, list[float]]]
"""By file and function: seconds, cases."""


def processor_seconds() -> float:
    """What this process and its children that have ended have used: a busy machine makes it little longer."""
    return sum(os.times()[:4])


def function_of(nodeid: str) -> tuple[str, str]:
    """The file below tests/, and the function (with its class) without a case's name."""
    path, _, name = nodeid.partition("::")
    return path.removeprefix("tests/"), name.partition("[")[0]


def read(path: Path = MEASURED) -> Measured:
    """What was measured last; nothing where nothing was."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def of_file(measured: Measured, file: str, files: Iterable[str]) -> dict[str, list[float]]:
    """What was measured of a file, also where it has moved to another folder since."""
    if file in measured:
        return measured[file]
    name = PurePath(file).name
    moved = [f for f in measured if PurePath(f).name == name and f not in files]
    return measured[moved[0]] if len(moved) == 1 else {}


def chosen(nodeids: list[str], measured: Measured, whole: float = WHOLE) -> set[str]:
    """The tests that run, of all these."""
    cases: dict[tuple[str, str], list[str]] = defaultdict(list)
    for nodeid in nodeids:
        cases[function_of(nodeid)].append(nodeid)
    files = {file for file, _ in cases}
    known = {file: of_file(measured, file, files) for file in files}
    each = {key: known[key[0]].get(key[1]) for key in cases}
    cost = {key: seconds / count for key, found in each.items() if found for seconds, count in [found]}
    left = whole - sum(known[file].get(OTHERS, [0, 0])[0] for file in files)
    cheapest: dict[str, tuple[str, str]] = {}
    for key in sorted(cases, key=lambda key: cost.get(key, 0.0)):
        if cost.get(key, 0.0) <= MOST:
            cheapest.setdefault(key[0], key)

    def counts(share: float) -> dict[tuple[str, str], int]:
        return {
            key: min(len(cases[key]), max(int(share / cost[key] + 1e-6), int(key == cheapest.get(key[0]))))
            for key in cost
        }

    share = max((len(cases[key]) * cost[key] for key in cost), default=0.0)
    while share > 0.01 and sum(n * cost[key] for key, n in counts(share).items()) > left:
        share *= 0.9
    runs = {key: len(found) for key, found in cases.items()} | counts(share)
    # Spread over all cases: neighbours are alike.
    return {found[k * len(found) // runs[key]] for key, found in cases.items() for k in range(runs[key])}


def merged(before: Measured, seconds: dict[str, float]) -> Measured:
    """What is known with what was now measured by test; files that are no longer there are forgotten."""
    new: Measured = defaultdict(dict)
    sums: Counter[tuple[str, str]] = Counter()
    cases: Counter[tuple[str, str]] = Counter()
    for nodeid, taken in seconds.items():
        sums[function_of(nodeid)] += taken
        cases[function_of(nodeid)] += 1
    for (file, function), taken in sums.items():
        name = function if taken >= LONG else OTHERS
        total, count = new[file].get(name, [0.0, 0])
        new[file][name] = [round(total + taken, 2), count + cases[file, function]]
    kept = {file: found for file, found in before.items() if (TESTS / file).exists()}
    return {file: dict(sorted(found.items())) for file, found in sorted((kept | new).items())}


def written(measured: Measured) -> str:
    """As JSON with a line a function, so that changes are easy to read."""
    files = (
        f"{json.dumps(file)}: {{\n"
        + ",\n".join(f"  {json.dumps(name)}: {json.dumps(found)}" for name, found in functions.items())
        + "\n}"
        for file, functions in measured.items()
    )
    return "{\n" + ",\n".join(files) + "\n}\n"


class Quick:
    """Leaves all but the quick part out of a run."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        run = chosen([item.nodeid for item in items], read())
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in run])
        items[:] = [item for item in items if item.nodeid in run]


class Measuring:
    """Keeps what each test took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        taken = dict(report.user_properties).get(TOOK)
        if taken is not None:
            self.seconds[report.nodeid] = taken

    def pytest_sessionfinish(self) -> None:
        MEASURED.write_text(written(merged(read(), self.seconds)), encoding="utf-8")
