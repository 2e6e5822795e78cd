"""Fits on batches of several blocks against live Keras: masks, weights of rows, metrics, penalties, clipping."""

import keras
import numpy as np

import foldnet
from foldnet.engines.native.training.source import source
from foldnet.training.compiled import Target


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
