"""Steps that work on a batch block by block: they agree with the reference, and have the same bits on any threads."""

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Model, Sequential, layers
from foldnet.engines.native.training.program import NativeTraining
from foldnet.engines.native.training.source import source
from foldnet.training.compiled import Target
from tests.native_training import programs
from tests.native_training.test_fit import agree, both


def small():
    """Everything that counts rows: random numbers, sums of metrics, weights of rows, penalties, clipping."""
    network = Sequential([
        layers.Input((5,)), layers.Dense(24, activation="tanh"), layers.Dropout(0.3),
        layers.Dense(17, activation="relu"), layers.GaussianNoise(0.1), layers.Dense(6), layers.Dropout(0.2),
        layers.Dense(2),
    ])  # fmt: skip
    rule = programs.adam(clip=("global_norm", 0.5))
    return programs.program(network, update=rule, variables={"kernel": {"l1": 0.001, "l2": 0.002}})


def wide():
    """A program whose threads share each block."""
    x = layers.Input((300,))
    h = layers.Dense(500, activation="relu")(x)
    h = layers.Dense(150, activation="tanh")(layers.Dropout(0.3)(h))
    h = layers.Reshape((5, 30))(h)
    h = layers.PReLU()(layers.Dense(4)(h))
    return programs.program(Model(x, layers.Dense(2)(layers.Flatten()(h))), update=programs.adam())


MADE = {"own blocks": small, "shared blocks": wide}


@pytest.mark.as_shipped
@pytest.mark.parametrize("kind", MADE)
def test_batches_around_the_sizes_of_blocks_agree(kind):
    p = MADE[kind]()
    made = source(p)
    block = made.block
    assert block >= 64
    assert made.threaded == (kind == "shared blocks")
    for batch in (block - 1, block, block + 1, 3 * block + 37):
        rows = batch + batch // 2
        epochs = 1 if made.threaded else 2
        agree(both(p, rows, programs.plan(rows, batch, epochs, 1e-3, seed=batch), validation=rows), 3e-4)


@pytest.mark.as_shipped
@pytest.mark.parametrize("kind", MADE)
def test_threads_change_no_bit(kind):
    p = MADE[kind]()
    batch = (2 if kind == "shared blocks" else 5) * source(p).block + 40
    data, found = programs.data(p, 2 * batch), []
    for threads in (1, 2, 3, 8):
        state = programs.random_start(p)
        plan = programs.plan(2 * batch, batch, 2, 1e-3, threads=threads, validation_epochs=[1, 1])
        result = NativeTraining(p).fit(state, data, plan, data)
        sums = (result.training, result.validation)
        found.append(
            [*state.weights.values(), *(v for s in sums for v in (s.loss, s.regularization, *s.values))]
        )
    for others in found[1:]:
        for first, other in zip(found[0], others, strict=True):
            assert first.tobytes() == other.tobytes()


def masked(lib):
    """A network in which masks, weights of rows and regularizers meet, with the layers of foldnet or of Keras."""
    x = lib.layers.Input((6,), dtype="int32")
    h = lib.layers.Embedding(12, 5, mask_zero=True)(x)
    h = lib.layers.Dense(7, activation="tanh", kernel_regularizer="l2")(h)
    h = lib.layers.GlobalAveragePooling1D()(h)
    h = lib.layers.LayerNormalization()(h)
    return lib.Model(x, lib.layers.Dense(3, activation="softmax")(h))


def test_masks_weights_and_metrics_are_those_of_keras_in_several_blocks():
    rng = np.random.default_rng(4)
    rows, batch = 2700, 1100
    x = rng.integers(0, 12, (rows, 6)).astype("int32")
    x[:, 0] = rng.integers(1, 12, rows)  # no row without any word
    y = np.eye(3, dtype="float32")[rng.integers(0, 3, rows)]
    weight = rng.uniform(0.2, 2.0, rows).astype("float32")
    theirs, ours = masked(keras), masked(foldnet)
    ours.set_weights([rng.normal(0, 0.5, w.shape) for w in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    histories = []
    for lib, model in ((keras, theirs), (foldnet, ours)):
        model.compile(
            lib.optimizers.Adam(0.01, global_clipnorm=0.5), "categorical_crossentropy", metrics=["mae"],
            weighted_metrics=["accuracy"],
        )  # fmt: skip
        settings = {"batch_size": batch, "epochs": 3, "shuffle": False, "verbose": 0}
        fit = model.fit(x, y, sample_weight=weight, validation_data=(x[:700], y[:700]), **settings)
        histories.append(fit.history)
    program, _ = ours.trainer.compiled.program([Target((None, 3), False, (None,))])
    assert 0 < source(program).block < 700
    for name, expected in histories[0].items():
        np.testing.assert_allclose(histories[1][name], expected, rtol=2e-4, err_msg=name)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4)
