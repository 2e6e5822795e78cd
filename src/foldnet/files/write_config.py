"""Write a network's configuration: its layers, their settings, and the calls that connect them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.files import operations
from foldnet.files.for_tf_keras import left_out, own_settings
from foldnet.files.keras_objects import (
    Dialect,
    layer_settings,
    plain_data,
    record,
    stored_object,
    stored_policy,
    stored_setting,
)
from foldnet.files.write_calls import Calls
from foldnet.layers import LAYERS
from foldnet.layers.base import Layer
from foldnet.layers.operation import Operation
from foldnet.layers.tensors import Call
from foldnet.naming import join_names
from foldnet.network import Model, Network
from foldnet.sequential import Sequential
from foldnet.structure import map_structure

ONLY_WHEN_USED: dict[str, dict[str, Any]] = {
    "BatchNormalization": {
        "renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99, "synchronized": False,
    },
    "LayerNormalization": {"rms_scaling": False},
    "MultiHeadAttention": {"sliding_window": None, "use_gate": False},
    "GroupQueryAttention": {"sliding_window": None, "use_gate": False},
    **{name + part: {"seed": None} for name in ("SimpleRNN", "LSTM", "GRU") for part in ("", "Cell")},
}  # fmt: skip
"""Settings that some releases of Keras do not have, with their defaults: written only when they differ."""

NO_TRAINABLE = frozenset({"Discretization", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"})
"""Layers whose constructor in Keras 3 does not take ``trainable``; they have no weights."""


def network_record(network: Network, dialect: Dialect, unbuilt: bool = False) -> dict[str, Any]:
    """The record of a whole network as Keras writes it; ``unbuilt`` allows a Sequential without an input shape.

    Raises:
        ConfigError: the network is not built.
        UnsupportedError: a layer, setting or call that the dialect cannot represent.
    """
    return _Writer(network, dialect, unbuilt).network(network)


def network_config(network: Network) -> dict[str, Any]:
    """The settings in the record of a network, which may be a Sequential without an input shape.

    For a user's class these are the settings of its base class, for use in its ``get_config``.

    Raises:
        UnsupportedError: a layer, setting or call that Keras 3 cannot represent.
    """
    config: dict[str, Any] = _Writer(network, Dialect.KERAS_3, unbuilt=True, bare=True).network(network)[
        "config"
    ]
    return config


def layer_record(layer: Layer, dialect: Dialect) -> dict[str, Any]:
    """The record of a layer, or of a whole network.

    Raises:
        UnsupportedError: a setting that the dialect cannot represent.
    """
    return (
        network_record(layer, dialect, unbuilt=True)
        if isinstance(layer, Network)
        else _Writer(layer, dialect).layer(layer)
    )


class _Writer:
    def __init__(self, whole: Layer, dialect: Dialect, unbuilt: bool = False, bare: bool = False) -> None:
        self._dialect, self._whole, self._unbuilt, self._bare = dialect, whole, unbuilt, bare
        mentions = Counter(_mentions(whole) if isinstance(whole, Network) else ())
        self._shared = {layer: i for i, layer in enumerate((k for k, n in mentions.items() if n > 1), 1)}

    def network(self, network: Network) -> dict[str, Any]:
        self._check_name(network)
        join_names(network, network.joined_layers())  # layers may have been renamed since they were joined
        if not network.built and isinstance(network, Sequential) and self._unbuilt:
            layers = [self.layer(x) for x in network.layers]
            return record(
                "keras",
                "Sequential",
                {"name": network.name, "trainable": network.trainable, "layers": layers},
            )
        if not network.built:
            raise ConfigError(
                f"{network.name!r} is not built, so the shape of its input is not known; call it on data or "
                "build((None, features)) before saving"
            )
        sequential = isinstance(network, Sequential)
        config: dict[str, Any] = {"name": network.name, "trainable": network.trainable}
        if self._dialect is Dialect.KERAS_3 and sequential:
            config["dtype"] = stored_policy(network.dtype_policy, self._dialect)
        config |= self._sequential(network) if sequential else self._functional(network)
        shape = plain_data([t.shape for t in network.inputs], network.name)
        kind = "Sequential" if sequential else "Functional"
        if self._dialect.is_old:
            return self._marked(network, {"class_name": kind, "config": config})
        bare = self._bare and network is self._whole
        if type(network) not in (Model, Sequential, Network) and not bare:
            stored = _of_own_class(network, config)
        else:
            module, registered = network_module(network)
            stored = record(module, kind, config)
            stored["registered_name"] = registered
        stored["build_config"] = {"input_shape": shape[0] if len(shape) == 1 else shape}
        return self._marked(network, stored)

    def layer(self, layer: Layer) -> dict[str, Any]:
        """The record of a layer or nested network, without its calls."""
        if isinstance(layer, Network):
            return self.network(layer)
        self._check_name(layer)
        if isinstance(layer, Operation):
            if self._dialect.is_old:
                raise UnsupportedError(
                    f"{layer.name!r} is an operation between layers, and no .h5 file holds those so that Keras opens "
                    "it: Keras 3 itself writes them and cannot read them; save the network as .keras"
                )
            return operations.stored(layer)
        name = type(layer).__name__
        _check_known(layer, name, self._dialect)
        config = self._settings(layer, name)
        if self._dialect.is_old:
            return self._marked(layer, {"class_name": layer._keras_name(), "config": config})
        stored = record("keras.layers", name, config)
        if LAYERS.get(name) is not type(layer):
            stored = _of_own_class(layer, config)
        if layer.specs and layer.calls:
            stored["build_config"] = plain_data(_built_with(layer.calls[0]), layer.name)
        return self._marked(layer, stored)

    def _check_name(self, layer: Layer) -> None:
        if not layer.name:
            raise UnsupportedError(
                f"a {type(layer).__name__} has no name, which a file needs; give it a name"
            )
        if self._dialect is Dialect.KERAS_3 and "/" in layer.name:
            raise UnsupportedError(
                f"{layer.name!r} has a slash, which Keras 3 does not allow in a name; rename it, or save the network "
                "as .h5, which tf_keras and foldnet read"
            )

    def _marked(self, layer: Layer, stored: dict[str, Any]) -> dict[str, Any]:
        if layer in self._shared:
            stored["shared_object_id"] = self._shared[layer]
        return stored

    def _settings(self, layer: Layer, name: str) -> dict[str, Any]:
        if layer.is_input:
            key = "batch_shape" if self._dialect is Dialect.KERAS_3 else "batch_input_shape"
            optional = {"optional": True} if layer.optional else {}  # Keras before 3.4 does not know it
            return {
                key: plain_data(layer.batch_shape, layer.name), "dtype": layer.dtype, "sparse": False,
                "ragged": False, "name": layer.name, **optional,
            }  # fmt: skip
        given = layer.get_config()
        config = {"name": given.pop("name"), "trainable": given.pop("trainable")}
        if name in NO_TRAINABLE:
            del config["trainable"]
        config["dtype"] = stored_policy(given.pop("dtype"), self._dialect)
        given.pop("activity_regularizer", None)
        if self._dialect.is_old and kept_in_settings(layer, self._whole):
            weights = layer.named_weights
            given |= {key: weights[key].tolist() for key in ("mean", "variance") if key in weights}
        for key in layer.layers_in_settings:
            given.pop(key)
            config[key] = self._inner(getattr(layer, layer.kept_as.get(key, key)))
        for key, value in given.items():
            unused = ONLY_WHEN_USED.get(name, {})
            if (key in unused and value == unused[key]) or left_out(layer, name, key, value, self._dialect):
                continue
            config[key] = stored_setting(layer, key, value, self._dialect)
        config |= own_settings(layer, name, self._dialect)
        if layer.activity_regularizer is not None and name != "ActivityRegularization":
            config["activity_regularizer"] = stored_object(
                layer.activity_regularizer,
                "keras.regularizers",
                f"layer {layer.name!r}: activity_regularizer",
            )
        return layer_settings(name, config, self._dialect)

    def _inner(self, value: Any) -> Any:
        """The record of a setting that is a layer, or a list of them. Keras 3 needs its module, even in a .h5 file."""
        if isinstance(value, list):
            return [self._inner(layer) for layer in value]
        if value is None:
            return None
        module = network_module(value) if isinstance(value, Network) else ("keras.layers", None)
        return {**dict(zip(("module", "registered_name"), module, strict=True)), **self.layer(value)}

    # -- networks -----------------------------------------------------------------------------------------

    def _sequential(self, network: Network) -> dict[str, Any]:
        entry = network.inputs[0].call
        first = [entry.layer] if entry is not None else []
        shape = plain_data(network.inputs[0].shape, network.name)
        return {"layers": [self.layer(x) for x in [*first, *network.layers]], "build_input_shape": shape}

    def _functional(self, network: Network) -> dict[str, Any]:
        calls = Calls(network, self._dialect)
        layers = []
        for layer in network.operations:
            stored = {**self.layer(layer), "name": layer.name}
            stored["inbound_nodes"] = [node for call in calls.of(layer) for node in calls.nodes(call)]
            layers.append(stored)
        inputs = map_structure(calls.end, network.input_structure)
        outputs = map_structure(calls.end, network.output_structure)
        return {"layers": layers, "input_layers": inputs, "output_layers": outputs}


def network_module(network: Network) -> tuple[str, str | None]:
    """The module of a network's class in Keras 3, and the name under which it is registered there."""
    sequential = isinstance(network, Sequential)
    return ("keras", None) if sequential else ("keras.src.models.functional", "Functional")


