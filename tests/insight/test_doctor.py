"""Each check sees its sick network, says so in numbers, and leaves the nearly sick one in peace."""

import json

import numpy as np
import pytest
from doctor_networks import D, N, data, filled, functional, network, rows, settled, stack

import foldnet as fn
from foldnet import Model, Sequential, layers, losses
from foldnet.insight.doctor import CHECKS
from foldnet.insight.doctor.patient import Patient
from foldnet.insight.doctor.run import examine

B = layers.BatchNormalization


def put(model, layer, **weights):
    """The network with these weights of one layer set; a number stands for all values."""
    found = model.get_layer(layer)
    for name, value in weights.items():
        found.set_weight(name, np.broadcast_to(value, found.named_weights[name].shape))
    return model


def compiled(model, loss):
    model.compile("adam", loss)
    return model


def steps(model, count, x=None, y=None):
    return Patient(model, x, y, steps=count)


def block(norm=None, seed=0):
    return stack(D(8, name="d"), norm or B(name="bn"), layers.ReLU(), D(1), seed=seed)


def after(share, **settings):
    """Statistics of which a share is still 0 and 1, of a network that is otherwise settled."""
    x = rows()
    model = settled(block(B(name="bn", **settings)), x)
    bn = model.get_layer("bn")
    return put(
        model, "bn", moving_mean=bn.moving_mean * (1 - share),
        moving_variance=bn.moving_variance * (1 - share) + share,
    ), x  # fmt: skip


def dropped(rate, mean=0.0):
    x = rows()
    model = settled(
        stack(D(16, name="d", activation="relu"), layers.Dropout(rate, name="drop"), N(name="bn"), D(1)), x
    )
    bn = model.get_layer("bn")
    learnt = (bn.moving_variance + bn.moving_mean**2) / (1 - rate) - bn.moving_mean**2
    return put(model, "bn", moving_variance=learnt), x


def time_steps(axis, x_only=False):
    generator = np.random.default_rng(5)
    x = (generator.normal(size=(300, 6, 4)) + np.array([0, 40, -40, 9])).astype(np.float32)
    if x_only:
        return settled(stack(B(axis=axis, name="bn"), layers.Flatten(), D(1), shape=(6, 4)), x), x
    return stack(D(4), B(axis=axis, name="bn"), layers.ReLU(), layers.Flatten(), D(1), shape=(6, 4))


def siamese(apart):
    x = [rows(seed=1), rows(seed=2) + np.float32(apart)]
    a, b = layers.Input((5,)), layers.Input((5,))
    bn = B(name="bn")
    model = Model([a, b], layers.Subtract()([bn(a), bn(b)]))
    return model, x


def through(training, rate=0.3):
    return functional(
        (5,), lambda x: D(1)(layers.Dropout(rate, name="drop")(D(8, activation="relu")(x), training=training))
    )


def batch_mode(model):
    """The network as a prediction function that normalizes by the batch it is given."""
    return lambda x: (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-3)


def replicas(ratio):
    x = rows(2000)
    model = settled(block(), x)
    return put(model, "bn", moving_variance=model.get_layer("bn").moving_variance * ratio), x


def exchanged(swap):
    x = rows() + 3
    model = settled(stack(B(name="bn"), D(1)), x)
    bn = model.get_layer("bn")
    return (
        put(model, "bn", moving_mean=bn.moving_variance, moving_variance=bn.moving_mean) if swap else model
    ), x


def averaged(use_ema, off):
    x, _ = data("number")
    model = network("relu-norm", "number", use_ema=use_ema)
    settled(filled(model), x)
    name = next(layer.name for layer in model.layers if isinstance(layer, B))
    put(model, name, moving_mean=model.get_layer(name).moving_mean + off)
    return model, x


def dead(count, units=8):
    model = stack(D(units, activation="relu", name="d"), D(1))
    bias = np.zeros(units)
    bias[:count] = -50
    return put(model, "d", bias=bias), rows()


def hard(size, activation="tanh"):
    model = stack(D(8, activation=activation, name="d"), D(1))
    model.get_layer("d").set_weight("kernel", model.get_layer("d").kernel * size)
    return model, rows()


