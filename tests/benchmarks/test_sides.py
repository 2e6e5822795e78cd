"""Sides in processes of their own: the right figures, and one that fails is left out and named."""

import ctypes
import os
import shutil
import sys
from types import SimpleNamespace

import pytest

from foldnet.engines.native import compiler
from tests.support.compilers import COMPILERS

FAULTY = {
    "wrong": "def predictor(case, threads): yield '', lambda: case.x()[:, :1] * 7",
    "ending": "import os\ndef predictor(case, threads): yield '', lambda: os._exit(3)",
    "absent": "import no_such_package",
    "failing": "def predictor(case, threads):\n  yield 'first', lambda: 1 / 0\n",
    "two": """
import os, sys
from peers.numpy_by_hand import predictor as by_hand
def predictor(case, threads):
    print("words that are no answer")
    (_, call), = by_hand(case, threads)
    yield "broken", lambda: 1 / 0
    yield "good", call
    yield f"threads {len(os.sched_getaffinity(0))}", call
""",
    "half": """
from peers.numpy_by_hand import predictor as by_hand
def predictor(case, threads):
    (_, call), = by_hand(case, threads)
    right = call()
    wrong = right.copy()
    wrong[-1] = 0
    yield "wrong and fast", lambda: wrong
    yield "right", call
    yield "of another shape", lambda: right[:-1]
""",
}


@pytest.fixture(scope="module")
def compared(programs, tmp_path_factory):
    """One case with good and faulty sides, and what was left out."""
    folder, made = tmp_path_factory.mktemp("peers"), programs
    for name, code in FAULTY.items():
        (folder / f"{name}.py").write_text(code)
    network = made.networks.Network((5, 4, 3), last="softmax", normalized=True)
    case = made.cases.Prediction("5-4-3", network, 7)
    path = {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    faulty = {name: made.peers.Peer(name, "", path) for name in FAULTY}
    good = {
        "foldnet": made.peers.Peer("peers.ours", "", path),
        "NumPy": made.peers.Peer("peers.numpy_by_hand", "", path),
    }
    with made.sides.Sides(good | faulty, 1) as sides:
        record = made.predict.compared(
            case, sides, made.measure.Effort(0.0, 3), {"flops": 1e11, "bytes": 1e10}
        )
        processes = [side.process for side in sides.started.values() if side.process]
    return record, sides, processes


def test_all_good_sides_are_timed(compared):
    record, _, _ = compared
    assert [*record["sides"]] == ["foldnet", "NumPy", "two", "half"]
    for figures in record["sides"].values():
        assert 0 < figures["least"] <= figures["p10"] <= figures["median"] <= figures["p90"]
        assert figures["turns"] == 3
    assert record["fastest"] in ("NumPy", "two", "half")
    assert record["sides"]["NumPy"]["far"] < 1e-5


def test_faulty_sides_are_left_out_with_their_reason(compared):
    _, sides, _ = compared
    reasons = {r["side"]: r["why"] for r in sides.left_out}
    ways = {"two (broken)", "half (wrong and fast)", "half (of another shape)"}
    assert reasons.keys() == {"wrong", "ending", "absent", "failing"} | ways
    assert "differ from foldnet's" in reasons["wrong"]
    assert "its process ended" in reasons["ending"]
    assert "no_such_package" in reasons["absent"]
    assert "ZeroDivisionError" in reasons["failing"]
    assert {(r["case"], r["threads"]) for r in sides.left_out} == {("5-4-3, 7 rows", 1)}


def test_every_way_is_tried_on_so_many_processors(compared):
    record, _, _ = compared
    assert [*record["sides"]["two"]["tried"]] == ["good", "threads 1"]
    assert record["sides"]["two"]["setting"] in ("good", "threads 1")


def test_a_way_with_other_results_is_not_timed(compared):
    record, sides, _ = compared
    assert [*record["sides"]["half"]["tried"]] == ["right"]
    assert record["sides"]["half"]["far"] < 1e-5
    reasons = {r["side"]: r["why"] for r in sides.left_out}
    assert all(
        "differ from foldnet's" in reasons[f"half ({w})"] for w in ("wrong and fast", "of another shape")
    )


@pytest.mark.parametrize(("failures", "fine"), [(0, True), (2, True), (3, False)])
def test_a_case_without_a_side_is_repeated_with_new_processes(programs, failures, fine):
    closed, left = [], [programs.quick.IncompleteError("no")] * failures
    sides = SimpleNamespace(close=lambda: closed.append(None))

    def job():
        if left:
            raise left.pop()
        return {"a case": 0.5}

    if fine:
        assert programs.quick.tried(sides, job, 2) == {"a case": 0.5}
    else:
        with pytest.raises(programs.quick.IncompleteError):
            programs.quick.tried(sides, job, 2)
    assert len(closed) == min(failures, 2)


def test_a_ratio_needs_all_its_sides(programs):
    record = {"name": "n", "sides": {"foldnet": {}, "LiteRT": {}}, "ratio_least": 0.5}
    assert programs.quick.complete(record, ("LiteRT",)) == 0.5
    with pytest.raises(programs.quick.IncompleteError, match="n: without OpenVINO"):
        programs.quick.complete(record, ("LiteRT", "OpenVINO"))


def test_the_processes_have_ended(compared):
    _, sides, _ = compared
    assert all(side.process is None for side in sides.started.values())


def test_a_case_without_our_side_is_no_figure(programs):
    case = programs.cases.Prediction("5-4-3", programs.networks.Network((5, 4, 3)), 7)
    with programs.sides.Sides({"foldnet": programs.peers.Peer("no_such_module", "")}, 1) as sides:
        record = programs.predict.compared(case, sides, programs.measure.Effort(0.0, 3), None)
    assert (record["sides"], record["ratio"]) == ({}, None)
    assert [r["side"] for r in sides.left_out] == ["foldnet"]


def test_a_silent_side_is_not_asked_for_ever(programs, monkeypatch, tmp_path):
    (tmp_path / "sleeping.py").write_text("import time\ntime.sleep(600)")
    monkeypatch.setattr(programs.sides, "PATIENCE", 0.05)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    side = programs.sides.Side(programs.peers.Peer("sleeping", ""), 1)
    said = []
    for _ in range(3):
        with pytest.raises(programs.sides.LeftOutError) as found:
            side.ask("first", "sleeping", None)
        assert side.process is None
        said.append(str(found.value))
    assert said == ["no answer in 0.05 s"] * 2 + ["it gave no answer 2 times before"]


@pytest.mark.parametrize("name", COMPILERS)
def test_the_program_of_limits_compiles_without_warnings(programs, name, tmp_path):
    command, *words = COMPILERS[name]
    found = compiler.Compiler((shutil.which(command) or command, *words), name)
    options = (*compiler.flags(compiler.machine()), "-ffp-contract=fast", "-Wall", "-Wextra", "-Werror")
    compiler.compile_library(programs.limits.SOURCE.read_text(), str(tmp_path / "limits.so"), found, options)
    library = programs.limits.opened(str(tmp_path / "limits.so"))
    data = bytes(range(256)) * 64
    into = ctypes.byref(ctypes.c_uint64())
    assert library.operations_a_second(100, into) > 0
    assert library.bytes_a_second(data, len(data), into) > 0
