"""Everyday mistakes with a prediction function: named, located, and told how to mend."""

import numpy as np
import pytest

from foldnet import Input, Model, Sequential, layers, verify

X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)


def network(units=3, activation="softmax"):
    model = Sequential(
        [
            Input((5,)),
            layers.Dense(6, "tanh"),
            layers.BatchNormalization(),
            layers.Dense(units, activation, name="out"),
        ]
    )
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.4, 1.6, w.shape) * rng.choice([-1, 1]) for w in model.get_weights()])
    model.layers[-2].set_weights([np.abs(w) for w in model.layers[-2].get_weights()])
    return model


CLASSES, YES, VALUE = network(), network(1, "sigmoid"), network(2, None)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def text(y):
    return [[f"{v:.3f}" for v in row] for row in y]


MISTAKES = {
    "2 decimals": (CLASSES, lambda y: np.round(y, 2), "output-rounded", "2 decimals"),
    "4 decimals of floats": (CLASSES, lambda y: np.float32(np.round(y, 4)), "output-rounded", "4 decimals"),
    "rounded values": (VALUE, lambda y: np.round(y), "output-rounded", "whole numbers"),
    "cut off by a dtype": (
        VALUE,
        lambda y: (10 * y).astype(int) / 10,
        "output-rounded",
        "cut off to 1 decimal",
    ),
    "an integer dtype": (VALUE, lambda y: y.astype(int), "output-rounded", "as an integer dtype does"),
    "percent": (CLASSES, lambda y: 100 * y, "output-in-percent", "100 times"),
    "rounded percent": (CLASSES, lambda y: np.round(100 * y, 1), "output-in-percent", "1 decimal"),
    "share": (VALUE, lambda y: y / 100, "output-as-share", "divides"),
    "argmax": (CLASSES, lambda y: y.argmax(axis=1), "class-instead-of-probabilities", "argmax"),
    "argmax as a column": (
        CLASSES,
        lambda y: y.argmax(axis=1)[:, None],
        "class-instead-of-probabilities",
        "argmax",
    ),
    "argmax of values": (VALUE, lambda y: y.argmax(axis=-1), "class-instead-of-probabilities", "argmax"),
    "threshold": (YES, lambda y: (y > 0.5).astype(int), "class-instead-of-probabilities", "more than 0.5"),
    "threshold as bool": (YES, lambda y: y > 0.5, "class-instead-of-probabilities", "more than 0.5"),
    "one-hot": (
        CLASSES,
        lambda y: np.eye(3)[y.argmax(axis=1)],
        "one-hot-instead-of-probabilities",
        "most likely",
    ),
    "log": (CLASSES, np.log, "log-probabilities", "logarithm"),
    "log of one": (YES, np.log, "log-probabilities", "logarithm"),
    "transposed": (CLASSES, lambda y: y.T, "output-transposed", ".T"),
    "sigmoid added": (VALUE, lambda y: 1 / (1 + np.exp(-y)), "sigmoid-added", "the network has none"),
    "softmax added": (VALUE, softmax, "softmax-added", "softmax"),
    "first row": (CLASSES, lambda y: y[0], "only-one-row", "first row"),
    "text": (CLASSES, text, "gives-text", "the first is"),
    "objects": (CLASSES, lambda y: np.array([[{"p": v} for v in row] for row in y]), "wrong-dtype", "object"),
    "complex": (CLASSES, lambda y: y + 0j, "wrong-dtype", "complex64"),
    "NaN": (CLASSES, lambda y: y * np.nan, "only-nan", "0 / 0"),
    "nothing": (CLASSES, lambda y: None, "returns-nothing", "return"),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("rows", [40, 1000])
def test_a_result_that_is_not_what_the_network_gives(name, rows):
    model, change, mistake, words = MISTAKES[name]
    x = np.resize(X, (rows, 5)) if rows <= 40 else np.random.default_rng(2).normal(size=(rows, 5)).astype("f")
    found = verify(lambda data: change(model.predict(data)), model, x, pair_seconds=0)
    assert not found.ok
    assert [d.mistake for d in found.diagnoses] == [mistake]
    assert found.diagnoses[0].layer == "out"
    assert words in found.diagnoses[0].message
    assert mistake in found.message
    assert mistake in str(found)
    assert " ".join(found.diagnoses[0].message.split()[:6]) in " ".join(str(found).split())


@pytest.mark.parametrize("model", [CLASSES, YES, VALUE], ids=["classes", "yes", "value"])
def test_a_right_result_is_right_in_any_form(model):
    for form in (np.float64, np.float32, np.ndarray.tolist, lambda y: y.squeeze()):
        assert verify(lambda x, form=form: form(model.predict(x)), model, X).ok
    assert verify(lambda x: model.predict(x) * 1.001, model, X, pair_seconds=0).diagnoses == []


def test_whole_numbers_of_the_network_are_not_rounded_by_anyone():
    model = Sequential([Input((5,)), layers.ReLU(max_value=1.0), layers.Dense(2, name="out")])
    model.layers[-1].set_weights([np.ones((5, 2)), np.zeros(2)])
    x = np.random.default_rng(0).integers(0, 2, (30, 5))
    assert verify(lambda x: model.predict(x), model, x).ok
    found = verify(lambda x: model.predict(x) + 1, model, x, pair_seconds=0)
    assert "output-rounded" not in [d.mistake for d in found.diagnoses]


def test_numbers_given_as_such():
    y = CLASSES.predict(X)
    assert [d.mistake for d in verify(np.round(y, 2), CLASSES, X).diagnoses] == ["output-rounded"]
    assert [d.mistake for d in verify(y.argmax(axis=1), CLASSES, X).diagnoses] == [
        "class-instead-of-probabilities"
    ]


def test_a_function_of_one_row():
    kernel, bias = CLASSES.layers[-1].get_weights()
    hidden = Model(CLASSES.inputs, CLASSES.layers[-2].output)

    def one(row):
        z = hidden.predict(row[None])[0] @ kernel + bias
        return [float(np.exp(v)) / sum(float(np.exp(w)) for w in z) for v in z]

    found = verify(one, CLASSES, X)
    assert [d.mistake for d in found.diagnoses] == ["takes-one-row"]
    assert "(rows, ...)" in found.message or "shape (rows, ...)" in str(found)

    def shapeless(row):
        assert row.shape == (5,)
        return hidden.predict(row[None])[0] @ kernel + bias

    assert verify(shapeless, CLASSES, X).diagnoses == []  # wrong for one row, too: it lacks the softmax


def test_the_line_that_raised_is_shown():
    def wrong(x):
        kernel = np.ones((7, 3))
        return x @ kernel  # the line

    found = verify(wrong, CLASSES, X)
    assert not found.ok
    assert "ValueError" in found.message
    assert "test_common_mistakes.py, line" in found.message
    assert "in wrong: return x @ kernel  # the line" in found.message


def test_what_never_entered_the_users_code():
    found = verify(lambda: 1, CLASSES, X)
    assert "TypeError" in found.message
    assert found.diagnoses == []


def test_interruption_is_passed_on():
    def stopped(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(stopped, CLASSES, X)


def test_one_of_several_outputs():
    a = Input((5,))
    hidden = layers.Dense(4, "tanh")(a)
    model = Model(a, [layers.Dense(3, "softmax", name="p")(hidden), layers.Dense(2, name="v")(hidden)])
    found = verify(lambda x: [model.predict(x)[0], np.round(model.predict(x)[1], 1)], model, X)
    assert [(d.mistake, d.layer) for d in found.diagnoses] == [("output-rounded", "v")]


def test_an_exported_file_that_returns_nothing(tmp_path):
    path = tmp_path / "p.py"
    path.write_text("def predict(x):\n    x + 1\n")
    assert "predict returned nothing" in verify(path, CLASSES, X).message
