"""Random arrays, seeds, numbers of ``config``, and the helpers of ``utils``."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

import foldnet
from foldnet import backend, layers, ops, random, utils
from foldnet.errors import ConfigError, InputError, UnsupportedError

MANY = 20_000
DRAWS = {
    "normal": (lambda s: random.normal((MANY,), 1.0, 2.0, seed=s), 1.0, 2.0, -np.inf, np.inf),
    "truncated_normal": (
        lambda s: random.truncated_normal((MANY,), 1.0, 2.0, seed=s),
        1.0,
        1.7593,
        -3.0,
        5.0,
    ),
    "uniform": (lambda s: random.uniform((MANY,), -1.0, 3.0, seed=s), 1.0, 4 / 12**0.5, -1.0, 3.0),
    "randint": (lambda s: random.randint((MANY,), 0, 5, seed=s), 2.0, 2**0.5, 0, 4),
    "gamma": (lambda s: random.gamma((MANY,), 2.0, seed=s), 2.0, 2**0.5, 0.0, np.inf),
    "beta": (lambda s: random.beta((MANY,), 2.0, 2.0, seed=s), 0.5, 0.05**0.5, 0.0, 1.0),
    "binomial": (lambda s: random.binomial((MANY,), 10, 0.5, seed=s), 5.0, 2.5**0.5, 0, 10),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_have_their_distribution_and_seed(name):
    draw, mean, deviation, low, high = DRAWS[name]
    first = draw(3)
    assert first.dtype == (np.int32 if name == "randint" else np.float32)
    np.testing.assert_allclose(first.mean(), mean, atol=6 * deviation / MANY**0.5)
    np.testing.assert_allclose(first.std(), deviation, rtol=0.05)
    assert low <= first.min()
    assert first.max() <= high
    np.testing.assert_array_equal(first, draw(3))
    assert (first != draw(4)).any()
    generator = random.SeedGenerator(3)
    one, two = draw(generator), draw(generator)
    assert (one != two).any()
    np.testing.assert_array_equal(one, draw(random.SeedGenerator(3)))


def test_categorical_dropout_and_shuffle():
    drawn = random.categorical(np.log([[0.2, 0.8], [0.5, 0.5]]), MANY, seed=1)
    assert drawn.shape == (2, MANY)
    np.testing.assert_allclose(drawn.mean(axis=1), [0.8, 0.5], atol=0.02)
    dropped = random.dropout(np.ones((100, 200), np.float32), 0.25, seed=1)
    assert set(np.unique(dropped)) == {0.0, np.float32(1 / 0.75)}
    np.testing.assert_allclose(dropped.mean(), 1.0, atol=0.03)
    shared = random.dropout(np.ones((50, 4), np.float32), 0.5, noise_shape=(None, 1), seed=1)
    assert (shared == shared[:, :1]).all()
    order = random.shuffle(np.arange(50), seed=1)
    assert sorted(order) == list(range(50))
    assert (order != np.arange(50)).any()


def test_seed_generators_travel_and_refuse():
    generator = random.SeedGenerator(7)
    generator.next()
    again = random.SeedGenerator.from_config(generator.get_config())
    np.testing.assert_array_equal(again.next(), [7, 0])
    foldnet.utils.set_random_seed(5)
    a = random.normal((3,))
    foldnet.utils.set_random_seed(5)
    np.testing.assert_array_equal(a, random.normal((3,)))
    for bad in ("x", -1, True, 1.5):
        with pytest.raises(ConfigError, match=r"integer|whole number"):
            random.SeedGenerator(bad)
    with pytest.raises(ConfigError, match="seed"):
        random.normal((2,), seed="x")
    with pytest.raises(ConfigError, match="integer `dtype`"):
        random.randint((2,), 0, 3, dtype="float32")


def test_epsilon_reaches_losses():
    before = foldnet.config.epsilon()
    try:
        foldnet.config.set_epsilon(0.25)
        assert backend.epsilon() == 0.25
        loss = foldnet.losses.binary_crossentropy(np.array([[1.0]]), np.array([[0.0]]))
        np.testing.assert_allclose(loss, -np.log(0.25), rtol=1e-6)
        np.testing.assert_allclose(ops.binary_crossentropy(np.ones(1), np.zeros(1)), -np.log(0.25), rtol=1e-6)
    finally:
        foldnet.config.set_epsilon(before)
    for bad in (0, -1.0, "x", True):
        with pytest.raises(ConfigError, match="epsilon"):
            backend.set_epsilon(bad)


def test_config_says_what_it_has():
    assert (backend.floatx(), backend.image_data_format()) == ("float32", "channels_last")
    assert backend.standardize_dtype(None) == "float32"
    assert backend.result_type("int32", "float32") == "float32"
    assert backend.is_keras_tensor(foldnet.Input((2,)))
    assert not backend.is_keras_tensor(np.ones(2))
    for refused in (
        lambda: backend.set_floatx("float16"),
        lambda: backend.set_image_data_format("channels_first"),
        lambda: utils.get_file("a", "http://example.com/a"),
        lambda: utils.model_to_dot(None),
    ):
        with pytest.raises(UnsupportedError):
            refused()


def test_pad_sequences():
    rows = [[1], [1, 2], [1, 2, 3]]
    assert utils.pad_sequences(rows).tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3]]
    assert utils.pad_sequences(rows, 2, padding="post", truncating="post").tolist() == [
        [1, 0],
        [1, 2],
        [1, 2],
    ]
    texts = utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="-")
    assert texts.tolist() == [["-", "a"], ["b", "c"]]
    assert utils.pad_sequences([[[1, 2]], [[3, 4], [5, 6]], []]).shape == (3, 2, 2)
    pad = utils.pad_sequences
    for bad in (
        lambda: pad([1, 2]), lambda: pad(rows, value="x"), lambda: pad(rows, padding="x"),
        lambda: pad([[[1]], [[1, 2]]]),
    ):  # fmt: skip
        with pytest.raises(InputError):
            bad()


def test_split_dataset():
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    left, right = utils.split_dataset((x, {"a": y}), left_size=0.3)
    assert len(left[0]) == 3
    assert len(right[1]["a"]) == 7
    left, right = utils.split_dataset([x, y], right_size=4, shuffle=True, seed=1)
    assert sorted(np.concatenate([left[1], right[1]])) == list(range(10))
    assert len(right[0]) == 4
    np.testing.assert_array_equal(left[0][:, 0] // 2, left[1])
    for bad in (
        {},
        {"left_size": 0},
        {"left_size": 1.5},
        {"left_size": 6, "right_size": 6},
        {"left_size": 10},
    ):
        with pytest.raises(InputError):
            utils.split_dataset((x, y), **bad)


def test_progbar(capsys):
    bar = utils.Progbar(3, stateful_metrics=["now"], interval=0.0)
    bar.update(1, [("loss", 1.0), ("now", 1.0)])
    bar.update(3, [("loss", 4.0), ("now", 5.0)])
    assert "loss: 3.0000 - now: 5.0000\n" in capsys.readouterr().out
    with pytest.raises(ValueError, match="Only one of"):
        utils.Progbar(1, stateful_metrics=[], stateless_metrics=[])


def test_plot_model(tmp_path):
    a, b = foldnet.Input((8,), name="a"), foldnet.Input((4, 3), name="b<&")
    inner = foldnet.Sequential([foldnet.Input((8,)), layers.Dense(5, name="inside")], name="inner")
    joined = layers.Concatenate()([inner(a), ops.mean(b * 2, axis=1), a])
    model = foldnet.Model([a, b], layers.Dense(1, name="out")(joined))
    for settings in ({}, {"rankdir": "LR"}, {"expand_nested": True, "show_dtype": True}):
        path = tmp_path / "model.svg"
        drawing = utils.plot_model(model, path, show_shapes=True, show_layer_names=True, **settings)
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        texts = "".join(root.itertext())
        assert "b<& (InputLayer)" in texts
        assert "out (Dense)" in texts
        assert "(Mean)" in texts
        assert ("inside (Dense)" in texts) == ("expand_nested" in settings)
        assert drawing._repr_svg_() == path.read_text(encoding="utf-8")
        width, height = float(root.get("width")), float(root.get("height"))
        boxes = [
            [float(r.get(k)) for k in ("x", "y", "width", "height")] for r in root.findall("{*}rect")[1:]
        ]
        assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in boxes)
        for i, (x, y, w, h) in enumerate(boxes):
            assert all(x + w <= p or p + q <= x or y + h <= r or r + s <= y for p, r, q, s in boxes[:i])
    with pytest.raises(UnsupportedError, match=r"model\.svg"):
        utils.plot_model(model, "model.png")
    with pytest.raises(ConfigError, match="not built"):
        utils.plot_model(foldnet.Sequential([layers.Dense(2)]), None)


def test_a_seed_generator_names_what_it_does_not_take():
    with pytest.raises(ConfigError, match="Unrecognized keyword arguments of SeedGenerator: invalid_arg"):
        random.SeedGenerator(seed=42, invalid_arg=1)
