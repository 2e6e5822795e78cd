"""What is inside recurrent layers, against NumPy by hand and against what they give; healthy ones are left in peace."""

import numpy as np
import pytest

import foldnet as fn
from foldnet import Sequential, layers
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.run import examine
from foldnet.operations.scan.numpy import _quick_product
from foldnet.utils import set_random_seed
from tests.insight.doctor.doctor_windows import gated, padded_steps, sequences


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def insides(context):
    return [inside for _, inside in context.measured.insides(np.arange(context.measured.rows))]


def test_the_gates_of_an_lstm_are_those_of_its_formula():
    lstm = layers.LSTM(3, return_sequences=True)
    context = gated(lstm)
    x = context.measured.stored[context.lowered[0].inputs[0]]
    kernel, recurrent, bias = (w.astype(np.float64) for w in lstm.get_weights())
    (found,) = insides(context)
    h = c = np.zeros((len(x), 3))
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        expected = {
            "input gate": sigmoid(i), "forget gate": sigmoid(f), "candidate": np.tanh(g), "output gate": sigmoid(o),
            "state": np.tanh(c),
        }  # fmt: skip
        assert set(found.values) == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(found.values[name][:, t], values, atol=1e-6)


@pytest.mark.parametrize(
    "layer", [layers.GRU, layers.SimpleRNN, layers.Bidirectional], ids=lambda c: c.__name__
)
def test_the_last_values_inside_are_the_states_that_the_layer_gives(layer):
    made = (
        layer(layers.GRU(3, return_sequences=True))
        if layer is layers.Bidirectional
        else layer(3, return_sequences=True)
    )
    context = gated(made)
    given = context.measured.value(made.name)
    for k, inside in enumerate(insides(context)):
        np.testing.assert_allclose(inside.values["state"], given[..., 3 * k : 3 * k + 3], atol=1e-6)


def test_a_grus_gates_make_its_states():
    for reset_after in (True, False):
        (found,) = insides(gated(layers.GRU(3, reset_after=reset_after)))
        state, update, new = (found.values[name] for name in ("state", "update gate", "candidate"))
        before = np.concatenate([np.zeros_like(state[:, :1]), state[:, :-1]], axis=1)
        np.testing.assert_allclose(state, update * before + (1 - update) * new, atol=1e-12)


def test_steps_that_a_mask_leaves_out_do_not_count():
    """Their gates are far from a limit, and more than one in twenty."""
    x = padded_steps()
    lstm = layers.LSTM(4)
    model = Sequential([layers.Input(x.shape[1:]), layers.Masking(), lstm, layers.Dense(1)])
    kernel, recurrent, bias = lstm.get_weights()
    bias[4:8] = 1.0
    kernel[:, 4:8] = -200 * np.sign(x.sum(axis=(0, 1)))[:, None]
    lstm.set_weights([kernel, recurrent * 0, bias])
    ((inside),) = insides(Context(model, np.abs(x)))
    assert inside.counts.shape == x.shape[:2]
    np.testing.assert_array_equal(inside.counts, (x != 0).any(axis=-1))
    lstm.set_weights([-200 + 0 * kernel, recurrent * 0, bias])
    report = examine(Context(model, np.abs(x)), ["recurrent-saturation"])
    assert [f.evidence["forgets_all"] for f in report.findings] == [4]
    without = Sequential([layers.Input(x.shape[1:]), lstm, model.layers[-1]])
    assert examine(Context(without, np.abs(x)), ["recurrent-saturation"]).findings == ()


def first_and_last(rows=400, steps=10):
    """Whether the first value of the sequence is larger than the last one: what came first must be remembered."""
    x = np.random.default_rng(3).normal(size=(rows, steps, 2)).astype(np.float32)
    return x, (x[:, 0, 0] > x[:, -1, 0]).astype(np.float32)


@pytest.mark.parametrize(
    "layer",
    [lambda: layers.LSTM(12), lambda: layers.Bidirectional(layers.GRU(8)), lambda: layers.SimpleRNN(12)],
)
def test_trained_layers_are_left_in_peace(layer):
    set_random_seed(1)
    x, y = first_and_last()
    model = Sequential([layers.Input(x.shape[1:]), layer(), layers.Dense(1, activation="sigmoid")])
    model.compile(fn.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    fitted = model.fit(x, y, epochs=40, batch_size=64, verbose=0)
    assert fitted.history["accuracy"][-1] > 0.9
    assert fn.doctor(model, x, y, checks=["recurrent-saturation", "saturated-units"]).findings == ()


def test_layers_in_every_step_are_looked_at():
    x = np.stack([sequences(seed=k) for k in range(3)], axis=1)
    inner = layers.LSTM(5)
    model = Sequential(
        [layers.Input(x.shape[1:]), layers.TimeDistributed(inner, name="steps"), layers.Flatten()]
    )
    inner.set_weights([w * 3000 for w in inner.get_weights()])
    (finding,) = fn.doctor(model, x, checks=["recurrent-saturation"]).findings
    assert (finding.layer, finding.evidence["units"], finding.evidence["steps"]) == ("steps", 5, 12)


@pytest.mark.parametrize(("rows", "units"), [(0, 32), (63, 32), (64, 32), (65, 32), (200, 32), (40, 400)])
def test_products_in_parts_are_those_of_the_whole(rows, units):
    generator = np.random.default_rng(rows)
    h, kernel = generator.normal(size=(rows, units)), generator.normal(size=(units, 4 * units))
    np.testing.assert_allclose(_quick_product(h, kernel, 0), h @ kernel, atol=1e-11)
    stacked = generator.normal(size=(2, rows, units))
    np.testing.assert_allclose(_quick_product(stacked, kernel, 0), stacked @ kernel, atol=1e-11)
