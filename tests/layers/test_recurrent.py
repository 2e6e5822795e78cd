"""Recurrent layers against live Keras: masks, states, several results, files; and what is refused."""

import jax
import keras
import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, freeze, layers, load_model
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.structure import flatten

STEPS, FEATURES, UNITS = 7, 3, 4
EVERY = {"return_sequences": True}
STATE = {"return_state": True}


def sequences(seed=0):
    """Rows that a mask shortens at the end, at the start, in the middle, wholly, and not at all."""
    x = np.random.default_rng(seed).normal(size=(5, STEPS, FEATURES)).astype(np.float32)
    x[0, 4:] = x[1, :2] = x[2] = x[3, 3] = 0
    return x


def states(count, seed=5):
    return list(np.random.default_rng(seed).normal(size=(count, 5, UNITS)).astype(np.float32))


def masked(lib, cls, x, **settings):
    return getattr(lib, cls)(UNITS, **settings)(lib.Masking()(x))


def encoder_decoder(lib, x):
    _, *state = lib.LSTM(UNITS, **STATE)(x)
    return lib.LSTM(UNITS, **EVERY)(x, initial_state=state)


def stacked(lib, x, **settings):
    cells = [lib.LSTMCell(UNITS), lib.GRUCell(5), lib.LSTMCell(3)]
    return lib.RNN(cells, **EVERY, **settings)(lib.Masking()(x))


def both_ways(lib, x, merge, **settings):
    return lib.Bidirectional(lib.LSTM(UNITS, **settings), merge_mode=merge)(lib.Masking()(x))


def two_and_normalization(lib, x):
    x = lib.BatchNormalization()(lib.Masking()(x))
    return lib.Bidirectional(lib.GRU(UNITS))(lib.Bidirectional(lib.GRU(3, **EVERY))(x))


NETWORKS = {
    **{f"{c} masked": lambda lib, x, c=c: masked(lib, c, x, **EVERY) for c in ("SimpleRNN", "LSTM", "GRU")},
    "last output of masked steps": lambda lib, x: masked(lib, "GRU", x),
    "backwards": lambda lib, x: masked(lib, "GRU", x, go_backwards=True, **STATE, **EVERY),
    "zeros for masked steps": lambda lib, x: masked(lib, "LSTM", x, zero_output_for_mask=True, **EVERY),
    "zeros, last output": lambda lib, x: masked(lib, "LSTM", x, zero_output_for_mask=True),
    "reset before": lambda lib, x: masked(lib, "GRU", x, reset_after=False, **STATE),
    "encoder and decoder": encoder_decoder,
    "stacked": stacked,
    "stacked backwards": lambda lib, x: stacked(lib, x, go_backwards=True),
    **{f"both ways, {m}": lambda lib, x, m=m: both_ways(lib, x, m) for m in ("concat", "ave", None)},
    **{
        f"both ways, {m}, all": lambda lib, x, m=m: both_ways(lib, x, m, **EVERY, **STATE)
        for m in ("mul", None)
    },
    "two and a normalization": two_and_normalization,
}
WITH_STATES = {
    "LSTM": lambda lib, x, s: lib.LSTM(UNITS, **STATE)(x, initial_state=s[:2]),
    "GRU masked": lambda lib, x, s: lib.GRU(UNITS, **EVERY)(lib.Masking()(x), initial_state=s[0]),
    "LSTM masked": lambda lib, x, s: lib.LSTM(UNITS, **STATE, **EVERY)(lib.Masking()(x), initial_state=s[:2]),
    "both ways": lambda lib, x, s: lib.Bidirectional(lib.LSTM(UNITS, **EVERY))(x, initial_state=s),
}


def in_keras(build, data):
    """The network in Keras, with telling weights, and its results."""
    keras.utils.clear_session(free_memory=False)
    inputs = [keras.Input(d.shape[1:]) for d in data]
    model = keras.Model(inputs, flatten(build(keras.layers, *inputs)))
    rng = np.random.default_rng(7)
    for w in model.weights:
        w.assign(rng.uniform(0.3, 1.5, w.shape) if "variance" in w.path else rng.normal(0, 0.5, w.shape))
    return model, called(model, data)


