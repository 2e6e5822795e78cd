"""Settings that are layers: how they are stored, and read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from foldnet.errors import UnsupportedError

if TYPE_CHECKING:
    from foldnet.layers.base import Layer


def stored_layers(value: Any) -> Any:
    """A layer, or a list of layers, in Keras's stored form."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return [stored_layers(layer) for layer in value]
    return {
        "module": "keras.layers", "class_name": type(value).__name__, "config": value.get_config(),
        "registered_name": None,
    }  # fmt: skip


def restored_layers(config: Mapping[str, Any], names: Sequence[str], owner: str) -> dict[str, Any]:
    """Settings with layers in place of their stored forms.

    Args:
        config: the settings.
        names: of those that are layers, or lists of layers.
        owner: the class that has them, for errors.

    Raises:
        UnsupportedError: foldnet does not have a layer's class.
    """

    def restored(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [restored(v) for v in value]
        return _layer(value, owner) if isinstance(value, Mapping) else value

    return {key: restored(value) if key in names else value for key, value in config.items()}


def _layer(stored: Mapping[str, Any], owner: str) -> Layer:
    from foldnet.layers import LAYERS

    kind = stored.get("class_name")
    if kind not in LAYERS:
        raise UnsupportedError(f"{owner} holds a layer of the class {kind!r}, which foldnet does not have")
    return LAYERS[kind].from_config(stored.get("config") or {})


def again(layer: Layer, name: str, **changed: Any) -> Any:
    """A new layer with the settings of another, under another name, and with some settings changed."""
    made = type(layer).from_config({**layer.get_config(), "name": name, **changed})
    made.given_settings = layer.given_settings
    return made
