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
    every = [found, *found.others]
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
    assert {stored["layer"], *(f["layer"] for f in stored["others"])} == names
    (shown,) = (r for r in to_sarif(report, "m.keras")["runs"][0]["results"]
                if r["ruleId"] == "dead-units" and r["level"] == "error")  # fmt: skip
    assert {place["name"] for place in shown["locations"][0]["logicalLocations"]} == names
    assert all(name in report._repr_html_() for name in names)


def test_layers_after_a_constant_are_not_judged():
    """Their input never changes, so that half of their units are silent says nothing about them."""
    model = put(deep(3, 0.0, units=8), "d0", bias=-50)
    for i, count in ((1, 6), (2, 1)):
        put(model, f"d{i}", bias=np.where(np.arange(8) < count, -50, 50))
    (found,) = fn.doctor(model, rows()).of("dead-units")
    assert (found.severity, found.layers) == ("error", ("d0", "d1", "d2"))
    assert [f.evidence["dead_on_data"] for f in (found, *found.others)] == [8, 6, 1]
    assert found.evidence["layers"] == 3


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
    assert graded(fn.doctor(put(model, "d", kernel=0), checks="dead-units"), "dead-units") == [("error", "d")]


def with_zeros(places):
    """A network whose kernels at these places start as zeros, after some steps."""
    kinds = ["zeros" if i in places else "glorot_uniform" for i in range(4)]
    model = Sequential([layers.Input((5,))])
    for name, units, kind in zip("abcd", (16, 8, 6, 1), kinds, strict=True):
        model.add(D(units, activation=None if units == 1 else "relu", kernel_initializer=kind, name=name))
    model.compile("sgd", "mse")
    x = rows(600)
    y = x.sum(axis=1)
    model.fit(x, y, epochs=2, verbose=0)
    return model, x, y


ZERO_CAUSES = {"dead-units", "units-are-copies", "bias-still-zero"}


@pytest.mark.parametrize("places", [(0,), (1,), (2,), (0, 1, 2, 3), (0, 2)])
def test_kernels_of_zeros_are_one_finding(places):
    """Units that are the same, dead and without gradients: all three follow from the kernels."""
    model, *data = with_zeros(places)
    for given in (data, ()):
        (found,) = (f for f in fn.doctor(model, *given) if f.check in ZERO_CAUSES and f.severity != "note")
        assert found.check == "units-are-copies"
        assert found.severity == "error"
        assert found.message.startswith("All weights of its kernel are 0")
        assert set(found.layers) >= {"abcd"[i] for i in places if i < 3}
        assert {f.check for f in found.others} == ZERO_CAUSES - (
            {"units-are-copies"} if len(places) == 1 else set()
        )
    for check in ZERO_CAUSES:  # alone, each speaks for itself
        assert [f.check for f in fn.doctor(model, *data, checks=check)] == [check]


def test_other_dead_units_are_no_part_of_the_finding_about_zeros():
    """Layer c is dead by its bias, behind a layer that changes with its input; so it has a cause of its own."""
    x = layers.Input((5,))
    a = layers.Concatenate()([D(4, activation="relu", name="a")(x), x])
    model = Model(x, D(1, name="d")(D(6, activation="relu", name="c")(a)))
    put(put(model, "a", kernel=0), "c", kernel=1, bias=-99)
    found = {f.check: f for f in fn.doctor(model, rows()) if f.severity != "note"}
    assert "c" in found["dead-units"].layers
    assert found["dead-units"].severity == "error"


def test_the_same_fault_at_several_layers_is_one_finding():
    """But not if severities or words differ."""
    drop = [layers.Dropout(0.5), B()]
    model = stack(D(8, activation="relu"), *drop, D(8, activation="relu"), layers.Dropout(0.3), B(),
                  D(8, activation="relu"), layers.Dropout(0.04), B(), D(1))  # fmt: skip
    first, second = fn.doctor(model).of("dropout-before-normalization")
    assert (first.severity, len(first.layers), first.evidence["layers"]) == ("warning", 2, 2)
    assert (second.severity, len(second.layers)) == ("note", 1)
    assert "layers" not in second.evidence
    assert [f.evidence["rate"] for f in (first, *first.others)] == [0.5, 0.3]
    model, _ = dropped(0.5)
    (one,) = fn.doctor(model).of("dropout-before-normalization")
    assert (one.layers, one.others) == (("bn",), ())
    unused = "n = BatchNormalization()\nm = BatchNormalization()\n"  # each line is a mistake of its own
    assert len(fn.doctor(model, script=unused).of("layer-never-added")) == 2
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


