"""Trained networks in Keras's files: archives and HDF5 of every age are read, today's are written.

A file is data and never code: nothing is unpickled, evaluated, or looked up by a name that a file gives, except
layer classes in ``foldnet.layers.LAYERS`` and activations in ``foldnet.activations.FUNCTIONS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from foldnet.errors import ConfigError, UnsupportedError

if TYPE_CHECKING:
    from foldnet.network import Network

__all__ = ["from_keras", "load_model", "load_weights", "save_model", "save_weights"]


def load_model(
    filepath: str | PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    *,
    activations: Mapping[str, Callable[..., Any]] | None = None,
    dtype: str | None = None,
) -> Network:
    """The network in a Keras file, with its weights.

    Reads ``.keras`` archives (also unzipped into a directory) and ``.h5``/``.hdf5`` models of Keras 1, 2,
    tf.keras, tf_keras and Keras 3. What the bytes are decides, not the name's ending.

    Args:
        filepath: of the file.
        custom_objects: Keras's name for ``activations``; functions in it are taken as such.
        compile: whether to keep the optimizer's state, so that ``fit`` goes on where the file's training stopped.
            Without it the network is as if ``compile`` had never been called; that is all prediction needs.
        safe_mode: True; code in a file is never run.
        activations: functions for activations that a file names but cannot hold, such as
            ``{"<lambda>": fn}``; NumPy functions, or ``functools.partial`` of those in ``foldnet.activations``.
        dtype: a dtype policy for every layer in place of the stored ones, such as ``"float32"``.

    Returns:
        A ``Sequential`` or ``Model``; ``keras_version`` and ``compile_config`` hold what the file says of them.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is damaged, hostile, or of another format.
        UnsupportedError: a layer, setting or activation that foldnet cannot represent exactly, or ``safe_mode``
            turned off.
    """
    from foldnet.files.load import load

    if not safe_mode:
        raise UnsupportedError(
            "foldnet never runs code from a file, so safe_mode=False changes nothing; leave it out and supply "
            "functions by activations={name: fn}"
        )
    from foldnet.files.registration import known_objects

    return load(filepath, known_objects({**(custom_objects or {}), **(activations or {})}), dtype, compile)


def load_weights(
    model: Network, filepath: str | PathLike[str], skip_mismatch: bool = False, **kwargs: Any
) -> None:
    """Fill a built network with the weights of a ``.weights.h5``, a weights-only ``.h5``, or a whole model file.

    Either all weights are set or, when an error is raised, none. A compiled network's optimizer goes on from the state
    that a ``.weights.h5`` or ``.keras`` has of it, as in Keras; one that does not fit is left, with a warning.

    Args:
        model: with the architecture that the weights were saved from; layer names do not matter for
            ``.weights.h5`` and ``.keras``, and do for legacy ``.h5``.
        filepath: of the file; a ``.weights.json`` lists several.
        skip_mismatch: whether layers whose weights are not in the file, or have other shapes there, keep their own; a
            warning names them.
        kwargs: ``objects_to_skip``: layers that keep their own weights, or the optimizer, for ``.weights.h5`` only;
            ``by_name``: whether a legacy ``.h5`` fills the layers that it has by name, and no others.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is damaged, hostile, or holds the weights of another architecture.
        ConfigError: the network is not built yet, so its weights have no shapes.
    """
    from foldnet.files.fill_weights import Leniency
    from foldnet.files.load import load_weights_into

    skip, by_name = kwargs.pop("objects_to_skip", None), kwargs.pop("by_name", None)
    if kwargs:
        raise ConfigError(f"load_weights does not take {', '.join(kwargs)}")
    whole = str(filepath).endswith((".weights.h5", ".weights.json"))
    if skip is not None and not whole:
        raise ConfigError(f"objects_to_skip only supports .weights.h5 files, which {filepath} is not")
    if by_name is not None and (whole or not str(filepath).endswith((".h5", ".hdf5"))):
        raise ConfigError(f"by_name only supports legacy .h5 or .hdf5 files, which {filepath} is not")
    load_weights_into(model, filepath, Leniency(skip_mismatch, tuple(skip or ()), bool(by_name)))


def save_model(
    model: Network,
    filepath: str | PathLike[str],
    overwrite: bool = True,
    zipped: bool | None = None,
    *,
    include_optimizer: bool | Literal["tf_keras"] = True,
    **kwargs: Any,
) -> None:
    """Write a network to a file that Keras 3 opens: ``.keras``, or ``.h5``/``.hdf5``, which tf_keras opens, too.

    The file takes the old one's place in one step; when writing fails or is killed, the old one stays whole.

    Args:
        model: built.
        filepath: of the file; its ending says which kind it is.
        overwrite: whether a file that is there may be replaced.
        zipped: False writes what an archive holds into a directory, whose name must not end in ``.keras``.
        include_optimizer: whether the settings of ``compile`` and the state of the optimizer go with it. From a
            ``.h5`` Keras 3 never reads the state, even from its own files: it starts with a new optimizer.
            ``"tf_keras"`` writes a ``.h5`` from which tf_keras goes on, and which Keras 3 opens with
            ``compile=False`` only.
        kwargs: Keras's ``save_format`` of old is warned about where the ending says the same; nothing else is taken.

    Raises:
        ConfigError: the network is not built, the ending is none of these, or the file is there and is to stay.
        UnsupportedError: the network has something that this kind of file cannot say.
        OSError: the file cannot be written.
    """
    from foldnet.files.save import save

    _no_format(filepath, kwargs)
    _may_write(filepath, overwrite)
    save(model, filepath, include_optimizer, zipped is not False)


def _no_format(path: str | PathLike[str], kwargs: dict[str, Any]) -> None:
    """Keras's ``save_format`` says what the ending of the name says since Keras 3."""
    said = kwargs.pop("save_format", None)
    if kwargs:
        raise ConfigError(f"these arguments are not taken when a network is saved: {', '.join(kwargs)}")
    if said:
        from foldnet.warn import warn

        if not str(path).endswith((".keras", ".h5", ".hdf5")):
            raise ConfigError(
                f"the argument save_format={said!r} is deprecated: give a name that ends in .keras or .h5"
            )
        warn(
            "the argument save_format is deprecated, and the ending of the file's name counts; leave it out",
            DeprecationWarning,
        )


