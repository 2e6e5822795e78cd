"""Record what a grid of networks computes, to the bit, and compare another state of the code with it.

    python scripts/bits.py record before.npz     # on the code as it is
    python scripts/bits.py compare before.npz    # after a change that should change nothing

Holds predictions on both engines, those of a single row, of the exported NumPy module, and the weights, losses and
metrics after fits on both engines. A file is good for one machine: bits belong to a processor and a compiler. Exit
code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import foldnet
from foldnet import layers, losses, metrics, ops, optimizers
from foldnet.engines.training import training_engine
from foldnet.models import Model

Array = np.ndarray[Any, Any]
Build = Callable[[Any], Any]


def randomized(model: Any, seed: int) -> Any:
    """Random weights; moving variances positive."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        low, high = (0.3, 2.0) if "variance" in weight.name or "gamma" in weight.name else (-0.7, 0.7)
        weight.assign(rng.uniform(low, high, weight.shape).astype("float32"))
    return model


def activation_names() -> list[str]:
    """Every elementwise activation that a network takes by its name alone."""
    from foldnet.activations import ELEMENTWISE

    return sorted(name for name in ELEMENTWISE if name not in ("threshold", "thresholded_relu"))


def activated(name: str) -> Build:
    """A Dense with the activation, and the activation alone."""
    return lambda x: layers.Activation(name)(layers.Dense(5, activation=name)(x))


PREDICTIONS: dict[str, tuple[tuple[int, ...], Build]] = {
    **{f"activation {name}": ((7,), activated(name)) for name in activation_names()},
    "wide": ((300,), lambda x: layers.Dense(10, "softmax")(layers.Dense(150, "relu")(x))),
    "table": ((11,), lambda x: layers.Dense(1)(
        layers.BatchNormalization()(layers.Dense(10, "relu")(layers.Dropout(0.2)(x)))
    )),
    "norm by axis 1": ((4, 3), lambda x: layers.Dense(2)(layers.BatchNormalization(axis=1)(x))),
    "norm by axes 1 2": ((4, 3), lambda x: layers.BatchNormalization(axis=[1, 2])(x)),
    "norm far from zero": ((6,), lambda x: layers.Dense(2)(layers.BatchNormalization(epsilon=1e-9)(x * 1e-3 + 100))),
    "layer norm": ((4, 6), lambda x: layers.LayerNormalization(axis=[1, 2])(x)),
    "group norm": ((4, 6), lambda x: layers.GroupNormalization(3)(x)),
    "rms and unit norm": ((4, 6), lambda x: layers.UnitNormalization()(layers.RMSNormalization()(x))),
    "softmax over two axes": ((4, 6), lambda x: layers.Softmax(axis=[1, 2])(x)),
    "sparsemax": ((9,), lambda x: layers.Activation("sparsemax")(x)),
    "log softmax and glu": ((8,), lambda x: layers.Activation("log_softmax")(layers.Activation("glu")(x))),
    "prelu": ((4, 6), lambda x: layers.PReLU(shared_axes=[1])(x)),
    "merges": ((6,), lambda x: layers.Concatenate()([
        layers.Add()([x, layers.Dense(6)(x)]), layers.Multiply()([x, layers.Dense(6, "tanh")(x)]),
        layers.Average()([x, x]), layers.Maximum()([x, layers.Dense(6)(x)]), layers.Subtract()([x, layers.Dense(6)(x)]),
    ])),
    "dot": ((4, 6), lambda x: layers.Dot(axes=2, normalize=True)([x, layers.Dense(6)(x)])),
    "moved": ((4, 6), lambda x: layers.Flatten()(layers.Permute((2, 1))(layers.Reshape((8, 3))(x)))),
    "repeated": ((6,), lambda x: layers.Dense(3)(layers.RepeatVector(4)(x))),
    "scaled": ((6,), lambda x: layers.Dense(3)(layers.Rescaling(1 / 255, -0.5)(x))),
    "einsum": ((4, 6), lambda x: layers.EinsumDense("abc,cde->abde", (None, 3, 2), bias_axes="de")(x)),
    "operations": ((4, 6), lambda x: ops.concatenate([
        ops.mean(x, axis=1), ops.max(x, axis=1), x[:, 0] * 2 - x[:, 1] / 3, ops.sqrt(ops.abs(x[:, 2])) ** 1.5,
        ops.logsumexp(x, axis=1), ops.where(x[:, 3] > 0, x[:, 3], 0.1 * x[:, 3]), ops.cumsum(x, axis=2)[:, 1],
    ], axis=-1)),
    "products": ((4, 4), lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))) + ops.einsum("bij,bkj->bik", x, x)),
}  # fmt: skip
"""Shape of a row, and the network behind the input."""

