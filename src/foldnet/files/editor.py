"""``KerasFileEditor``: show and change the objects of a weights file, and write a new file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.arrays import Array
from foldnet.disk.opening import name_of, open_file
from foldnet.errors import ConfigError, FileFormatError, SettingTypeError
from foldnet.escaping import escaped_name
from foldnet.files import strict_json
from foldnet.files.archive import Archive
from foldnet.files.hdf5 import Group, Hdf5File
from foldnet.files.load import CONFIG, MAX_WEIGHTS, METADATA, WEIGHTS, named

if TYPE_CHECKING:
    from pathlib import Path

    from foldnet.network import Network

Weights = dict[str, Any]
"""Arrays, and nested dicts for the objects inside, by name."""

VARS = "vars"
"""The group that holds the weights of an object."""


class KerasFileEditor:
    """The content of a ``.keras`` or ``.weights.h5`` file: show it, compare it with a network, change it, save it.

    Objects have their names in the file, which come from their classes, such as ``layers/dense_1``. Nested objects
    (nested networks, wrapped layers) are read too; Keras's editor skips them.

    Args:
        filepath: of the file.

    Attributes:
        filepath: as given.
        weights_dict: for each object a dict of its arrays, by their numbers.
        object_metadata: for each object's path its attributes, such as ``{"name": "my_dense"}``.
        config: the network's configuration if it is a ``.keras`` file; else None.
        metadata: of a ``.keras`` file, such as the version of Keras; else None.

    Raises:
        ConfigError: the name has another ending.
        MissingFileError: there is no such file.
        FileFormatError: the file is damaged, or has links (ExternalLink, SoftLink) or virtual datasets.

    >>> from foldnet import Sequential, layers
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "small.weights.h5")
    >>> Sequential([layers.Input((2,)), layers.Dense(3)]).save_weights(path)
    >>> editor = KerasFileEditor(path)
    Keras model file 'small.weights.h5'
    >>> editor.rename_object("dense", "dense_7")
    >>> editor.weights_dict["layers"]["dense_7"]["0"].shape
    (2, 3)
    """

    config: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None

    def __init__(self, filepath: str | PathLike[str]) -> None:
        self.filepath = filepath
        name = name_of(filepath)
        if not name.endswith((".keras", ".weights.h5")):
            raise ConfigError(
                f"the name of a file to edit ends in .keras or .weights.h5, which {name!r} does not; a whole .h5 can "
                "be loaded and saved as .keras"
            )
        self.object_metadata: dict[str, dict[str, Any]] = {}
        with named(filepath):
            self.config, self.metadata, image = _members(name)
            with Hdf5File(image) as file:
                self.weights_dict = self._extract(file.root)
        self._print(f"Keras model file {name.rsplit('/', 1)[-1]!r}")
        if self.metadata is not None:
            version, date = (self.metadata.get(key) for key in ("keras_version", "date_saved"))
            self._print(f"Keras {version}, saved {date}")

    def _extract(self, group: Group) -> Weights:
        """The weights in a group and in the objects inside it."""
        inside: Weights = {}
        for name in sorted(group.names(), key=_in_order):
            if not group.is_group(name):
                found: Any = group.array(name, group.shape(name))
            elif name == VARS:
                found = self._extract(group.group(VARS))
                if taken := set(found) & set(inside):
                    raise FileFormatError(f"{group.path} holds an object and a weight named {min(taken)!r}")
                inside.update(found)
                continue
            else:
                found = self._extract(group.group(name))
                if not found:
                    continue
            if name in inside:
                raise FileFormatError(f"{group.path} holds an object and a weight named {name!r}")
            inside[name] = found
        if noted := {name: group.attribute(name) for name in group.attribute_names()}:
            self.object_metadata[group.path.removesuffix(f"/{VARS}")] = noted
        return inside

    # -- looking --------------------------------------------------------------------------------------------

    def summary(self) -> None:
        """Print the objects of the file with the shapes and types of their weights."""
        from foldnet.files.editor_views import tree_view

        self._print(tree_view(self.weights_dict, "Weights structure"))

    def compare(self, reference_model: Network) -> dict[str, Any]:
        """Compare the file with the weights of a network, and print the differences.

        Args:
            reference_model: built.

        Returns:
            ``"status"``: ``"success"``, or ``"error"`` if anything differs; ``"error_count"``: objects and weights
            that only one of the two has, or whose shapes differ; ``"match_count"``: weights with the same shape.

        Raises:
            ConfigError: the network is not built.
        """
        from foldnet.files.editor_views import comparison, differences
        from foldnet.files.save import whole_tree

        found = list(differences(self.weights_dict, whole_tree(reference_model).nested()))
        self._print(comparison(found))
        errors = sum(difference.text is not None for difference in found)
        return {
            "status": "error" if errors else "success",
            "error_count": errors,
            "match_count": len(found) - errors,
        }

    # -- changing -------------------------------------------------------------------------------------------

    def rename_object(self, object_name: str, new_name: str) -> None:
        """Rename an object.

        Args:
            object_name: its name, or its path such as ``"layers/dense_2"``.
            new_name: a name, not a path.

        Raises:
            ConfigError: there is no such object or there are several, or another object has the new name.
        """
        _check_name(new_name, "new_name")
        home, name = self._find(object_name)
        if new_name == name:
            return
        if new_name in home:
            raise ConfigError(
                f"{object_name!r} cannot be renamed to {new_name!r}, which is there already; delete that object first"
            )
        home[new_name] = home.pop(name)

    def delete_object(self, object_name: str) -> None:
        """Delete an object.

        Args:
            object_name: its name or path.

        Raises:
            ConfigError: there is no such object, or there are several.
        """
        home, name = self._find(object_name)
        del home[name]

    def add_object(self, object_path: str, weights: Mapping[str, Any]) -> None:
        """Add an object, or replace the one with the same path.

        Args:
            object_path: its whole path, such as ``"layers/dense_2"``.
            weights: arrays by name, such as ``{"0": kernel, "1": bias}``.

        Raises:
            ConfigError: there is no object above it, or the weights are not arrays by name.
        """
        *folders, name = object_path.split("/")
        _check_name(name, "object_path")
        home = self._inside(folders, object_path)
        if name in home and not isinstance(home[name], dict):
            raise ConfigError(f"{object_path!r} is a weight, and no object can have its name")
        home[name] = _checked(weights, object_path)

    def add_weights(self, object_name: str, weights: Mapping[str, Any]) -> None:
        """Add weights to an object, or replace those with the same names.

        Args:
            object_name: its name or path.
            weights: arrays by name.

        Raises:
            ConfigError: there is no such object or there are several, or the weights are not arrays by name.
        """
        home, name = self._find(object_name)
        home[name].update(_checked(weights, object_name))

    def delete_weight(self, object_name: str, weight_name: str) -> None:
        """Delete a weight of an object.

        Args:
            object_name: its name or path.
            weight_name: of the weight, such as ``"0"``.

        Raises:
            ConfigError: there is no such object or there are several, or it has no such weight.
        """
        home, name = self._find(object_name)
        if isinstance(home[name].get(weight_name), dict | None):
            has = ", ".join(key for key, value in home[name].items() if not isinstance(value, dict))
            raise ConfigError(f"{object_name!r} has no weight {weight_name!r}; it has {has or 'none'}")
        del home[name][weight_name]

    def save(self, filepath: str | PathLike[str]) -> None:
        """Write the current weights to a ``.weights.h5`` file, completely or not at all.

        Args:
            filepath: of the file.

        Raises:
            ConfigError: the name has another ending.
            OSError: the file cannot be written.
        """
        import h5py

        from foldnet.disk.atomic import write_whole
        from foldnet.files.weight_tree import Tree, write_tree

        if not name_of(filepath).endswith(".weights.h5"):
            raise ConfigError(f"edited weights are saved as .weights.h5, which {filepath} does not end in")
        tree = Tree.of(self.weights_dict)

        def write(part: Path) -> None:
            with h5py.File(part, "w") as file:
                write_tree(file, tree)

        write_whole(filepath, write)

    def resave_weights(self, filepath: str | PathLike[str]) -> None:
        """The same as ``save``."""
        self.save(filepath)

    # -- finding --------------------------------------------------------------------------------------------

    def _find(self, object_name: str) -> tuple[Weights, str]:
        """The dict that contains an object, and its key there."""
        *folders, name = object_name.split("/")
        if folders:
            home = self._inside(folders, object_name)
            if name not in home:
                raise ConfigError(f"the file has no object {object_name!r}; {_held(home, folders)}")
            if not isinstance(home[name], dict):
                raise ConfigError(f"{object_name!r} is a weight, not an object; see delete_weight")
            return home, name
        homes = [
            (path, home)
            for path, home in _objects(self.weights_dict)
            if isinstance(home.get(object_name), dict)
        ]
        if not homes:
            raise ConfigError(
                f"the file has no object {object_name!r}; summary() shows what it has, which is "
                f"{', '.join(path for path, _ in _objects(self.weights_dict) if path)}"
            )
        if len(homes) > 1:
            paths = ", ".join(f"{path}/{object_name}".lstrip("/") for path, _ in homes)
            raise ConfigError(
                f"the file has several objects named {object_name!r}; give one of the paths {paths}"
            )
        return homes[0][1], object_name

    def _inside(self, folders: list[str], object_path: str) -> Weights:
        """The dict of the object at a path."""
        here = self.weights_dict
        for depth, folder in enumerate(folders):
            inner = here.get(folder)
            if not isinstance(inner, dict):
                raise ConfigError(
                    f"the file has no {'/'.join(folders[: depth + 1])!r}, where {object_path!r} should be; "
                    f"{_held(here, folders[:depth])}"
                )
            here = inner
        return here

    def _print(self, what: object) -> None:
        from rich.console import Console
        from rich.text import Text

        Console(highlight=False).print(Text(escaped_name(what)) if isinstance(what, str) else what)


def _members(name: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None, str | bytes]:
    """Configuration and metadata if the file has them, and the HDF5 file's path or bytes."""
    if name.endswith(".weights.h5"):
        return None, None, name
    with open_file(name) as raw:
        archive = Archive(raw)
        config = strict_json.parse(archive.read(CONFIG, strict_json.MAX_JSON), CONFIG)
        metadata = strict_json.parse(archive.read(METADATA, 1 << 20), METADATA)
        return config, metadata, archive.read(WEIGHTS, MAX_WEIGHTS)