def swapped_gamma(gamma, beta):
    values = np.array([0.1, -0.1, 0.05, 0.0, -0.08, 0.12, 0.02, -0.03])
    return put(block(), "bn", gamma=values + gamma, beta=beta + values)


def script(line):
    return (
        "from keras import layers\nmodel = Sequential()\nmodel.add(layers.Dense(4))\n"
        f"{line}\nmodel.add(layers.Dense(1))\nout = layers.Dense(2)(x)\nprint(out)\n"
    )


def shape_fixed():
    x = layers.Input(batch_shape=(8, 5))
    return Model(x, B(axis=0, name="bn")(x))


def formats(axis, said):
    class Conv(layers.Rescaling):
        data_format = said

    return stack(
        Conv(1.0, name="conv"), B(axis=axis, name="bn"), layers.ReLU(), layers.Flatten(data_format="channels_first"),
        D(1), shape=(3, 4, 5),
    )  # fmt: skip


def old(version, **settings):
    model = block(B(name="bn", **settings))
    model.keras_version = version
    return model


def images(size, version="2.15.0"):
    model = stack(B(name="bn"), layers.Flatten(), D(1), shape=(size, size, 2))
    model.keras_version = version
    return model


def far(distance):
    x = rows() + np.float32(distance)
    return settled(stack(B(name="bn"), D(1)), x), x


def small_inputs(scale):
    """A first normalization with one feature of this standard deviation."""
    x = rows() * np.array([1, 1, scale, 1, 1], np.float32)
    return settled(stack(B(name="bn"), D(4, activation="relu"), D(1)), x), x


def output(activation, units, loss):
    return compiled(stack(D(8, activation="relu"), D(units, activation=activation, name="out")), loss)


def with_x(model, x=None, y=None):
    return Patient(model, rows() if x is None else x, y)


