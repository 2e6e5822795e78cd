"""Images that change by chosen kinds, by distortion or by other images of their batch: Keras's, given its numbers."""

import re

import keras
import numpy as np
import pytest
import scipy.stats

from foldnet import Input, Model, Sequential, layers
from foldnet.engines.native.training.source import source
from foldnet.engines.reference.training import ReferenceTraining, forward
from foldnet.errors import InputError, UnsupportedError
from foldnet.layers.drawing import Draws
from foldnet.lowering.lower import Lowering, Mode
from foldnet.operations.chance import numpy as chance
from foldnet.operations.chance.op import Draw
from foldnet.operations.kernels import Kernel, StepContext
from foldnet.passes.guards import in_evaluation
from foldnet.training import eager
from tests.support.image_changes import MIXES
from tests.support.image_gradients import hold_gradients
from tests.support.python_metrics import Largest
from tests.support.same_draws import same_draws

pytestmark = pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64:UserWarning")
SHAPES = {"channels_last": (6, 5, 8, 3), "channels_first": (6, 3, 5, 8)}


def images(data_format="channels_last", low=0, high=255):
    """Values between the range's 255 steps; in each channel one pixel is the smallest.

    So equalizing divides by an odd number, and nothing is just between two levels, where Keras rounds as its backend
    does.
    """
    steps = np.random.default_rng(0).integers(3, 255, SHAPES[data_format])
    steps[(0, slice(None), 0, 0) if data_format == "channels_first" else (0, 0, 0)] = 0
    return (low + (steps + 0.5) * ((high - low) / 255)).astype(np.float32)


def compared(name, settings, seed, x, monkeypatch, atol=2e-6):
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
    """The same kind has the same numbers each time."""
    twice = 0
    for seed in (2, 4, 7):
        settings = {"num_ops": 3, "interpolation": "nearest", "factor": 0.7}
        _, kinds = compared("RandAugment", settings, seed, images(), monkeypatch)
        twice += len(set(kinds)) < len(kinds)
    assert twice


CHAINS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 16)
"""Seeds with which all kinds of changes are chosen, and none is equalized whose levels would tell of rounding."""


def test_chains_are_keras_s(monkeypatch):
    kinds = set()
    for seed in CHAINS:
        settings = {"num_chains": 2, "chain_depth": 2, "factor": (0.1, 0.5), "alpha": 0.7 + seed % 2}
        kinds.update(compared("AugMix", settings, seed, images(), monkeypatch)[1])
    assert kinds == {*KINDS, None}
    x = images("channels_first", 0, 1)
    settings = {
        "all_ops": False,
        "value_range": (0, 1),
        "data_format": "channels_first",
        "interpolation": "nearest",
    }
    compared("AugMix", settings, 3, x, monkeypatch)


def landscape(data_format="channels_last"):
    """So large that a blur of it reaches some pixels; it has no steep edges, at which rounding would show."""
    y, x = np.mgrid[:24, :31] / 6
    rows = np.stack([127 + 100 * np.sin(x + k) * np.cos(y * (1 + k / 9)) for k in range(6)])
    found = rows.reshape(3, 2, 24, 31).astype(np.float32)
    return found if data_format == "channels_first" else np.moveaxis(found, 1, 3).copy()


@pytest.mark.parametrize(
    "settings",
    [
        {"value_range": (40, 210)},
        {"factor": (0.9, 1.0), "scale": (0.4, 0.9), "fill_mode": "constant", "fill_value": 7.0},
        {"factor": (0.6, 1.0), "fill_mode": "wrap", "data_format": "channels_first"},
        {"interpolation": "nearest", "scale": (0.7, 1.0), "fill_mode": "nearest"},
    ],
    ids=str,
)
def test_distortions_are_keras_s(settings, monkeypatch):
    x = landscape(settings.get("data_format", "channels_last"))
    largest = 0.0
    for seed, rows in ((0, 3), (1, 3), (2, 1)):
        got, _ = compared("RandomElasticTransform", settings, seed, x[:rows], monkeypatch, 1e-5)
        largest = max(largest, np.abs(got - x[:rows]).max())
    assert largest > 0.01 * np.abs(x).max()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("MixUp", {}),
        ("MixUp", {"alpha": 2.5}),
        ("CutMix", {}),
        ("CutMix", {"factor": (0.2, 0.6), "data_format": "channels_first"}),
    ],
    ids=str,
)
def test_mixtures_are_keras_s(name, settings, monkeypatch):
    x = images(settings.get("data_format", "channels_last"))
    for seed in range(3):
        got, _ = compared(name, settings, seed, x, monkeypatch)
        assert np.abs(got - x).max() > 0.01 * np.abs(x).max()
    compared(name, settings, 1, x[:1], monkeypatch)