def mostly(kind):
    """A kernel of which six of eight units are dead or copies, and two compute |x0|."""
    kernel = np.zeros((5, 8), np.float32)
    kernel[0, :2] = 1, -1
    kernel[:, 2:] = np.random.default_rng(4).normal(size=(5, 1 if kind == "copies" else 6))
    return kernel


@pytest.mark.parametrize(("kind", "check"), [("dead", "dead-units"), ("copies", "units-are-copies")])
def test_where_the_task_is_learned_it_is_a_note(kind, check):
    for good in (True, False):
        x = rows()
        y = np.abs(x[:, :1]) * (1 if good else -1)
        model = put(stack(D(8, activation="relu", name="d"), D(1, name="out")), "d", kernel=mostly(kind))
        bias, after = np.zeros(8), np.zeros((8, 1))
        bias[2:], after[:2] = -50 if kind == "dead" else 0.3, 1
        put(put(model, "d", bias=bias), "out", kernel=after, bias=0)
        (found,) = fn.doctor(model, x, y).of(check)
        assert found.severity == ("note" if good else "warning")
        assert found.evidence["units"] == 8
        (found,) = fn.doctor(model, x).of(check)  # without targets nobody knows
        assert found.severity == "warning"


def test_saturated_units_of_a_network_that_learned_are_a_note():
    x = rows()
    model = stack(D(4, activation="tanh", name="d"), D(1, name="out"))
    put(model, "d", kernel=500 * np.eye(5, 4), bias=0)
    put(model, "out", kernel=[[1], [0], [0], [0]], bias=0.001)
    (found,) = fn.doctor(model, x, np.sign(x[:, :1])).of("saturated-units")
    assert (found.severity, found.evidence["distinct_rows"]) == ("note", 400)
    (found,) = fn.doctor(model, x, np.abs(x[:, :1])).of("saturated-units")
    assert found.severity == "warning"
    assert fn.doctor(model, np.tile(x[:20], (9, 1))).of("saturated-units") == ()


def test_layers_after_a_constant_are_not_saturated_too():
    model = stack(*(D(4, activation="tanh", name=f"d{i}") for i in range(4)), D(1))
    put(model, "d1", bias=50)
    put(model, "d2", kernel=9)
    put(model, "d3", kernel=9)
    (found,) = fn.doctor(model, rows()).of("saturated-units")
    assert (found.severity, found.layers) == ("error", ("d1",))


@pytest.fixture(scope="module")
def fitted():
    """Networks trained for 20 epochs that could learn nothing, or not with all units."""
    from foldnet.utils import set_random_seed

    set_random_seed(1)
    x = rows(128)
    y = (x[:, :1] * x[:, 1:2] > 0).astype(np.float32)

    def fit(*parts, loss="mse", optimizer="adam"):
        model = Sequential([layers.Input((5,)), *parts])
        model.compile(optimizer, loss)
        model.fit(x, y, epochs=20, verbose=0)
        return model

    ones, zeros = {"kernel_initializer": "ones"}, {"kernel_initializer": "zeros"}
    return {
        "softmax": fit(D(6, activation="relu", name="a"), D(1, activation="softmax", name="b")),
        "rate": fit(D(6, activation="relu", name="a"), D(1, name="b"), optimizer=fn.optimizers.Adam(0.0)),
        "crossentropy": fit(D(6, activation="relu", name="a"), D(1, activation="sigmoid", name="b"),
                            loss="categorical_crossentropy"),
        "frozen": fit(D(6, activation="relu", name="a", trainable=False), D(1, activation="sigmoid", name="b")),
        "ones": fit(D(6, activation="tanh", name="a", **ones), D(6, activation="tanh", name="b", **ones),
                    D(1, activation="sigmoid", name="c", **ones)),
        "zeros": fit(D(6, activation="tanh", name="a", **zeros), D(1, activation="sigmoid", name="b", **zeros)),
        "parted": fit(D(6, activation="tanh", name="a", **ones), D(1, activation="sigmoid", name="b")),
        "norm": fit(D(6, name="a"), B(name="n"), layers.ReLU(), D(1, activation="sigmoid", name="b")),
    }, x, y  # fmt: skip


