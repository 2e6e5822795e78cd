"""One step of every layer: both engines' gradients, and what moves besides, are those of live Keras in float64."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import keras
import numpy as np
import pytest

from foldnet import Input, Model, layers, ops, optimizers
from foldnet.layers import LAYERS
from tests.layers.cases import FAMILIES
from tests.support.keras_pairs import (
    Case,
    foldnet_model,
    keras_in_float64,
    keras_layer,
    made_by,
    random_rows,
    random_weights,
    takes_several,
)

ROWS = 3
TOGETHER = 14
"""Cases in one network: compiling takes most of the time."""

RATE = 1024.0
"""Of SGD: so much farther do weights move than their rounding."""


# -- which ------------------------------------------------------------------------------------------------------------


def is_random(case: Case) -> bool:
    """Whether its training step draws numbers, which are not Keras's."""
    layer = made_by(LAYERS, case.class_name, case.config)
    return layer.is_random or any(case.config.get(name) for name in ("dropout", "recurrent_dropout"))


RANDOM = {
    "Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D", "SpatialDropout2D",
    "SpatialDropout3D",
}  # fmt: skip
"""Compared with their definitions instead, in test_dropout.py; attention and recurrence are here without dropout."""


def by_class(cases: Iterable[Case]) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.class_name, []).append(case)
    return found


SHARES = {
    "resizing": 6, "adaptive_pooling": 6, "pooling": 4, "encoding": 4, "convolution": 3, "group_normalization": 4,
    "layer_normalization": 3, "other_normalizations": 3, "activation_layers": 3, "borders": 2, "batch_normalization": 2,
    "core": 2, "merging": 2,
}  # fmt: skip
"""Of families with many cases that differ in sizes and formats alone, one of so many of each class is taken."""


