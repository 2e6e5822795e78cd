"""Wrong arguments to the functions that look at networks: an error of foldnet's, never one of Python's own."""

import numpy as np
import pytest

from foldnet import Input, Sequential, doctor, explain, layers, recalibrate, verify
from foldnet.errors import ConfigError, FoldnetError

X = np.ones((4, 3), np.float32)


@pytest.fixture(scope="module")
def model():
    return Sequential([Input((3,)), layers.BatchNormalization(name="bn"), layers.Dense(2)])


NO_NUMBER = [None, "abc", 1.5, True, [], {}, object(), X, np.array("a"), float("nan"), b"x", (1,)]


@pytest.mark.parametrize("value", NO_NUMBER, ids=lambda v: type(v).__name__)
def test_whole_numbers(model, value):
    said = explain(model)
    for call in (
        lambda: explain(model, X, row=value),
        lambda: explain(model, X, channel=value),
        lambda: said.text(value),
        lambda: doctor(model, checks=["softmax-one-unit"]).text(value),
        lambda: verify(model.predict, model, X, rows=value),
        lambda: verify(model.predict, model, seed=value),
    ):
        with pytest.raises(ConfigError, match="must be a whole number"):
            call()


@pytest.mark.parametrize(
    "value",
    ["abc", True, [], {}, object(), X, float("nan"), float("inf"), -1, b"x"],
    ids=lambda v: f"{type(v).__name__}-{v}".split(" at ")[0],
)
def test_numbers(model, value):
    for name in ("tolerance", "pair_seconds"):
        with pytest.raises(ConfigError, match=f"{name} must be a number"):
            verify(model.predict, model, X, **{name: value})


@pytest.mark.parametrize("value", [None, 1.5, [], {}, object(), X, b"x", 3], ids=lambda v: type(v).__name__)
def test_paths_and_names(model, value):
    with pytest.raises(ConfigError, match="path must be the name of a file"):
        explain(model).to_html(value)
    if value is not None:
        with pytest.raises(ConfigError, match="layer is the path"):
            explain(model, layer=value)


@pytest.mark.parametrize(
    "value", [None, 3, [], {}, object(), X, float("nan"), lambda x: x], ids=lambda v: type(v).__name__
)
def test_networks(value):
    for function in (explain, doctor, lambda v: recalibrate(v, X), lambda v: verify(np.sum, v, X)):
        with pytest.raises(FoldnetError):
            function(value)


@pytest.mark.parametrize(
    "value", ["abc", 3, [], {}, object(), np.array([["a"] * 3]), X[:0], X[0], [[1, 2], [3]], {"q": 1}, np.ones((2, 4))],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_rows(model, value):
    for function in (explain, doctor, recalibrate, lambda m, v: verify(m.predict, m, v)):
        with pytest.raises(FoldnetError):
            function(model, value)


@pytest.mark.parametrize("value", [3, 1.5, object(), X, [1, 2], [[1], [2]], b"x", lambda: 1])
def test_lists_of_names(model, value):
    with pytest.raises(ConfigError, match="checks must be a name or a list of names"):
        doctor(model, checks=value)
    with pytest.raises(ConfigError, match="layers must be a name or a list of names"):
        recalibrate(model, X, layers=value)


def test_candidates(model):
    with pytest.raises(ConfigError, match="candidate is a function"):
        doctor(model, X, candidate=[1])
    with pytest.raises(FoldnetError, match="different lengths"):
        verify([[1, 2], [3]], model, X)
