"""Record what StringLookup and Hashing compute of texts in Keras, which needs TensorFlow: tests/fixtures/texts/.

Run it with a Python that has Keras 3 and TensorFlow:  KERAS_BACKEND=tensorflow python scripts/make_text_fixtures.py

It writes results by settings to ``lookups.json`` and ``hashes.json``, what layers are after ``adapt`` to
``adapted.json``, hashes of texts of many lengths to ``fingerprints.json``, and a network as ``.keras`` and ``.h5``.
"""

import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

FOLDER = Path(__file__).parents[1] / "tests" / "fixtures" / "texts"
VOCABULARY = ["red", "ünï", "green apple", "Z", "", "日本"]
WEIGHTS = [0.25, 0.75, 0.6, 0.4, 1.5, 2.0]
FLAT = [["red", "Z", "Z", "no"], ["", "ünï", "[UNK]", "uni"], ["日本", "green apple", "red", "日"]]
DEEP = [
    [["red", "Z"], ["ünï", ""], ["no", "no"]],
    [["x", "red"], ["red", "a longer text, which nobody knows"], ["", "Z"]],
]

CASES = [
    ({}, FLAT), ({}, DEEP), ({"mask_token": "no"}, FLAT), ({"num_oov_indices": 3}, FLAT),
    ({"num_oov_indices": 5}, DEEP),
    ({"num_oov_indices": 2, "mask_token": "", "vocabulary": ["red", "ünï", "Z"]}, FLAT),
    ({"num_oov_indices": 0}, [["red", "Z", ""]]), ({"num_oov_indices": 0, "mask_token": "no"}, [["red", "Z", "no"]]),
    ({"vocabulary": ["no", "[UNK]", "red", "Z"], "mask_token": "no"}, FLAT),  # the special ones are given, too
    ({"oov_token": "Z"}, FLAT),
    *(
        ({"output_mode": mode, **more}, rows)
        for mode in ("one_hot", "multi_hot", "count")
        for more in (
            {},
            {"mask_token": "Z", "vocabulary": ["red", "ünï", ""], "num_oov_indices": 2},
            {"max_tokens": 9, "pad_to_max_tokens": True},
        )
        for rows in (FLAT, DEEP, [["red"], ["no"]])
    ),
    ({"output_mode": "tf_idf", "idf_weights": WEIGHTS}, FLAT),
    ({"output_mode": "tf_idf", "idf_weights": WEIGHTS, "num_oov_indices": 2}, FLAT),
    ({"output_mode": "tf_idf", "idf_weights": [0.9, *WEIGHTS], "vocabulary": ["[UNK]", *VOCABULARY]}, FLAT),
    ({"output_mode": "tf_idf", "idf_weights": WEIGHTS, "max_tokens": 9, "pad_to_max_tokens": True}, FLAT),
]  # fmt: skip


def record(layer: keras.layers.Layer, rows: list) -> dict:
    """One case: the settings as stored, and the result."""
    y = np.asarray(layer(np.array(rows)))
    config = keras.saving.serialize_keras_object(layer)["config"]
    return {"config": config, "rows": rows, "dtype": y.dtype.name, "result": y.tolist()}


BATCHES = [
    [["b", "é", "é"], ["z", "b", "[UNK]"]],
    [["é", "", "d"], ["d", "", "日"]],
    [["b", "b", "a"], ["ab", "z", "z"]],
]
ADAPTED = [
    {}, {"mask_token": ""}, {"max_tokens": 4}, {"max_tokens": 5, "mask_token": "é", "num_oov_indices": 2},
    {"output_mode": "multi_hot", "max_tokens": 6}, {"oov_token": "b"},
    {"output_mode": "count", "max_tokens": 12, "pad_to_max_tokens": True}, {"output_mode": "tf_idf"},
    {"output_mode": "tf_idf", "max_tokens": 5}, {"output_mode": "tf_idf", "mask_token": "z", "num_oov_indices": 2},
]  # fmt: skip


def adapted_to(settings: dict) -> dict:
    """What a layer becomes that is adapted to whole data and to batches, and what it computes then."""
    rows = [["b", "é", "?"], ["", "[UNK]", "ab"]]
    found = {"settings": settings, "data": BATCHES, "rows": rows}
    whole = [row for batch in BATCHES for row in batch]
    flat = [text for row in whole for text in row]
    for name, data in (
        ("whole", np.array(whole)),
        ("flat", np.array(flat)),
        ("batches", map(np.array, BATCHES)),
    ):
        layer = keras.layers.StringLookup(**settings)
        layer.adapt(data)
        y = np.asarray(layer(np.array(rows)))
        found[name] = {"vocabulary": [str(t) for t in layer.get_vocabulary()], "result": y.tolist()}
    return found


