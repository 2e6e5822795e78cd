"""``make bench-quick`` fails for a ratio that is worse than recorded, and for nothing else."""

import json
import re

from tests.benchmarks.conftest import FOLDER

RECORDED = {"one row": 0.4, "many rows": 2.0}


def test_an_equal_ratio_passes_and_a_worse_one_fails(programs):
    worse = programs.bounds.Bounds(RECORDED).worse
    assert worse(RECORDED) == []
    assert worse({"one row": 0.1, "many rows": 1.25 * 2.0}) == []
    assert worse({"one row": 0.51, "many rows": 2.0}) == ["one row"]
    assert worse({"one row": 0.4, "many rows": 2.51}) == ["many rows"]
    assert worse({"one row": float("nan")}) == ["one row"]


def test_a_case_needs_a_bound_and_a_bound_a_case(programs):
    known = programs.bounds.Bounds(RECORDED)
    assert known.worse({"new": 0.1}) == ["new"]
    assert known.missing({"one row": 0.1}) == ["many rows"]


def test_bounds_are_read_as_written(programs, tmp_path):
    path = tmp_path / "bounds.json"
    bounds = programs.bounds
    assert bounds.read(16, path).worse(RECORDED) == list(RECORDED)
    bounds.write({"one row": 0.123456, "many rows": 12.0}, 16, path)
    bounds.write({"one row": 0.5}, 8, path)
    assert bounds.read(16, path) == bounds.Bounds({"one row": 0.123, "many rows": 12.0})
    assert bounds.read(8, path) == bounds.Bounds({"one row": 0.5})


def test_another_kind_of_processor_has_more_room_and_not_any(programs, tmp_path):
    path = tmp_path / "bounds.json"
    programs.bounds.write(RECORDED, 16, path)
    elsewhere = programs.bounds.read(4, path)
    assert elsewhere.recorded == RECORDED
    assert elsewhere.worse({"one row": 0.9, "many rows": 4.9}) == []
    assert elsewhere.worse({"one row": 1.01, "many rows": 2.0}) == ["one row"]


def test_the_table_names_what_is_worse(programs):
    lines = (
        programs.bounds.Bounds(RECORDED).table({"one row": 0.3, "many rows": 9.0, "new": 1.0}).splitlines()
    )
    assert [line.endswith("WORSE") for line in lines] == [False, False, True, True]
    assert re.search(r"one row\s+0\.300\s+0\.400$", lines[1])
    assert re.search(r"new\s+1\.000\s+none", lines[3])


def test_the_committed_bounds_are_of_cases_that_exist(programs):
    (recorded, *others) = json.loads((FOLDER / "bounds.json").read_text()).values()
    assert all(other.keys() == recorded.keys() for other in others)
    titles = {case.title for case in (*programs.cases.PREDICTIONS, *programs.cases.TRAININGS)}
    cases = [name for name in recorded if "relu's" not in name]
    assert {re.sub(r", \d threads?$", "", name) for name in cases} <= titles
    assert f"measures {len(recorded)} ratios" in (FOLDER.parent / "docs" / "benchmarks.md").read_text()
    assert all(ratio > 0 for ratio in recorded.values())