FUNCTIONS = (
    "exp", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "arcsin", "arctan", "sinh", "arcsinh", "erf",
    "floor", "round", "sign", "square", "rsqrt", "reciprocal", "softplus", "tanh", "sigmoid",
)  # fmt: skip

for _name in FUNCTIONS:
    PREDICTIONS[f"function {_name}"] = (
        (7,),
        lambda x, name=_name: getattr(ops, name)(ops.abs(x) * 0.3 + 0.05),  # type: ignore[misc]
    )


def dense_family(x: Any) -> Any:
    """Most of what a table's network has."""
    x = layers.Dense(12, "relu", kernel_regularizer="l2")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.3, seed=3)(x)
    x = layers.Dense(8, "tanh", kernel_constraint="max_norm")(x)
    return layers.Dense(3, "softmax")(x)


def regression(x: Any) -> Any:
    """Smooth, with a normalization of rows."""
    return layers.Dense(2)(
        layers.LayerNormalization()(layers.Dense(9, "gelu")(layers.GaussianNoise(0.1, seed=5)(x)))
    )


def positions(x: Any) -> Any:
    """Rows of rank three, normalized along another axis than the last."""
    x = layers.BatchNormalization(axis=1)(layers.Dense(5, "elu")(layers.Reshape((3, 4))(x)))
    return layers.Dense(2)(layers.Flatten()(layers.PReLU()(x)))


def joined(x: Any) -> Any:
    """Branches, operations and products."""
    a, b = layers.Dense(6, "sigmoid")(x), layers.Dense(6, "softplus")(x)
    return layers.Dense(2)(
        layers.Concatenate()([a * b, ops.maximum(a, b), layers.Dot(axes=1)([a, b]), 1 - a / (1 + b)])
    )


OPTIMIZERS = (
    "SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Nadam", "Ftrl", "Lion", "Lamb",
)  # fmt: skip

FITS: dict[str, tuple[Build, str, Any, Any]] = {
    **{
        f"classes with {name}": (dense_family, "classes", name, losses.SparseCategoricalCrossentropy())
        for name in OPTIMIZERS
    },
    **{
        f"numbers with {name}": (regression, "numbers", "Adam", name)
        for name in ("mse", "mae", "huber", "log_cosh", "mape", "msle", "hinge", "cosine_similarity")
    },
    **{
        f"positions with {name}": (positions, "numbers", name, "mse") for name in ("SGD", "Adam")
    },
    "branches": (joined, "numbers", "Adam", "mse"),
    "branches with momentum": (joined, "numbers", optimizers.SGD(0.01, momentum=0.9, nesterov=True), "mae"),
    "one hot": (dense_family, "one hot", "Adam", losses.CategoricalFocalCrossentropy(label_smoothing=0.1)),
    **{
        f"trained {name}": (activated(name), "five", "SGD", "mse") for name in activation_names()
    },
}  # fmt: skip
"""The network behind 12 inputs, the kind of targets, the optimizer, and the loss."""


