"""A layer that is used by itself and inside others has one set of weights everywhere, as in live Keras."""

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Model, Sequential, layers
from foldnet.errors import InputError
from foldnet.summary import counts


def at_every_step(kit, model, chain):
    x, dense = kit.Input((3, 4)), kit.Dense(4, kernel_regularizer="l2")
    return model(x, kit.Add()([kit.TimeDistributed(dense)(x), dense(x)]))


def at_every_step_twice(kit, model, chain):
    x, step = kit.Input((3, 3, 4)), kit.TimeDistributed(kit.Dense(4))
    return model(x, step.layer(step(kit.TimeDistributed(step)(x))))


def in_a_chain(kit, model, chain):
    step = kit.TimeDistributed(kit.Dense(4))
    return chain(
        [kit.Input((3, 4)), step, step.layer, chain([kit.Input((3, 4)), kit.TimeDistributed(step.layer)])]
    )


def inside_networks(kit, model, chain):
    i, j, x, dense = (
        kit.Input((4,)),
        kit.Input((4,)),
        kit.Input((4,)),
        kit.Dense(4, name="shared", bias_regularizer="l1"),
    )
    first = model(i, kit.BatchNormalization()(dense(i)))
    second = model(j, dense(first(j)))
    return model(x, second(dense(first(x))))


def networks_at_every_step(kit, model, chain):
    i, x = kit.Input((4,)), kit.Input((3, 4))
    inner = model(i, kit.BatchNormalization()(kit.Dense(4, kernel_regularizer="l2")(i)))
    last = inner(kit.Flatten()(kit.Cropping1D((0, 2))(x)))
    return model(x, kit.Add()([kit.GlobalAveragePooling1D()(kit.TimeDistributed(inner)(x)), last]))


def frozen_in_one_place(kit, model, chain):
    x, dense = kit.Input((3, 4)), kit.Dense(4)
    step = kit.TimeDistributed(dense)
    y = kit.Add()([kit.Dense(4)(step(x)), dense(x)])
    step.trainable = False
    return model(x, y)


def backwards(kit, model, chain):
    x, back = kit.Input((3, 4)), kit.GRU(4, go_backwards=True, return_sequences=True)
    both = kit.Bidirectional(kit.GRU(4, return_sequences=True), backward_layer=back, merge_mode="sum")
    return model(x, kit.Add()([both(x), back(x)]))


def cells(kit, model, chain):
    x, cell = kit.Input((3, 4)), kit.GRUCell(4, recurrent_regularizer="l2")
    y = kit.RNN(cell, return_sequences=True)(x)
    return model(x, kit.RNN([cell, cell])(y))


def normalized(kit, model, chain):
    x, dense = kit.Input((4,)), kit.Dense(4, kernel_regularizer="l2")
    return model(x, dense(kit.SpectralNormalization(dense)(x)))


NETWORKS = [
    at_every_step, at_every_step_twice, in_a_chain, inside_networks, networks_at_every_step, frozen_in_one_place,
    backwards, cells, normalized,
]  # fmt: skip
NOT_IN_KERAS_FILES = (inside_networks,)
"""Keras 3 opens no .keras file with it, its own neither."""


def named(weights):
    return [(w.path.split("/")[-1], tuple(w.shape)) for w in weights]


def listed(model):
    """All lists of weights that a network has, and their numbers."""
    return [
        named(model.weights), named(model.trainable_weights), named(model.non_trainable_weights),
        [w.shape for w in model.get_weights()], model.count_params(), [float(loss) for loss in model.losses],
    ]  # fmt: skip


def with_values(made):
    rng = np.random.default_rng(0)
    made.set_weights([rng.uniform(0.2, 0.9, w.shape).astype(np.float32) for w in made.get_weights()])
    return made


@pytest.mark.parametrize("make", NETWORKS)
def test_every_weight_is_listed_once(make, tmp_path):
    theirs = with_values(make(keras.layers, keras.Model, keras.Sequential))
    ours = with_values(make(layers, Model, Sequential))
    expected = listed(theirs)
    assert listed(ours)[:-1] == expected[:-1]
    np.testing.assert_allclose(listed(ours)[-1], expected[-1], rtol=1e-5)
    trained = sum(int(np.prod(w.shape)) for w in theirs.trainable_weights)
    assert counts(ours) == (trained, theirs.count_params() - trained)

    # In files both ways, with one set of weights afterwards, too.
    x = np.random.default_rng(1).normal(size=(2, *ours.input_shape[1:])).astype(np.float32)
    result = np.asarray(theirs(x))
    np.testing.assert_allclose(ours.predict(x), result, rtol=1e-4, atol=1e-5)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.save_weights(tmp_path / "ours.weights.h5")
    for model, file in ((make(layers, Model, Sequential), "theirs"), (theirs, "ours")):
        model.set_weights([np.zeros_like(w) for w in model.get_weights()])
        model.load_weights(tmp_path / f"{file}.weights.h5")
        np.testing.assert_allclose(np.asarray(model(x)), result, rtol=1e-4, atol=1e-5)
    for ending in ("keras", "h5"):
        ours.save(tmp_path / f"x.{ending}")
        again = foldnet.load_model(tmp_path / f"x.{ending}")
        assert listed(again) == listed(ours)
        np.testing.assert_array_equal(again.predict(x), ours.predict(x))
    if make not in NOT_IN_KERAS_FILES:
        live = keras.models.load_model(tmp_path / "x.keras")
        assert named(live.weights) == expected[0]
        np.testing.assert_allclose(np.asarray(live(x)), result, rtol=1e-4, atol=1e-5)


def test_set_weights_of_a_layer_that_is_used_twice():
    ours = at_every_step(layers, Model, Sequential)
    with pytest.raises(InputError, match=r"has 2 weights \(kernel, bias\), and was given 4"):
        ours.set_weights([w for w in ours.get_weights() for _ in range(2)])
    ours.set_weights([np.full((4, 4), 2.0), np.full(4, 3.0)])
    step = next(layer for layer in ours.layers if isinstance(layer, layers.TimeDistributed))
    for layer in (step, step.layer):
        assert [np.unique(w).tolist() for w in layer.get_weights()] == [[2.0], [3.0]]
