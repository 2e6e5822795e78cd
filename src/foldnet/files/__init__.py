"""Keras's files: archives and HDF5 files of all versions are read, those of the current version are written.

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
    filepath: str | PathLike[str] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    *,
    architecture: str | PathLike[str] | None = None,
    weights: str | PathLike[str] | None = None,
    activations: Mapping[str, Callable[..., Any]] | None = None,
    dtype: str | None = None,
) -> Network:
    """Load a network with its weights from a Keras file, or from a file of its architecture and one of its weights.

    Reads ``.keras`` archives (also unzipped into a directory, or alone in another zip) and ``.h5``/``.hdf5`` models of
    Keras 1, 2, tf.keras, tf_keras and Keras 3. The content decides which it is, not the ending of the name.

    Args:
        filepath: of the file.
        custom_objects: your own classes and functions, by name. A function under the name of a layer's class, or of
            one layer, gets the layer's settings as a dict, and returns a foldnet layer or a small network for it.
        compile: whether to keep the optimizer's state, so that ``fit`` continues the training of the file.
            False is enough for predicting: the network is then not compiled.
        safe_mode: must be True: code in a file is never run.
        architecture: instead of ``filepath``, a JSON file that ``to_json`` of any Keras wrote.
        weights: with ``architecture``, the file of the weights.
        activations: functions of an array for activations that the file has only by name, such as
            ``{"<lambda>": fn}``; NumPy functions, or ``functools.partial`` of those in ``foldnet.activations``. Under
            the name of a layer or its class, such as that of a Lambda, one stands for the layer.
        dtype: a dtype policy for every layer instead of the stored ones, such as ``"float32"``.

    Returns:
        A ``Sequential`` or ``Model``, with the file's ``keras_version`` and ``compile_config`` as attributes.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is damaged, hostile, or of another format.
        ConfigError: not one file, nor an architecture and weights.
        UnsupportedError: a layer, setting or activation that foldnet cannot represent exactly, or ``safe_mode``
            is False.
    """
    if not safe_mode:
        raise UnsupportedError(
            "foldnet never runs code from a file, so safe_mode=False changes nothing; leave it out and supply "
            "functions by activations={name: fn}"
        )
    from foldnet.files.reading import Reading

    reading = Reading.of(custom_objects, activations, dtype, compile)
    stated = filepath if architecture is None else architecture
    if weights is not None and stated is not None and (filepath is None or architecture is None):
        from foldnet.files.architecture import load_parts

        return load_parts(stated, weights, reading)
    if filepath is None or architecture is not None or weights is not None:
        raise ConfigError(
            "load_model takes the path of one file, or architecture= (a JSON file) together with weights=. "
            "foldnet.models.model_from_json makes a network with new weights from an architecture alone"
        )
    from foldnet.files.load import load

    return load(filepath, reading)


def load_weights(
    model: Network, filepath: str | PathLike[str], skip_mismatch: bool = False, **kwargs: Any
) -> None:
    """Fill a built network with the weights of a ``.weights.h5``, a weights-only ``.h5``, or a whole model file.

    Either all weights are set or, when an error is raised, none. A compiled network's optimizer takes the state of a
    ``.weights.h5`` or ``.keras`` file, as in Keras; a state that does not fit is ignored, with a warning.

    Args:
        model: with the architecture that the weights were saved from. Names of layers do not matter for
            ``.weights.h5`` and ``.keras``. The weights in a legacy ``.h5`` go to the layers of the same names, or if
            some names differ, to the layers in their order, as in Keras.
        filepath: of the file; a ``.weights.json`` lists several files.
        skip_mismatch: whether layers whose weights are missing in the file, or have other shapes, keep theirs; a
            warning names them.
        kwargs: ``objects_to_skip``: layers (or the optimizer) that keep their weights, for ``.weights.h5`` only;
            ``by_name``: whether a legacy ``.h5`` sets only layers whose names it has.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is damaged, hostile, or holds the weights of another architecture.
        ConfigError: the network is not built yet, so its weights have no shapes.
    """
    from foldnet.files.fill_weights import Leniency
    from foldnet.files.load import is_legacy, load_weights_into

    skip, by_name = kwargs.pop("objects_to_skip", None), kwargs.pop("by_name", None)
    if kwargs:
        raise ConfigError(f"load_weights does not take {', '.join(kwargs)}")
    whole = str(filepath).endswith((".weights.h5", ".weights.json"))
    legacy = None if skip is None and by_name is None else is_legacy(filepath)
    if skip is not None and (legacy or not whole):
        raise ConfigError(f"objects_to_skip only supports .weights.h5 files, which {filepath} is not")
    if legacy is None:  # there is no file, so its name decides which error is raised
        legacy = not whole and str(filepath).endswith((".h5", ".hdf5"))
    if by_name is not None and not legacy:
        raise ConfigError(f"by_name only supports legacy .h5 or .hdf5 files, which {filepath} is not")
    load_weights_into(
        model, filepath, Leniency(skip_mismatch, tuple(skip or ()), bool(by_name), in_order=not by_name)
    )


def save_model(
    model: Network,
    filepath: str | PathLike[str],
    overwrite: bool = True,
    zipped: bool | None = None,
    *,
    include_optimizer: bool | Literal["tf_keras"] = True,
    **kwargs: Any,
) -> None:
    """Write a network to a file that Keras 3 can open: ``.keras``, or ``.h5``/``.hdf5``, which tf_keras opens too.

    The new file replaces an old one in one step; if writing fails or is interrupted, the old one stays as it was.

    Args:
        model: built.
        filepath: of the file; its ending decides the format.
        overwrite: whether an existing file may be replaced.
        zipped: False writes the archive's members into a directory, whose name must not end in ``.keras``.
        include_optimizer: whether to write the settings of ``compile`` and the optimizer's state. From a
            ``.h5`` Keras 3 never reads the state, not even from its own files: it starts with a new optimizer.
            ``"tf_keras"`` writes a ``.h5`` that tf_keras can continue training, and that Keras 3 opens with
            ``compile=False`` only.
        kwargs: Keras's old ``save_format`` is accepted with a warning; nothing else is.

    Raises:
        ConfigError: the network is not built, the ending is unknown, or the file exists and ``overwrite`` is False.
        UnsupportedError: the network has something that this format cannot represent.
        OSError: the file cannot be written.
    """
    from foldnet.files.save import save

    _no_format(filepath, kwargs)
    _may_write(filepath, overwrite)
    save(model, filepath, include_optimizer, zipped is not False)


def _no_format(path: str | PathLike[str], kwargs: dict[str, Any]) -> None:
    """Accept Keras's old ``save_format`` with a warning; since Keras 3 the ending of the name decides."""
    save_format = kwargs.pop("save_format", None)
    if kwargs:
        raise ConfigError(f"these arguments are not taken when a network is saved: {', '.join(kwargs)}")
    if save_format:
        from foldnet.warn import warn

        if not str(path).endswith((".keras", ".h5", ".hdf5")):
            raise ConfigError(
                f"the argument save_format={save_format!r} is deprecated: give a name that ends in .keras or .h5"
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
    """Write only a network's weights: ``.weights.h5``, or a weights-only ``.h5`` in the older layout.

    A ``.weights.h5`` also has the optimizer's state, as in Keras. The new file replaces an old one in
    one step, as with ``save_model``; several files are replaced only after all of them are written.

    Args:
        model: built.
        filepath: of the file; its ending decides the layout.
        overwrite: whether an existing file may be replaced.
        max_shard_size: largest size of one file in GiB. ``filepath`` must then end in ``.weights.json``, which lists
            the files ``<name>_00000.weights.h5`` and so on, in the same folder. None writes one file.
        objects_to_skip: layers (or the optimizer) whose weights are left out; not possible in the older
            layout.

    Raises:
        ConfigError: the network is not built, the ending is unknown, a single weight is larger than
            ``max_shard_size``, or the file exists and ``overwrite`` is False.
        OSError: the file cannot be written.
    """
    from foldnet.files.save import save_weights as save

    _may_write(filepath, overwrite)
    save(model, filepath, tuple(objects_to_skip or ()), max_shard_size)


def from_keras(
    model: object,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    activations: Mapping[str, Callable[..., Any]] | None = None,
    dtype: str | None = None,
) -> Network:
    """Convert a live ``keras.Model`` or ``tf_keras.Model`` to an equal network, with copies of its weights.

    Args:
        model: a built Sequential or Functional model. Keras is not imported here.
        custom_objects: as for ``load_model``.
        activations: as for ``load_model``.
        dtype: as for ``load_model``.

    Raises:
        ConfigError: the model is not built.
        UnsupportedError: a layer, setting or activation that foldnet cannot represent exactly, or a model that
            is a subclass with its own code.
    """
    from foldnet.files.live_models import network_of

    return network_of(model, custom_objects, activations, dtype)
