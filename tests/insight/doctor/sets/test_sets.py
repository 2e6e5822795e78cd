"""The whole doctor on the sets: every fault is named, and nothing is said of a network without one."""

import pytest

from tests.insight.doctor.sets.figures import HALVES, HEALTHY, PAIRS, Line, grave, table, wrong
from tests.insight.doctor.sets.record import half


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_a_fault_is_named_and_mended_it_is_not(pair):
    said = grave(pair.trained("sick"))
    assert set(said) & set(pair.checks), f"{pair.fault}: {said}"
    assert grave(pair.trained("mended")) == {}


@pytest.mark.parametrize("healthy", HEALTHY, ids=lambda healthy: healthy.name)
def test_the_healthy_are_left_in_peace(healthy):
    assert grave(healthy.trained()) == {}


def test_there_are_enough_in_both_halves():
    names = [made.name for made in (*PAIRS, *HEALTHY)]
    assert len(set(names)) == len(names)
    for part in HALVES:
        assert sum(half(pair.name) == part for pair in PAIRS) >= 20
        assert sum(half(healthy.name) == part for healthy in HEALTHY) >= 20


def test_sick_and_mended_differ_in_one_value():
    for pair in PAIRS:
        assert pair.sick is not pair.mended
        assert pair.checks


def test_the_table_counts():
    found = [
        Line("moons", "sick", ("a", "b"), {"b": "", "c": ""}), Line("moons", "mended", (), {"c": ""}),
        Line("softmax over steps", "sick", ("a",), {"b": "warning at 'x': text"}),
        Line("softmax over steps", "healthy", (), {}),
    ]  # fmt: skip
    rows = [line.split() for line in table(found).splitlines()]
    assert rows[1:3] == [["tuning", "1", "1", "0", "1", "1"], ["held", "out", "1", "0", "1", "1", "0"]]
    assert rows[5:] == [["a", "0", "2", "0"], ["b", "1", "1", "0"], ["c", "0", "0", "1"]]
    assert wrong(found).splitlines() == [
        "tuning: mended 'moons': c: ",
        "held out: sick 'softmax over steps': not named by a; said: b",
    ]
