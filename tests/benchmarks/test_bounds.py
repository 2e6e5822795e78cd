"""``make bench-quick`` fails for a ratio that is worse than recorded, and for nothing else."""

import json
import re

from tests.benchmarks.conftest import FOLDER

RECORDED = {"one row": 0.4, "many rows": 2.0}


def test_an_equal_ratio_passes_and_a_worse_one_fails(programs):
    worse = programs.bounds.worse
    assert worse(RECORDED, RECORDED) == []
    assert worse({"one row": 0.1, "many rows": 1.25 * 2.0}, RECORDED) == []
    assert worse({"one row": 0.51, "many rows": 2.0}, RECORDED) == ["one row"]
    assert worse({"one row": 0.4, "many rows": 2.51}, RECORDED) == ["many rows"]
    assert worse({"one row": float("nan")}, RECORDED) == ["one row"]


def test_a_case_needs_a_bound_and_a_bound_a_case(programs):
    assert programs.bounds.worse({"new": 0.1}, RECORDED) == ["new"]
    assert programs.bounds.missing({"one row": 0.1}, RECORDED) == ["many rows"]


def test_bounds_are_read_as_written(programs, tmp_path):
    path = tmp_path / "bounds.json"
    assert programs.bounds.read(path) == {}
    programs.bounds.write({"one row": 0.123456, "many rows": 12.0}, path)
    assert programs.bounds.read(path) == {"one row": 0.123, "many rows": 12.0}


def test_the_table_names_what_is_worse(programs):
    lines = programs.bounds.table({"one row": 0.3, "many rows": 9.0, "new": 1.0}, RECORDED).splitlines()
    assert [line.endswith("WORSE") for line in lines] == [False, False, True, True]
    assert re.search(r"one row\s+0\.300\s+0\.400$", lines[1])
    assert re.search(r"new\s+1\.000\s+none", lines[3])


def test_the_committed_bounds_are_of_cases_that_exist(programs):
    recorded = json.loads((FOLDER / "bounds.json").read_text())
    titles = {case.title for case in (*programs.cases.PREDICTIONS, *programs.cases.TRAININGS)}
    cases = [name for name in recorded if "relu's" not in name]
    assert {re.sub(r", \d threads?$", "", name) for name in cases} <= titles
    assert f"measures {len(recorded)} ratios" in (FOLDER.parent / "docs" / "benchmarks.md").read_text()
    assert all(ratio > 0 for ratio in recorded.values())