HASHES = [
    *({"num_bins": bins} for bins in (1, 7, 1000003, 2147483000)),
    {"num_bins": 6, "mask_value": "Z"}, {"num_bins": 1, "mask_value": "Z"}, {"num_bins": 2, "mask_value": ""},
    *({"num_bins": 5, "output_mode": mode} for mode in ("one_hot", "multi_hot", "count")),
    {"num_bins": 5, "mask_value": "no", "output_mode": "count"}, {"num_bins": 9, "dtype": "int32"},
]  # fmt: skip


def text_of(length: int) -> str:
    """A text of so many bytes, always the same."""
    return "".join(chr(32 + (length * 31 + i * i * 7 + i) % 95) for i in range(length))


LENGTHS = [*range(140), 191, 192, 193, 255, 256, 257, 1000]


def network() -> keras.Model:
    """A network with texts of several kinds, one layer adapted."""
    colour, words = (
        keras.Input((1,), dtype="string", name="colour"),
        keras.Input((3,), dtype="string", name="words"),
    )
    number = keras.Input((2,), name="number")
    layers = keras.layers
    adapted = layers.StringLookup(max_tokens=6, output_mode="multi_hot", name="adapted")
    adapted.adapt(np.array([["to", "be", "or"], ["not", "to", "be"], ["that", "is", "to"]]))
    given = layers.StringLookup(vocabulary=["red", "grün", "blue"], num_oov_indices=2, name="given")
    weighed = layers.StringLookup(
        vocabulary=["to", "be", "nobody"], output_mode="tf_idf", idf_weights=[0.3, 1.5, 2.0], name="weighed"
    )
    parts = [
        layers.Flatten()(layers.Embedding(5, 2)(given(colour))),
        layers.Hashing(7, output_mode="one_hot", name="hashed")(colour),
        adapted(words), weighed(words), layers.Hashing(6, mask_value="to", output_mode="count", name="bins")(words),
        number,
    ]  # fmt: skip
    return keras.Model([colour, words, number], layers.Dense(3)(layers.Concatenate()(parts)))


def main() -> None:
    """Write all fixtures."""
    keras.utils.set_random_seed(0)
    FOLDER.mkdir(exist_ok=True)

    def write(name: str, records: list) -> None:
        lines = ",\n".join(json.dumps(r, ensure_ascii=False) for r in records)
        (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")

    lookup, hashing = keras.layers.StringLookup, keras.layers.Hashing
    write(
        "lookups",
        [record(lookup(**{"vocabulary": VOCABULARY, "name": "it", **s}), rows) for s, rows in CASES],
    )
    write("hashes", [record(hashing(name="it", **settings), FLAT) for settings in HASHES])
    write("adapted", [adapted_to(settings) for settings in ADAPTED])
    texts = [text_of(n) for n in LENGTHS]
    bins = 2**62 - 57
    found = tf.strings.to_hash_bucket_fast(texts, bins).numpy().tolist()
    write("fingerprints", [{"text": t, "bins": bins, "bin": y} for t, y in zip(texts, found, strict=True)])
    model = network()
    rows = {
        "colour": np.array([["red"], ["grün"], ["mauve"], ["teal"], [""]]),
        "words": np.array(
            [
                ["to", "be", "or"],
                ["", "to", "x"],
                ["is", "is", "nobody"],
                ["a", "be", "be"],
                ["é", "not", "that"],
            ]
        ),
        "number": np.random.default_rng(1).normal(size=(5, 2)).astype("float32"),
    }
    for ending in ("keras", "h5"):
        model.save(FOLDER / f"network.{ending}")
    (FOLDER / "network.json").write_text(model.to_json())
    result = np.asarray(model([tf.constant(v) for v in rows.values()]))  # predict takes no arrays of texts
    known = model.get_layer("adapted").get_vocabulary()
    np.savez(FOLDER / "network.npz", **rows, result=result, known=np.array([str(t) for t in known]))


if __name__ == "__main__":
    main()
