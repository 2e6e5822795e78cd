"""Gradients through layers that change images at random, against Keras's on JAX with the same random numbers."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from foldnet import Model, layers
from tests.support.same_draws import same_draws

RATE = 1e4
"""So large that a step moves images by as much as they are."""


CHOOSES = {"RandAugment", "AugMix", "RandomElasticTransform"}
"""What Keras cannot compile on numbers that it is given: Python chooses by them what is done."""


def hold_gradients(learned, start, seed, engines, flat=()):
    """Each layer on images that are weights, which one step of SGD moves by their gradient.

    The loss is of the changed images, so that it tells of them, too.

    Args:
        learned: settings by name of the layer.
        start: images for each of them.
        seed: of the random numbers.
        engines: goes through the engines.
        flat: names of layers that have no gradient.

    Returns:
        What ``same_draws`` gave.
    """
    rows, *shape = start[0].shape
    x = layers.Input((1,), dtype="int32")
    found = []
    for name, settings in learned.items():
        values = layers.Embedding(rows, int(np.prod(shape)), name=f"images_{name}")(x)
        found.append(
            layers.Flatten()(getattr(layers, name)(**settings)(layers.Reshape(tuple(shape))(values)))
        )
    network = Model(x, layers.Concatenate()(found))
    width = int(np.prod(shape)) * len(learned)
    wanted = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    theirs = [getattr(keras.layers, name)(**settings) for name, settings in learned.items()]

    def loss(given):
        changed = [layer(x, training=True).reshape(rows, -1) for layer, x in zip(theirs, given, strict=True)]
        return ((jnp.concatenate(changed, -1) - wanted) ** 2).mean()

    with same_draws(seed, rows) as numbers:
        # Compiled as a whole it takes a fifth of the time: each operation alone is compiled, too.
        slopes_of = jax.value_and_grad(loss) if CHOOSES & {*learned} else jax.jit(jax.value_and_grad(loss))
        value, slopes = slopes_of([jnp.asarray(x) for x in start])
    codes = np.arange(rows, dtype=np.int32)[:, None]
    for engine in engines():
        network.compile("sgd", "mse")
        network.optimizer.learning_rate = RATE
        network.trainer.seed = seed
        network.set_weights([x.reshape(rows, -1) for x in start])
        history = network.fit(codes, wanted, batch_size=rows, shuffle=False, verbose=0).history
        assert history["loss"][0] == pytest.approx(float(value), rel=1e-5), engine
        for name, before, after, slope in zip(learned, start, network.get_weights(), slopes, strict=True):
            moved = (before - after.reshape(before.shape)) / RATE
            largest = np.abs(slope).max()
            assert np.abs(moved - slope).max() <= 2e-5 * largest, (name, engine)
            assert (largest > 0) == (name not in flat), name
    return numbers
