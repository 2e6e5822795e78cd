"""The same layer or network in Keras and in foldnet, with the same telling weights.

Nothing here has fresh weights: gammas are not 1, betas, means and biases not 0, variances spread over two decades,
so that a test that forgets one of them fails.
"""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from foldnet.engines.native import NativeProgram
from foldnet.engines.reference import ReferenceProgram
from foldnet.graph.graph import bind
from foldnet.layers import LAYERS, Input
from foldnet.lowering.lower import lower
from foldnet.network import Model

Shape = tuple[int | None, ...]
Run = Callable[[Model, Sequence[np.ndarray], str], list[np.ndarray]]


@dataclass(frozen=True)
class Case:
    """A layer by Keras's class name and settings, and the shapes of its inputs' rows."""

    class_name: str
    config: dict[str, Any] = field(default_factory=dict)
    shapes: tuple[tuple[int, ...], ...] = ((5,),)
    indices: int | None = None
    """For Embedding: the data are whole numbers below this."""

    def __str__(self) -> str:
        settings = ",".join(f"{k}={v}" for k, v in self.config.items())
        return f"{self.class_name}({settings}) on {'+'.join(map(str, self.shapes))}".replace(" ", "")


def weight_values(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Telling float32 values for a weight, by what its name says it is."""
    if "variance" in name or "stddev" in name:
        values = 10.0 ** rng.uniform(-1, 1, shape)
    elif "gamma" in name or name.endswith("scale"):
        values = rng.uniform(0.3, 2.0, shape) * rng.choice([-1.0, 1.0], shape)
    elif name.endswith("count"):
        values = np.full(shape, 7.0)
    elif "mean" in name:
        values = rng.normal(0, 3, shape)
    else:
        values = rng.normal(0, 0.7, shape)
    return np.asarray(values, np.float32)


def random_weights(model: Any, rng: np.random.Generator) -> list[np.ndarray]:
    """Give every weight of a Keras or foldnet model or layer telling values; returns them in its own order."""
    if hasattr(model, "specs"):  # foldnet
        for layer in getattr(model, "layers", [model]):
            for spec in layer.specs:
                layer.set_weight(spec.name, weight_values(spec.name, spec.shape, rng))
    else:
        model.set_weights([weight_values(w.path.split("/")[-1], tuple(w.shape), rng) for w in model.weights])
    return [np.asarray(w) for w in model.get_weights()]


def random_rows(case: Case, rows: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Float32 data with channels of other means and spreads; whole numbers for an Embedding."""
    if case.indices is not None:
        return [rng.integers(0, case.indices, (rows, *s)).astype(np.int32) for s in case.shapes]
    arrays = []
    for shape in case.shapes:
        spread, centre = rng.uniform(0.2, 3.0, shape), rng.normal(0, 2, shape)
        arrays.append((centre + spread * rng.normal(size=(rows, *shape))).astype(np.float32))
    return arrays


@dataclass(frozen=True)
class Answer:
    """What Keras says to a case: its stored settings, the weights and rows used, and its predictions."""

    config: dict[str, Any]
    weights: list[np.ndarray]
    rows: list[np.ndarray]
    keras: np.ndarray
    truth: np.ndarray
    """The same in float64."""


def keras_layer(case: Case) -> Any:
    """The live Keras layer, built for the case's shapes."""
    import keras

    layer = made_by(keras.layers, case.class_name, case.config)
    shapes = [(None, *s) for s in case.shapes]
    if takes_several(layer):
        layer.build(*shapes)
    else:
        layer.build(shapes[0] if len(shapes) == 1 else shapes)
    return layer


def made_by(library: Any, class_name: str, config: dict[str, Any]) -> Any:
    """A layer; a setting that is a layer is given as a pair of class name and settings, or a list of pairs."""

    def value(given: Any) -> Any:
        if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str):
            return made_by(library, *given)
        return [value(v) for v in given] if isinstance(given, list) else given

    cls = library[class_name] if isinstance(library, dict) else getattr(library, class_name)
    return cls(**{name: value(given) for name, given in config.items()})


def takes_several(layer: Any) -> bool:
    """Whether a Keras layer is called on several tensors, as attention with heads is, and not on a list of them."""
    return next(iter(inspect.signature(layer.call).parameters)) == "query"


def keras_answers(cases: Sequence[Case], rows: int = 3, seed: int = 0) -> dict[str, Answer]:
    """Keras's predictions for all cases, by their names; compiled together, which is much faster than singly."""
    rng = np.random.default_rng(seed)
    layers = [keras_layer(case) for case in cases]
    configs = [layer.get_config() for layer in layers]
    weights = [random_weights(layer, rng) for layer in layers]
    data = [random_rows(case, rows, rng) for case in cases]
    for layer in layers:
        if hasattr(layer, "finalize_state"):  # Normalization takes its weights up only then
            layer.finalize_state()
    keras = _predicted(layers, data, np.float32)
    with keras_in_float64(layers):
        truth = _predicted(layers, data, np.float64)
    assert all(t.dtype == np.float64 for t in truth if t.dtype.kind == "f")
    answers = zip(configs, weights, data, keras, truth, strict=True)
    return {str(case): Answer(*answer) for case, answer in zip(cases, answers, strict=True)}