def _of_own_class(layer: Layer, config: dict[str, Any]) -> dict[str, Any]:
    """The record of a user's layer or network class, which the program that opens the file must supply."""
    from foldnet.files.registration import get_registered_name
    from foldnet.files.serialization import serialize_keras_object

    cls = type(layer)
    if isinstance(layer, Network) and cls.get_config is not Network.get_config:
        config = serialize_keras_object(dict(layer.get_config()))
    return {**record(cls.__module__, cls.__name__, config), "registered_name": get_registered_name(cls)}


def kept_in_settings(layer: Layer, whole: Layer) -> bool:
    """Whether a ``.h5`` of a whole network has a layer's weights in its settings.

    For a Normalization inside a nested network Keras 3 ignores statistics that it reads as weights,
    but uses those in the settings.
    """
    return layer.normalizes_by == "data" and isinstance(whole, Network) and layer not in whole.layers


def _mentions(network: Network) -> Iterator[Layer]:
    """Every layer in every network's list and in other layers' settings; what is inside a layer is listed only once."""
    seen: set[Layer] = set()
    pending: list[Layer] = [network]
    while pending:
        layer = pending.pop()
        inner = [*layer.operations] if isinstance(layer, Network) else _in_settings(layer)
        for other in inner:
            yield other
            if other not in seen:
                pending.append(other)
            seen.add(other)


