"""Write networks to Keras's files: choose the format, and collect the content."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import h5py

from foldnet.disk.atomic import write_whole
from foldnet.disk.opening import name_of
from foldnet.errors import ConfigError, FoldnetError
from foldnet.files.for_tf_keras import check_for_tf_keras
from foldnet.files.keras_objects import Dialect
from foldnet.files.load import CONFIG, METADATA, WEIGHTS
from foldnet.files.overwrite import MARK
from foldnet.files.weight_tree import State, Tree, hdf5_image, optimizer_tree, tree_of, write_tree
from foldnet.files.write_config import network_record
from foldnet.files.write_weights import write_legacy_weights, write_optimizer_weights
from foldnet.network import Network
from foldnet.warn import warn

KERAS_VERSION = "3.13.0"
"""``.keras`` files are written in the layout of this release."""

KERAS_2_VERSION = "2.15.0"
"""``.h5`` files are written in the layout of this release, which Keras 3 and tf_keras read."""

HDF5_ENDINGS = (".h5", ".hdf5")

IncludeOptimizer = bool | Literal["tf_keras"]
TF_KERAS = "tf_keras"
WriteState = Callable[[h5py.File], None]


def save(
    network: Network,
    path: str | PathLike[str],
    include_optimizer: IncludeOptimizer = True,
    zipped: bool = True,
) -> None:
    """Write a whole network; see ``foldnet.files.save_model``."""
    name = Path(name_of(path)).name
    if not isinstance(include_optimizer, bool) and include_optimizer != TF_KERAS:
        raise ConfigError(f"include_optimizer is True, False or {TF_KERAS!r}, not {include_optimizer!r}")
    if name.endswith(".weights.h5"):
        raise ConfigError(
            f"{name!r} is the name of a file of weights; call save_weights, or name it model.h5"
        )
    if not zipped:
        _save_unzipped(network, Path(path), include_optimizer is not False)
    elif name.endswith(".keras"):
        if include_optimizer == TF_KERAS:
            raise ConfigError(
                f"tf_keras does not open the .keras files of Keras 3, which {name!r} would be; name it model.h5"
            )
        parts = _archive_parts(network, include_optimizer is True)
        write_whole(path, lambda part: _write_archive(part, parts))
    elif name.endswith(HDF5_ENDINGS):
        config, training, write_state = _legacy_parts(network, include_optimizer)
        write_whole(path, lambda part: _write_legacy(part, network, config, training, write_state))
    else:
        raise ConfigError(f"a network is saved as .keras, .h5 or .hdf5, which {name!r} does not end in")


def _save_unzipped(network: Network, folder: Path, include_optimizer: bool) -> None:
    """Write the members of an archive into a directory."""
    if folder.name.endswith((".keras", *HDF5_ENDINGS)):
        raise ConfigError(
            f"zipped=False writes a directory, so {folder.name!r} should not end in {folder.suffix}"
        )
    parts = _archive_parts(network, include_optimizer)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in parts:
        write_whole(folder / name, lambda part, data=data: part.write_bytes(data))  # type: ignore[misc]


def save_weights(
    network: Network,
    path: str | PathLike[str],
    skip: tuple[Any, ...] = (),
    max_shard_size: float | None = None,
) -> None:
    """Write only the weights; see ``foldnet.files.save_weights``."""
    name = Path(name_of(path)).name
    if max_shard_size is not None:
        from foldnet.files.shards import save_shards

        save_shards(whole_tree(network, skip), path, max_shard_size)
        return
    if name.endswith(".weights.json"):
        raise ConfigError(
            f"{name!r} lists weights in several files; say how large each file may be: max_shard_size=1"
        )
    if not name.endswith(HDF5_ENDINGS):
        raise ConfigError(f"weights are saved as .weights.h5 or .h5, which {name!r} does not end in")
    if name.endswith(".weights.h5"):
        tree = whole_tree(network, skip)
        write_whole(path, lambda part: _write_weights(part, tree))
        return
    _check_built(network)
    if skip:
        raise ConfigError(f"objects_to_skip only supports .weights.h5 files, which {name!r} is not")
    write_whole(path, lambda part: _write_old_weights(part, network))


def _check_built(network: Network) -> None:
    if not network.built:
        raise ConfigError(f"{network.name!r} is not built, so it has no weights to save; call build first")


def whole_tree(network: Network, skip: tuple[Any, ...] = ()) -> Tree:
    """The weights of a network and the state of its optimizer, as Keras saves both.

    Raises:
        ConfigError: the network is not built.
    """
    _check_built(network)
    try:
        optimizer = _state(network)
    except FoldnetError as error:
        # A loaded file's compile settings are read only now, and may be invalid.
        warn(f"the weights of {network.name!r} are saved without the state of the optimizer, because {error}")
        optimizer = None
    trainer = None if optimizer is None else network.trainer
    if optimizer is None or trainer is None or any(network.optimizer is other for other in skip):
        return tree_of(network, None, skip)
    name, state = optimizer
    if not (trainer.slots or trainer.compiled.optimizer.steps):
        state = state[: 2 if isinstance(trainer.compiled.optimizer._learning_rate, float) else 1]
    return tree_of(network, (name, state), skip)


def _state(network: Network) -> tuple[str, State] | None:
    """Name and variables of the optimizer, if there is one."""
    if network.trainer is None or network.trainer.compiled.optimizer.absent:
        return None
    from foldnet.training.optimizer_state import state_of

    return network.trainer.compiled.optimizer.name, state_of(network.trainer)


def _archive_parts(network: Network, include_optimizer: bool) -> list[tuple[str, bytes]]:
    config = network_record(network, Dialect.KERAS_3)
    optimizer = _state(network) if include_optimizer else None
    if include_optimizer and network.trainer is not None:
        from foldnet.files.compile_settings import stored_compile

        config["compile_config"] = stored_compile(network.trainer, Dialect.KERAS_3)
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
        "written_by": MARK,
    }
    return [
        (METADATA, _json(metadata)),
        (CONFIG, _json(config)),
        (WEIGHTS, hdf5_image(tree_of(network, optimizer))),
    ]


def _write_archive(path: Path, parts: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts:
            archive.writestr(zipfile.ZipInfo(name), data)


def _legacy_parts(
    network: Network, include_optimizer: IncludeOptimizer
) -> tuple[bytes, bytes | None, WriteState | None]:
    dialect = Dialect.TF_KERAS if include_optimizer == TF_KERAS else Dialect.KERAS_2
    if dialect is Dialect.TF_KERAS:
        check_for_tf_keras(network)
    config = _json(network_record(network, dialect))
    trainer = network.trainer
    if not include_optimizer or trainer is None:
        return config, None, None
    from foldnet.files.compile_settings import stored_compile
    from foldnet.training.absent_optimizer import AbsentOptimizer
    from foldnet.training.optimizer_state import named_state, state_of

    optimizer = trainer.compiled.optimizer
    if isinstance(optimizer, AbsentOptimizer):
        # Keras cannot read compile settings without an optimizer's record from a .h5.
        stored = _json(stored_compile(trainer, dialect)) if optimizer.stored is not None else None
        return config, stored, None
    if dialect is Dialect.TF_KERAS:
        training = _json(stored_compile(trainer, dialect))
        variables = named_state(trainer)
        return config, training, lambda file: write_optimizer_weights(file, variables)
    # Not into optimizer_weights: if Keras 3 finds those (even in its own files), it builds the optimizer without
    # weights, and can then neither restore the state nor train.
    name, state = trainer.compiled.optimizer.name, state_of(trainer)
    training = _json(stored_compile(trainer, dialect))
    return (
        config,
        training,
        lambda file: write_tree(file.create_group("optimizer"), optimizer_tree(name, state)),
    )


def _write_legacy(
    path: Path, network: Network, config: bytes, training: bytes | None, write_state: WriteState | None
) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["written_by"] = MARK.encode()  # first, so that it is near the start of the file
        group = file.create_group("model_weights")
        for home in (file, group):
            home.attrs["backend"] = b"tensorflow"
            home.attrs["keras_version"] = KERAS_2_VERSION.encode()
        file.attrs["model_config"] = config
        if training is not None:
            file.attrs["training_config"] = training
        write_legacy_weights(group, network, whole=True)
        if write_state is not None:
            write_state(file)


def _write_weights(path: Path, tree: Tree) -> None:
    with h5py.File(path, "w") as file:
        write_tree(file, tree)


def _write_old_weights(path: Path, network: Network) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["written_by"] = MARK.encode()
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = KERAS_2_VERSION.encode()
        write_legacy_weights(file, network, whole=False)


def _json(value: object) -> bytes:
    # Constants of operations may be infinite; Keras writes them like this too.
    return json.dumps(value).encode()
