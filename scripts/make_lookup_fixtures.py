"""Record what IntegerLookup and Hashing compute in Keras, which needs TensorFlow: tests/fixtures/lookups/.

Run it with a Python that has Keras 3 and TensorFlow:  KERAS_BACKEND=tensorflow python scripts/make_lookup_fixtures.py

It writes results by settings to ``results.json``, and a network with an adapted layer as ``.keras`` and ``.h5``.
"""

import json
from pathlib import Path

import keras
import numpy as np

FOLDER = Path(__file__).parents[1] / "tests" / "fixtures" / "lookups"
VOCABULARY = [12, -7, 2147483647, 42, -2147483648, 0]
WEIGHTS = [0.25, 0.75, 0.6, 0.4, 1.5, 2.0]
FLAT = [[12, 42, 42, 3], [0, -7, 5, -8], [2147483647, -2147483648, 12, 2147483646]]
DEEP = [[[12, 42], [-7, 0], [3, 3]], [[1, 12], [12, -8], [0, 42]]]

CASES = [
    ({}, FLAT), ({}, DEEP), ({"mask_token": 3}, FLAT), ({"num_oov_indices": 3}, FLAT),
    ({"num_oov_indices": 2, "mask_token": 0, "vocabulary": [12, -7, 42]}, FLAT),
    ({"num_oov_indices": 0}, [[12, 42, 0]]), ({"num_oov_indices": 0, "mask_token": 3}, [[12, 42, 3]]),
    ({"vocabulary": [3, -1, 12, 42], "mask_token": 3}, FLAT),  # the special ones are given, too
    ({"invert": True}, [[0, 1, 6], [7, 2, -3]]), ({"invert": True, "mask_token": 5}, [[0, 1, 6], [7, 2, -3]]),
    ({"invert": True, "num_oov_indices": 2, "oov_token": -9}, [[0, 1, 6], [7, 2, -3]]),
    *(
        ({"output_mode": mode, **more}, rows)
        for mode in ("one_hot", "multi_hot", "count")
        for more in ({}, {"mask_token": 42, "vocabulary": [12, -7, 0]}, {"max_tokens": 9, "pad_to_max_tokens": True})
        for rows in (FLAT, DEEP, [[12], [3]])
    ),
    ({"output_mode": "tf_idf", "idf_weights": WEIGHTS}, FLAT),
    ({"output_mode": "tf_idf", "idf_weights": WEIGHTS, "num_oov_indices": 2}, FLAT),
    ({"output_mode": "tf_idf", "idf_weights": [0.9, *WEIGHTS], "vocabulary": [-1, *VOCABULARY]}, FLAT),
    ({"output_mode": "tf_idf", "idf_weights": WEIGHTS, "max_tokens": 9, "pad_to_max_tokens": True}, FLAT),
]  # fmt: skip


def record(settings: dict, rows: list) -> dict:
    """One case: the settings as given and as stored, and the result."""
    layer = keras.layers.IntegerLookup(**{"vocabulary": VOCABULARY, **settings}, name="it")
    y = np.asarray(layer(np.array(rows, np.int64)))
    stored = {k: v for k, v in layer.get_config().items() if k != "dtype"}
    return {"config": stored, "rows": rows, "dtype": y.dtype.name, "result": y.tolist()}


BATCHES = [[[5, 7, 7], [9, 5, -1]], [[7, 0, 3], [3, 0, 12]], [[5, 5, -8], [100, 9, 9]]]
ADAPTED = [
    {}, {"mask_token": 0}, {"max_tokens": 4}, {"max_tokens": 5, "mask_token": 7, "num_oov_indices": 2},
    {"output_mode": "multi_hot", "max_tokens": 6}, {"oov_token": 5}, {"invert": True},
    {"output_mode": "count", "max_tokens": 12, "pad_to_max_tokens": True}, {"output_mode": "tf_idf"},
    {"output_mode": "tf_idf", "max_tokens": 5}, {"output_mode": "tf_idf", "mask_token": 9, "num_oov_indices": 2},
]  # fmt: skip