def called(model, data):
    """What a model of Keras gives, compiled whole, which is much faster than each of its operations."""
    given = jax.jit(lambda data: flatten(model(data, training=False)))(data)
    return [np.asarray(y) for y in given]


def check(network, data, expected):
    for engine in ("reference", "native"):
        found = flatten(freeze(network, engine=engine)(data if len(data) > 1 else data[0]))
        for y, truth in zip(found, expected, strict=True):
            np.testing.assert_allclose(y, truth, atol=2e-6, err_msg=engine)


def there_and_back(build, data, tmp_path):
    """Built here, and read from Keras's files, it is Keras's; and Keras reads ours."""
    model, expected = in_keras(build, data)
    inputs = [Input(d.shape[1:]) for d in data]
    network = Model(inputs, flatten(build(layers, *inputs)))
    network.set_weights(model.get_weights())
    check(network, data, expected)
    for ending in ("keras", "h5"):
        model.save(tmp_path / f"theirs.{ending}")
        check(load_model(tmp_path / f"theirs.{ending}"), data, expected)
        network.save(tmp_path / f"ours.{ending}")
        again = keras.models.load_model(tmp_path / f"ours.{ending}")
        for y, truth in zip(called(again, data), expected, strict=True):
            np.testing.assert_allclose(y, truth, atol=2e-6, err_msg=ending)


@pytest.mark.parametrize("name", NETWORKS)
def test_as_keras_computes_it(name, tmp_path):
    there_and_back(NETWORKS[name], [sequences()], tmp_path)


@pytest.mark.parametrize("name", WITH_STATES)
def test_initial_states(name, tmp_path):
    count = 4 if name == "both ways" else 2 if "LSTM" in name else 1
    there_and_back(
        lambda lib, x, *s: WITH_STATES[name](lib, x, list(s)), [sequences(), *states(count)], tmp_path
    )


def test_states_that_follow_in_a_list_leave_the_mask_its_effect(tmp_path):
    # As in Keras 2, where a mask goes along; by name, as in Keras 3, it does not.
    x, *s = [Input((STEPS, FEATURES)), *(Input((UNITS,)) for _ in range(2))]
    layer = layers.LSTM(UNITS, name="lstm")
    by_list, by_name, unmasked = (
        Model([x, *s], y)
        for y in (
            layer([layers.Masking()(x), *s]),
            layer(layers.Masking()(x), initial_state=s),
            layer(x, initial_state=s),
        )
    )
    data = [sequences(), *states(2)]
    listed, named = freeze(by_list)(data), freeze(by_name)(data)
    assert not np.allclose(listed[0], named[0])
    np.testing.assert_array_equal(listed[4], named[4])  # nothing is masked there
    np.testing.assert_array_equal(listed[2], data[1][2])  # and here all is
    np.testing.assert_array_equal(named, freeze(unmasked)(data))
    by_list.save(tmp_path / "x.h5")
    np.testing.assert_array_equal(freeze(load_model(tmp_path / "x.h5"))(data), listed)
    with pytest.raises(UnsupportedError, match=r"'lstm'.*\.h5"):
        by_list.save(tmp_path / "x.keras")


def test_any_length():
    x = Input((None, FEATURES))
    network = Model(x, layers.Bidirectional(layers.GRU(UNITS, **EVERY))(layers.LSTM(UNITS, **EVERY)(x)))
    for engine in ("reference", "native"):
        predict = freeze(network, engine=engine)
        whole = sequences()
        assert predict(whole).shape == (5, STEPS, 2 * UNITS)
        assert predict(whole[:, :2]).shape == (5, 2, 2 * UNITS)
        assert predict(whole[:, :1]).shape == (5, 1, 2 * UNITS)
        assert predict(whole[:0]).shape == (0, STEPS, 2 * UNITS)


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_a_row_has_the_same_bits_alone_and_in_a_batch(engine):
    x = Input((STEPS, FEATURES))
    network = Model(x, layers.GRU(19)(layers.LSTM(33, **EVERY)(x)))
    predict, rows = (
        freeze(network, engine=engine),
        np.random.default_rng(1).normal(size=(67, STEPS, FEATURES)),
    )
    rows = rows.astype(np.float32)
    together = predict(rows)
    for k in (0, 1, 33, 66):
        np.testing.assert_array_equal(predict(rows[k : k + 1])[0], together[k])


