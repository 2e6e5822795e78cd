"""The choice of what ``make test-quick`` runs."""

import itertools
import json

from tests.support import quick


def cases(file, function, count):
    return [f"tests/{file}::{function}[{k}]" for k in range(count)]


def of(run, file, function):
    return [n for n in run if quick.function_of(n) == (file, function)]


NODES = [
    *cases("a.py", "test_grid", 100), "tests/a.py::test_short", "tests/a.py::test_long",
    "tests/b/c.py::TestIt::test_only", "tests/d.py::test_new",
    *cases("e.py", "test_very_long", 2),
]  # fmt: skip
MEASURED = {
    "a.py": {"all others": [0.5, 1], "test_grid": [200.0, 100], "test_long": [50.0, 1]},
    "b/c.py": {"TestIt::test_only": [4.0, 1]},
    "e.py": {"test_very_long": [60.0, 2]},
}


def test_what_is_long_runs_in_part_and_every_file_in_some():
    run = quick.chosen(NODES, MEASURED, whole=50)
    grid = sorted(int(n[:-1].rpartition("[")[2]) for n in of(run, "a.py", "test_grid"))
    assert 10 <= len(grid) <= 22  # 2 s each of the 45 that are left
    assert max(b - a for a, b in itertools.pairwise(grid)) <= 10
    assert "tests/a.py::test_short" in run
    assert "tests/a.py::test_long" not in run
    assert "tests/b/c.py::TestIt::test_only" in run  # the file's only test
    assert "tests/d.py::test_new" in run  # not measured
    assert not of(run, "e.py", "test_very_long")  # even one case takes too long


def test_a_share_is_the_same_for_all_and_as_large_as_the_whole_allows():
    assert quick.chosen(NODES, MEASURED, whole=1000) == set(NODES)
    few, more = (len(quick.chosen(NODES, MEASURED, whole)) for whole in (1, 150))
    assert few == 3  # a file's cheapest, however little time there is
    assert few < more < len(NODES)


def test_a_file_is_known_where_it_has_moved():
    moved = [n.replace("a.py", "deep/a.py") for n in NODES]
    found = quick.chosen(moved, MEASURED, whole=50)
    assert {n.replace("deep/a.py", "a.py") for n in found} == quick.chosen(NODES, MEASURED, whole=50)


def test_what_is_measured_replaces_what_was_and_short_tests_are_added_up():
    file = "test_quick.py"
    before = {
        file: {"test_gone": [3.0, 1]},
        "gone.py": {"all others": [1.0, 9]},
        "test_warn.py": {"x": [1.0, 1]},
    }
    seconds = dict.fromkeys(cases(file, "test_a", 10), 0.06) | {
        f"tests/{file}::test_{n}": 0.02 for n in "bcd"
    }
    assert quick.merged(before, seconds) == {
        file: {"all others": [0.06, 3], "test_a": [0.6, 10]}, "test_warn.py": {"x": [1.0, 1]},
    }  # fmt: skip
    assert json.loads(quick.written(before)) == before
