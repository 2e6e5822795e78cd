"""Images that change by chosen kinds, by distortion or by other images of their batch: Keras's, given its numbers."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import scipy.stats

from foldnet import Input, Model, Sequential, layers
from foldnet.engines.reference.training import forward
from foldnet.errors import InputError, UnsupportedError
from foldnet.layers.drawing import Draws
from foldnet.lowering.lower import Lowering, Mode
from foldnet.operations.kernels import StepContext
from foldnet.passes.guards import in_evaluation
from foldnet.training import eager
from tests.support.image_changes import MIXES
from tests.support.same_draws import same_draws

pytestmark = pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64:UserWarning")
SHAPES = {"channels_last": (6, 5, 8, 3), "channels_first": (6, 3, 5, 8)}


def images(data_format="channels_last", low=0, high=255):
    """Whole numbers of the range's 255 steps; in each channel one pixel is the smallest.

    So equalizing divides by an odd number, and nothing is just between two levels, where Keras rounds as its backend does.
    """
    steps = np.random.default_rng(0).integers(3, 256, SHAPES[data_format])
    steps[(0, slice(None), 0, 0) if data_format == "channels_first" else (0, 0, 0)] = 0
    return (low + steps * ((high - low) / 255)).astype(np.float32)


def compared(name, settings, seed, x, monkeypatch, atol=1e-6):
    """What both make of images by the same numbers; gives ours, and the kinds that were chosen."""
    theirs, ours = (getattr(kit, name)(**settings) for kit in (keras.layers, layers))
    monkeypatch.setattr(eager, "random_seed", lambda: seed)
    with same_draws(seed, len(x)) as numbers:
        want = np.asarray(theirs(x, training=True))
    got = ours(x, training=True)
    np.testing.assert_allclose(got, want, rtol=0, atol=atol * np.abs(x).max(), err_msg=f"{name}, seed {seed}")
    np.testing.assert_array_equal(ours(x, training=False), x)
    return got, numbers.chosen


KINDS = keras.layers.RandAugment._AUGMENT_LAYERS


@pytest.mark.parametrize(
    "settings",
    [{}, {"factor": (0.1, 0.6), "value_range": (-0.5, 0.8), "data_format": "channels_first"}],
    ids=["default", "range-first"],
)
def test_one_change_is_keras_s(settings, monkeypatch):
    """With numbers that choose each kind of change once."""
    x = images(settings.get("data_format", "channels_last"), *settings.get("value_range", (0, 255)))
    left = set(range(len(KINDS)))
    for seed in range(60):
        with same_draws(seed, len(x)) as numbers:
            kind = int(numbers.randint((1,), 0, len(KINDS))[0])
        if kind in left:
            left.remove(kind)
            got, _ = compared("RandAugment", {"num_ops": 1, **settings}, seed, x, monkeypatch)
            assert np.abs(got - x).max() > 0.01 * np.abs(x).max(), KINDS[kind]
    assert not left


def test_several_changes_are_keras_s(monkeypatch):
    """The same kind has the same numbers each time, as in step 3 here."""
    found = []
    for seed in (0, 2, 3):
        settings = {"num_ops": 3, "interpolation": "nearest", "factor": 0.7}
        found.append(compared("RandAugment", settings, seed, images(), monkeypatch)[1])
    assert len(set(found[-1])) < 3


def test_chains_are_keras_s(monkeypatch):
    kinds = set()
    for seed in range(12):
        settings = {"num_chains": 2, "chain_depth": 2, "factor": (0.1, 0.5), "alpha": 0.7 + seed % 2}
        kinds.update(compared("AugMix", settings, seed, images(), monkeypatch)[1])
    assert kinds == {*KINDS, None}
    x = images("channels_first", 0, 1)
    settings = {"all_ops": False, "value_range": (0, 1), "data_format": "channels_first", "interpolation": "nearest"}
    compared("AugMix", settings, 3, x, monkeypatch)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("MixUp", {}),
        ("MixUp", {"alpha": 2.5}),
        ("CutMix", {}),
        ("CutMix", {"factor": (0.2, 0.6), "data_format": "channels_first"}),
        ("RandomElasticTransform", {"factor": (0.6, 1.0), "value_range": (20, 230)}),
        ("RandomElasticTransform", {"scale": 0.6, "fill_mode": "constant", "fill_value": 7.0}),
        (
            "RandomElasticTransform",
            {"interpolation": "nearest", "fill_mode": "wrap", "data_format": "channels_first"},
        ),
        ("RandomElasticTransform", {"scale": (0.7, 1.0), "fill_mode": "nearest"}),
    ],
    ids=str,
)
def test_mixtures_and_distortions_are_keras_s(name, settings, monkeypatch):
    x = images(settings.get("data_format", "channels_last"))
    for seed in range(3):
        got, _ = compared(name, settings, seed, x, monkeypatch, atol=3e-6)
        assert np.abs(got - x).max() > 0.01 * np.abs(x).max()
    compared(name, settings, 1, x[:1], monkeypatch, atol=3e-6)


ROWS, SHAPE = 10, (8, 9, 3)
LEARNED = {
    "RandAugment": {"num_ops": 2},
    "AugMix": {"num_chains": 2, "chain_depth": 1},
    "RandomElasticTransform": {},
    "CutMix": {},
    "MixUp": {},
}
RATE = 1e4
"""So large that a step moves images by as much as they are."""


def test_gradients_are_keras_s(both_engines):
    """Those of the images ahead of a change, which are weights here; and fits on both engines are the same."""
    assert set(LEARNED) == set(MIXES)
    x = layers.Input((1,), dtype="int32")
    found = []
    for name, settings in LEARNED.items():
        values = layers.Embedding(ROWS, int(np.prod(SHAPE)), name=f"images_{name}")(x)
        found.append(layers.Flatten()(getattr(layers, name)(**settings)(layers.Reshape(SHAPE)(values))))
    network = Model(x, layers.Concatenate()(found))
    rng = np.random.default_rng(0)
    start = [rng.uniform(0, 200, (ROWS, *SHAPE)).astype(np.float32) for _ in LEARNED]
    wanted = rng.normal(size=(ROWS, int(np.prod(SHAPE)) * len(LEARNED))).astype(np.float32)
    theirs = [getattr(keras.layers, name)(**settings) for name, settings in LEARNED.items()]

    def loss(given):
        changed = [layer(x, training=True).reshape(ROWS, -1) for layer, x in zip(theirs, given, strict=True)]
        return ((jnp.concatenate(changed, -1) - wanted) ** 2).mean()

    seed = 4
    with same_draws(seed, ROWS) as numbers:
        value, slopes = jax.value_and_grad(loss)([jnp.asarray(x) for x in start])
    assert "equalization" not in numbers.chosen
    rows = np.arange(ROWS, dtype=np.int32)[:, None]
    for engine in both_engines():
        network.compile("sgd", "mse")
        network.optimizer.learning_rate = RATE
        network.trainer.seed = seed
        network.set_weights([x.reshape(ROWS, -1) for x in start])
        history = network.fit(rows, wanted, batch_size=ROWS, shuffle=False, verbose=0).history
        assert history["loss"][0] == pytest.approx(float(value), rel=1e-5), engine
        for name, before, after, slope in zip(LEARNED, start, network.get_weights(), slopes, strict=True):
            moved = (before - after.reshape(before.shape)) / RATE
            largest = np.abs(slope).max()
            assert np.abs(moved - slope).max() <= 2e-5 * largest, (name, engine)
            assert largest > 0, name


def drawn(make, rows=4000, step=0):
    """The numbers of a training step, and how many nodes of them evaluation has."""
    b = Lowering(Mode.TRAIN)
    b.input("x", (None, 1))
    graph = b.build([make(Draws(b)).value])
    values = {k: v.astype(np.float32) for k, v in graph.constants.items()}
    values["x"] = np.zeros((rows, 1), np.float32)
    with np.errstate(all="ignore"):
        forward(graph, values, StepContext(training=True, seed=5, step=step), np.dtype(np.float32))
    return np.asarray(values[graph.outputs[0]], np.float64).reshape(rows, -1)[:, 0]


@pytest.mark.parametrize("alpha", [0.05, 1.0, 4.0])
def test_gamma_and_beta_numbers_are_spread_as_they_should(alpha):
    logs, betas = drawn(lambda draws: draws.log_gamma(alpha)), drawn(lambda draws: draws.beta(alpha))
    assert scipy.stats.kstest(logs, scipy.stats.loggamma(alpha).cdf).pvalue > 1e-3
    # Where beta numbers crowd at 0 and 1, float32 has fewer of them near 1 than the distribution.
    assert scipy.stats.kstest(np.minimum(betas, 1 - betas), lambda v: 2 * scipy.stats.beta(alpha, alpha).cdf(v)).pvalue > 1e-3
    assert abs((betas > 0.5).mean() - 0.5) < 0.04


def test_shared_numbers_are_shared_and_differ_from_step_to_step():
    steps = [drawn(lambda draws: draws.dirichlet(0.8, 3)[1], 3, step) for step in range(400)]
    assert all(len(set(numbers)) == 1 for numbers in steps)
    assert scipy.stats.kstest([s[0] for s in steps], scipy.stats.beta(0.8, 1.6).cdf).pvalue > 1e-3


# -- evaluation, steps of a sequence, and what is refused -------------------------------------------------------------


def test_evaluation_computes_no_changes():
    """Neither its program nor, in compiled code, a step that does not train."""
    chain = [getattr(layers, name)() for name in ("MixUp", "RandAugment", "CutMix", "RandomElasticTransform")]
    network = Sequential([Input((5, 6, 3)), layers.Dropout(0.2), *chain, layers.Flatten(), layers.Dense(2)])
    network.compile("sgd", "mse")
    x = np.random.default_rng(0).uniform(0, 255, (4, 5, 6, 3)).astype(np.float32)
    loss = network.evaluate(x, np.zeros((4, 2)))
    assert loss == pytest.approx(np.square(network.predict(x)).mean(), rel=1e-5)
    graph = network.trainer._program.graph
    families = [type(node.op).__module__.split(".")[2] for node in graph.nodes]
    assert {"chance", "warping", "mixing"} <= set(families)
    left = {type(node.op).__module__.split(".")[2] for node in in_evaluation(graph).nodes}
    assert not left & {"chance", "warping", "mixing"}
    assert in_evaluation(in_evaluation(graph)) is in_evaluation(graph) or left