def test_a_cell_is_called_with_its_states():
    x, h, c = states(3)
    cell = layers.LSTMCell(UNITS)
    y, (new_h, new_c) = cell(x, [h, c])
    np.testing.assert_array_equal(y, new_h)
    theirs = keras.layers.LSTMCell(UNITS)
    theirs.build(x.shape)
    theirs.set_weights(cell.get_weights())
    expected, (_, carried) = theirs(x, [h, c])
    np.testing.assert_allclose(y, expected, atol=2e-6)
    np.testing.assert_allclose(new_c, carried, atol=2e-6)


def test_weights_start_as_keras_s_do():
    layer = layers.LSTM(3)
    layer.build((None, None, 5))
    kernel, recurrent, bias = layer.get_weights()
    assert (kernel.shape, recurrent.shape) == ((5, 12), (3, 12))
    np.testing.assert_array_equal(bias, [0] * 3 + [1] * 3 + [0] * 6)
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(3), atol=1e-5)
    assert layers.GRU(3).cell.reset_after
    start = [np.full(w.shape, k) for k, w in enumerate(layer.get_weights() * 2)]
    both = layers.Bidirectional(layers.LSTM(3), weights=start)
    both.build((None, None, 5))
    assert [float(w.ravel()[0]) for w in both.get_weights()] == [0, 1, 2, 3, 4, 5]


def test_what_cannot_be_computed_is_refused_by_name():
    x = Input((STEPS, FEATURES))
    with pytest.raises(UnsupportedError, match=r"'mine'.*stateful.*remembers nothing"):
        freeze(Model(x, layers.LSTM(2, stateful=True, name="mine")(x)))
    with pytest.raises(UnsupportedError, match=r"'mine'.*recurrent_activation is 'softmax'.*elementwise"):
        freeze(Model(x, layers.GRU(2, recurrent_activation="softmax", name="mine")(x)))
    with pytest.raises(UnsupportedError, match=r"'mine'.*time_major=True"):
        layers.LSTM.from_config({"name": "mine", "units": 2, "time_major": True})
    model = Model(x, layers.Dense(1)(layers.LSTM(2, stateful=True, name="mine")(x)))
    model.compile("sgd", "mse")
    with pytest.raises(UnsupportedError, match=r"'mine'.*stateful"):
        model.fit(sequences(), np.zeros(5), verbose=0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: layers.LSTM(2, name="mine")(layers.Flatten()(x)), r"'mine'.*\(rows, steps, features\)"),
        (lambda x: layers.LSTM(2, name="mine")(Input((3, None))), r"'mine'.*last axis has a known size"),
        (lambda x: layers.LSTM(2, name="mine")(x, initial_state=[Input((2,))]), r"'mine'.*initial_state.*expected"),
        (lambda x: layers.GRU(2, name="mine")(x, initial_state=Input((3,))), r"'mine'.*initial_state.*expected"),
        (lambda x: layers.TimeDistributed(layers.Dense(2), name="mine")(Input((3,))), r"'mine'.*rank 3"),
        (lambda x: layers.Bidirectional(layers.Dense(2), name="mine"), r"'mine'.*recurrent layer"),
        (
            lambda x: layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2), name="mine"),
            r"'mine'.*different directions",
        ),
        (
            lambda x: layers.Bidirectional(layers.LSTM(2), name="mine", backward_layer=layers.LSTM(
                2, go_backwards=True, return_sequences=True)),
            r"'mine'.*return_sequences is False.*True",
        ),
        (lambda x: layers.RNN(layers.Dense(2), name="mine"), r"'mine'.*cell must be"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(call, said):
    with pytest.raises(ConfigError, match=said):
        call(Input((STEPS, FEATURES)))


def test_weights_of_inner_layers_are_the_layers_own():
    x = Input((STEPS, FEATURES))
    network = Model(x, layers.Bidirectional(layers.LSTM(2), name="both")(x))
    layer = network.layers[-1]
    assert [w.shape for w in layer.weights] == [(3, 8), (2, 8), (8,)] * 2
    layer.forward_layer.cell.kernel.assign(np.ones((3, 8)))
    assert (network.get_weights()[0] == 1).all()
    layer.trainable = False
    assert not network.trainable_weights
    assert foldnet.models.clone_model(network).layers[-1].count_params() == layer.count_params() == 96
