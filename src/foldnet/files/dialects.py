"""Convert layer records of all Keras versions to Keras 3's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foldnet.errors import FileFormatError
from foldnet.files import strict_json
from foldnet.files.old_recurrent import SAME_AS_CUDNN
from foldnet.naming import snake_case

NETWORKS = frozenset({"Sequential", "Functional", "Model"})

RENAMED_CLASSES = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "TimeDistributedDense": "Dense",
    "GroupedQueryAttention": "GroupQueryAttention",  # the class's own name in Keras, as .h5 files have it
}


@dataclass(frozen=True)
class Record:
    """A layer's record with Keras 3's names.

    Attributes:
        class_name: as in the file, unless the class was renamed.
        name: of the layer.
        config: its settings.
        is_keras: whether the class is Keras's own and not the user's.
        origin: where the class comes from, for errors.
        shared_id: the number by which the file refers to the same layer again, if it has one.
        build_shape: the stored input shape, if there is one.
        registered: the registered name of a user's class.
        named: whether the name is in the settings.
    """

    class_name: str
    name: str
    config: Mapping[str, Any]
    is_keras: bool
    origin: str
    shared_id: int | None
    build_shape: Any
    registered: str = ""
    named: bool = True

    @property
    def is_network(self) -> bool:
        """Whether it is a network and not a layer."""
        return self.is_keras and self.class_name in NETWORKS


def modern(stored: Mapping[str, Any], dialect: int) -> Record:
    """Convert a record's class and settings to Keras 3's names.

    Args:
        stored: the record in the file.
        dialect: Keras's major version, 1 to 3.

    Raises:
        FileFormatError: it is not a layer's record.
        UnsupportedError: a merge mode of Keras 1 for which Keras 3 has no layer.
    """
    class_name = strict_json.text(stored.get("class_name"), "a layer's class")
    config = stored.get("config")
    if class_name == "Sequential" and isinstance(config, list):
        config = {"layers": config}  # Keras up to 2.2.2
    config = dict(strict_json.mapping(config, f"the settings of a {class_name}"))
    module, registered = stored.get("module"), stored.get("registered_name")
    is_keras = _is_keras(module) and registered in (None, "", class_name)
    named = "name" in config
    name = config.get("name") or stored.get("name")
    if name is None and (class_name in NETWORKS or not is_keras):
        name = snake_case(class_name)
    name = config["name"] = strict_json.text(name, f"the name of a {class_name}")
    shared = stored.get("shared_object_id")
    build = stored.get("build_config")
    if is_keras and class_name not in NETWORKS:
        class_name, config = _modern_settings(class_name, config, name, dialect)
    return Record(
        class_name,
        name,
        config,
        is_keras,
        str(module or registered or "an unnamed module"),
        shared if isinstance(shared, int) else None,
        build.get("input_shape") if isinstance(build, Mapping) else None,
        registered if isinstance(registered, str) else "",
        named,
    )


def _is_keras(module: object) -> bool:
    """Whether classes of this module are Keras's layers or models (not its operations or extensions)."""
    if module is None:
        return True  # older files have only the class name
    if not isinstance(module, str):
        return False
    parts = module.split(".")
    if parts[:2] == ["tensorflow", "keras"]:
        parts = parts[1:]
    if parts[0] == "tf_keras":
        parts[0] = "keras"
    if parts[1:2] in (["src"], ["api"]):
        del parts[1]
    return parts[0] == "keras" and (len(parts) == 1 or parts[1] in ("layers", "models", "engine"))


def _modern_settings(
    class_name: str, config: dict[str, Any], name: str, dialect: int
) -> tuple[str, dict[str, Any]]:
    class_name = RENAMED_CLASSES.get(class_name, class_name)
    if dialect == 1:
        from foldnet.files.keras1 import modern_settings

        class_name, config = modern_settings(class_name, config, name)
    if class_name in SAME_AS_CUDNN:
        class_name, same = SAME_AS_CUDNN[class_name]
        config = {**config, **same}
    if class_name == "InputLayer":
        return class_name, _input_settings(config, name)
    if class_name == "BatchNormalization":
        axis = config.get("axis")
        if isinstance(axis, list) and len(axis) == 1:
            config["axis"] = axis[0]  # Keras 2 stores a list even for one axis
    if class_name == "Embedding" and str(config.get("dtype", "")).startswith("int"):
        del config["dtype"]  # Keras up to 2.2 stored the dtype of the input here
    config.pop("input_dtype", None)
    return class_name, config


def _input_settings(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The checked settings of an Input: shapes and dtype, on which all later layers depend."""
    kept = {k: v for k, v in config.items() if k in INPUT_SETTINGS}
    for key in ("shape", "batch_shape", "batch_input_shape"):
        if kept.get(key) is not None:
            kept[key] = strict_json.shape(kept[key], f"{key} of the input {name!r}")
    dtype = kept.get("dtype")
    dtype = dtype.get("config", {}) if isinstance(dtype, Mapping) else dtype
    dtype = dtype.get("name") if isinstance(dtype, Mapping) else dtype
    if dtype is not None and (not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype)):
        raise FileFormatError(
            f"dtype of the input {name!r} is {kept['dtype']!r}, which is not a dtype of data"
        )
    return {**kept, "dtype": dtype}


_DTYPE = re.compile(r"(float|bfloat|int|uint)\d{1,2}|bool|string|complex\d+|mixed_b?float16")
INPUT_SETTINGS = frozenset({"name", "shape", "batch_shape", "batch_input_shape", "dtype", "optional"})
