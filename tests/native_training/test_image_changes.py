"""Random changes of images in compiled steps: they agree with the reference, and have the same bits on any threads."""

import pytest

from foldnet import Model, layers
from foldnet.engines.native.training import sharing
from foldnet.engines.native.training.program import SHARED_FROM, NativeTraining
from foldnet.engines.native.training.source import source
from tests.native_training import programs
from tests.native_training.test_fit import agree, both


def changed(x):
    """Numbers for each image, for the whole batch and for each value; images mapped and held to a range."""
    y = layers.RandomRotation(0.4)(layers.RandomFlip()(x))
    y = layers.RandomContrast(0.6, value_range=(-2, 2))(layers.RandomZoom((-0.4, 0.5), fill_mode="wrap")(y))
    y = layers.RandomErasing(scale=(0.1, 0.5), value_range=(-2, 2))(y)
    return layers.RandomGaussianBlur(sigma=(0.3, 1.0), value_range=(-2, 2))(y)


def narrow():
    """Each thread has blocks of its own."""
    x = layers.Input((4, 3, 2))
    return Model(x, layers.Dense(2)(layers.Flatten()(changed(x))))


def wide():
    """Threads share each block. Convolutions stand before and after a change, so that gradients go through it."""
    x = layers.Input((6, 5, 4))
    y = layers.Conv2D(120, 2, activation="tanh")(changed(x))
    y = layers.RandomTranslation(0.4, 0.3, fill_mode="constant")(layers.RandomShear(0.5, 0.2)(y))
    return Model(x, layers.Dense(2)(layers.Flatten()(layers.Conv2D(100, 2, strides=2)(y))))


def normalized():
    """A step works on the whole batch."""
    x = layers.Input((5, 4, 3))
    y = layers.RandomBrightness(0.3, value_range=(-1, 1))(layers.BatchNormalization()(changed(x)))
    return Model(x, layers.Dense(2)(layers.Flatten()(y)))


def mixed():
    """Images of one batch together, kinds of changes chosen for a step, and a convolution ahead of them."""
    x = layers.Input((5, 6, 3))
    y = layers.CutMix()(layers.Conv2D(3, 2, padding="same")(layers.MixUp(0.6)(x)))
    y = layers.RandAugment((-2, 2), num_ops=1)(layers.RandomElasticTransform(value_range=(-2, 2))(y))
    y = layers.AugMix((-2, 2), num_chains=2, chain_depth=1)(y)
    return Model(x, layers.Dense(2)(layers.Flatten()(y)))


MADE = {"own blocks": narrow, "shared blocks": wide, "whole batch": normalized, "mixed": mixed}


@pytest.mark.as_shipped
@pytest.mark.parametrize("kind", MADE)
def test_steps_agree_and_threads_change_no_bit(kind, monkeypatch):
    if kind == "shared blocks":
        # As in networks with so many weights that blocks of 16 rows do not pay.
        monkeypatch.setattr(sharing, "CACHED", 0)
        monkeypatch.setattr(sharing, "MUCH", 10**9)
    p = programs.program(MADE[kind](), update=programs.sgd())
    made = source(p)
    assert (made.threaded, made.block > 0) == (kind == "shared blocks", kind not in ("whole batch", "mixed"))
    batch = made.block + 37 if made.threaded else 5 * made.block + 40
    rows = batch + batch // 2
    assert made.work * batch >= SHARED_FROM or kind != "shared blocks"
    agree(both(p, rows, programs.plan(rows, batch, 1, 1e-2, seed=3), validation=rows), 3e-4)
    data, found = programs.data(p, rows), []
    for threads in (1, 2, 3, 8):
        state = programs.random_start(p)
        plan = programs.plan(rows, batch, 2, 1e-2, seed=3, threads=threads, validation_epochs=[1, 1])
        result = NativeTraining(p).fit(state, data, plan, data)
        sums = (result.training, result.validation)
        found.append([*state.weights.values(), *(v for s in sums for v in (s.loss, *s.values))])
    for others in found[1:]:
        assert [a.tobytes() for a in others] == [a.tobytes() for a in found[0]]
    state = programs.random_start(p)
    NativeTraining(p).fit(state, data, programs.plan(rows, batch, 2, 1e-2, seed=4))
    assert any(
        a.tobytes() != state.weights[n].tobytes() for n, a in zip(state.weights, found[0], strict=False)
    )