def _in_order(name: str) -> tuple[int, int, str]:
    """Sort key: names that are numbers first, by value."""
    return (0, int(name), name) if name.isdecimal() and len(name) < 10 else (1, 0, name)


def _objects(weights: Weights, path: str = "") -> Iterator[tuple[str, Weights]]:
    """All objects with their paths, including the outermost."""
    yield path, weights
    for name, value in weights.items():
        if isinstance(value, dict):
            yield from _objects(value, f"{path}/{name}".lstrip("/"))


def _held(weights: Weights, folders: list[str]) -> str:
    inside = ", ".join(weights) or "nothing"
    return f"{'/'.join(folders) or 'it'} holds {inside}"


def _check_name(name: object, argument: str) -> None:
    if not isinstance(name, str) or name in ("", ".", VARS) or "/" in name or "\0" in name:
        raise ConfigError(
            f"{argument}: {name!r} is not a name of an object; a name has no slash and is not {VARS!r}"
        )


def _checked(weights: object, where: str) -> Weights:
    """Weights by name, as arrays."""
    if not isinstance(weights, Mapping):
        raise SettingTypeError(
            f"the weights of {where!r} are a dict of arrays by name, such as {{'0': kernel, '1': bias}}, not "
            f"{type(weights).__name__}"
        )
    found: Weights = {}
    for name, value in weights.items():
        _check_name(name, f"the weights of {where!r}")
        found[name] = (
            _checked(value, f"{where}/{name}") if isinstance(value, Mapping) else _array(value, where, name)
        )
    return found


def _array(value: object, where: str, name: str) -> Array:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"weight {name!r} of {where!r} is not an array: {error}") from None
    if array.dtype.kind not in "fiub":
        raise SettingTypeError(f"weight {name!r} of {where!r} is {array.dtype}, and weights are numbers")
    return array
