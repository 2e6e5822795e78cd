"""Groups of several HDF5 files read as one group, and the protocol of groups that a reader of weights uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from foldnet.arrays import Array
from foldnet.errors import FileFormatError


class GroupLike(Protocol):
    """A group of one file or of several; see ``Group``."""

    path: str

    def __contains__(self, name: str) -> bool: ...

    def names(self) -> list[str]:
        """Names of the children."""

    def group(self, *names: str) -> GroupLike:
        """The group at a path, given as names."""

    def is_group(self, name: str) -> bool:
        """Whether there is a group with this name."""

    def attribute(self, name: str) -> Any:
        """An attribute; None if there is none."""

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a dataset."""

    def array(self, name: str, shape: tuple[int, ...]) -> Array:
        """A dataset of this shape."""


class Merged:
    """The groups with one path in several files, as one group; each dataset is in one file.

    Args:
        groups: at least one.
    """

    def __init__(self, groups: Sequence[GroupLike]) -> None:
        self._groups, self.path = groups, groups[0].path

    def __contains__(self, name: str) -> bool:
        return any(name in group for group in self._groups)

    def names(self) -> list[str]:
        """Names of the children of all groups."""
        return list(dict.fromkeys(name for group in self._groups for name in group.names()))

    def group(self, *names: str) -> GroupLike:
        """The group at a path, given as names.

        Raises:
            FileFormatError: there is no such group.
        """
        here = self
        for name in names:
            having = [group for group in here._groups if name in group] or here._groups[:1]
            here = Merged([group.group(name) for group in having])
        return here

    def is_group(self, name: str) -> bool:
        """Whether there is a group with this name."""
        return any(group.is_group(name) for group in self._groups)

    def attribute(self, name: str) -> Any:
        """The attribute of the first group that has it; None if none has."""
        values = (group.attribute(name) for group in self._groups)
        return next((value for value in values if value is not None), None)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a dataset.

        Raises:
            FileFormatError: there is no such dataset, or several files have it.
        """
        return self._home(name).shape(name)

    def array(self, name: str, shape: tuple[int, ...]) -> Array:
        """A dataset of this shape.

        Raises:
            FileFormatError: as for ``Group.array``, or several files have it.
        """
        return self._home(name).array(name, shape)

    def _home(self, name: str) -> GroupLike:
        having = [group for group in self._groups if name in group]
        if len(having) > 1:
            raise FileFormatError(
                f"{self.path}/{name} is in {len(having)} of the files; so it is not clear which one to use"
            )
        return having[0] if having else self._groups[0]