def _in_settings(layer: Layer) -> list[Layer]:
    """The layers that a layer was given; not those that it made from them, which a reader makes again."""
    given = (getattr(layer, key) for key in layer.layers_in_settings if key not in layer.kept_as)
    return [
        one for value in given for one in (value if isinstance(value, list) else [value]) if one is not None
    ]


def _check_known(layer: Layer, name: str, dialect: Dialect) -> None:
    """Refuse layers that the dialect cannot represent, or that Keras would read incorrectly."""
    axis = getattr(layer, "axis", -1)
    several = isinstance(axis, list) and len(axis) != 1
    if dialect.is_old and name != "BatchNormalization" and (several or axis is None):
        raise UnsupportedError(
            f"layer {layer.name!r} ({name}): Keras 3 loses axis={axis} when it opens a .h5 file, and would compute "
            "with another; save the network as .keras"
        )
    if dialect is Dialect.KERAS_3:
        if name == "ThresholdedReLU":
            raise UnsupportedError(
                f"layer {layer.name!r} is a ThresholdedReLU, which Keras 3 no longer has; save the network as .h5"
            )
        if name == "BatchNormalization" and several:
            raise UnsupportedError(
                f"layer {layer.name!r}: BatchNormalization with axis={axis} keeps statistics along several axes, "
                "which Keras 3 cannot; save the network as .h5, which tf_keras and foldnet read"
            )


def _built_with(call: Call) -> dict[str, Any]:
    """The shapes that a layer was built with, as Keras hands them to ``build``."""
    layer = call.layer
    if len(layer.tensor_arguments) > 1:
        shapes = {
            f"{role}_shape": call.given(role)[0].shape
            for role in call.roles
            if role not in layer.mask_arguments
        }
        return {"shapes_dict": shapes}
    inputs = [t.shape for t in call.inputs]
    return {"input_shape": inputs if layer.joins_inputs else inputs[0]}
