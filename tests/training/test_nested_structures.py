"""Inputs, outputs, targets, losses and metrics nested in lists, tuples and dicts, as Keras takes them."""

import pickle
from collections import namedtuple

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, layers, ops
from foldnet.errors import ConfigError, InputError
from foldnet.training.terms import terms_of

RNG = np.random.default_rng(5)
X = RNG.normal(size=(12, 3)).astype(np.float32)
Y = [RNG.normal(size=(12, 1)).astype(np.float32) for _ in range(3)]
NESTED_Y = {"a": (Y[0], Y[1]), "b": {"b1": Y[0], "b2": Y[1]}, "d": Y[2]}


def nested_outputs(kit):
    x = kit.Input((3,), name="x")
    y1, y2, y3 = (kit.layers.Dense(1, name=name)(x) for name in ("y1", "y2", "y3"))
    return kit.Model(x, {"a": (y1, y2), "b": {"b1": y1, "b2": y2}, "d": y3})


def mae_of_all(kit):
    def mae_of(y_true, y_pred):
        pairs = (
            zip(y_true.values(), y_pred.values(), strict=True)
            if isinstance(y_true, dict)
            else zip(y_true, y_pred, strict=True)
        )
        return sum(kit.ops.mean(kit.ops.abs(t - p), axis=-1) for t, p in pairs)

    return mae_of


