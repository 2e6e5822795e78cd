"""Healthy networks are left in peace: nothing above a note, from the file's own numbers and on data."""

import pytest

import foldnet as fn
from tests.insight.doctor.doctor_networks import HEALTHY, trained


def grave(report):
    return [str(f) for f in report.findings if f.severity != "note"]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("stack", "task"), HEALTHY)
def test_no_false_alarm(stack, task, seed):
    model, x, y = trained(stack, task, seed)
    report = fn.doctor(model, x, y)
    assert grave(report) == []
    assert set(report.skipped) == {"layer-never-added", "depends-on-other-rows"}
    assert grave(fn.doctor(model)) == []