def _may_write(path: str | PathLike[str], overwrite: bool) -> None:
    """Keras asks on the terminal; foldnet raises an error instead."""
    from pathlib import Path

    from foldnet.disk.opening import name_of

    if not overwrite and Path(name_of(path)).exists():
        raise ConfigError(f"{path} is there already, and overwrite=False; choose another name")


def save_weights(
    model: Network,
    filepath: str | PathLike[str],
    overwrite: bool = True,
    max_shard_size: float | None = None,
    *,
    objects_to_skip: Sequence[Any] | None = None,
) -> None:
    """Write a network's weights alone: ``.weights.h5``, or the older layout of a weights-only ``.h5``.

    In a ``.weights.h5`` the state of the optimizer goes with them, as in Keras. The file takes the old one's place in
    one step, as with ``save_model``; of several files none does before all are whole.

    Args:
        model: built.
        filepath: of the file; its ending says which layout it has.
        overwrite: whether a file that is there may be replaced.
        max_shard_size: GiB of numbers that one file may hold: then ``filepath`` ends in ``.weights.json``, which lists
            the files ``<name>_00000.weights.h5`` and so on beside it. None writes one file.
        objects_to_skip: layers whose weights are left out, and the optimizer if it is among them; not from the older
            layout.

    Raises:
        ConfigError: the network is not built, the ending is none of these, a single weight is larger than
            ``max_shard_size``, or the file is there and is to stay.
        OSError: the file cannot be written.
    """
    from foldnet.files.save import save_weights as save

    _may_write(filepath, overwrite)
    save(model, filepath, tuple(objects_to_skip or ()), max_shard_size)


def from_keras(
    model: object,
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
    from foldnet.files.live_models import network_of

    return network_of(model, activations, dtype)
