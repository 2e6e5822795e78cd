"""Attention: masks of all kinds, scores, free lengths, files, exports and training, against live Keras."""

from __future__ import annotations

import copy
import functools
import json

import keras
import numpy as np
import pytest

import foldnet
import foldnet.engines.training as engines
from foldnet import Model, layers
from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.layers import Input
from foldnet.training import trainer
from tests.support.keras_pairs import random_weights, run_native, run_reference
from tests.support.same_as_keras import RUNS, assert_close, assert_same, pair, results

RNG = np.random.default_rng(5)
QUERY, VALUE, KEY = (RNG.normal(size=(4, *s)).astype(np.float32) for s in ((5, 6), (7, 6), (7, 4)))
ALLOWED = RNG.integers(0, 2, (4, 5, 7)).astype(np.int32)
ALLOWED[0, 1], ALLOWED[1] = 0, 0  # a position, and a whole row, that may attend to nothing
OF_QUERY = np.array([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]], np.int32)
OF_VALUE = np.array([[1, 1, 0, 0, 0, 1, 1], [1] * 7, [0] * 7, [0, 0, 0, 0, 0, 0, 1]], np.int32)


def made(name, k, **settings):
    own = {"num_heads": 2, "key_dim": 3} if name == "MultiHeadAttention" else {}
    own = (
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}
        if name == "GroupQueryAttention"
        else own
    )
    return getattr(k, name)(**own, **settings)


