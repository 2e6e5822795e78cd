"""Read and write operations in Keras 3's files, such as ``Add`` of ``keras.src.ops.numpy``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from foldnet.errors import FileFormatError, UnsupportedError
from foldnet.files import strict_json
from foldnet.files.dialects import Record
from foldnet.files.keras_objects import plain_data
from foldnet.layers.operation import Operation
from foldnet.layers.tensors import SymbolicTensor

MODULES = ("keras.src.ops.", "keras.ops", "keras.src.activations.activations")
"""The modules of Keras's operations."""

UNUSED = ("dtype", "trainable")
"""Settings that are accepted but not used."""


def read(record: Record) -> Operation | None:
    """The operation of a record; None if it is not one of Keras's.

    Raises:
        UnsupportedError: foldnet does not have this operation.
    """
    if not record.origin.startswith(MODULES):
        return None
    from foldnet import ops  # noqa: F401 - whose functions register themselves
    from foldnet.ops.records import by_class

    known = by_class()
    found = known.get(record.class_name)
    if found is None:
        raise UnsupportedError(
            f"{record.name!r} is the operation {record.class_name} of {record.origin}, which foldnet does not have; it "
            f"has {', '.join(sorted(known))}. Write the step with these, or with layers, and save again."
        )
    settings = {k: strict_json.numbers(v) for k, v in record.config.items() if k != "name"}
    if unknown := set(settings) - set(found.settings) - set(UNUSED):
        raise UnsupportedError(
            f"the operation {record.name!r} ({record.class_name}) has the setting {', '.join(sorted(unknown))}, which "
            "foldnet does not know"
        )
    missing = [
        p.name for p in found.parameters()
        if p.name in found.settings and p.name not in settings and p.default is p.empty
    ]  # fmt: skip
    if missing:
        raise FileFormatError(
            f"the operation {record.name!r} ({record.class_name}) lacks the setting {missing[0]}"
        )
    own = {p.name: settings.get(p.name, p.default) for p in found.parameters() if p.name in found.settings}
    return Operation(found, own, record.name)


def stored(operation: Operation) -> dict[str, Any]:
    """The record of an operation, without its calls."""
    config: dict[str, Any] = {"name": operation.name}
    for key, value in operation.settings.items():
        config[key] = (
            np.dtype(value).name
            if key == "dtype" and value is not None
            else plain_data(value, operation.name)
        )
    kind = operation.record.keras_class
    return {
        "module": operation.record.module, "class_name": kind, "config": config, "registered_name": kind,
    }  # fmt: skip


def stored_argument(value: object, tensor: Callable[[SymbolicTensor], Any], where: str) -> Any:
    """An argument of a call as Keras writes it."""
    if isinstance(value, SymbolicTensor):
        return tensor(value)
    if isinstance(value, list | tuple):
        return [stored_argument(item, tensor, where) for item in value]
    if value is ...:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(value, slice):
        limits = {k: plain_data(getattr(value, k), where) for k in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": limits}
    if isinstance(value, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": value.dtype.name}}
    if isinstance(value, Mapping):
        raise UnsupportedError(f"{where} was called on a dict, which a file cannot hold")
    return plain_data(value, where)
