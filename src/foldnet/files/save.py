"""Write networks to Keras's files: what kind of file is asked for, and what goes into it."""

from __future__ import annotations

import json
import zipfile
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

import h5py

from foldnet.errors import ConfigError
from foldnet.files.atomic import write_whole
from foldnet.files.keras_objects import Dialect
from foldnet.files.load import CONFIG, METADATA, WEIGHTS
from foldnet.files.write_config import network_record
from foldnet.files.write_weights import (
    State,
    hdf5_image,
    write_legacy_weights,
    write_optimizer,
    write_weights,
)
from foldnet.network import Network

KERAS_VERSION = "3.13.0"
"""The release whose layout of ``.keras`` is written."""

KERAS_2_VERSION = "2.15.0"
"""The release whose layout of ``.h5`` is written; Keras 3 and tf_keras read it."""

HDF5_ENDINGS = (".h5", ".hdf5")


def save(network: Network, path: str | PathLike[str], include_optimizer: bool = True) -> None:
    """Write a whole network; see ``foldnet.files.save_model``."""
    name = Path(path).name
    if name.endswith(".weights.h5"):
        raise ConfigError(
            f"{name!r} is the name of a file of weights; call save_weights, or name it model.h5"
        )
    if name.endswith(".keras"):
        parts = _archive_parts(network, include_optimizer)
        write_whole(path, lambda part: _write_archive(part, parts))
    elif name.endswith(HDF5_ENDINGS):
        config, training, optimizer = _legacy_parts(network, include_optimizer)
        write_whole(path, lambda part: _write_legacy(part, network, config, training, optimizer))
    else:
        raise ConfigError(f"a network is saved as .keras, .h5 or .hdf5, which {name!r} does not end in")


def save_weights(network: Network, path: str | PathLike[str]) -> None:
    """Write the weights alone; see ``foldnet.files.save_weights``."""
    name = Path(path).name
    if not name.endswith(HDF5_ENDINGS):
        raise ConfigError(f"weights are saved as .weights.h5 or .h5, which {name!r} does not end in")
    if not network.built:
        raise ConfigError(f"{network.name!r} is not built, so it has no weights to save; call build first")
    whole = name.endswith(".weights.h5")
    write_whole(path, lambda part: _write_weights(part, network, whole))


def _trained(network: Network, dialect: Dialect) -> tuple[dict[str, Any] | None, tuple[str, State] | None]:
    """Compile settings and optimizer state, if the network is compiled."""
    if network.trainer is None:
        return None, None
    from foldnet.files.compile_settings import stored_compile
    from foldnet.files.optimizer_state import state_of

    trainer = network.trainer
    return stored_compile(trainer, dialect), (trainer.compiled.optimizer.name, state_of(trainer))


def _archive_parts(network: Network, include_optimizer: bool) -> list[tuple[str, bytes]]:
    config = network_record(network, Dialect.KERAS_3)
    compiled, optimizer = _trained(network, Dialect.KERAS_3) if include_optimizer else (None, None)
    if compiled is not None:
        config["compile_config"] = compiled
    metadata = {"keras_version": KERAS_VERSION, "date_saved": datetime.now().strftime("%Y-%m-%d@%H:%M:%S")}
    return [
        (METADATA, _json(metadata)),
        (CONFIG, _json(config)),
        (WEIGHTS, hdf5_image(network, optimizer)),
    ]


def _write_archive(path: Path, parts: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts:
            archive.writestr(zipfile.ZipInfo(name), data)


def _legacy_parts(
    network: Network, include_optimizer: bool
) -> tuple[bytes, bytes | None, tuple[str, State] | None]:
    config = network_record(network, Dialect.KERAS_2)
    training, optimizer = _trained(network, Dialect.KERAS_2) if include_optimizer else (None, None)
    return _json(config), None if training is None else _json(training), optimizer


def _write_legacy(
    path: Path, network: Network, config: bytes, training: bytes | None, optimizer: tuple[str, State] | None
) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        for home in (file, group):
            home.attrs["backend"] = b"tensorflow"
            home.attrs["keras_version"] = KERAS_2_VERSION.encode()
        file.attrs["model_config"] = config
        if training is not None:
            file.attrs["training_config"] = training
        write_legacy_weights(group, network)
        if optimizer is not None:
            # Not into optimizer_weights: Keras 3 makes an optimizer without variables when it finds those, which
            # then cannot train, and what tf_keras expects there depends on its release.
            write_optimizer(file, *optimizer)


def _write_weights(path: Path, network: Network, new_layout: bool) -> None:
    with h5py.File(path, "w") as file:
        if new_layout:
            write_weights(file, network)
        else:
            file.attrs["backend"] = b"tensorflow"
            file.attrs["keras_version"] = KERAS_2_VERSION.encode()
            write_legacy_weights(file, network)


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()