HEADED = ["MultiHeadAttention", "GroupQueryAttention"]
WAYS = {
    "fused": ({}, {}),
    "dropout": ({"dropout": 0.3}, {}),
    "scores": ({}, {"return_attention_scores": True}),
    "causal": ({}, {"use_causal_mask": True}),
    "causal scores": ({"dropout": 0.3}, {"use_causal_mask": True, "return_attention_scores": True}),
    "window": ({"sliding_window": 2}, {"use_causal_mask": True}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", HEADED)
def test_masks_of_heads(name, way):
    settings, arguments = WAYS[way]

    def with_mask(k, i, m):
        q, v, mask = i((5, 6)), i((7, 6)), i((5, 7), dtype="int32")
        return m([q, v, mask], made(name, k, **settings)(q, v, attention_mask=mask, **arguments))

    def with_more(k, i, m):
        q, v, of_values, of_keys = i((5, 6)), i((7, 6)), i((7,), dtype="int32"), i((7,), dtype="int32")
        layer = made(name, k, **settings)
        return m(
            [q, v, of_values, of_keys], layer(q, v, v, value_mask=of_values, key_mask=of_keys, **arguments)
        )

    def without(k, i, m):
        q, v, key = i((5, 6)), i((7, 6)), i((7, 4))
        return m([q, v, key], made(name, k, **settings)(query=q, key=key, value=v, **arguments))

    assert_same(with_mask, QUERY, VALUE, ALLOWED)
    assert_same(with_more, QUERY, VALUE, OF_VALUE, np.ascontiguousarray(OF_VALUE[:, ::-1]))
    assert_same(without, QUERY, VALUE, KEY)


@pytest.mark.parametrize("shape", [(1, 7), (5, 1), (4, 5, 7), (1, 5, 7)])
@pytest.mark.parametrize("settings", [{}, {"dropout": 0.1}], ids=["fused", "not"])
def test_masks_that_broadcast(shape, settings):
    def build(k, i, m):
        q, v, mask = i((5, 6)), i((7, 6)), i(shape)
        return m(
            [q, v, mask],
            k.MultiHeadAttention(4, 3, **settings)(q, v, attention_mask=mask, use_causal_mask=True),
        )

    assert_same(build, QUERY, VALUE, RNG.choice([0.0, 0.4, 2.0], (4, *shape)).astype(np.float32))


def test_half_a_mask():
    """Keras takes numbers above 0.5 in one case, and those that are not 0 in all others."""

    def build(k, i, m):
        q, v, mask = i((5, 6)), i((7, 6)), i((5, 7))
        layer = made("GroupQueryAttention", k, dropout=0.2)
        return m(
            [q, v, mask],
            [layer(q, v, attention_mask=mask), layer(q, v, attention_mask=mask, use_causal_mask=True)],
        )

    assert_same(build, QUERY, VALUE, RNG.choice([0.0, 0.4, 0.6, 1.0], (4, 5, 7)).astype(np.float32))


@pytest.mark.parametrize("axes", [(1, 2), None])
def test_a_mask_over_several_axes(axes):
    def build(k, i, m):
        q, mask = i((2, 3, 6)), i((2, 3, 2, 3), dtype="int32")
        return m([q, mask], k.MultiHeadAttention(2, 3, attention_axes=axes)(q, q, attention_mask=mask))

    x = RNG.normal(size=(3, 2, 3, 6)).astype(np.float32)
    assert_same(build, x, RNG.integers(0, 2, (3, 2, 3, 2, 3)).astype(np.int32))


@pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning")
@pytest.mark.parametrize("settings", [{}, {"dropout": 0.1}], ids=["fused", "not"])
@pytest.mark.parametrize("name", HEADED)
def test_masks_go_along_with_query_and_value(name, settings):
    def build(k, i, m):
        a, b = i((5,), dtype="int32"), i((7,), dtype="int32")
        q, v = k.Embedding(9, 6, mask_zero=True)(a), k.Embedding(9, 6, mask_zero=True)(b)
        y = made(name, k, **settings)(q, v)
        return m([a, b], [y, k.GlobalAveragePooling1D()(y)])

    assert_same(build, OF_QUERY * 3, OF_VALUE * 2)


@pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning")
@pytest.mark.parametrize("between", ["Identity", "Dropout", "LayerNormalization"])
@pytest.mark.parametrize("name", HEADED)
def test_masks_after_attention(name, between):
    """In Keras a call of MultiHeadAttention removes the masks of its inputs; the first layers still see them."""

    def build(k, i, m):
        a = i((5,), dtype="int32")
        x = k.Embedding(9, 6, mask_zero=True)(a)
        z = k.Dropout(0.2)(x) if between == "Dropout" else getattr(k, between)()(x)
        once = made(name, k)(z, z)
        twice = made(name, k)(z, x)
        added = k.LayerNormalization()(k.Add()([z, once]))
        again = made(name, k)(added, added)
        other = made(name, k)(x, added)
        pooled = [k.GlobalAveragePooling1D()(y) for y in (z, once, added, again)]
        return m(a, [once, twice, again, other, *pooled])

    assert_same(build, OF_QUERY * 3)


@pytest.mark.parametrize("arguments", [{}, {"use_causal_mask": True}], ids=["", "causal"])
@pytest.mark.parametrize("mode", ["dot", "concat", "additive"])
def test_masks_of_attention_without_heads(mode, arguments):
    def layer(k):
        return k.AdditiveAttention() if mode == "additive" else k.Attention(use_scale=True, score_mode=mode)

    def given(k, i, m):
        q, v, a, b = i((5, 6)), i((7, 6)), i((5,), dtype="int32"), i((7,), dtype="int32")
        y = layer(k)([q, v], mask=[a, b], return_attention_scores=True, **arguments)
        return m([q, v, a, b], [*y, k.GlobalAveragePooling1D()(y[0])])

    def along(k, i, m):
        a, b = i((5,), dtype="int32"), i((7,), dtype="int32")
        q, v = k.Embedding(9, 6, mask_zero=True)(a), k.Embedding(9, 6, mask_zero=True)(b)
        y = layer(k)([q, v, v], **arguments)
        return m([a, b], [y, k.GlobalAveragePooling1D()(y)])

    assert_same(given, QUERY, VALUE, OF_QUERY, OF_VALUE)
    assert_same(along, OF_QUERY * 3, OF_VALUE * 2)


def test_only_one_mask_of_two():
    def build(k, i, m):
        q, v, a = i((5, 6)), i((7, 6)), i((7,), dtype="int32")
        return m([q, v, a], k.Attention()([q, v], mask=[None, a]))

    assert_same(build, QUERY, VALUE, OF_VALUE)


def free(k, i, m):
    """Attention of all kinds along lengths that the network does not know."""
    q, v = i((None, 6)), i((None, 6))
    a = k.MultiHeadAttention(2, 3)(q, v, use_causal_mask=True)
    b = k.MultiHeadAttention(2, 3, sliding_window=2, dropout=0.1)(a, v, use_causal_mask=True)
    c = k.GroupQueryAttention(3, 4, 2)(b, b)
    d = k.Attention(score_mode="concat")([c, v], use_causal_mask=True)
    e, scores = k.AdditiveAttention()([d, v], return_attention_scores=True)
    return m([q, v], [e, scores])


@pytest.mark.parametrize("lengths", [(5, 7), (3, 2), (2, 9)])
def test_free_lengths(lengths):
    arrays = [RNG.normal(size=(3, n, 6)).astype(np.float32) for n in lengths]
    assert_same(free, *arrays)


def test_a_free_mask():
    def build(k, i, m):
        q, v, mask = i((None, 6)), i((None, 6)), i((None, None), dtype="int32")
        return m([q, v, mask], k.MultiHeadAttention(2, 3)(q, v, attention_mask=mask, use_causal_mask=True))

    assert_same(build, QUERY, VALUE, ALLOWED)


# -- files ------------------------------------------------------------------------------------------------------


def everything(k, i, m):
    q, v, mask, of_value = i((5, 6), name="q"), i((7, 6), name="v"), i((5, 7), name="m"), i((7,), name="n")
    outputs = [
        *k.MultiHeadAttention(2, 3, use_gate=True, name="a")(
            q, v, attention_mask=mask, return_attention_scores=True
        ),
        k.MultiHeadAttention(2, 3, name="b")(q, q),
        k.MultiHeadAttention(2, 3, value_dim=4, dropout=0.2, output_shape=(2, 2), name="c")(
            q, key=v, value=v
        ),
        k.GroupQueryAttention(4, 4, 2, use_gate=True, name="d")(
            q, value=v, value_mask=of_value, use_causal_mask=True
        ),
        *k.Attention(use_scale=True, score_mode="concat", name="e")([q, v], return_attention_scores=True),
        k.AdditiveAttention(name="f")([q, v, v]),
        k.MultiHeadAttention(2, 3, attention_axes=1, use_bias=False, name="g")(q, v),
    ]
    return m([q, v, mask, of_value], outputs)


EVERYTHING = [QUERY, VALUE, ALLOWED.astype(np.float32), OF_VALUE.astype(np.float32)]


@pytest.mark.parametrize("ending", ["keras", "h5", "weights.h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_files_go_both_ways(ending, tmp_path):
    theirs, ours = pair(everything)
    expected = results(theirs, EVERYTHING)
    a, b = tmp_path / f"theirs.{ending}", tmp_path / f"ours.{ending}"
    if ending == "weights.h5":
        theirs.save_weights(a)
        ours.save_weights(b)
        theirs, back = everything(keras.layers, keras.Input, keras.Model), everything(layers, Input, Model)
        theirs.load_weights(b)
        back.load_weights(a)
    else:
        theirs.save(a)
        ours.save(b)
        theirs, back = keras.saving.load_model(b), foldnet.load_model(a)
        assert [x.get_config() for x in foldnet.load_model(b).layers] == [x.get_config() for x in ours.layers]
    assert_close(results(theirs, EVERYTHING), expected)
    assert_close(run_reference(back, EVERYTHING, "float32"), expected)


def test_older_names_of_groups(tmp_path):
    """tf.keras and Keras before 3.6 store the projections under names with an underscore."""
    import h5py

    _, ours = pair(everything)
    ours.save_weights(tmp_path / "new.weights.h5")
    with h5py.File(tmp_path / "new.weights.h5", "a") as file:
        for name in ("query", "key", "value", "output"):
            file.move(
                f"layers/multi_head_attention/{name}_dense", f"layers/multi_head_attention/_{name}_dense"
            )
    back = everything(layers, Input, Model)
    back.load_weights(tmp_path / "new.weights.h5")
    for x, y in zip(back.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_call_as_tf_keras_writes_it():
    config = {
        "name": "m", "layers": [
            {"class_name": "InputLayer", "name": "q", "inbound_nodes": [],
             "config": {"batch_input_shape": [None, 5, 6], "dtype": "float32", "sparse": False, "name": "q"}},
            {"class_name": "InputLayer", "name": "v", "inbound_nodes": [],
             "config": {"batch_input_shape": [None, 7, 6], "dtype": "float32", "sparse": False, "name": "v"}},
            {"class_name": "MultiHeadAttention", "name": "a",
             "config": {"name": "a", "trainable": True, "dtype": "float32", "num_heads": 2, "key_dim": 3,
                        "value_dim": 3, "dropout": 0.0, "use_bias": True, "output_shape": None,
                        "attention_axes": [1], "query_shape": [None, 5, 6], "key_shape": [None, 7, 6],
                        "value_shape": [None, 7, 6]},
             "inbound_nodes": [[["q", 0, 0, {"value": ["v", 0, 0], "key": None, "use_causal_mask": True}]]]},
        ], "input_layers": [["q", 0, 0], ["v", 0, 0]], "output_layers": [["a", 0, 0]],
    }  # fmt: skip
    text = {"class_name": "Functional", "config": config, "keras_version": "2.15.0"}
    ours = foldnet.models.model_from_json(json.dumps(text))

    def build(k, i, m):
        q, v = i((5, 6)), i((7, 6))
        return m([q, v], k.MultiHeadAttention(2, 3)(q, v, use_causal_mask=True))

    theirs, built = pair(build)
    ours.set_weights(built.get_weights())
    assert_close(run_reference(ours, [QUERY, VALUE]), results(theirs, [QUERY, VALUE]))


# -- as layers ----------------------------------------------------------------------------------------------------


def test_weights_have_keras_names():
    theirs, ours = pair(everything)
    for a, b in zip(theirs.layers, ours.layers, strict=True):
        assert [w.path for w in b.weights] == [w.path for w in a.weights]
    heads = ours.get_layer("a")
    np.testing.assert_array_equal(heads.query_dense.kernel, heads.get_weights()[0])
    heads.trainable = False
    assert not heads.trainable_weights
    assert not heads.query_dense.trainable
    with pytest.raises(InputError, match=r"'a' has no weight 'kernel'.*query/kernel"):
        heads.set_weight("kernel", np.zeros(3))
    other = copy.copy(heads)
    other.set_weight("query/bias", np.ones((2, 3)))
    assert not np.array_equal(heads.query_dense.bias, np.ones((2, 3)))
    twin = layers.MultiHeadAttention.from_config(heads.get_config())
    twin.build(*(t.shape for t in heads.calls[0].data))
    assert [w.shape for w in twin.get_weights()] == [w.shape for w in heads.get_weights()]


def test_on_arrays():
    theirs, ours = pair(everything)
    found, scores = ours.get_layer("a")(QUERY, VALUE, attention_mask=ALLOWED, return_attention_scores=True)
    expected = theirs.get_layer("a")(QUERY, VALUE, attention_mask=ALLOWED, return_attention_scores=True)
    assert_close([found, scores], [np.asarray(y) for y in expected])
    masked = layers.Masking()(np.where(OF_VALUE[..., np.newaxis] != 0, VALUE, 0))
    plain = ours.get_layer("d")(QUERY, np.asarray(masked), value_mask=OF_VALUE, use_causal_mask=True)
    np.testing.assert_allclose(ours.get_layer("d")(QUERY, masked, use_causal_mask=True), plain, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: layers.MultiHeadAttention(0, 3), ConfigError, "num_heads must be a whole number of 1 or more"),
        (lambda x: layers.MultiHeadAttention(2, 3.5), ConfigError, "key_dim must be a whole number"),
        (lambda x: layers.MultiHeadAttention(2, 3, value_dim=-1), ConfigError, "value_dim must be a whole number"),
        (lambda x: layers.GroupQueryAttention(3, 4, 3), ConfigError, "must be divisible by `num_key_value_heads`"),
        (lambda x: layers.MultiHeadAttention(2, 3, dropout=0.1, flash_attention=True), ConfigError, "set dropout"),
        (lambda x: layers.MultiHeadAttention(2, 3)(x), InputError, "a query, a value"),
        (lambda x: layers.MultiHeadAttention(2, 3)([x, x]), InputError, "a query, a value"),
        (lambda x: layers.MultiHeadAttention(2, 3)(Input((4,)), Input((4,))), ConfigError, "rank 3 or more"),
        (lambda x: layers.MultiHeadAttention(2, 3, name="n")(x, Input((2, 5, 6))), ConfigError, "layer 'n'.*same rank"),
        (lambda x: layers.MultiHeadAttention(2, 3)(x, x, Input((4, 6))), ConfigError, "except the last one"),
        (lambda x: layers.MultiHeadAttention(2, 3, attention_axes=4)(x, x), ConfigError, "attention_axes"),
        (lambda x: layers.MultiHeadAttention(2, 3)(x, x, query_mask=x), UnsupportedError, "Keras 3 ignores query_mask"),
        (lambda x: layers.GroupQueryAttention(3, 4, 2)(x, Input((5, 7))), ConfigError, "`query_shape`"),
        (lambda x: layers.GroupQueryAttention(3, 4, 2)(Input((2, 5, 6)), x), ConfigError, "rank 3"),
        (lambda x: layers.Attention(score_mode="sum"), ConfigError, "score_mode must be 'dot' or 'concat'"),
        (lambda x: layers.Attention()(x), InputError, "list of inputs"),
        (lambda x: layers.Attention()([x, x], mask=x), InputError, "mask must be a list"),
        (lambda x: layers.Attention()([Input((4,)), Input((4,))]), ConfigError, "of 3 or more"),
        (lambda x: layers.Attention()([x, Input((7, 5))]), ConfigError, "same features"),
        (lambda x: layers.Attention()([x, x, Input((7, 6))]), ConfigError, "same positions"),
    ],
)  # fmt: skip
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call(Input((5, 6)))


def test_masks_that_keras_would_lay_along_other_axes():
    x, four = Input((5, 6)), Input((2, 5, 6))
    short, whole, rows = Input((5,)), Input((2, 5, 5)), Input((5,))
    cases = [
        Model([x, short], layers.MultiHeadAttention(2, 3, name="n")(x, x, attention_mask=short)),
        Model(
            [x, whole, rows],
            layers.MultiHeadAttention(2, 3, name="n")(x, x, attention_mask=whole, value_mask=rows),
        ),
        Model(four, layers.MultiHeadAttention(2, 3, name="n")(four, four, use_causal_mask=True)),
    ]
    for model in cases:
        with pytest.raises(UnsupportedError, match=r"layer 'n'.*wrong axes"):
            foldnet.freeze(model)
    wrong = Input((5, 4))
    with pytest.raises(ConfigError, match=r"layer 'n'.*does not fit attention scores"):
        foldnet.freeze(
            Model([x, wrong], layers.MultiHeadAttention(2, 3, name="n")(x, x, attention_mask=wrong))
        )


# -- training -------------------------------------------------------------------------------------------------------


def trained(k, i, m):
    q = i((5, 6))
    x = k.MultiHeadAttention(2, 3, use_gate=True, kernel_regularizer="l2", activity_regularizer="l2")(q, q)
    x = k.GroupQueryAttention(3, 4, 2, bias_constraint="non_neg")(x, q, use_causal_mask=True)
    x = k.Attention(use_scale=True, score_mode="concat")([x, q])
    x = k.AdditiveAttention()([x, k.Attention(use_scale=True)([x, q])])
    return m(q, k.Dense(1)(k.Flatten()(x)))


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_a_fit_is_keras_s(engine, monkeypatch):
    monkeypatch.setattr(trainer, "training_engine", functools.partial(engines.training_engine, engine=engine))
    theirs, ours = pair(trained)
    y = QUERY.sum(axis=(1, 2))[:, np.newaxis] / 10
    before = theirs.get_weights()
    for model in (theirs, ours):
        model.compile("sgd", "mse")
        model.fit(QUERY, y, epochs=3, batch_size=2, shuffle=False, verbose=0)
    moved = [np.abs(a - b).max() for a, b in zip(theirs.get_weights(), before, strict=True)]
    assert sum(m > 1e-4 for m in moved) > len(moved) / 2
    assert_close(ours.get_weights(), theirs.get_weights())


def test_dropout_drops_scores_in_training():
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5)
    still = np.asarray(layer(QUERY, VALUE))
    assert not np.array_equal(np.asarray(layer(QUERY, VALUE, training=True)), still)
    np.testing.assert_array_equal(np.asarray(layer(QUERY, VALUE, training=False)), still)


# -- a network -------------------------------------------------------------------------------------------------------


def encoder(k, i, m):
    """A transformer encoder of four layers, 64 wide, over 32 positions."""
    x = first = i((32, 64))
    for _ in range(4):
        x = k.LayerNormalization()(k.Add()([x, k.MultiHeadAttention(4, 16)(x, x)]))
        x = k.LayerNormalization()(k.Add()([x, k.Dense(64)(k.Dense(256, activation="gelu")(x))]))
    return m(first, x)


@pytest.fixture(scope="module")
def transformer():
    theirs = encoder(keras.layers, keras.Input, keras.Model)
    ours = encoder(layers, Input, Model)
    rng = np.random.default_rng(0)
    weights = [np.float32(w + rng.normal(0, 0.05, w.shape)) for w in theirs.get_weights()]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    x = rng.normal(size=(3, 32, 64)).astype(np.float32)
    return theirs, ours, x, np.asarray(theirs(x))


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_an_encoder_predicts_as_keras_does(transformer, run):
    _, ours, x, expected = transformer
    assert_close(run(ours, [x], "float32"), [expected])


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_an_encoder_travels(transformer, ending, tmp_path):
    theirs, ours, x, expected = transformer
    theirs.save(tmp_path / f"theirs.{ending}")
    ours.save(tmp_path / f"ours.{ending}")
    assert_close(run_native(foldnet.load_model(tmp_path / f"theirs.{ending}"), [x], "float32"), [expected])
    assert_close([keras.saving.load_model(tmp_path / f"ours.{ending}")(x)], [expected])


def test_a_row_has_the_same_bits_alone_and_in_a_batch(transformer):
    _, ours, x, _ = transformer
    rows = np.concatenate([x] * 14)[:40]
    predictor = foldnet.freeze(ours)
    together = predictor(rows)
    for k in (0, 1, 2, 39):
        np.testing.assert_array_equal(predictor(rows[k : k + 1])[0], together[k])


def test_insight_computes_the_call_as_it_is():
    x = Input((5, 6))
    heads = layers.MultiHeadAttention(2, 3, name="heads")
    model = Model(x, layers.Dense(2)(layers.Flatten()(heads(x, x, use_causal_mask=True))))
    random_weights(model, np.random.default_rng(0))
    rows = RNG.normal(size=(30, 5, 6)).astype(np.float32)
    assert foldnet.verify(model.predict, model, rows).ok
    free = Model(x, layers.Dense(2)(layers.Flatten()(heads(x, x))))
    free.layers[-1].set_weights(model.layers[-1].get_weights())
    assert not foldnet.verify(free.predict, model, rows).ok
    assert "2 heads" in str(foldnet.explain(heads))