def adapted_to(settings: dict) -> dict:
    """What a layer becomes that is adapted to whole data and to batches, and what it computes then."""
    rows = [[5, 7, 8], [0, -1, 12]] if not settings.get("invert") else [[0, 1, 2], [3, 9, 1]]
    found = {"settings": settings, "data": BATCHES, "rows": rows}
    whole = [row for batch in BATCHES for row in batch]
    flat = [n for row in whole for n in row]
    for name, data in (
        ("whole", np.array(whole)),
        ("flat", np.array(flat)),
        ("batches", map(np.array, BATCHES)),
    ):
        layer = keras.layers.IntegerLookup(**settings)
        layer.adapt(data)
        y = np.asarray(layer(np.array(rows, np.int64)))
        found[name] = {"vocabulary": [int(n) for n in layer.get_vocabulary()], "result": y.tolist()}
    return found


EVERY_LENGTH = [
    [0, 7, -1, 10, 99, -99, 100, 999], [-999, 1234, -1234, 99999, -65536, 123456, 1234567, -123456],
    [12345678, -1234567, 123456789, -98765432, 2147483647, -2147483648, -1000000000, 5],
]  # fmt: skip
HASHES = [
    *({"num_bins": bins, "output_mode": mode} for bins in (1, 7, 1000003) for mode in ("int",)),
    {"num_bins": 2147483000}, {"num_bins": 6, "mask_value": 7}, {"num_bins": 1, "mask_value": 7},
    *({"num_bins": 5, "output_mode": mode} for mode in ("one_hot", "multi_hot", "count")),
    {"num_bins": 5, "mask_value": -1, "output_mode": "count"}, {"num_bins": 9, "dtype": "int32"},
]  # fmt: skip


def hashed(settings: dict) -> dict:
    """One case of a Hashing."""
    layer = keras.layers.Hashing(**settings, name="it")
    y = np.asarray(layer(np.array(EVERY_LENGTH, np.int64)))
    config = keras.saving.serialize_keras_object(layer)["config"]
    return {"config": config, "rows": EVERY_LENGTH, "dtype": y.dtype.name, "result": y.tolist()}


def main() -> None:
    """Write all fixtures."""
    FOLDER.mkdir(exist_ok=True)
    found = [record({"vocabulary": VOCABULARY, **settings}, rows) for settings, rows in CASES]
    (FOLDER / "results.json").write_text("[\n" + ",\n".join(map(json.dumps, found)) + "\n]\n")
    (FOLDER / "hashes.json").write_text("[\n" + ",\n".join(json.dumps(hashed(s)) for s in HASHES) + "\n]\n")
    lines = [json.dumps(adapted_to(settings)) for settings in ADAPTED]
    (FOLDER / "adapted.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    rng = np.random.default_rng(0)
    adapted = keras.layers.IntegerLookup(max_tokens=6, output_mode="multi_hot", name="adapted")
    adapted.adapt(rng.integers(-3, 5, (50, 4)))
    given = keras.layers.IntegerLookup(vocabulary=[4, 1, -2], name="given")
    weighed = keras.layers.IntegerLookup(
        vocabulary=[4, 1, -2], output_mode="tf_idf", idf_weights=[0.3, 1.5, 2.0], name="weighed"
    )
    x = keras.Input((4,), dtype="int64", name="x")
    parts = [adapted(x), weighed(x), keras.layers.Flatten()(keras.layers.Embedding(4, 2)(given(x)))]
    model = keras.Model(x, keras.layers.Dense(3)(keras.layers.Concatenate()(parts)))
    rows = rng.integers(-4, 6, (7, 4))
    for ending in ("keras", "h5"):
        model.save(FOLDER / f"network.{ending}")
    np.savez(
        FOLDER / "network.npz",
        rows=rows,
        result=model.predict(rows, verbose=0),
        known=adapted.get_vocabulary(),
    )


if __name__ == "__main__":
    main()
