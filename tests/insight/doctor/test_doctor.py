"""Each check sees its sick network, says so in numbers, and leaves the nearly sick one in peace."""

import json
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

import foldnet as fn
from foldnet import Sequential, layers
from foldnet.insight.doctor import CHECKS
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.run import examine
from foldnet.layers import LAYERS
from tests.insight.doctor.doctor_cases import CASES
from tests.insight.doctor.doctor_networks import D, N, data, rows, stack
from tests.insight.doctor.doctor_sick import PLACES, B, after, dropped, placed, put, steps, with_x


def context(made):
    made = made()
    return made if isinstance(made, Context) else Context(made)


SICK = [(check, i) for check, cases in CASES.items() for i, (_, severity) in enumerate(cases) if severity]
NEARLY = [
    (check, i) for check, cases in CASES.items() for i, (_, severity) in enumerate(cases) if not severity
]


def test_every_check_has_a_network_with_the_fault_and_one_nearly_with_it():
    assert set(CASES) == {c.id for c in CHECKS} == {c for c, _ in SICK} == {c for c, _ in NEARLY}


@pytest.mark.parametrize(("check", "number"), SICK)
def test_sick(check, number):
    made, severity = CASES[check][number]
    report = examine(context(made))
    found = report.of(check)
    assert [f.severity for f in found][:1] == [severity], str(report)
    for finding in found:
        assert finding.message.endswith((".", ")"))
        assert finding.remedy
        assert finding.evidence
        assert {type(v) for v in finding.evidence.values()} <= {int, float}, finding.evidence
    json.dumps(report.to_dict(), allow_nan=False)
    assert max(map(len, str(report).splitlines())) <= 80


@pytest.mark.parametrize(("check", "number"), NEARLY)
def test_nearly_sick(check, number):
    report = examine(context(CASES[check][number][0]))
    assert [str(f) for f in report.of(check) if f.severity != "note"] == []
    if [s for _, s in CASES[check]] and all(s in (None, "note") for _, s in CASES[check]):
        assert report.of(check) == ()


@pytest.mark.parametrize("with_data", [False, True])
def test_the_wine_question(with_data):
    """The network of the question: softmax over one unit, Dropout before each normalization, whose harm the
    constant output cannot show."""
    folder = Path(__file__).resolve().parents[3] / "data"
    x = y = None
    if with_data:
        table = np.loadtxt(folder / "wine.csv", delimiter=";" if ";" in (folder / "wine.csv").read_text()[:99] else ",",
                           skiprows=1)  # fmt: skip
        x, y = table[:, :11], table[:, 11]
    report = fn.doctor(folder / "models" / "wine_question.keras", x, y)
    assert not report.ok
    assert report.findings[0].check == "softmax-one-unit"
    shifts = report.of("dropout-before-normalization")
    assert sorted(f.layer for f in shifts) == ["norm_1", "norm_2", "norm_3"]
    assert "warning" in [f.severity for f in shifts]
    if with_data:
        assert all(f.evidence["output_change"] == 0 for f in shifts)
        assert "target-out-of-reach" in [f.check for f in report.findings]


@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_dropout_shift_of_a_trained_network(rate):
    """The variance that the stored statistics say they learned is the one that the data show."""
    from foldnet.utils import set_random_seed

    set_random_seed(0)
    x, y = data("number", rows=1024)
    parts = [D(64, activation="relu"), layers.Dropout(rate), N(name="bn"), D(32, activation="relu"), D(1)]
    model = Sequential([layers.Input((5,)), *parts])
    model.compile("adam", "mse")
    model.fit(x, y, epochs=40, batch_size=32, verbose=0)
    (finding,) = fn.doctor(model, x, y, checks=["dropout-before-normalization"]).findings
    seen = finding.evidence
    assert finding.severity == "warning"
    assert seen["expected_variance_ratio"] == pytest.approx(seen["measured_variance_ratio"], rel=0.25)
    assert seen["measured_variance_ratio"] > 1.2
    assert seen["output_change"] > 0.1
    # Dropout keeps the mean, so here the stored variance suits the trained weights: nothing is promised.
    if seen["loss_with_right_statistics"] > seen["loss"]:
        assert "would raise the loss here" in finding.remedy


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.6])
def test_variance_shift_is_the_formula_of_dropout(rate):
    """From the stored statistics alone, channels with means far from 0 included, to the ratio that the rows have."""
    model, x = dropped(rate)
    (finding,) = examine(with_x(model, x), ["dropout-before-normalization"]).findings
    seen = finding.evidence
    assert seen["expected_variance_ratio"] == pytest.approx(seen["measured_variance_ratio"], rel=1e-3)
    assert seen["measured_variance_ratio"] > 1 / (1 - rate)


