"""Reading trained networks: Keras's archives and HDF5 files of every age, and live Keras models.

A file is data and never code: nothing is unpickled, evaluated, or looked up by a name that a file gives, except
layer classes in ``foldnet.layers.LAYERS`` and activations in ``foldnet.activations.FUNCTIONS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldnet.network import Network

__all__ = ["from_keras", "load_model", "load_weights"]


def load_model(
    path: str | PathLike[str],
    *,
    activations: Mapping[str, Callable[..., Any]] | None = None,
    dtype: str | None = None,
) -> Network:
    """The network in a Keras file, with its weights.

    Reads ``.keras`` archives (also unzipped into a directory) and ``.h5``/``.hdf5`` models of Keras 1, 2,
    tf.keras, tf_keras and Keras 3. What the bytes are decides, not the name's ending.

    Args:
        path: of the file.
        activations: functions for activations that a file names but cannot hold, such as
            ``{"<lambda>": fn}``; NumPy functions, or ``functools.partial`` of those in ``foldnet.activations``.
        dtype: a dtype policy for every layer in place of the stored ones, such as ``"float32"``.

    Returns:
        A ``Sequential`` or ``Model``; ``keras_version`` and ``compile_config`` hold what the file says of them.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is damaged, hostile, or of another format.
        UnsupportedError: a layer, setting or activation that foldnet cannot represent exactly.
    """
    from foldnet.files.load import load

    return load(path, activations, dtype)


def load_weights(network: Network, path: str | PathLike[str]) -> None:
    """Fill a built network with the weights of a ``.weights.h5``, a weights-only ``.h5``, or a whole model file.

    Either all weights are set or, when an error is raised, none.

    Args:
        network: with the architecture that the weights were saved from; layer names do not matter for
            ``.weights.h5`` and ``.keras``, and do for legacy ``.h5``.
        path: of the file.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is damaged, hostile, or holds the weights of another architecture.
        ConfigError: the network is not built yet, so its weights have no shapes.
    """
    from foldnet.files.load import load_weights_into

    load_weights_into(network, path)


def from_keras(
    model: Any,
    *,
    activations: Mapping[str, Callable[..., Any]] | None = None,
    dtype: str | None = None,
) -> Network:
    """A network equal to a live ``keras.Model`` or ``tf_keras.Model``, with copies of its weights.

    Args:
        model: a built Sequential or Functional model. Neither Keras is imported here; the model brings its own.
        activations: as for ``load_model``.
        dtype: as for ``load_model``.

    Raises:
        ConfigError: the model is not built.
        UnsupportedError: a layer, setting or activation that foldnet cannot represent exactly, or a model that
            is a subclass with code of its own.
    """
    from foldnet.files.live import network_of

    return network_of(model, activations, dtype)