ROWS, SHAPE = 10, (8, 9, 3)
LEARNED = {
    "RandAugment": {"num_ops": 2}, "RandomElasticTransform": {}, "CutMix": {}, "MixUp": {},
    "AugMix": {"num_chains": 2, "chain_depth": 1},
}  # fmt: skip


def test_gradients_are_keras_s(both_engines):
    """Those of the images ahead of a change."""
    assert set(LEARNED) == set(MIXES)
    rng = np.random.default_rng(0)
    start = [rng.uniform(0, 200, (ROWS, *SHAPE)).astype(np.float32) for _ in LEARNED]
    numbers = hold_gradients(LEARNED, start, 13, both_engines)
    assert "equalization" not in numbers.chosen


def drawn(make):
    """Gives the numbers of a training step for some rows."""
    b = Lowering(Mode.TRAIN)
    b.input("x", (None, 1))
    graph = b.build([make(Draws(b)).value])

    def numbers(rows=4000, step=0):
        values = {k: v.astype(np.float32) for k, v in graph.constants.items()}
        values["x"] = np.zeros((rows, 1), np.float32)
        with np.errstate(all="ignore"):
            forward(graph, values, StepContext(training=True, seed=5, step=step), np.dtype(np.float32))
        return np.asarray(values[graph.outputs[0]], np.float64).reshape(rows)

    return numbers


@pytest.mark.parametrize("alpha", [0.05, 1.0, 4.0])
def test_gamma_and_beta_numbers_are_spread_as_they_should(alpha):
    logs, betas = drawn(lambda draws: draws.log_gamma(alpha))(), drawn(lambda draws: draws.beta(alpha))()
    assert scipy.stats.kstest(logs, scipy.stats.loggamma(alpha).cdf).pvalue > 1e-3
    # Of the numbers near 1, where those with a small alpha crowd, float32 has few.
    low, cdf = betas[betas < 0.5], scipy.stats.beta(alpha, alpha).cdf
    assert scipy.stats.kstest(low, lambda v: 2 * cdf(v)).pvalue > 1e-3
    assert abs(len(low) / len(betas) - 0.5) < 0.04


def test_numbers_for_all_images_differ_from_step_to_step():
    numbers = drawn(lambda draws: draws.dirichlet(0.8, 3)[1])
    steps = [numbers(3, step) for step in range(150)]
    assert all(len(set(found)) == 1 for found in steps)
    assert scipy.stats.kstest([found[0] for found in steps], scipy.stats.beta(0.8, 1.6).cdf).pvalue > 1e-3


# -- evaluation, steps of a sequence, and what is refused -------------------------------------------------------------


def families(graph):
    """The families of a program's operations."""
    return {type(node.op).__module__.split(".")[2] for node in graph.nodes}


CHANGING = {"chance", "warping", "mixing"}


def test_evaluation_computes_no_changes():
    """Its program has none, and compiled code calls them only in functions that training steps alone call."""
    chain = [getattr(layers, name)() for name in ("MixUp", "RandAugment", "CutMix", "RandomElasticTransform")]
    network = Sequential([Input((5, 6, 3)), layers.Dropout(0.2), *chain, layers.Flatten(), layers.Dense(2)])
    network.compile("sgd", "mse")
    x = np.random.default_rng(0).uniform(0, 255, (4, 5, 6, 3)).astype(np.float32)
    assert network.evaluate(x, np.zeros((4, 2))) == pytest.approx(
        np.square(network.predict(x)).mean(), rel=1e-5
    )
    program = network.trainer._program
    assert families(program.graph) >= CHANGING
    assert not CHANGING & families(in_evaluation(program.graph))
    assert not CHANGING & families(ReferenceTraining(program)._judging)
    code = source(program).code
    calls = {"random_uniforms", "map_images", "shuffle_rows", "equalize", "choose_values"}
    assert calls <= called(code, apart=True)
    assert not called(code, apart=False) & {*calls, "random_normals", "order_of_rows", "is_taken"}


def called(code, apart):
    """The functions that the forward pass of a program calls, with or without those of training steps alone."""
    functions = dict(re.findall(r"\n(?:static .*?)?void (\w+)\([^)]*\) \{(.*?)\n\}\n", code, re.DOTALL))
    names = [name for name in functions if re.fullmatch(r"forward(_part\d+)?", name)]
    own = "\n".join(functions.pop(name) for name in names)
    forward = re.sub(r"/\*.*?\*/", "", own)
    if not apart:
        forward, count = re.subn(r"if \(TRAINING.*\)\n +apart_\d+\(.*", "", forward)
        assert count > 20
    found, left = set(), [forward]
    while left:
        more = set(re.findall(r"\b(\w+)\(", left.pop())) - found
        found |= more
        left += [functions[name] for name in more if name in functions]
    return found


