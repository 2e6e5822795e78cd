"""Save networks that hold functions of TensorFlow between their layers, with whichever tf.keras runs this script.

    python scripts/make_operation_fixtures.py tests/fixtures/operations NAME [SUFFIX ...]

``NAME`` becomes the start of the files' names, such as ``tf-2.3``. Works with ``tf_keras`` and with TensorFlow from 2.1
on, whose networks hold nodes of graphs up to 2.3, and functions since. ``.json`` is the configuration, compressed, of a
network with one output for each function; other suffixes (``.h5 .keras``) are a small network with layers, too. Inputs
and outputs go into ``NAME-functions.npz`` and ``NAME-mixed.npz``, there with the weights after a short training.
"""

import gzip
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf

try:
    import tf_keras as keras
except ImportError:
    keras = tf.keras

K = keras.backend
L = keras.layers
ROW = np.array([0.5, -1.0, 2.0], np.float32)
TABLE = np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2)


def floats(condition):
    """Truth values as floats."""
    return tf.cast(condition, tf.float32)


FUNCTIONS = {
    "x + 2": lambda x: x + 2,
    "2 + x": lambda x: 2.0 + x,
    "1 - x": lambda x: 1 - x,
    "x - row": lambda x: x - ROW,
    "row * x": lambda x: ROW * x,
    "x / 3": lambda x: x / 3,
    "3 / x": lambda x: 3 / x,
    "x ** 2": lambda x: x**2,
    "2 ** x": lambda x: 2**x,
    "-abs": lambda x: -abs(x - 0.5),
    "x // 0.3": lambda x: x // 0.3,
    "x % 0.7": lambda x: x % 0.7,
    "x + part": lambda x: x + x[:, :1],
    "x @ turned": lambda x: x @ tf.transpose(x, [0, 2, 1]),
    "comparisons": lambda x: floats(x > 0.5) + floats(x >= 0.2) * floats(x < x[:, :1]) + floats(x <= 0.9),
    "equal": lambda x: floats(tf.equal(x, x[:, :1])) - floats(tf.not_equal(x, 0)),
    "logic": lambda x: floats(tf.logical_or(tf.logical_and(x > 0.2, x < 0.5), tf.logical_not(x > 0.1))),
    "x[:, 0]": lambda x: x[:, 0],
    "x[:, -1, 1:]": lambda x: x[:, -1, 1:],
    "x[..., 1:3]": lambda x: x[..., 1:3],
    "x[:, ::2, None]": lambda x: x[:, ::2, tf.newaxis],
    "x[:, ::-1]": lambda x: x[:, ::-1],
    "slice": lambda x: tf.slice(x, [0, 1, 0], [-1, 2, -1]),
    "relu": lambda x: tf.nn.relu(x - 0.5),
    "relu6": lambda x: tf.nn.relu6(x * 9),
    "leaky_relu": lambda x: tf.nn.leaky_relu(x - 0.5, 0.3),
    "crelu": lambda x: tf.nn.crelu(x - 0.5),
    "elu": lambda x: tf.nn.elu(x - 0.5),
    "selu": lambda x: tf.nn.selu(x - 0.5),
    "sigmoid": lambda x: tf.nn.sigmoid(x),
    "tanh": lambda x: tf.nn.tanh(x),
    "softplus": lambda x: tf.nn.softplus(x),
    "softsign": lambda x: tf.nn.softsign(x),
    "log_sigmoid": lambda x: tf.math.log_sigmoid(x),
    "softmax": lambda x: tf.nn.softmax(x, axis=-1),
    "log_softmax": lambda x: tf.nn.log_softmax(x),
    "l2_normalize": lambda x: tf.nn.l2_normalize(x, axis=-1),
    "bias_add": lambda x: tf.nn.bias_add(x, ROW),
    "concat": lambda x: tf.concat([x, x * 2, x], axis=1),
    "stack": lambda x: tf.stack([x, -x, x], axis=2),
    "unstack": lambda x: tf.unstack(x, axis=1)[1] * tf.unstack(x, axis=1)[3],
    "split": lambda x: tf.split(x, 3, axis=-1)[1],
    "split in sizes": lambda x: tf.split(x, [1, 3], axis=1)[1],
    "reshape": lambda x: tf.reshape(x, (-1, 12)),
    "reshape by tf.shape": lambda x: tf.reshape(x, [tf.shape(x)[0], 2, -1]),
    "expand_dims": lambda x: tf.expand_dims(x, axis=-1),
    "squeeze": lambda x: tf.squeeze(x[:, :1], axis=[1]),
    "mean": lambda x: tf.reduce_mean(x, axis=[1, 2], keepdims=True),
    "sum": lambda x: tf.reduce_sum(x, 1),
    "max": lambda x: tf.reduce_max(x, -1),
    "min": lambda x: tf.reduce_min(x, axis=1),
    "std": lambda x: tf.math.reduce_std(x, axis=1),
    "variance": lambda x: tf.math.reduce_variance(x, axis=2),
    "logsumexp": lambda x: tf.reduce_logsumexp(x, 1),
    "any all": lambda x: floats(tf.reduce_any(x > 0.8, 1)) + floats(tf.reduce_all(x > 0.2, 1)),
    "norm": lambda x: tf.norm(x, axis=-1),
    "moments": lambda x: tf.nn.moments(x, [1])[1],
    "cumsum": lambda x: tf.cumsum(x, axis=1, exclusive=True),
    "argmax": lambda x: tf.one_hot(tf.argmax(x, axis=-1), 3) * x,
    "argmin": lambda x: floats(tf.argmin(x, axis=-1)),
    "where": lambda x: tf.where(x > 0.5, x, x * 0.1),
    "where number": lambda x: tf.where(x > 0.5, 0.0, x),
    "clip": lambda x: tf.clip_by_value(x, 0.3, 0.6),
    "maximum": lambda x: tf.maximum(x, 0.4),
    "minimum": lambda x: tf.minimum(ROW, x),
    "gather": lambda x: tf.gather(x, [0, 2, 2], axis=1),
    "tile": lambda x: tf.tile(x, [1, 2, 1]),
    "reverse": lambda x: tf.reverse(x, axis=[1]),
    "roll": lambda x: tf.roll(x, 1, axis=1),
    "pad": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 0]], constant_values=2.0),
    "pad reflected": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 0]], "REFLECT"),
    "matmul turned": lambda x: tf.matmul(x, x, transpose_b=True),
    "matmul table": lambda x: tf.matmul(x[:, 0], TABLE),
    "exp log": lambda x: tf.exp(x) + tf.math.log(x) + tf.math.log1p(x) - tf.math.expm1(x),
    "sqrt": lambda x: tf.sqrt(x) + tf.math.rsqrt(x) + tf.square(x) + tf.math.reciprocal(x),
    "sin": lambda x: (
        tf.sin(x) + tf.cos(x) + tf.tan(x) + tf.asin(x) + tf.acos(x) + tf.atan(x) + tf.atan2(x, 2.0)
    ),
    "sinh": lambda x: tf.sinh(x) + tf.cosh(x) + tf.asinh(x) + tf.acosh(x + 1) + tf.atanh(x) + tf.math.erf(x),
    "rounded": lambda x: (
        tf.round(x * 9) + tf.math.rint(x * 7) + tf.floor(x * 5) + tf.math.ceil(x) + tf.sign(x)
    ),
    "no nan": lambda x: tf.math.divide_no_nan(x, tf.nn.relu(x - 0.5)) + tf.math.multiply_no_nan(x, x),
    "squared_difference": lambda x: tf.math.squared_difference(x, 1.0),
    "xlogy": lambda x: tf.math.xlogy(x, x),
    "add_n": lambda x: tf.add_n([x, x, -x]),
    "finite": lambda x: floats(tf.math.is_nan(x)) + floats(tf.math.is_finite(x)) + floats(tf.math.is_inf(x)),
    "stop_gradient": lambda x: tf.stop_gradient(x) + tf.identity(x) + tf.zeros_like(x),
    "whole numbers": lambda x: tf.cast(tf.cast(x * 9, tf.int32), tf.float32),
    "backend": lambda x: K.batch_flatten(
        K.permute_dimensions(K.relu(x, alpha=0.1, max_value=0.8), (0, 2, 1))
    ),
    "backend mean": lambda x: K.mean(K.sqrt(x), axis=1) + K.max(K.abs(x), axis=1),
    "activations": lambda x: keras.activations.relu(x - 0.5, 0.1, 2.0) + keras.activations.hard_sigmoid(x),
}