# For each check: (a sick patient, its severity), (a nearly sick patient).
CASES = {
    "not-finite": [
        (lambda: put(block(), "bn", moving_variance=np.nan), "error"),
        (lambda: put(block(), "d", kernel=np.inf), "error"),
        (lambda: put(block(), "bn", moving_variance=-0.5), "error"),
        (lambda: put(block(), "bn", moving_variance=-0.0001), "warning"),
        (lambda: put(block(), "bn", moving_variance=np.linspace(0.0, 1, 8), moving_mean=1e30), None),
    ],
    "statistics-never-updated": [
        (lambda: put(block(), "bn", moving_mean=0, moving_variance=1), "error"),
        (lambda: put(block(), "bn", moving_mean=0, moving_variance=np.linspace(0.999, 1, 8)), None),
        (lambda: Sequential([layers.Input((5,)), B(), D(1)]), None),
    ],
    "statistics-not-converged": [
        (lambda: steps(after(0.99**20)[0], 20), "error"),
        (lambda: steps(after(0.99**100)[0], 100), "warning"),
        (lambda: steps(after(0.99**20)[0], 20, after(0.99**20)[1]), "warning"),
        (lambda: steps(after(0.99**300)[0], 300), None),
        (lambda: steps(put(block(), "bn", moving_variance=0.2), 100), None),  # so they came from elsewhere
    ],
    "statistics-differ-from-data": [
        (lambda: with_x(after(0.0)[0], after(0.0)[1] * 4 + 1), "warning"),
        (lambda: with_x(*after(0.8)), "warning"),
        (lambda: with_x(*after(0.05)), None),
    ],
    "small-batch-variance": [
        (lambda: with_x(*replicas(0.5)), "warning"),
        (lambda: with_x(*replicas(0.93)), None),
    ],
    "averaged-weights": [
        (lambda: with_x(*averaged(True, 2.0)), "error"),
        (lambda: with_x(*averaged(True, 0.0)), None),
        (lambda: averaged(True, 2.0)[0], None),
    ],
    "batch-of-one": [
        (lambda: put(block(), "bn", moving_variance=0.99**500), "error"),
        (lambda: put(block(), "bn", moving_variance=0.0), "error"),
        (lambda: put(block(), "bn", moving_variance=[0.0, *np.linspace(0.5, 1, 7)]), None),
    ],
    "epsilon-dominates": [
        (lambda: with_x(*small_inputs(0.005)), "warning"),
        (lambda: put(block(), "bn", moving_variance=np.linspace(1e-5, 2e-4, 8)), "warning"),
        (lambda: with_x(*small_inputs(0.1)), None),
        (lambda: put(block(), "bn", moving_variance=[1e-5, *np.linspace(0.5, 1, 7)]), None),
        (lambda: put(block(), "bn", moving_mean=4, moving_variance=[0.6, 0.5, 0.4, *[1e-13] * 5]), None),
    ],
    "dropout-before-normalization": [
        (lambda: dropped(0.5)[0], "warning"),
        (lambda: with_x(*dropped(0.5)), "warning"),
        (lambda: dropped(0.05)[0], None),
        (lambda: with_x(*dropped(0.02)), None),
        (lambda: stack(D(8), B(), layers.ReLU(), layers.Dropout(0.5), D(1)), None),
        (lambda: stack(D(8, activation="selu"), layers.AlphaDropout(0.5), B(), D(1)), None),
    ],
    "high-dropout": [
        (lambda: stack(D(8, activation="relu"), layers.Dropout(0.9), D(1)), "warning"),
        (lambda: stack(D(8, activation="relu"), layers.Dropout(1.0), D(1)), "error"),
        (lambda: stack(D(8, activation="relu"), D(1), layers.Dropout(0.2)), "warning"),
        (lambda: stack(D(8, activation="relu"), layers.Dropout(0.6), D(1)), None),
    ],
    "frozen-normalization": [
        (lambda: put(block(B(name="bn", trainable=False)), "bn", moving_mean=0, moving_variance=1), "warning"),
        (lambda: old("2.1.6", trainable=False), "warning"),
        (lambda: old("2.2.4-tf", trainable=False), None),
        (lambda: block(B(name="bn", trainable=False)), None),
    ],
    "epsilon-on-port": [
        (lambda: put(block(), "bn", moving_variance=np.linspace(0.001, 1, 8)), "note"),
        (lambda: put(block(), "bn", moving_variance=np.linspace(0.1, 1, 8)), None),
    ],
    "momentum-reversed": [
        (lambda: block(B(name="bn", momentum=0.1)), "warning"),
        (lambda: with_x(*after(0.5, momentum=0.1)), "warning"),
        (lambda: with_x(*after(0.0, momentum=0.1)), None),
        (lambda: block(B(name="bn", momentum=0.3)), None),
    ],
    "variance-bessel": [
        (lambda: images(2), "note"), (lambda: images(9), None), (lambda: images(2, "3.5.0"), None),
    ],
    "weight-order": [
        (lambda: with_x(*exchanged(True)), "error"),
        (lambda: swapped_gamma(0, 1), "warning"),
        (lambda: block(B(name="bn", scale=False)), "note"),
        (lambda: with_x(*exchanged(False)), None),
        (lambda: swapped_gamma(0, 0), None),
        (lambda: swapped_gamma(1, 0), None),
    ],
    "shared-normalization": [
        (lambda: with_x(*siamese(3.0)), "warning"), (lambda: with_x(*siamese(0.2)), None),
    ],
    "fold-across-nonlinearity": [
        (lambda: stack(D(8, activation="relu"), B(name="bn"), D(1)), "note"),
        (lambda: put(stack(D(8, activation="relu"), B(name="bn"), D(1)), "bn", moving_mean=0, beta=0), None),
        (lambda: stack(D(8), B(name="bn"), layers.ReLU(), D(1)), None),
    ],
    "gamma-zero-or-negative": [
        (lambda: put(block(), "bn", gamma=0), "error"),
        (lambda: put(block(), "bn", gamma=[0, 1, 1, 1, 1, 1, 1, 1]), "warning"),
        (lambda: put(block(), "bn", gamma=[-1, 1, 1, 1, 1, 1, 1, 1]), "note"),
        (lambda: put(block(), "bn", gamma=1e-9), None),
    ],
    "useless-bias": [
        (lambda: stack(D(8), B(), layers.ReLU(), D(1)), "note"),
        (lambda: stack(D(8, activation="relu"), B(), D(1)), None),
        (lambda: stack(D(8, use_bias=False), B(), layers.ReLU(), D(1)), None),
        (lambda: stack(D(8), B(axis=1), layers.Flatten(), D(1), shape=(3, 4)), None),
    ],
    "cancellation": [
        (lambda: with_x(*far(5e4)), "warning"), (lambda: far(2e3)[0], "note"), (lambda: far(500)[0], None),
    ],
    "axis-and-data-format": [
        (lambda: formats(-1, "channels_first"), "error"), (lambda: formats(1, "channels_last"), "error"),
        (lambda: formats(1, "channels_first"), None),
        (lambda: stack(B(axis=-1), layers.Flatten(data_format="channels_first"), D(1), shape=(3, 4)), "error"),
        (lambda: stack(B(axis=1), layers.Flatten(), D(1), shape=(3, 4)), None),
    ],
    "axis-not-channels": [
        (shape_fixed, "error"), (lambda: time_steps(1), "warning"),
        (lambda: with_x(*time_steps(1, x_only=True)), "warning"),
        (lambda: time_steps(-1), None), (lambda: time_steps(1, x_only=True)[0], None),
        (lambda: with_x(*time_steps(-1, x_only=True)), None),
    ],
    "softmax-one-unit": [
        (lambda: stack(D(1, activation="softmax")), "error"),
        (lambda: with_x(stack(D(3), layers.Reshape((3, 1)), layers.Softmax())), "error"),
        (lambda: stack(D(2, activation="softmax")), None),
        (lambda: stack(layers.Reshape((5, 1)), layers.Softmax(axis=1), shape=(5,)), None),
    ],
    "loss-and-activation": [
        (lambda: output("sigmoid", 3, "categorical_crossentropy"), "warning"),
        (lambda: output("sigmoid", 1, "categorical_crossentropy"), "error"),
        (lambda: output("softmax", 3, "binary_crossentropy"), "warning"),
        (lambda: output("tanh", 1, "binary_crossentropy"), "error"),
        (lambda: output("sigmoid", 1, "hinge"), "warning"),
        (lambda: output(None, 3, "kl_divergence"), "error"),
        (lambda: output(None, 1, "poisson"), "warning"),
        (lambda: output("sigmoid", 3, "binary_crossentropy"), None),
        (lambda: output("softmax", 3, "mse"), None),
        (lambda: output("exponential", 1, "poisson"), None),
    ],
    "logits-and-activation": [
        (lambda: output("softmax", 3, losses.CategoricalCrossentropy(from_logits=True)), "error"),
        (lambda: output("sigmoid", 1, losses.BinaryCrossentropy(from_logits=True)), "error"),
        (lambda: output(None, 1, "binary_crossentropy"), "error"),
        (lambda: output(None, 3, losses.SparseCategoricalCrossentropy(from_logits=True)), None),
        (lambda: output("softmax", 3, "sparse_categorical_crossentropy"), None),
    ],
    "output-activation": [
        (lambda: with_x(put(stack(D(1, activation="relu", name="d")), "d", bias=-99)), "error"),
        (lambda: with_x(put(stack(D(1, activation="relu", name="d")), "d", bias=-0.7)), "warning"),
        (lambda: output("relu", 1, "mse"), "note"),
        (lambda: output("softplus", 1, "mse"), None),
    ],
    "target-out-of-reach": [
        (lambda: with_x(output("sigmoid", 1, "mse"), y=np.linspace(0, 9, 400)[:, None]), "error"),
        (lambda: with_x(output("relu", 1, "mse"), y=np.linspace(-1, 99, 400)[:, None]), "warning"),
        (lambda: with_x(output("softmax", 3, "sparse_categorical_crossentropy"), y=np.arange(400) % 4), "error"),
        (lambda: with_x(output("sigmoid", 1, "mse"), y=np.linspace(0, 1, 400)[:, None]), None),
        (lambda: with_x(output("softmax", 3, "sparse_categorical_crossentropy"), y=np.arange(400) % 3), None),
    ],
    "training-baked-in": [
        (lambda: through(True), "error"), (lambda: through(False), "note"), (lambda: through(None), None),
        (lambda: through(True, rate=0.0), None),
    ],
    "missing-activation": [
        (lambda: stack(D(8), D(3)), "warning"),
        (lambda: stack(D(8), layers.Dropout(0.1), B(), layers.Activation("linear"), D(3)), "warning"),
        (lambda: stack(D(8, activation="relu"), D(2), D(3)), None),
        (lambda: stack(D(8), layers.ReLU(), D(3)), None),
    ],
    "layer-never-added": [
        (lambda: Patient(block(), script=script("layers.BatchNormalization()")), "warning"),
        (lambda: Patient(block(), script=script("BatchNormalization()(x)")), "warning"),
        (lambda: Patient(block(), script=script("norm = BatchNormalization(axis=1)")), "warning"),
        (lambda: Patient(block(), script=script("norm = BatchNormalization()\nx = norm(x)")), None),
    ],
    "dead-units": [
        (lambda: with_x(*dead(8)), "error"), (lambda: with_x(*dead(6)), "warning"),
        (lambda: put(stack(D(6, activation="sigmoid"), D(6, activation="relu", name="d"), D(1)),
                     "d", kernel=-1, bias=-0.1), "error"),
        (lambda: with_x(*dead(2)), None), (lambda: dead(8)[0], None),
    ],
    "saturated-units": [
        (lambda: with_x(*hard(500)), "warning"), (lambda: with_x(*hard(500, "sigmoid")), "warning"),
        (lambda: with_x(*hard(2)), None),
    ],
    "input-scale": [
        (lambda: with_x(stack(D(4, activation="relu"), D(1)), rows() * 200), "warning"),
        (lambda: with_x(stack(D(4, activation="relu"), D(1)), rows() / 255), "warning"),
        (lambda: with_x(settled(stack(B(), D(1)), rows()), rows() * 60 + 100), "error"),
        (lambda: with_x(settled(stack(B(), D(1)), rows() * 60 + 100), rows()), "error"),
        (lambda: with_x(stack(D(4, activation="relu"), D(1)), rows() * 5), None),
        (lambda: with_x(settled(stack(B(), D(1)), rows() * 60 + 100), rows(seed=7) * 60 + 100), None),
    ],
    "depends-on-other-rows": [
        (lambda: Patient(block(), rows(), candidate=batch_mode(None)), "error"),
        (lambda: Patient(block(), rows(), candidate=lambda x: x.sum(axis=1) * (1 + 1e-7)), None),
    ],
}  # fmt: skip


