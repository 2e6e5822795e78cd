"""Checks of units and their weights: when they speak, and that one cause is one finding."""

import numpy as np
import pytest

import foldnet as fn
from foldnet import Model, Sequential, layers
from foldnet.insight.doctor.sarif import to_sarif
from tests.insight.doctor.doctor_networks import D, filled, functional, rows, stack
from tests.insight.doctor.doctor_sick import B, dead, dropped, put


def deep(count, bias, seed=0, units=6):
    """A deep network whose layers all have the same bias, which is so low that units or layers die."""
    parts = [D(units, activation="relu", name=f"d{i}") for i in range(count)]
    model = stack(*parts, D(1, name="out"), seed=seed)
    for i in range(count):
        put(model, f"d{i}", bias=bias)
    return model


def graded(report, check):
    return [(f.severity, f.layer) for f in report.of(check) if f.severity != "note"]


@pytest.mark.parametrize("bias", [-0.5, -2, -50])
def test_many_dead_layers_are_one_finding(bias):
    report = fn.doctor(deep(34, bias), rows())
    (found,) = (f for f in report.of("dead-units") if f.severity != "note")
    assert (found.severity, len(found.layers)) == ("error", found.evidence["layers"])
    every = [found, *found.alike]
    assert found.evidence["layers"] > 25
    assert found.evidence["dead_in_these_layers"] == sum(f.evidence["dead_on_data"] for f in every)
    assert found.evidence["units_in_these_layers"] == 6 * len(every)
    assert found.evidence["dead_on_data"] == 6
    # It stands at the first layer through which nothing passes, and text, JSON and SARIF name all the others.
    values = rows().astype(np.float64)
    for layer in deep(34, bias).layers[:-1]:
        values = np.maximum(values @ np.asarray(layer.kernel) + bias, 0)
        if not values.any():
            break
    assert found.layer == layer.name
    names = set(found.layers)
    said = str(report).split("also at:")[1].split("fix:")[0].replace(",", " ").split()
    assert {found.layer, *said} == names
    (stored,) = (
        f for f in report.to_dict()["findings"] if f["check"] == "dead-units" and f["severity"] == "error"
    )
    assert {stored["layer"], *(f["layer"] for f in stored["alike"])} == names
    (shown,) = (r for r in to_sarif(report, "m.keras")["runs"][0]["results"]
                if r["ruleId"] == "dead-units" and r["level"] == "error")  # fmt: skip
    assert {place["name"] for place in shown["locations"][0]["logicalLocations"]} == names
    assert all(name in report._repr_html_() for name in names)


def test_layers_after_a_constant_are_not_judged():
    """Their input never changes, so that half of their units are silent says nothing about them."""
    model = put(deep(3, 0.0, units=8), "d0", bias=-50)
    for i in (1, 2):
        put(model, f"d{i}", bias=np.where(np.arange(8) < 6, -1, 1))
    (found,) = fn.doctor(model, rows()).of("dead-units")
    assert (found.severity, found.layers) == ("error", ("d0", "d1", "d2"))
    assert [f.evidence["dead_on_data"] for f in (found, *found.alike)] == [8, 6, 6] or found.evidence[
        "layers"
    ] == 3


def test_nan_is_not_dead():
    model = deep(3, 0.1)
    for weights in ({"kernel": np.nan}, {"bias": np.nan}):
        report = fn.doctor(put(model, "d0", **weights), rows())
        assert [f.check for f in report.findings if f.severity != "note"] == ["not-finite"]


@pytest.mark.parametrize(
    ("different", "kind", "severity"),
    [(2, "some", None), (2, "all", None), (3, "some", "note"), (3, "all", "error"), (30, "some", "warning")],
)
def test_different_rows_count_not_repeated_ones(different, kind, severity):
    x = np.tile(rows(different), (40, 1))
    found = fn.doctor(dead(8 if kind == "all" else 6)[0], x).of("dead-units")
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert all(f.evidence["distinct_rows"] == different for f in found)


def test_a_dead_branch_is_no_error_where_another_passes():
    def build(x):
        y = D(8, activation="relu", name="d")(x)
        return D(1)(layers.Concatenate()([y, x]))

    model = put(functional((5,), build), "d", bias=-50)
    assert graded(fn.doctor(model, rows()), "dead-units") == [("warning", "d")]


def test_pruned_units_are_not_dead():
    model = stack(D(8, activation="relu", name="d"), D(1))
    kernel = model.get_layer("d").kernel.numpy()
    kernel[:, :6] = 0
    put(model, "d", kernel=kernel, bias=0)
    assert graded(fn.doctor(model, rows()), "dead-units") == []
    assert graded(fn.doctor(model), "dead-units") == []
    assert graded(fn.doctor(put(model, "d", kernel=0)), "dead-units") == [("error", "d")]


def test_the_same_fault_at_several_layers_is_one_finding():
    """But not if severities or words differ."""
    drop = [layers.Dropout(0.5), B()]
    model = stack(D(8, activation="relu"), *drop, D(8, activation="relu"), layers.Dropout(0.3), B(),
                  D(8, activation="relu"), layers.Dropout(0.04), B(), D(1))  # fmt: skip
    first, second = fn.doctor(model).of("dropout-before-normalization")
    assert (first.severity, len(first.layers), first.evidence["layers"]) == ("warning", 2, 2)
    assert (second.severity, len(second.layers)) == ("note", 1)
    assert "layers" not in second.evidence
    assert [f.evidence["rate"] for f in (first, *first.alike)] == [0.5, 0.3]
    model, _ = dropped(0.5)
    (one,) = fn.doctor(model).of("dropout-before-normalization")
    assert (one.layers, one.alike) == (("bn",), ())
    inputs = layers.Input((3, 4, 2))
    wrong = [layers.BatchNormalization(axis=axis)(layers.Conv2D(2, 1, data_format=said)(inputs))
             for axis, said in ((1, "channels_last"), (-1, "channels_first"))]  # fmt: skip
    two = filled(Model(inputs, [layers.Flatten()(y) for y in wrong]))
    assert len(fn.doctor(two).of("axis-and-data-format")) == 2


def test_nan_in_all_layers_is_one_finding():
    model = Sequential([layers.Input((5,)), D(4, activation="relu", name="a"), B(name="b"), D(1, name="c")])
    for name in "abc":
        for spec in model.get_layer(name).specs:
            put(model, name, **{spec.name: np.nan})
    (found,) = fn.doctor(model).of("not-finite")
    assert (found.layers, found.evidence["layers"]) == (("a", "b", "c"), 3)