def predictions() -> Iterator[tuple[str, Array]]:
    """Of every network: 37 rows, and one alone."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, (shape, build)) in enumerate(PREDICTIONS.items()):
            x = layers.Input(shape)
            model = randomized(Model(x, build(x)), number)
            rows = np.random.default_rng(number).normal(size=(37, *shape)).astype("float32")
            for engine in ("native", "reference"):
                predict = foldnet.freeze(model, engine=engine)
                yield f"{name}, {engine}", np.asarray(predict(rows))
                yield f"{name}, {engine}, one row", np.asarray(predict(rows[5:6]))
                plain = foldnet.freeze(model, engine=engine, fold=False)
                yield f"{name}, {engine}, not folded", np.asarray(plain(rows))
            path = Path(folder) / f"module{number}.py"
            predict.to_numpy(path)
            yield f"{name}, NumPy module", np.asarray(_module(path).predict(rows))


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def targets(kind: str, rows: Array) -> Array:
    """Targets of a kind that have something to do with the rows."""
    numbers = np.tanh(rows[:, :2] + rows[:, 2:4] * rows[:, 4:6])
    classes = np.argmax(rows[:, :3], axis=1)
    return {
        "numbers": numbers,
        "classes": classes,
        "one hot": np.eye(3, dtype="float32")[classes],
        "five": np.abs(rows[:, :5]),
    }[kind]


def fits() -> Iterator[tuple[str, Array]]:
    """Of every fit: the weights and the history, with sample weights, validation data and a short last batch."""
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(75, 12)).astype("float32")
    weights = rng.uniform(0.2, 1.8, 75).astype("float32")
    for number, (name, (build, kind, optimizer, loss)) in enumerate(FITS.items()):
        for engine in ("native", "reference"):
            foldnet.utils.set_random_seed(number)
            x = layers.Input((12,))
            model = randomized(Model(x, build(x)), number)
            used = optimizers.deserialize(optimizers.serialize(optimizers.get(optimizer)))
            metric = [metrics.MeanAbsoluteError()] if kind != "classes" else ["accuracy"]
            model.compile(used, loss, metrics=metric)
            with patch("foldnet.training.trainer.training_engine", partial(training_engine, engine=engine)):
                history = model.fit(
                    rows[:60], targets(kind, rows)[:60], batch_size=16, epochs=3, verbose=0, sample_weight=weights[:60],
                    validation_data=(rows[60:], targets(kind, rows)[60:]),
                )  # fmt: skip
            for place, weight in enumerate(model.weights):
                yield f"fit {name}, {engine}, weight {place}", weight.numpy()
            yield f"fit {name}, {engine}, history", np.asarray(list(history.history.values()))


def recorded() -> dict[str, Array]:
    """Everything, by name."""
    return {name: value for part in (predictions(), fits()) for name, value in part}


def bits_of(array: Array) -> bytes:
    """All bits but a NaN's, whose sign compilers are free to choose."""
    return np.where(np.isnan(array), np.array(np.nan, array.dtype), array).tobytes()


def compare(before: dict[str, Array], now: dict[str, Array]) -> int:
    """Print what differs; how many differ."""
    wrong = 0
    for name in sorted({*before, *now}):
        if name not in before or name not in now:
            print(f"{name}: only {'now' if name in now else 'before'}")
        elif bits_of(before[name]) != bits_of(now[name]) or before[name].shape != now[name].shape:
            a, b = before[name].astype(float), now[name].astype(float)
            how = (
                f"up to {np.nanmax(np.abs(a - b)):.3g}" if a.shape == b.shape else f"{a.shape} was {b.shape}"
            )
            print(f"{name}: differs, {how}")
        else:
            continue
        wrong += 1
    print(f"{len(now)} arrays, {wrong} differ")
    return wrong


def main() -> int:
    """Record or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    now = recorded()
    if arguments.what == "record":
        np.savez_compressed(arguments.file, **{name.replace("/", "|"): value for name, value in now.items()})
        print(f"{len(now)} arrays recorded")
        return 0
    with np.load(arguments.file) as kept:
        before = {name.replace("|", "/"): kept[name] for name in kept.files}
    return int(compare(before, now) > 0)


if __name__ == "__main__":
    sys.exit(main())