@pytest.mark.parametrize(("count", "severity"), [(20, "error"), (100, "warning"), (300, "note"), (600, None)])
def test_share_of_the_start(count, severity):
    report = examine(steps(after(0.99**count)[0], count), ["statistics-not-converged"])
    assert [f.severity for f in report.findings] == ([severity] if severity else [])
    for finding in report.findings:
        assert finding.evidence["initial_share"] == pytest.approx(0.99**count)


def test_drift_in_numbers():
    """Mean and variance of the rows, by hand, against the stored ones."""
    x = rows()
    model = put(stack(B(name="bn", epsilon=0.25), D(1)), "bn", moving_mean=1.5, moving_variance=0.5)
    drift = with_x(model, x).measurement.drifts["bn"]
    wide = x.astype(np.float64)
    np.testing.assert_allclose(drift.mean, wide.mean(axis=0))
    np.testing.assert_allclose(drift.variance, wide.var(axis=0))
    np.testing.assert_allclose(drift.shift, (1.5 - wide.mean(axis=0)) / np.sqrt(wide.var(axis=0) + 0.25))
    np.testing.assert_allclose(drift.ratio, 0.75 / (wide.var(axis=0) + 0.25))
    assert drift.count == 400


WITH_ACTIVATION = {
    "Activation": {},
    "Dense": {"units": 3},
    "EinsumDense": {"equation": "ab,bc->ac", "output_shape": 3},
    **{n: {"kernel_size": 2} | ({} if "Depth" in n else {"filters": 3}) for n in LAYERS if "Conv" in n},
}


def test_the_activation_of_every_layer_that_has_one_is_seen():
    takes = {name for name, cls in LAYERS.items() if "activation" in signature(cls).parameters}
    takes -= {
        name for name, cls in LAYERS.items() if cls.is_recurrent or cls.is_cell
    }  # it feeds the next step
    assert takes == set(WITH_ACTIVATION)
    for name, settings in WITH_ACTIVATION.items():
        assert LAYERS[name](activation="tanh", **settings).ends_with == ("tanh", {})


def ended_by_an_operation(x):
    return fn.ops.softmax(layers.Dense(1)(x))


@pytest.mark.parametrize(
    "end",
    [
        layers.EinsumDense("ab,bc->ac", output_shape=1, activation="softmax"),
        layers.SpectralNormalization(layers.Dense(1, activation="softmax")),
        ended_by_an_operation,
    ],
    ids=["EinsumDense", "wrapped", "operation"],
)
def test_a_softmax_over_one_unit_is_found_wherever_it_is(end):
    x = layers.Input((4,))
    model = fn.Model(x, end(x))
    assert [f.check for f in fn.doctor(model, checks="softmax-one-unit").findings] == ["softmax-one-unit"]


def test_two_convolutions_see_as_far_as_the_one_that_they_equal():
    """Here the window ends with the last input that changes the first result."""
    parts = [layers.Conv1D(2, 3, strides=2), layers.Conv1D(2, 3, dilation_rate=2, name="second")]
    model = stack(*parts, shape=(19, 1))
    (finding,) = fn.doctor(model, checks="missing-activation").findings
    impulses = np.concatenate([np.zeros((1, 19, 1)), np.eye(19)[..., None]]).astype(np.float32)
    result = model.predict(impulses, verbose=0)[:, 0]
    reached = int(np.flatnonzero((result[1:] != result[0]).any(axis=1)).max()) + 1
    assert f"one convolution of {reached} positions" in finding.message
    assert finding.evidence["parameters_of_one"] == reached * 1 * 2 + 2


@pytest.mark.parametrize("kind", PLACES)
def test_recalibrated_statistics_are_those_that_are_measured(kind):
    sick = placed(kind, 2)
    fn.recalibrate(sick.network, sick.x)
    (drift,) = Context(sick.network, sick.x).measured.drifts.values()
    np.testing.assert_allclose(drift.shift, 0, atol=1e-5)
    np.testing.assert_allclose(drift.ratio, 1, rtol=1e-5)
