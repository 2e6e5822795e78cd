"""The end of an explanation: NumPy code that is the network; and each layer's own settings."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from foldnet import Input, Model, Sequential, explain, layers
from foldnet.insight.explain.explanation import ENDING, Program, Words
from foldnet.insight.explain.own_settings import given_settings, value_text
from foldnet.layers import LAYERS
from foldnet.layers.base import Layer
from foldnet.layers.configured import settings_of
from tests.layers.cases import ALL
from tests.support.keras_pairs import foldnet_model, random_rows, random_weights, run_reference


def code_of(model):
    (block,) = explain(model).ending
    assert isinstance(block, Program), block.text
    return "\n".join(block.lines)


def predict_of(model):
    names = {"model": model}
    exec(code_of(model), names)
    return names["predict"]


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5)


def has_many_numbers(case):
    """Whether a layer may compute with many numbers that are no weights as they are: code for people has none."""
    smooth = case.config.get("interpolation") in ("bicubic", "lanczos3", "lanczos5")
    return smooth or (case.class_name == "GRU" and not case.config.get("reset_after", True))


@pytest.mark.parametrize("case", [case for _, case in ALL[::3]], ids=str)
def test_the_code_of_every_layer_gives_its_predictions(case):
    rng = np.random.default_rng(3)
    model = foldnet_model(case)
    random_weights(model, rng)
    rows = random_rows(case, 3, rng)
    (block,) = explain(model).ending
    if has_many_numbers(case) and not isinstance(block, Program):
        assert "numbers that are not weights" in block.text
        return
    with np.errstate(divide="ignore", invalid="ignore"):  # an image of one pixel has no contrast
        close(predict_of(model)(*rows), run_reference(model, rows)[0])


def test_weights_of_layers_inside_a_layer_are_variables():
    model = Sequential(
        [Input((5, 3)), layers.Bidirectional(layers.GRU(2), name="both"), layers.Dense(2, name="out")]
    )
    code = code_of(model)
    ast.parse(code)
    assert "W1, recurrent_kernel1" in code
    assert "W2, b2 = " in code
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    x = rng.normal(size=(4, 5, 3)).astype(np.float32)
    close(predict_of(model)(x), model.predict(x))


def test_the_code_is_what_a_person_would_write(wine):
    lines = code_of(wine).splitlines()
    assert lines[0] == "import numpy as np"
    assert 'W1, b1 = model.get_layer("dense_1").get_weights()  # (11, 10), (10,)' in lines
    assert 'gamma1, beta1, mean1, variance1 = model.get_layer("norm_1").get_weights()' in lines
    assert "    x = np.maximum(x @ W1 + b1, 0)" in lines
    assert "    # dropout_1: nothing at prediction time" in lines
    assert "    x = (x - mean1) / np.sqrt(variance1 + 0.001) * gamma1 + beta1" in lines
    assert max(map(len, lines)) <= 76
    assert len(lines) < 35


@pytest.fixture(scope="module")
def wine():
    import foldnet

    return foldnet.load_model(Path(__file__).resolve().parents[3] / "data" / "models" / "wine.keras")


def test_it_is_in_the_terminal_the_page_the_notebook_and_the_json(wine, tmp_path):
    said = explain(wine)
    code = code_of(wine)
    text = str(said)
    assert ENDING in text
    for line in code.splitlines():
        assert f"    {line}".rstrip() in text.splitlines()
    from html import unescape

    for page in (said.to_html(tmp_path / "p.html").read_text(encoding="utf-8"), said._repr_html_()):
        assert ENDING in page
        assert code in unescape(page)
    assert said.to_dict()["prediction_function"][0]["lines"] == tuple(code.splitlines())
    assert explain(wine, layer="norm_1").ending == ()


def test_fresh_weights_are_in_it_too():
    model = Sequential([Input((3,)), layers.Dense(2, name="d"), layers.BatchNormalization()])
    code = code_of(model)
    assert "x = x @ W1 + b1" in code
    assert "* gamma1 + beta1" in code
    model.layers[0].set_weights([w + 1 for w in model.layers[0].get_weights()])
    x = np.ones((2, 3), np.float32)
    close(predict_of(model)(x), model.predict(x))


def test_branches_shared_nested_and_odd_names():
    rng = np.random.default_rng(0)
    shared = layers.Dense(3, name='a "quoted" \\ name')
    x = Input((3,), name="x")
    inner = Model(
        x, layers.BatchNormalization(name="bn")(layers.Dense(3, name="d", use_bias=False)(x)), name="inner"
    )
    a, b = Input((3,), name="a"), Input((3,), name="b")
    joined = layers.Add()([inner(shared(a)), shared(b), inner(b)])
    model = Model([a, b], [layers.Dense(1, activation="sigmoid")(joined), joined])
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    rows = [rng.normal(size=(4, 3)).astype(np.float32) for _ in range(2)]
    for got, expected in zip(predict_of(model)(*rows), model.predict(rows), strict=True):
        close(got, expected)
    code = code_of(model)
    assert 'model.get_layer("inner").get_layer("d")' in code
    assert code.count("get_weights()") == 4


def test_hostile_names_stay_names():
    name = '"""\nimport os; os.abort() #'
    model = Sequential([Input((2,)), layers.Dense(2, name="plain")])
    model.layers[0].name = name
    code = code_of(model)
    imported = [a.name for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Import) for a in n.names]
    assert imported == ["numpy"]
    x = np.ones((1, 2), np.float32)
    close(predict_of(model)(x), model.predict(x))


