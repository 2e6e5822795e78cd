"""Steps that work on a batch block by block: they agree with the reference, and have the same bits on any threads."""

import pytest

from foldnet import Model, Sequential, layers
from foldnet.engines.native.training.program import SHARED_FROM, NativeTraining
from foldnet.engines.native.training.source import source
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
    assert source(p).work * batch >= SHARED_FROM
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
