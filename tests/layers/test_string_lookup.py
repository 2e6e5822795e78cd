"""StringLookup, and Hashing of texts, against what Keras computes with TensorFlow (scripts/make_text_fixtures.py)."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet import layers
from foldnet.errors import ConfigError, FileFormatError, FoldnetError, InputError, UnsupportedError
from foldnet.farmhash import fingerprint
from foldnet.layers import Dense, Embedding, Flatten, Hashing, Input, StringLookup
from foldnet.network import Model
from foldnet.sequential import Sequential
from tests.support.arrays import arrays_of

FOLDER = Path(__file__).parents[1] / "fixtures" / "texts"


def read(name):
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


LOOKUPS, HASHES, ADAPTED = read("lookups"), read("hashes"), read("adapted")
KNOWN = arrays_of(FOLDER / "network.npz")
ROWS = {name: KNOWN[name] for name in ("colour", "words", "number")}


def network(layer, shape=(1,)):
    x = Input(shape, dtype="string", name="words")
    return Model(x, layer(x))


def numbered(records):
    return {"argvalues": records, "ids": [str(i) for i in range(len(records))]}


def dtype_of(record):
    # On arrays Keras gives all forms but tf_idf as whole numbers; between layers it says that they are float32.
    whole = "int64" if record["config"]["output_mode"] == "int" else "float32"
    return record["dtype"] if "num_bins" in record["config"] else whole


@pytest.mark.parametrize("record", **numbered(LOOKUPS + HASHES))
def test_computes_what_keras_does(record, tmp_path):
    cls = Hashing if "num_bins" in record["config"] else StringLookup
    rows, expected = np.array(record["rows"]), np.array(record["result"], dtype_of(record))
    layer = cls.from_config(record["config"])
    model = network(layer, rows.shape[1:])
    assert model.outputs[0].dtype == dtype_of(record)
    assert model.outputs[0].shape[1:] == expected.shape[1:]
    for engine in ("reference", "native"):
        predict = foldnet.freeze(model, engine=engine)
        for given in (rows, rows.tolist(), rows.astype(object), np.char.encode(rows, "utf-8")):
            np.testing.assert_allclose(predict(given), expected, rtol=2e-6)
    for found in (model.predict(rows), model(rows), layer(rows)):
        np.testing.assert_allclose(found, expected, rtol=2e-6)
    scope = {}
    predict.to_numpy(tmp_path / "net.py")
    exec((tmp_path / "net.py").read_text("utf-8"), scope)
    np.testing.assert_allclose(scope["predict"](rows), expected, rtol=2e-6)
    np.testing.assert_allclose(scope["predict"](np.char.encode(rows, "utf-8")), expected, rtol=2e-6)


@pytest.mark.parametrize("record", **numbered(LOOKUPS + HASHES))
def test_stores_keras_s_settings(record):
    cls = Hashing if "num_bins" in record["config"] else StringLookup
    stored = {**record["config"], "dtype": record["config"]["dtype"]["config"]["name"]}
    stored.pop("oov_method", None)  # makes no difference for texts, and older releases do not know it
    assert cls.from_config(record["config"]).get_config() == stored


def test_fingerprints_of_all_lengths():
    records = read("fingerprints")
    assert {len(r["text"]) for r in records} >= set(range(140))
    for record in records:
        assert fingerprint(record["text"].encode()) % record["bins"] == record["bin"], record["text"]


def test_codes_serve_every_number_of_bins():
    """Layers of one input whose hashes are modulo different numbers, beside texts that only one of them knows."""
    x = Input((1,), dtype="string")
    known = ["a", "b", "c", "d", "e"]
    parts = [
        StringLookup(vocabulary=known[:3], num_oov_indices=4),
        StringLookup(vocabulary=known[2:], num_oov_indices=6, mask_token="x"),
        Hashing(9), Hashing(15, mask_value="y"), StringLookup(vocabulary=["z"]),
    ]  # fmt: skip
    rows = np.array([[f"text {i}"] for i in range(200)] + [[t] for t in [*known, "x", "y", "z", ""]])
    together = foldnet.freeze(Model(x, [part(x) for part in parts]))(rows)
    for part, found in zip(parts, together, strict=True):
        alone = foldnet.freeze(network(type(part).from_config(part.get_config())))(rows)
        np.testing.assert_array_equal(found, alone)
    assert [len(np.unique(y)) for y in together] == [7, 10, 9, 15, 2]


# -- adapt --


def given(record, how):
    batches = [np.array(batch) for batch in record["data"]]
    if how == "batches":
        return iter(batches)
    whole = np.concatenate(batches)
    return whole if how == "whole" else whole.ravel()


@pytest.mark.parametrize("how", ["whole", "flat", "batches"])
@pytest.mark.parametrize("record", ADAPTED, ids=lambda r: json.dumps(r["settings"], ensure_ascii=True))
def test_adapts_as_keras_does(record, how):
    layer = StringLookup(**record["settings"])
    layer.adapt(given(record, how))
    assert layer.get_vocabulary() == record[how]["vocabulary"]
    rows = np.array(record["rows"])
    np.testing.assert_allclose(network(layer, (3,)).predict(rows), record[how]["result"], rtol=1e-6)
    other = StringLookup(**record["settings"])
    data = given(record, how)
    other.adapt(data if how == "batches" else np.char.encode(data, "utf-8").tolist())
    assert other.get_vocabulary() == layer.get_vocabulary()


def test_adapt_refuses_what_is_no_text():
    for data in ([1, 2], ["a", None], ["a", 3], [b"\xff"], np.zeros(3), []):
        with pytest.raises(InputError, match=r"'mine'.*adapt"):
            StringLookup(name="mine").adapt(data)
    with pytest.raises(ConfigError, match=r"'mine'.*nothing to do"):
        StringLookup(vocabulary=["a"], name="mine").adapt(["a"])


# -- files --


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_opens_keras_s_files(ending, tmp_path):
    model = foldnet.load_model(FOLDER / f"network.{ending}")
    words = KNOWN["known"].tolist()
    if ending == "h5":  # does not hold what was adapted
        with pytest.raises(UnsupportedError, match=r"'adapted' has no vocabulary.*get_vocabulary"):
            model.predict(ROWS)
        model.get_layer("adapted").vocabulary = words
    else:
        np.testing.assert_allclose(
            foldnet.freeze(FOLDER / "network.keras")(ROWS), KNOWN["result"], rtol=1e-5, atol=1e-6
        )
    assert model.get_layer("adapted").get_vocabulary() == words
    np.testing.assert_allclose(model.predict(ROWS), KNOWN["result"], rtol=1e-5, atol=1e-6)
    model.save(tmp_path / f"again.{ending}")
    again = foldnet.load_model(tmp_path / f"again.{ending}")
    np.testing.assert_array_equal(again.predict(ROWS), model.predict(ROWS))


def test_reads_an_architecture():
    model = foldnet.load_model(
        architecture=FOLDER / "network.json", weights=FOLDER / "network.h5", compile=False
    )
    model.get_layer("adapted").vocabulary = KNOWN["known"].tolist()
    np.testing.assert_allclose(model.predict(ROWS), KNOWN["result"], rtol=1e-5, atol=1e-6)
    assert foldnet.models.model_from_json(model.to_json()).get_config() == model.get_config()


def test_a_vocabulary_file_that_does_not_fit_is_refused(tmp_path):
    import zipfile

    name = "assets/layers/string_lookup_1/vocabulary.txt"
    for content, reason in [
        ("a\nb", "list of 6 texts"),
        ("[UNK]\nto\nto\nb\nc\nd", "more than once"),
        ("[UNK]\nto\u2028\nb\nc\nd\ne", "list of 6 texts"),
        (b"\xff", "codec"),
    ]:
        with (
            zipfile.ZipFile(FOLDER / "network.keras") as old,
            zipfile.ZipFile(tmp_path / "x.keras", "w") as new,
        ):
            for member in old.namelist():
                new.writestr(member, content if member == name else old.read(member))
        with pytest.raises(FileFormatError, match=rf"vocabulary.txt of layer 'adapted'.*{reason}"):
            foldnet.load_model(tmp_path / "x.keras")


def test_a_vocabulary_file_may_end_in_empty_lines_as_in_keras(tmp_path):
    layer = StringLookup.from_config({"vocabulary_size": 3, "mask_token": ""})
    layer.take_asset("\n[UNK]\nb c\n\n\n", {})
    assert layer.get_vocabulary() == ["", "[UNK]", "b c"]


def test_saved_predictors_hold_the_texts(tmp_path):
    frozen = foldnet.freeze(FOLDER / "network.keras")
    frozen.save(tmp_path / "x.foldnet")
    expected = frozen(ROWS)
    for again in (foldnet.load_predictor(tmp_path / "x.foldnet"), pickle.loads(pickle.dumps(frozen))):
        np.testing.assert_array_equal(again(ROWS), expected)
        np.testing.assert_array_equal(again.results(list(ROWS.values()))[0], expected)
    assert "grün" in frozen.unfolded.texts["colour"].known


def test_a_changed_vocabulary_makes_another_program():
    model = network(StringLookup(vocabulary=["a", "b"], name="it"))
    rows = np.array([["a"], ["b"], ["c"]])
    assert model.predict(rows).tolist() == [[1], [2], [0]]
    model.get_layer("it").vocabulary = ["a", "c"]  # the same program but for the texts
    assert model.predict(rows).tolist() == [[1], [0], [2]]


def test_a_damaged_program_is_refused(tmp_path):
    from foldnet.predictor import program_json

    graph = foldnet.freeze(network(StringLookup(vocabulary=["a", "b"]))).unfolded
    good = program_json.graph_to_json(graph)
    assert program_json.graph_from_json(good, {}, {}, {}).texts == graph.texts
    for texts in (
        {"words": {"known": ["b", "a"], "bins": 1}},
        {"words": {"known": ["a"], "bins": 0}},
        {"words": {"known": [3], "bins": 1}},
        {"words": {"known": ["a"]}},
        {"other": {"known": ["a"], "bins": 1}},
        [],
    ):
        with pytest.raises(FoldnetError):
            program_json.graph_from_json({**good, "texts": texts}, {}, {}, {})


# -- training --


def test_trains_what_comes_after_it():
    model = Sequential(
        [
            Input((1,), dtype="string"),
            StringLookup(vocabulary=["a", "b"]),
            Embedding(3, 2),
            Flatten(),
            Dense(1),
        ]
    )
    model.compile("adam", "mse")
    rows, y = np.array([["a"], ["b"], ["c"], ["b"]] * 8), np.float32([1, 2, 3, 2] * 8)
    before = model.evaluate(rows, y, verbose=0)
    model.fit(rows, y, epochs=5, validation_split=0.25, verbose=0)
    assert model.evaluate(rows.tolist(), y, verbose=0) < before
    batches = [(rows[:8], y[:8]), (rows[8:16].astype(object), y[8:16])]
    model.fit(iter(batches), verbose=0)
    assert np.isfinite(model.train_on_batch(rows.ravel(), y))
    np.testing.assert_array_equal(model.predict(rows, steps=2, batch_size=4), model.predict(rows[:8]))
    with pytest.raises(InputError, match="takes texts"):
        model.fit(np.zeros((4, 1)), y[:4], verbose=0)


def test_a_sequential_learns_from_its_data_that_it_takes_texts():
    model = Sequential([StringLookup(vocabulary=["a", "b"], output_mode="one_hot"), Dense(1)])
    assert model.predict(np.array([["a"], ["x"]])).shape == (2, 1)
    assert model.inputs[0].dtype == "string"


@pytest.mark.parametrize("call", [lambda m, x: m.predict(x), lambda m, x: m(x)], ids=["predict", "call"])
def test_a_sequential_of_other_layers_learns_it_too(call):
    """Also again, from rows of another shape."""
    for first in ([], [layers.Reshape((-1, 1))]):
        model = Sequential([*first, Hashing(5)])
        for rows in (np.array([["a"], ["zzz"]]), np.array([["a", "b"], ["c", "d"]])):
            expected = Hashing(5)(rows.reshape(2, -1, 1) if first else rows)
            np.testing.assert_array_equal(call(model, rows), expected)
        assert model.inputs[0].dtype == "string"


# -- what is no text, and where texts cannot go --


BAD = [
    ([[1.0], [2]], "given"), (np.zeros((2, 1)), "float64"), ([["a"], [None]], r"\[1, 0\] it holds None.*missing"),
    ([[float("nan")], ["a"]], r"\[0, 0\] it holds nan.*missing"), ([["a"], [b"\xff"]], "UTF-8"),
    (np.array([b"\xc3"])[:, None], "UTF-8"), ([["\ud800"], ["a"]], "UTF-8"), ([["a"], ["b", "c"]], "given"),
    ([["a"], [3]], "holds 3"), ("abc", "shape"), (["a", "b"], "shape"), (None, "None"),
    (np.ma.array([["a"], ["b"]], mask=[[0], [1]]), "masked"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "reason"), BAD, ids=[r for _, r in BAD])
def test_what_is_no_text_is_refused(rows, reason):
    predict = foldnet.freeze(network(Hashing(5)), engine="reference")
    with pytest.raises(InputError, match=f"'words'.*{reason}"):
        predict(rows)


def test_long_and_no_texts():
    predict = foldnet.freeze(network(Hashing(1000)))
    assert predict(np.array([["x" * 1_000_000]], object)).shape == (1, 1)
    for nothing in (np.zeros((0, 1)), np.array([], "U1").reshape(0, 1)):
        assert predict(nothing).shape == (0, 1)


def numbers(layer):
    x = Input((2,))
    return Model(x, layer(x))


def with_texts(make):
    x = Input((1,), dtype="string", name="words")
    return Model(x, make(x))


REFUSED = [
    (lambda: numbers(StringLookup(vocabulary=["a"], name="mine")), "mine.*takes texts"),
    (lambda: network(Dense(1, name="mine")), "mine.*'words'"),
    (lambda: network(Embedding(3, 2, name="mine")), "mine.*'words'"),
    (lambda: with_texts(lambda x: layers.Concatenate(name="mine")([x, x])), "mine.*'words'"),
    (lambda: with_texts(lambda x: x + 1), "add.*'words'"),
    (lambda: with_texts(lambda x: layers.Reshape((1, 1))(x)), "gives the texts of its input 'words'"),
    (lambda: network(StringLookup(name="mine")), "'mine' has no vocabulary"),
    (
        lambda: with_texts(lambda x: [Hashing(2147483629)(x), Hashing(997)(x)]),
        "'words'.*least common multiple",
    ),
    (lambda: numbers(Hashing(3, mask_value="a", name="mine")), "mine.*mask_value.*numbers"),
    (lambda: network(Hashing(3, mask_value=1, name="mine")), "mine.*mask_value.*texts"),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED, ids=[r for _, r in REFUSED])
def test_where_texts_cannot_go(make, reason):
    with pytest.raises((UnsupportedError, ConfigError), match=reason):
        foldnet.freeze(make(), engine="reference")


def test_texts_go_through_layers_that_only_move_them_and_into_networks():
    x = Input((4,), dtype="string")
    inner = network(StringLookup(vocabulary=["a", "b", "c"], num_oov_indices=2), (2, 2))
    model = Model(x, inner(layers.Permute((2, 1))(layers.Reshape((2, 2))(x))))
    unknown = fingerprint(b"?") % 2
    assert model.predict(np.array([["a", "b", "?", "c"]])).tolist() == [[[2, unknown], [3, 4]]]


def test_indices_of_texts_are_numbers_for_what_comes_after():
    lookup = StringLookup(vocabulary=["a", "b", "c"])
    model = with_texts(lambda x: Hashing(1000)(layers.Reshape((1, 1))(lookup(x))))
    rows = np.array([["c"], ["z"], ["a"]])
    expected = Hashing(1000)(np.array([[[3]], [[0]], [[1]]]))
    np.testing.assert_array_equal(model.predict(rows), expected)


def test_a_text_without_an_index():
    model = network(StringLookup(vocabulary=["a", "b"], num_oov_indices=0, name="mine"))
    assert model.predict(np.array([["b"], ["a"]])).tolist() == [[1], [0]]
    for engine in ("reference", "native"):
        with pytest.raises(InputError, match=r"vocabulary"):
            foldnet.freeze(model, engine=engine)([["c"]])
    with pytest.raises(InputError, match=r"'mine'.*num_oov_indices=1"):
        foldnet.freeze(model)([["c"]])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"vocabulary": []}, "empty"),
        ({"vocabulary": ["a", b"a"]}, "more than once"),
        ({"vocabulary": ["a", 3]}, "a text"),
        ({"vocabulary": ["a", "b"], "mask_token": "b"}, "special text 'b'"),
        ({"vocabulary": ["a", "b"], "oov_token": "b", "invert": True}, "special text 'b'"),
        ({"vocabulary": ["a", "b"], "max_tokens": 2}, "max_tokens=2"),
        ({"vocabulary": "words.txt"}, "name of a file"),
        ({"vocabulary": ["a"], "salt": 3}, "salt"),
        ({"vocabulary": ["a"], "encoding": "latin-1"}, "encoding"),
        ({"vocabulary": ["a"], "sparse": True, "output_mode": "count"}, "sparse"),
    ],
)
def test_settings_that_are_refused(settings, reason):
    with pytest.raises((ConfigError, UnsupportedError), match=rf"mine.*{reason}"):
        StringLookup(name="mine", **settings)


def test_inversion_is_refused_when_it_is_computed():
    layer = StringLookup(vocabulary=["a", "b"], invert=True, name="mine")
    assert layer.get_vocabulary() == ["[UNK]", "a", "b"]
    with pytest.raises(UnsupportedError, match=r"'mine'.*invert=True.*get_vocabulary"):
        layer(np.array([1, 2]))


# -- the tools around it --


def text_network():
    """A network with texts, numbers, and statistics."""
    words, number = Input((2,), dtype="string", name="words"), Input((2,), name="number")
    known = StringLookup(vocabulary=["a", "b"], output_mode="count", num_oov_indices=2)(words)
    x = layers.BatchNormalization(name="bn")(layers.Concatenate(name="joined")([known, number]))
    model = Model([words, number], Dense(1)(x))
    rng = np.random.default_rng(4)
    model.get_layer("bn").set_weights([rng.uniform(low, low + 3, 6) for low in (0.5, -1.0, 8.0, 3.0)])
    return model


def text_rows(count=40):
    rng = np.random.default_rng(2)
    return [rng.choice(["a", "b", "c", "d"], (count, 2)), rng.normal(3, 2, (count, 2)).astype(np.float32)]


def test_insight_reads_texts():
    model, rows = text_network(), text_rows()
    said = str(foldnet.explain(model, rows))
    assert "codes(words)" in said
    assert "foldnet.verify" not in said
    with pytest.raises(InputError, match="input 'words' takes texts"):
        foldnet.explain(model, rows[::-1])
    found = foldnet.doctor(model, x=rows)
    assert "statistics-differ-from-data" in {finding.check for finding in found}
    foldnet.recalibrate(model, rows)
    hidden = Model(model.inputs, model.get_layer("joined").output).predict(rows)
    np.testing.assert_allclose(model.get_layer("bn").get_weights()[2], hidden.mean(axis=0), rtol=1e-5)
    values = foldnet.freeze(model, fold=False).layer_values(rows)
    np.testing.assert_array_equal(values["joined"], hidden)


def test_exported_with_weights_beside_it_and_names_that_collide(tmp_path):
    a, b = Input((1,), dtype="string", name="a"), Input((1,), dtype="string", name="a_texts")
    odd = "y\n\"'é"
    lookup = StringLookup(vocabulary=["x", odd])
    parts = [Hashing(3, output_mode="one_hot")(a), layers.Rescaling(1.0)(lookup(b))]
    model = Model([a, b], Dense(2)(layers.Concatenate()(parts)))
    rows = [np.array([["x"], ["some text that is longer than sixteen bytes"]]), np.array([[odd], ["z"]])]
    frozen = foldnet.freeze(model)
    frozen.to_numpy(tmp_path / "net.py", weights="npz")
    scope = {"__file__": str(tmp_path / "net.py")}
    exec((tmp_path / "net.py").read_text("utf-8"), scope)
    np.testing.assert_allclose(scope["predict"](*rows), frozen(rows), rtol=1e-5)
    with pytest.raises(ValueError, match="a takes texts"):
        scope["predict"]([[1], [2]], rows[1])