def test_nested_losses_are_kerass():
    theirs, ours = nested_outputs(keras), nested_outputs(foldnet)
    ours.set_weights(theirs.get_weights())
    for kit, model in ((keras, theirs), (foldnet, ours)):
        whole = mae_of_all(kit)
        model.compile("sgd", {"a": [whole, (None, "mse")], "b": [whole, {"b1": "mae"}], "d": "mse"})
    fits = [
        m.fit(X, NESTED_Y, batch_size=4, epochs=2, shuffle=False, verbose=0).history for m in (theirs, ours)
    ]
    assert sorted(fits[0]) == sorted(fits[1])
    for name in fits[0]:
        np.testing.assert_allclose(fits[1][name], fits[0][name], rtol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_predictions_have_the_outputs_structure(tmp_path):
    model = nested_outputs(foldnet)
    predict = foldnet.freeze(model, engine="reference")
    predict.save(tmp_path / "p.foldnet")
    for function in (
        model.predict,
        model,
        predict,
        foldnet.load_predictor(tmp_path / "p.foldnet"),
        pickle.loads(pickle.dumps(predict)),
    ):
        found = function(X)
        assert set(found) == {"a", "b", "d"}
        assert isinstance(found["a"], tuple)
        assert set(found["b"]) == {"b1", "b2"}
        np.testing.assert_allclose(found["a"][1], found["b"]["b2"])
        assert found["d"].shape == (12, 1)
        assert not np.allclose(found["d"], found["a"][0])


def nested_inputs():
    a, b, c = Input((1,), name="p"), Input((2,), name="q"), Input((3,), name="r")
    outputs = [layers.Dense(1)(a), (layers.Dense(2)(b), layers.Dense(3)(c))]
    return Model({"1": a, "o": {"2": b, "3": c}}, outputs)


def test_inputs_are_taken_in_their_structure(tmp_path):
    model = nested_inputs()
    given = {"1": X[:, :1], "o": {"2": X[:, :2], "3": X}}
    found = model.predict(given)
    assert isinstance(found[1], tuple)
    assert found[1][1].shape == (12, 3)
    predict = foldnet.freeze(model, engine="reference")
    predict.save(tmp_path / "p.foldnet")
    model.save(tmp_path / "m.keras")
    again = foldnet.load_model(tmp_path / "m.keras")
    for function in (model, predict, foldnet.load_predictor(tmp_path / "p.foldnet"), again.predict):
        np.testing.assert_allclose(function(given)[1][0], found[1][0], rtol=1e-5)
    model.compile("sgd", "mse")
    assert model.evaluate(given, found, verbose=0)[0] == pytest.approx(0, abs=1e-10)
    symbols = {"1": Input((1,)), "o": {"2": Input((2,)), "3": Input((3,))}}
    assert model(symbols)[1][1].shape == (None, 3)
    with pytest.warns(
        UserWarning, match="The structure of `inputs` doesn.t match the expected structure"
    ) as caught:
        np.testing.assert_allclose(model.predict([X[:, :1], X[:, :2], X])[0], found[0])
    assert caught[0].filename == __file__
    with pytest.raises(InputError, match="nested"):
        model.predict({"1": X[:, :1], "o": X})
    with pytest.raises(InputError, match="nested"):
        model.predict([X[:, :1], X[:, :2]])


def test_a_dict_of_inputs_goes_by_name_in_symbolic_calls():
    b, a = Input((2,), name="b"), Input((2,), name="a")
    model = Model([b, a], layers.Subtract()([b, a]))
    values = {"a": np.ones((4, 2)), "b": np.full((4, 2), 3.0)}
    symbols = {"a": Input((2,), name="u"), "b": Input((2,), name="v")}
    outer = Model(symbols, model(symbols))
    for found in (model(values), model.predict(values), outer.predict(values)):
        np.testing.assert_array_equal(found, np.full((4, 2), 2.0))


def test_a_list_for_a_dict_in_another_order_is_refused():
    b, a = Input((2,), name="b"), Input((2,), name="a")
    model = Model({"b": b, "a": a}, layers.Subtract()([b, a]))
    with pytest.raises(InputError, match="nested"):
        model.predict([np.ones((4, 2)), np.ones((4, 2))])


def test_namedtuples_stay():
    pair = namedtuple("Pair", ["first", "second"])
    x = Input((3,))
    model = Model(x, pair(layers.Dense(1, name="u")(x), layers.Dense(2, name="v")(x)))
    found = model.predict(X)
    assert type(found) is pair
    assert found.second.shape == (12, 2)
    model.compile("sgd", ["mse", "mae"])
    history = model.fit(X, pair(Y[0], X[:, :2]), verbose=0).history
    assert sorted(history) == ["loss", "u_loss", "v_loss"]


def test_a_last_axis_of_one_comes_and_goes_as_in_keras():
    for shape, given, expected in (((3,), (4, 3, 1), (4, 2)), ((3, 1), (4, 3), (4, 3, 2))):
        x = Input(shape)
        model = Model(x, layers.Dense(2)(x))
        for found in (model(np.ones(given)), model.predict(np.ones(given))):
            assert found.shape == expected


TERMS = [
    ("mse", None, ["x", "y"], [("a", "mse", 1, 0), ("b", "mse", 1, 1)]),
    (["mse", None], [0.5, 2], ["x", "y"], [("a", "mse", 0.5, 0)]),
    (["mse", ["mae"]], [0.1, 2], ["x", "y"], [("a", "mse", 0.1, 0), ("b", "mae", 2, 1)]),
    (["mse", ["mse", "mae"]], None, ["x", "y"], [("a", "mse", 1, 0), ("b", "mse", 1, 1), ("b", "mae", 1, 1)]),
    ({"b": "mae"}, {"b": 3}, ["x", "y"], [("b", "mae", 3, 1)]),
    ({"v": ["mse"]}, None, {"u": 1, "v": 2}, [("v", "mse", 1, 1)]),
    ((len, ["mse", "mae"]), None, ["x", "y"], [("a_b", len, 1, [0, 1]), ("a", "mse", 1, 0), ("b", "mae", 1, 1)]),
    ("mse", [2, 3], ["x", "y"], [("a", "mse", 2, 0), ("b", "mse", 3, 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "weights", "structure", "expected"), TERMS)
def test_losses_find_their_outputs(loss, weights, structure, expected):
    terms = terms_of(loss, weights, structure, ["a", "b"])
    assert [(t.name, t.loss, t.weight, t.at) for t in terms] == expected


@pytest.mark.parametrize(
    ("loss", "weights"),
    [
        ({"c": "mse"}, None),
        (["mse", "mae", "mse"], None),
        (["mse", "mae"], [1.0]),
        (["mse", "mae"], ["much", 1.0]),
        ({"a": {"deep": "mse"}}, None),
        ("mse", {"c": 1.0}),
        ("mse", [1.0, 2.0, 3.0]),
    ],
)
def test_losses_that_fit_nowhere_are_refused(loss, weights):
    x = Input((3,))
    model = Model(x, [layers.Dense(1, name="a")(x), layers.Dense(1, name="b")(x)])
    with pytest.raises(ConfigError):
        model.compile("sgd", loss, weights)


def test_outputs_without_a_loss_need_no_targets():
    x = Input((3,))
    model = Model(x, [layers.Dense(1, name="a")(x), layers.Dense(1, name="b")(x)])
    model.compile("sgd", [None, "mse"])
    losses = [
        model.evaluate(X, y, verbose=0) for y in (Y[0], [Y[0]], [None, Y[0]], {"b": Y[0]}, [Y[1], Y[0]])
    ]
    assert losses == [losses[0]] * 5
    with pytest.raises(InputError, match="None for \\['b'\\]"):
        model.evaluate(X, [Y[0], None], verbose=0)
    model.compile("sgd", [None, "mse"], metrics={"a": "mae"})
    with pytest.raises(InputError):
        model.evaluate(X, Y[0], verbose=0)


def test_what_no_loss_depends_on_is_regularized_and_constrained(both_engines):
    """As in Keras, where a regularizer's value is part of the whole loss."""
    start = [np.random.default_rng(3).normal(size=s).astype(np.float32) for s in [(3, 4), (4,), (3, 1), (1,)]]

    def network(lib):
        x = lib.layers.Input((3,))
        settings = {"kernel_regularizer": lib.regularizers.L1L2(0.1, 0.2), "kernel_constraint": "max_norm"}
        aside = lib.layers.Dense(4, bias_regularizer=lib.regularizers.L2(0.3), name="a", **settings)
        model = lib.Model(x, [aside(x), lib.layers.Dense(1, name="b")(x)])
        model.compile(lib.optimizers.SGD(0.1), [None, "mse"])
        model.set_weights(start)
        losses = model.fit(X, [None, Y[0]], batch_size=len(X), epochs=3, shuffle=False, verbose=0)
        return losses.history["loss"], model.get_weights()

    expected, weights = network(keras)
    for engine in both_engines():
        losses, found = network(foldnet)
        np.testing.assert_allclose(losses, expected, rtol=1e-5, err_msg=engine)
        for a, b in zip(found, weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=engine)


def test_metrics_nest_as_the_outputs():
    model = nested_outputs(foldnet)
    model.compile(
        "sgd", "mse", metrics={"a": ("mae", ["mae", "mse"]), "b": {"b1": None, "b2": "mse"}, "d": []}
    )
    found = model.evaluate(X, NESTED_Y, return_dict=True, verbose=0)
    assert {k for k in found if not k.endswith("loss")} == {"y1_mae", "y2_mae", "y2_mse", "y2_1_mse"}
    with pytest.raises(ConfigError, match="nested"):
        model.compile("sgd", "mse", metrics=["mae"])


def test_a_predictor_takes_its_inputs_one_after_the_other():
    a, b = Input((2,)), Input((3,))
    predict = foldnet.freeze(Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b]))), engine="reference")
    u, v = X[:, :2], X
    np.testing.assert_array_equal(predict(u, v), predict([u, v]))
    with pytest.raises(InputError, match="2 inputs"):
        predict(u, v, v)


def test_one_weight_for_a_loss_of_several_outputs():
    x = Input((3,))
    model = Model(x, [layers.Dense(1, name="a")(x), layers.Dense(1, name="b")(x)])

    def both(y_true, y_pred):
        return sum(ops.mean(ops.square(t - p), axis=-1) for t, p in zip(y_true, y_pred, strict=True))

    model.compile("sgd", (both, [None, "mse"]))
    weight = np.linspace(0, 2, 12).astype(np.float32)
    found = model.evaluate(X, Y[:2], sample_weight=weight, return_dict=True, verbose=0)
    p, q = model.predict(X)
    first, second = ((p - Y[0]) ** 2)[:, 0], ((q - Y[1]) ** 2)[:, 0]
    assert found["a_b_loss"] == pytest.approx(np.mean(weight * (first + second)), rel=1e-5)
    assert found["b_loss"] == pytest.approx(np.mean(weight * second), rel=1e-5)
    assert found["loss"] == pytest.approx(found["a_b_loss"] + found["b_loss"], rel=1e-6)
    with pytest.raises(InputError, match="one sample_weight"):
        model.evaluate(X, Y[:2], sample_weight=[weight, weight], verbose=0)