def patient(made):
    made = made()
    return made if isinstance(made, Patient) else Patient(made)


SICK = [(check, i) for check, cases in CASES.items() for i, (_, severity) in enumerate(cases) if severity]
NEARLY = [
    (check, i) for check, cases in CASES.items() for i, (_, severity) in enumerate(cases) if not severity
]


def test_every_check_has_a_sick_and_a_nearly_sick_patient():
    assert set(CASES) == {c.id for c in CHECKS} == {c for c, _ in SICK} == {c for c, _ in NEARLY}


@pytest.mark.parametrize(("check", "number"), SICK)
def test_sick(check, number):
    made, severity = CASES[check][number]
    report = examine(patient(made))
    found = report.of(check)
    assert [f.severity for f in found][:1] == [severity], str(report)
    for finding in found:
        assert finding.message.endswith((".", ")"))
        assert finding.remedy
        assert finding.evidence
        numbers = [v for v in finding.evidence.values() if not isinstance(v, str)]
        assert numbers
        assert all(np.isscalar(v) for v in numbers)
    json.dumps(report.to_dict(), allow_nan=False)
    assert max(map(len, str(report).splitlines())) <= 80


@pytest.mark.parametrize(("check", "number"), NEARLY)
def test_nearly_sick(check, number):
    report = examine(patient(CASES[check][number][0]))
    assert [str(f) for f in report.of(check) if f.severity != "note"] == []
    if [s for _, s in CASES[check]] and all(s in (None, "note") for _, s in CASES[check]):
        assert report.of(check) == ()


def test_the_wine_question(tmp_path):
    """The network of the question: softmax over one unit, Dropout before each normalization."""
    report = fn.doctor("data/models/wine_question.keras")
    assert not report.ok
    assert report.findings[0].check == "softmax-one-unit"
    assert [f.layer for f in report.of("dropout-before-normalization")] == ["norm_1", "norm_2", "norm_3"]


@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_dropout_shift_of_a_trained_network(rate):
    """The variance that the stored statistics say they learnt is the one that the data show."""
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
        assert "would raise the loss" in finding.remedy


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