def functions():
    """A network with one output for each function."""
    x = keras.Input((4, 3), name="x")
    return keras.Model(x, [make(x) for make in FUNCTIONS.values()], name="functions")


def mixed():
    """Layers and functions: operators on either side, a nested network, two outputs of which a function gives one."""
    inner_x = keras.Input((3,), name="inner_x")
    inner = keras.Model(
        inner_x, 1.0 - L.Dense(3, activation="tanh", name="inner_dense")(inner_x) * 2.0, name="inner"
    )
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    h = L.BatchNormalization(name="norm")(tf.concat([inner(a), a + b, 2.0 / (b * b + 1.0)], axis=-1))
    gate = tf.nn.sigmoid(L.Dense(9, name="gate")(h))
    out = L.Dense(2, name="out")(gate * h[:, ::-1] + (1.0 - gate) * tf.nn.relu(h))
    return keras.Model([a, b], [out, tf.reduce_mean(inner(b), axis=1, keepdims=True)], name="mixed")


def randomize(model, rng):
    """Give every weight values that a fresh network does not have."""
    values = []
    for weight in model.weights:
        low, high = (0.3, 3.0) if "variance" in weight.name else (-1.0, 1.0)
        values.append(rng.uniform(low, high, weight.shape).astype("float32"))
    model.set_weights(values)