def test_numbers_that_are_no_weights():
    code = code_of(Sequential([Input((2,)), layers.Rescaling(1 / 255, offset=-0.5)]))
    assert "x = x * (1 / 255) + (-0.5)" in code
    few = Sequential([Input((2,)), layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0])])
    assert "np.array([1.0, 2.0], dtype=np.float32)" in code_of(few)
    many = Sequential(
        [Input((99,)), layers.Normalization(mean=np.arange(99.0), variance=np.arange(1.0, 100))]
    )
    (words,) = explain(many).ending
    assert isinstance(words, Words)
    assert "99 numbers that are not weights" in words.text
    assert "to_numpy" in words.text


def test_without_code_the_reason_is_said():
    model = Sequential([Input((2,)), layers.Activation(lambda x: x * 2)])
    (words,) = explain(model).ending
    assert "no such code" in words.text
    assert "Python function of your own" in words.text


# -- settings -------------------------------------------------------------------------------------------------


OF_TRAINING = re.compile(r".*_(initializer|regularizer|constraint)|seed|synchronized|autocast")


@pytest.mark.parametrize("case", list({case.class_name: case for _, case in ALL}.values()), ids=str)
def test_every_setting_of_every_layer_is_said(case):
    """Whatever arguments a class has, of which none is known here: a new layer cannot be forgotten."""
    model = foldnet_model(case)
    layer = model.layers[-1]
    (section,) = explain(model, layer=layer.name).sections
    said = " ".join(b.text for b in section.blocks if isinstance(b, Words))
    own = set(settings_of(type(layer))) - set(settings_of(Layer))
    for name in own:
        value = getattr(layer, layer.kept_as.get(name, name))
        if value is not None and not OF_TRAINING.fullmatch(name):
            assert f"{name} = {value_text(value)}" in said


def test_every_class_is_among_the_cases():
    left_out = {
        "ThresholdedReLU",
        "InputLayer",
        "SpectralNormalization",  # in layers/test_wrapping
        "IntegerLookup",
        "StringLookup",
        "Hashing",  # in layers/test_lookup
        *(name for name in LAYERS if LAYERS[name].is_cell),  # in RNN
    }
    assert {case.class_name for _, case in ALL} >= set(LAYERS) - left_out


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (layers.LeakyReLU(0.2), "negative_slope = 0.2"),
        (layers.Rescaling(1 / 255), "scale = 0.003921569 (1/255), offset = 0"),
        (layers.ReLU(6.0), "max_value = 6, negative_slope = 0, threshold = 0"),
        (layers.Softmax(axis=1), "axis = 1"),
        (layers.Reshape((2, -1)), "target_shape = (2, -1)"),
        (layers.ThresholdedReLU(0.7), "theta = 0.7"),
        (layers.Dense(3, activation="selu"), "units = 3, activation = selu, use_bias = True"),
    ],
    ids=lambda v: type(v).__name__ if not isinstance(v, str) else "",
)
def test_settings_in_words(layer, text):
    model = Sequential([Input((4,)), layer])
    assert text in " ".join(str(explain(model)).split())
    assert ", ".join(f"{k} = {v}" for k, v in given_settings(layer)).startswith(text)