AFTER_TRAINING = {
    "softmax": [("bias-still-zero", "error", ("b", "a"))],
    "rate": [("bias-still-zero", "error", ("b", "a"))],
    "crossentropy": [("bias-still-zero", "error", ("b", "a"))],
    "frozen": [("bias-still-zero", "note", ("a",))],
    "ones": [("units-are-copies", "warning", ("a", "b"))],
    "zeros": [("units-are-copies", "warning", ("a",))],
    "parted": [],
    "norm": [],
}


@pytest.mark.parametrize("name", AFTER_TRAINING)
def test_after_training(fitted, name, tmp_path):
    models, _, _ = fitted
    wanted = AFTER_TRAINING[name]
    models[name].save(tmp_path / "a.keras")
    for model in (models[name], tmp_path / "a.keras"):
        report = fn.doctor(model, checks=["bias-still-zero", "units-are-copies"])
        assert sorted((f.check, f.severity, f.layers) for f in report) == wanted


def test_the_remedy_of_a_bias_of_0_fits_its_reason(fitted):
    models, x, y = fitted
    (found,) = fn.doctor(models["softmax"], x, y).of("bias-still-zero")
    assert found.severity == "error"
    assert found.message.startswith("Its bias is exactly what it was before")
    assert found.remedy.startswith("Look for a softmax over one unit")
    (found,) = fn.doctor(models["frozen"], x, y).of("bias-still-zero")
    assert found.message.startswith("Its 6 biases are exactly what they were before")
    assert found.remedy == "If that is not meant: set trainable=True, compile and train again."


def test_before_training_a_bias_of_0_is_nothing():
    fresh = Sequential([layers.Input((5,)), D(6, activation="relu"), D(1)])
    assert fn.doctor(fresh, checks=["bias-still-zero", "units-are-copies"]).findings == ()


def test_copies_are_an_error_where_nothing_was_learned(fitted):
    models, x, y = fitted
    (found,) = fn.doctor(models["ones"], x, y).of("units-are-copies")
    assert (found.severity, found.evidence) == (
        "error",
        {"units": 6, "copies": 5, "different": 1, "layers": 2},
    )


@pytest.mark.parametrize(("target", "severity"), [(1.0, "note"), (0.0, "error"), ("noise", "error")])
def test_one_result_for_all_rows_is_right_only_for_equal_targets(target, severity):
    model = dead(8)[0]
    model.layers[-1].set_weight("bias", [1.0])
    y = rows(seed=8)[:, :1] if target == "noise" else np.full((400, 1), target)
    (found,) = fn.doctor(model, rows(), y).of("dead-units")
    assert found.severity == severity


@pytest.mark.parametrize(
    ("count", "good", "severity"), [(29, True, "note"), (29, False, "error"), (400, True, "note")]
)
def test_networks_that_no_fit_can_be_held_against(count, good, severity):
    """Few rows, and targets that are the inputs: the network's own score says whether it works."""
    x = np.abs(rows(count))[:, :3]
    model = stack(D(9, activation="relu", name="d"), D(3, name="out"), shape=(3,))
    bias = np.array([0, 0, 0, *[-50] * 6]) if good else -50
    put(model, "d", kernel=np.eye(3, 9) - np.float32(0.1) * (np.arange(9) > 2), bias=bias)
    put(model, "out", kernel=np.eye(9, 3), bias=0)
    assert [f.severity for f in fn.doctor(model, x, x).of("dead-units")] == [severity]
