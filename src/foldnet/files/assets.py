"""Files that a ``.keras`` archive keeps for single layers, such as the vocabulary of an adapted one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from foldnet.arrays import Array
from foldnet.errors import ConfigError, FileFormatError
from foldnet.files.hdf5.merged import GroupLike
from foldnet.files.weights_v3 import group_names
from foldnet.layers.base import Layer
from foldnet.network import Network

FOLDER = "assets"
MOST = 64 << 20
"""Largest size of such a file in bytes."""


def read_assets(read: Callable[[str, int], bytes], root: GroupLike, network: Network) -> None:
    """Read the files of those layers of a network that need one.

    Args:
        read: gives the bytes of a member of the archive, up to a size.
        root: of the weights.
        network: with its weights.

    Raises:
        FileFormatError: such a file is missing, or not what the layer needs.
    """
    _read(read, root, network, FOLDER)


def _read(read: Callable[[str, int], bytes], group: GroupLike, network: Network, folder: str) -> None:
    for layer, name in group_names(network).items():
        path = f"{folder}/layers/{name}"
        if isinstance(layer, Network):
            inside = group.group("layers") if group.is_group("layers") else group
            _read(read, inside.group(name) if inside.is_group(name) else group, layer, path)
        elif layer.asset is not None:
            _take(layer, layer.asset, read(f"{path}/{layer.asset}", MOST), _beside(group, layer, name))


def _beside(group: GroupLike, layer: Layer, name: str) -> dict[str, Array]:
    """The arrays that are stored in the layer's group, not being weights."""
    stored = group.group("layers").group(name).group("vars")
    return {key: stored.array(key, array.shape) for key, array in layer.stored_beside().items()}


def _take(layer: Layer, name: str, content: bytes, beside: Mapping[str, Array]) -> None:
    try:
        layer.take_asset(content.decode("utf-8"), beside)
    except (ConfigError, UnicodeDecodeError) as error:
        raise FileFormatError(f"the {name} of layer {layer.name!r} does not fit it: {error}") from None
