"""Healthy networks are left in peace: nothing above a note, from the file's own numbers and on data."""

import pytest

import foldnet as fn
from tests.insight.doctor.doctor_networks import (
    HEALTHY,
    WITH_WINDOWS_AND_STEPS,
    data,
    filled,
    functional,
    settled,
    trained,
)


def grave(report):
    return [str(f) for f in report.findings if f.severity != "note"]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("stack", "task"), HEALTHY)
def test_no_false_alarm(stack, task, seed):
    model, x, y = trained(stack, task, seed)
    report = fn.doctor(model, x, y, validation_data=data(task, seed + 1000))
    assert grave(report) == []
    assert set(report.skipped) == {"layer-never-added", "depends-on-other-rows"}
    assert grave(fn.doctor(model)) == []


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", WITH_WINDOWS_AND_STEPS)
def test_no_false_alarm_for_windows_and_steps(name, seed):
    build, rows = WITH_WINDOWS_AND_STEPS[name]
    x = rows(seed)
    model = settled(filled(functional(x.shape[1:], build), seed), x)
    assert grave(fn.doctor(model, x)) == []
    assert grave(fn.doctor(model)) == []