def trained() -> dict[str, list[Case]]:
    """By family, the cases that are compared with Keras's. What changes images is random: see below."""
    found = {}
    for name, family in FAMILIES.items():
        rng = np.random.default_rng(1)
        found[name] = []
        for cases in by_class(case for case in family if not is_random(case)).values():
            drawn = rng.permutation(len(cases))[: -(-len(cases) // SHARES.get(name, 1))]
            found[name] += [cases[k] for k in sorted(drawn)]
    return found | {"image_changes": [c for c in FAMILIES["image_changes"] if c.class_name == "AutoContrast"]}


def at_every_step(cases: Sequence[Case], each: int = 1) -> Iterator[Case]:
    """So many cases of each class inside TimeDistributed."""
    for name, found in by_class(case for case in cases if len(case.shapes) == 1).items():
        for case in found[:: max(1, -(-len(found) // each))]:
            yield Case(
                "TimeDistributed", {"layer": (name, case.config)}, ((2, *case.shapes[0]),), case.indices
            )


def nested(class_name: str, settings: dict[str, Any], row: tuple[int, ...]) -> Case:
    inner = ("TimeDistributed", {"layer": (class_name, settings)})
    return Case("TimeDistributed", {"layer": inner}, ((2, 3, *row),))


NESTED = [
    nested("BatchNormalization", {"momentum": 0.6}, (4,)),
    nested(
        "BatchNormalization", {"momentum": 0.6, "axis": 1, "renorm": True, "renorm_momentum": 0.7}, (3, 2)
    ),
    nested("Conv1D", {"filters": 3, "kernel_size": 2, "padding": "causal"}, (4, 2)),
    nested("LayerNormalization", {}, (3, 2)),
    nested("GRU", {"units": 2}, (3, 2)),
    nested("MaxPooling1D", {"pool_size": 2}, (5, 2)),
]


@functools.cache
def groups() -> list[list[Case]]:
    families = trained()
    families["time_distributed"] = [
        *NESTED,
        *at_every_step([c for name, cases in families.items() if name != "spectral" for c in cases]),
    ]
    return [cases[i : i + TOGETHER] for cases in families.values() for i in range(0, len(cases), TOGETHER)]


# -- in Keras ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """What Keras makes of a case in one step: its settings, weights, rows, what the results are multiplied by, ..."""

    config: dict[str, Any]
    weights: list[np.ndarray]
    trainable: list[np.ndarray]
    rows: list[np.ndarray]
    target: np.ndarray
    on_weights: list[np.ndarray]
    on_rows: list[np.ndarray]
    moved: list[np.ndarray]


def double(arrays: Sequence[Any]) -> list[np.ndarray]:
    found = [np.asarray(a) for a in arrays]
    return [a.astype(np.float64) if a.dtype.kind == "f" else a for a in found]


def called(layer: Any, trainable: Any, fixed: Any, rows: Any) -> tuple[Any, Any, Any]:
    """The result of a live Keras layer in training, its other weights afterwards, and its losses."""
    given = rows if takes_several(layer) or len(rows) == 1 else [rows]
    training = {"training": True} if layer._call_has_training_arg else {}
    y, moved, losses = layer.stateless_call(trainable, fixed, *given, return_losses=True, **training)
    if layer.activity_regularizer is not None:  # added by calls, not by stateless ones
        losses = [*losses, layer.activity_regularizer(y) / ROWS]
    return y, moved, losses


def steps(cases: Sequence[Case], rng: np.random.Generator) -> list[Step]:
    """Each case in live Keras: the gradient of the mean over rows of results times random numbers."""
    made = [keras_layer(case) for case in cases]
    configs = [layer.get_config() for layer in made]
    weights = [random_weights(layer, rng) for layer in made]
    starts = [[np.asarray(v) for v in layer.trainable_variables] for layer in made]
    data = [random_rows(case, ROWS, rng) for case in cases]
    for inner in (inner for layer in made for inner in layer._flatten_layers()):
        if hasattr(inner, "finalize_state"):
            inner.finalize_state()
    with keras_in_float64(made):
        trainable = [double(layer.trainable_variables) for layer in made]
        fixed = [double(layer.non_trainable_variables) for layer in made]
        rows = [double(arrays) for arrays in data]

        def results(trainable, rows):
            return [called(*step) for step in zip(made, trainable, fixed, rows, strict=True)]

        shapes = [y.shape for y, _, _ in jax.eval_shape(results, trainable, rows)]
        targets = [rng.normal(size=shape).astype(np.float32) for shape in shapes]

        def total(trainable, floats):
            found = results(trainable, [own or known for own, known in zip(floats, rows, strict=True)])
            loss = 0.0
            for (y, _, losses), target in zip(found, targets, strict=True):
                loss += keras.ops.sum(y * target) / ROWS + sum(losses)
            return loss, [moved for _, moved, _ in found]

        floats = [arrays if arrays[0].dtype.kind == "f" else [] for arrays in rows]
        gradients = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))
        (on_weights, on_rows), moved = gradients(trainable, floats)
    return [
        Step(*found)
        for found in zip(configs, weights, starts, data, targets, on_weights, on_rows, moved, strict=True)
    ]


# -- in foldnet -------------------------------------------------------------------------------------------------------


def network(
    cases: Sequence[Case], found: Sequence[Step]
) -> tuple[Model, list[np.ndarray], list[Any], list[Any]]:
    """All cases side by side on rows that are weights, and so have gradients; whole numbers stay inputs."""
    index = Input((1,), dtype="int32")
    inputs, arrays, outputs = [index], [np.arange(ROWS)[:, None]], []
    tables: list[Any] = []
    own: list[Any] = []
    for case, step in zip(cases, found, strict=True):
        layer = LAYERS[case.class_name].from_config(step.config)
        if case.indices is not None:
            values = [Input(shape, dtype="int32") for shape in case.shapes]
            inputs, arrays = [*inputs, *values], [*arrays, *step.rows]
            tables.append([])
        else:
            flat = [rows.reshape(ROWS, -1) for rows in step.rows]
            tables.append([layers.Embedding(*rows.shape, weights=rows) for rows in flat])
            values = [layers.Reshape(s)(t(index)) for s, t in zip(case.shapes, tables[-1], strict=True)]
        y = layer(*values) if len(values) == 1 or len(layer.tensor_arguments) > 1 else layer(values)
        layer.set_weights(step.weights)
        own.append(layer)
        outputs.append(layers.Flatten()(y))
    return (
        Model(inputs, layers.Concatenate()(outputs) if len(outputs) > 1 else outputs[0]),
        arrays,
        tables,
        own,
    )


def close(found: np.ndarray, wanted: np.ndarray, scale: float, what: str) -> None:
    np.testing.assert_allclose(found, np.asarray(wanted), rtol=1e-4, atol=1e-5 * scale, err_msg=what)


def compare(step: Step, tables: list[Any], layer: Any, what: str) -> None:
    gradients = [*step.on_rows, *step.on_weights]
    scale = max([1e-3, *(float(np.abs(g).max(initial=0)) for g in gradients)])
    for table, before, g in zip(tables, step.rows if tables else [], step.on_rows, strict=True):
        after = table.get_weights()[0].reshape(before.shape)
        close((before - after) / RATE, g, scale, f"{what}: rows")
    for weight, before, g in zip(layer.trainable_weights, step.trainable, step.on_weights, strict=True):
        close((before - weight.numpy()) / RATE, g, scale, f"{what}: {weight.name}")
    others = layer.non_trainable_weights
    for weight, after in zip(others, step.moved[: len(others)], strict=True):  # Keras keeps seeds there, too
        close(weight.numpy(), after, float(np.abs(after).max()), f"{what}: {weight.name}")


@pytest.mark.parametrize("cases", groups(), ids=lambda cases: f"{cases[0]}-and-{len(cases) - 1}")
def test_gradients_are_kerass(cases, both_engines):
    found = steps(cases, np.random.default_rng(len(str(cases[0]))))
    targets = np.concatenate([step.target.reshape(ROWS, -1) for step in found], axis=1)
    for engine in both_engines():
        model, arrays, tables, own = network(cases, found)
        model.compile(optimizers.SGD(RATE), lambda y, p: ops.sum(p * y, axis=-1))
        model.fit(arrays if len(arrays) > 1 else arrays[0], targets, batch_size=ROWS, verbose=0)
        for case, step, own_tables, layer in zip(cases, found, tables, own, strict=True):
            compare(step, own_tables, layer, f"{case} on the {engine} engine")


# -- and which not ----------------------------------------------------------------------------------------------------


def test_what_is_left_out_is_random_and_trains(both_engines):
    compared = {case.class_name for cases in trained().values() for case in cases}
    left_out = {case.class_name for name, cases in FAMILIES.items() for case in cases} - compared
    images = FAMILIES["image_changes"]
    assert left_out - {case.class_name for case in images} == RANDOM
    models = [foldnet_model(case) for case in images]
    for case, model in zip(images, models, strict=True):
        assert model.layers[-1].differs_in_training() or case.class_name in compared, case
    # Side by side: compiled alone, each takes as long as all.
    model = Model([x for m in models for x in m.inputs], [y for m in models for y in m.outputs])
    rows = [x for case in images for x in random_rows(case, ROWS, np.random.default_rng(0))]
    targets = [np.zeros((ROWS, *value.shape[1:])) for value in model.outputs]
    for engine in both_engines():
        model.compile("sgd", "mse")
        (loss,) = model.fit(rows, targets, verbose=0).history["loss"]
        assert np.isfinite(loss), engine