def at_prediction(layer: Any) -> dict[str, bool]:
    """The argument of a call of a live Keras layer; those of images change them if it is missing."""
    return {"training": False} if layer._call_has_training_arg else {}


def _predicted(layers: Sequence[Any], data: Sequence[Sequence[np.ndarray]], dtype: Any) -> list[np.ndarray]:
    import jax

    def cast(arrays: Sequence[Any]) -> list[np.ndarray]:
        arrays = [np.asarray(a) for a in arrays]
        return [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]

    def predict(trainable, fixed, rows):
        return [
            layer.stateless_call(
                t, f, *(r if takes_several(layer) or len(r) == 1 else [r]), **at_prediction(layer)
            )[0]
            for layer, t, f, r in zip(layers, trainable, fixed, rows, strict=True)
        ]

    trainable = [cast(layer.trainable_variables) for layer in layers]
    fixed = [cast(layer.non_trainable_variables) for layer in layers]
    with warnings.catch_warnings():  # CutMix counts rows in 64 bits, which JAX turns into 32
        warnings.filterwarnings("ignore", "Explicitly requested dtype int64", UserWarning)
        results = jax.jit(predict)(trainable, fixed, [cast(rows) for rows in data])
    return [np.asarray(y) for y in results]


@contextlib.contextmanager
def keras_in_float64(layers: Sequence[Any]) -> Iterator[None]:
    """Let Keras compute these layers in float64 on JAX, which it otherwise always turns into float32."""
    import jax
    from keras.src.backend.common import dtypes

    def forget() -> None:
        for value in vars(dtypes).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()

    narrow = dtypes.BIT64_TO_BIT32_DTYPE["float64"]
    try:
        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
        forget()
        with jax.enable_x64(True):
            for layer in layers:
                for inner in layer._flatten_layers():
                    inner.dtype_policy = "float64"
                    for constant in ("mean", "variance"):  # of a Normalization
                        if getattr(inner, constant, None) is not None:
                            setattr(inner, constant, np.asarray(getattr(inner, constant), np.float64))
                for variable in layer.variables:
                    if variable.dtype == "float32":  # not the state of random numbers
                        variable._dtype = "float64"
            yield
    finally:
        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = narrow
        forget()


def foldnet_model(case: Case, config: dict[str, Any] | None = None) -> Model:
    """The case's layer as a foldnet network, from its own settings or from a Keras configuration."""
    own = made_by(LAYERS, case.class_name, case.config).get_config() if config is None else config
    layer = LAYERS[case.class_name].from_config(own)
    dtype = "float32" if case.indices is None else "int32"
    inputs = [Input(s, dtype=dtype) for s in case.shapes]
    several = len(inputs) == 1 or len(layer.tensor_arguments) > 1
    return Model(inputs, layer(*inputs) if several else layer(inputs))


def run_reference(model: Model, arrays: Sequence[np.ndarray], dtype: str = "float32") -> list[np.ndarray]:
    """The network's outputs by the reference engine."""
    return ReferenceProgram(lower(model), dtype).run(arrays)


def run_native(model: Model, arrays: Sequence[np.ndarray], dtype: str) -> list[np.ndarray]:
    """Predictions of the native engine, which works in float32."""
    return NativeProgram(bind(lower(model), [(None, *a.shape[1:]) for a in arrays])).run(arrays)


ENGINES: dict[str, Run] = {"reference": run_reference, "native": run_native}
"""Every engine by name, as a function (model, arrays, dtype) -> outputs; the grid runs on each."""


def ulp(scale: float) -> float:
    """The distance between neighbouring float32 numbers of this size."""
    return float(np.spacing(np.float32(scale)))


def assert_as_close_as_keras(
    ours: np.ndarray, keras: np.ndarray, truth: np.ndarray, relative: float = 1e-5
) -> None:
    """Within ``relative`` of the layer's scale, and no farther from the truth than twice Keras, plus one ULP."""
    assert ours.shape == keras.shape == truth.shape
    if keras.dtype == np.int32:  # whole numbers have no scale
        assert ours.dtype == keras.dtype
        np.testing.assert_array_equal(ours, truth)
        return
    assert ours.dtype == keras.dtype == np.float32
    finite = np.isfinite(truth)
    np.testing.assert_array_equal(np.where(finite, 0, ours), np.where(finite, 0, truth))
    if not finite.any():
        return
    scale = float(np.abs(truth[finite]).max())
    ours_off = float(np.abs(ours - truth)[finite].max())
    keras_off = float(np.abs(keras - truth)[finite].max())
    assert np.abs(ours - keras)[finite].max() <= relative * scale
    assert ours_off <= relative * scale
    assert ours_off <= 2 * keras_off + ulp(scale), f"off by {ours_off:.3g}, Keras by {keras_off:.3g}"