@pytest.mark.filterwarnings("ignore:.*runs in Python:RuntimeWarning")
def test_a_validation_is_that_of_the_network_without_changes(both_engines, monkeypatch):
    """For metrics in Python, too; no number is drawn for it."""
    drawn = chance.RULES[Draw].in_step
    moments = []
    noted = Kernel(None, lambda op, moment, x: moments.append(moment.training) or drawn(op, moment, x))
    monkeypatch.setitem(chance.RULES, Draw, noted)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 255, (9, 5, 6, 3)).astype(np.float32), rng.normal(size=(9, 2)).astype(np.float32)
    network = Sequential(
        [Input((5, 6, 3)), layers.MixUp(), layers.CutMix(), layers.Flatten(), layers.Dense(2)]
    )
    for _ in both_engines():
        network.compile("sgd", "mse", metrics=[Largest()])
        network.optimizer.learning_rate = 0.0
        history = network.fit(x, y, batch_size=4, verbose=0, validation_data=(x, y)).history
        plain = np.square(network.predict(x) - y).mean()
        assert history["val_loss"] == pytest.approx([plain], rel=1e-5)
        assert history["val_largest"] == pytest.approx([network.predict(x).max()], rel=1e-5)
        assert abs(history["loss"][0] - plain) > 1e-3 * plain
    assert set(moments) == {True}


@pytest.mark.parametrize(
    ("name", "settings"), [("RandomFlip", {}), ("RandomBrightness", {"factor": 0.4}), ("CutMix", {})], ids=str
)
def test_steps_of_a_sequence_change_one_after_the_other(name, settings, monkeypatch):
    """Each by numbers of its own, as Keras's loop over the steps has them."""
    x = np.random.default_rng(0).uniform(0, 255, (5, 3, 4, 6, 2)).astype(np.float32)
    theirs, ours = (kit.TimeDistributed(getattr(kit, name)(**settings)) for kit in (keras.layers, layers))
    monkeypatch.setattr(eager, "random_seed", lambda: 3)
    with same_draws(3, len(x)):
        want = np.asarray(theirs(x, training=True))
    got = ours(x, training=True)
    np.testing.assert_allclose(got, want, rtol=0, atol=5e-4)
    np.testing.assert_array_equal(ours(x, training=False), x)
    steps = np.moveaxis(got - x, 1, 0).reshape(3, -1)
    assert all(np.abs(a - b).max() > 1 for a, b in ((steps[0], steps[1]), (steps[1], steps[2])))


@pytest.mark.parametrize(
    ("made", "shape"),
    [
        (lambda: layers.CutMix(name="mine"), (None, 5, 3)),
        (lambda: layers.RandomErasing(name="mine"), (None, 5, 3)),
        (lambda: layers.TimeDistributed(layers.RandomFlip(), name="mine"), (None, 4, 5, 3)),
    ],
    ids=["height", "erased", "steps"],
)
def test_free_sizes_are_those_of_the_data(made, shape):
    losses = []
    rows = np.random.default_rng(0).normal(size=(6, *(n or 4 for n in shape))).astype(np.float32)
    for sizes in (shape, rows.shape[1:]):
        x = layers.Input(sizes)
        network = Model(x, layers.Dense(2, use_bias=False)(made()(x)))
        network.set_weights([np.arange(6, dtype=np.float32).reshape(3, 2)])
        network.compile("sgd", "mse")
        network.trainer.seed = 5
        losses.append(network.fit(rows, rows[..., :2], shuffle=False, verbose=0).history["loss"])
    assert losses[0] == losses[1]


def fitted(made, shape):
    """What a fit through a layer says."""
    x = layers.Input(shape)
    network = Model(x, layers.Flatten()(made(x)))
    network.compile("sgd", "mse")
    rows = np.ones((2, *(n or 4 for n in shape)), np.float32)
    with pytest.raises(UnsupportedError) as error:
        network.fit(rows, rows.reshape(2, -1), verbose=0)
    return str(error.value)


def test_what_cannot_be_trained_is_refused_by_name():
    inner = Sequential([Input((4, 5, 3)), layers.RandomFlip(), layers.RandomContrast(0.2)])
    cases = {
        "Give it a positive alpha": (layers.MixUp(alpha=0, name="mine"), (4, 5, 3)),
        "positive alpha, or": (layers.AugMix(alpha=0, name="mine"), (4, 5, 3)),
        "two rows and two columns": (layers.RandomElasticTransform(name="mine"), (4, 1, 3)),
        "every step of TimeDistributed": (layers.TimeDistributed(inner, name="mine"), (2, 4, 5, 3)),
    }
    for words, (layer, shape) in cases.items():
        text = fitted(layer, shape)
        assert words in text, text
        assert "mine" in text, text


@pytest.mark.parametrize("name", MIXES)
def test_labels_are_for_the_input_pipeline(name):
    given = {"images": np.ones((2, 4, 5, 3)), "labels": np.ones((2, 3))}
    with pytest.raises(
        InputError, match=rf"'mine' was called on a dict of images, labels.*keras.layers.{name}"
    ):
        getattr(layers, name)(name="mine")(given)
