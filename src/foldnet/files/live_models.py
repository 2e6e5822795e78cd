"""Convert live Keras models, using their ``get_config`` and weights, without importing Keras."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, FileFormatError, UnsupportedError
from foldnet.files.fill_weights import Values
from foldnet.files.legacy import is_weight, leaves_of, matched
from foldnet.files.load import major_version
from foldnet.files.read_config import Reader
from foldnet.files.reading import Reading
from foldnet.files.releases import Release
from foldnet.files.substitutes import in_order
from foldnet.layers.base import Layer
from foldnet.layers.weight import WeightSpec
from foldnet.network import Network


def network_of(
    model: Any,
    custom_objects: Mapping[str, Any] | None,
    activations: Mapping[str, Callable[..., Any]] | None,
    dtype: str | None,
) -> Network:
    """A network equal to a live model; see ``foldnet.from_keras``."""
    if isinstance(model, Network):
        return model
    kind = _kind(model)
    if not model.weights and not getattr(model, "built", True):
        raise ConfigError(f"the model {model.name!r} is not built; call it on data, or model.build, first")
    config = plain_value(model.get_config())
    version = _version(model)
    record = {"class_name": kind, "config": config, "build_config": {"input_shape": _input_shape(model)}}
    release = Release(version, major_version(version, 3))
    reader = Reader.of(release, Reading.of(custom_objects, activations, dtype))
    try:
        network = reader.network(record)
        values = Values()
        _read(network, model, values, reader.given, set())
        values.fill()
    except FileFormatError as error:
        raise UnsupportedError(f"the live model {model.name!r} cannot be converted: {error}") from None
    network.keras_version = version
    if getattr(model, "optimizer", None) is not None and hasattr(model, "get_compile_config"):
        compiled = plain_value(model.get_compile_config())
        network.compile_config = compiled if isinstance(compiled, dict) and compiled else None
    return network


def _kind(model: object) -> str:
    """``Sequential`` or ``Functional``; other classes of models are refused."""
    if not all(hasattr(model, name) for name in ("get_config", "layers", "weights")):
        raise UnsupportedError(
            f"from_keras takes a keras.Model or tf_keras.Model, not {type(model).__name__}"
        )
    own = type(model)
    is_keras = own.__module__.split(".")[0] in ("keras", "tf_keras", "tensorflow")
    if own.__name__ in ("Sequential", "Functional") and is_keras:
        return str(own.__name__)
    raise UnsupportedError(
        f"the model {getattr(model, 'name', '')!r} is a {own.__name__}, whose call is Python code of its own. Build "
        "it as a Sequential or Functional model: keras.Model(inputs, outputs)"
    )


def _version(model: object) -> str | None:
    import sys

    package = type(model).__module__.split(".")[0]
    module = sys.modules.get(package)
    if package == "tensorflow":
        module = getattr(module, "keras", None)
    version = getattr(module, "__version__", None)
    return version if isinstance(version, str) else None


def _input_shape(model: object) -> Any:
    shape = getattr(model, "input_shape", None) if getattr(model, "built", False) else None
    return (
        list(shape)
        if isinstance(shape, tuple) and all(s is None or isinstance(s, int) for s in shape)
        else None
    )


def plain_value(value: object) -> Any:
    """Convert a live configuration to JSON data.

    Functions and objects that cannot be converted are replaced by their names, which are refused later
    if they are needed.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain_value(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(v) for v in value]
    if isinstance(value, np.generic | np.ndarray) or type(value).__module__.startswith("ml_dtypes"):
        return np.asarray(value).tolist()
    if hasattr(value, "as_list"):  # tf.TensorShape
        return plain_value(value.as_list())
    if hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": plain_value(value.get_config())}
    if hasattr(value, "numpy"):
        return np.asarray(value.numpy()).tolist()
    name = getattr(value, "__name__", None) or getattr(value, "name", None) or type(value).__name__
    return str(name)


def _read(network: Network, live: Any, values: Values, given: Container[Layer], done: set[Layer]) -> None:
    live_layers = {layer.name: layer for layer in live.layers}
    for layer in network.layers:
        if layer in done:
            continue
        done.add(layer)
        if layer in given:
            _read_given(layer, live_layers[layer.name], values)
        elif isinstance(layer, Network):
            _read(layer, live_layers[layer.name], values, given, done)
        elif layer.inner_layers:
            _read_parts(layer, live_layers[layer.name], values)
        elif layer.specs:
            _read_layer(layer, live_layers[layer.name], values)


def _read_given(layer: Layer, live: Any, values: Values) -> None:
    """The weights of a live layer, in Keras's order, for what the caller gave for it."""
    variables = _trainable_first(live)
    arrays, leaves = list(map(_array, variables)), list(leaves_of(layer))
    if len(arrays) != len(leaves):
        raise FileFormatError(
            f"layer {layer.name!r} has the weights {list(map(_path, variables))[:20]}, and what was given for it "
            f"{[f'{inner.name}/{spec.name}' for inner, spec in leaves][:20]}"
        )
    stored = [(_path(v), array.shape) for v, array in zip(variables, arrays, strict=True)]
    for array, (inner, spec) in zip(arrays, in_order(layer, stored, leaves), strict=True):
        values.add(inner, spec.name, array)


def _trainable_first(live: Any) -> list[Any]:
    """The weights of a live layer in the order in which Keras's HDF5 files list them."""
    variables = (*live.trainable_weights, *live.non_trainable_weights)
    return [v for v in variables if "seed_generator" not in _path(v)]


def _read_parts(layer: Layer, live: Any, values: Values) -> None:
    """The weights of a live layer that has layers or a network inside, by their names, or else by Keras's order."""
    variables = _trainable_first(live)
    leaves = list(leaves_of(layer))
    places = matched([_path(v) for v in variables], leaves) if len(variables) == len(leaves) else None
    if places is None:
        raise FileFormatError(
            f"layer {layer.name!r} has the weights {list(map(_path, variables))[:20]}, expected "
            f"{[f'{inner.name}/{spec.name}' for inner, spec in leaves][:20]}"
        )
    for variable, (inner, spec) in zip(variables, places, strict=True):
        values.add(inner, spec.name, _of_shape(variable, spec, inner))


def _of_shape(variable: Any, spec: WeightSpec, layer: Layer) -> Array:
    value = _array(variable)
    if value.shape != spec.shape:
        raise FileFormatError(
            f"layer {layer.name!r}: weight {spec.name!r} has shape {value.shape}, not {spec.shape}"
        )
    return value


def _array(variable: Any) -> Array:
    value = variable.numpy() if hasattr(variable, "numpy") else np.asarray(variable)
    return np.asarray(value).astype(np.float32)


def _read_layer(layer: Layer, live: Any, values: Values) -> None:
    variables = [v for v in live.weights if "seed_generator" not in _path(v)]
    if len(variables) != len(layer.specs):
        raise FileFormatError(
            f"layer {layer.name!r} has the weights {[_path(v) for v in variables]}, expected "
            f"{[s.name for s in layer.specs]}"
        )
    for spec in layer.specs:
        found = [v for v in variables if is_weight(_path(v).rsplit("/", 1)[-1], spec.name, layer.name)]
        if len(found) != 1:
            raise FileFormatError(f"layer {layer.name!r} has {len(found)} weights called {spec.name!r}")
        values.add(layer, spec.name, _of_shape(found[0], spec, layer))


def _path(variable: Any) -> str:
    return str(getattr(variable, "path", None) or variable.name)