def record(path, model, inputs, train=False):
    """Inputs, what the network predicts for them, and, after a short training, its weights."""
    given = inputs if len(inputs) > 1 else inputs[0]
    outputs = model.predict(given, verbose=0)
    arrays = {f"x{k}": x for k, x in enumerate(inputs)}
    arrays.update((f"y{k}", y) for k, y in enumerate(outputs if isinstance(outputs, list) else [outputs]))
    if train:
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(given, [np.ones_like(y) for y in outputs], epochs=3, batch_size=4, shuffle=False, verbose=0)
        arrays.update((weight.name.split(":")[0], weight.numpy()) for weight in model.weights)
    np.savez_compressed(path, **arrays)


def main(folder, name, *suffixes):
    """Save both networks in the given layouts, with their predictions."""
    rng = np.random.default_rng(0)
    Path(folder).mkdir(parents=True, exist_ok=True)
    if ".json" in suffixes:
        model = functions()
        stored = json.dumps(json.loads(model.to_json()), separators=(",", ":"))
        Path(f"{folder}/{name}-functions.json.gz").write_bytes(gzip.compress(stored.encode()))
        record(f"{folder}/{name}-functions.npz", model, [rng.uniform(0.1, 0.9, (2, 4, 3)).astype("float32")])
    files = [suffix for suffix in suffixes if suffix != ".json"]
    if files:
        model = mixed()
        randomize(model, rng)
        model.compile("sgd", "mse")
        for suffix in files:
            model.save(f"{folder}/{name}-mixed{suffix}")
        inputs = [rng.normal(size=(4, 3)).astype("float32") for _ in range(2)]
        record(f"{folder}/{name}-mixed.npz", model, inputs, train=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
