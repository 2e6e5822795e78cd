"""Inputs that may be left out: ``Input(optional=True)``, for which the data may be None.

A program is made for a set of missing inputs. As in Keras, an argument that would read one is None: a call has no
``mask=``, a function of ``foldnet.ops`` does not get that argument. Layers cannot compute from None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from foldnet.errors import ConfigError, InputError
from foldnet.layers.tensors import SymbolicTensor
from foldnet.network import Network

Absent = frozenset[str]
"""Names of inputs that are left out."""


def is_optional(tensor: SymbolicTensor) -> bool:
    """Whether a network's input may be left out."""
    layer = None if tensor.call is None else tensor.call.layer
    return layer is not None and layer.is_input and layer.optional


def absent_of(network: Network, given: Sequence[Any]) -> Absent:
    """The inputs for which a caller gave None.

    Args:
        network: whose inputs they are.
        given: the data for each, in order.

    Raises:
        InputError: an input is not optional, or no input is left.
    """
    found = [t for t, value in zip(network.inputs, given, strict=True) if value is None]
    if required := [t.name for t in found if not is_optional(t)]:
        raise InputError(
            f"The input {required[0]!r} is not optional, and None was passed; give data for it, or create it with "
            "Input(..., optional=True)"
        )
    if found and len(found) == len(network.inputs):
        raise InputError(f"all inputs of {network.name!r} are None, so there are no rows")
    return frozenset(t.name for t in found)


def checked_absent(network: Network, names: Iterable[str]) -> Absent:
    """The inputs to leave out, by name.

    Raises:
        ConfigError: a name is not that of an optional input, or no input is left.
    """
    if isinstance(names, str):
        raise ConfigError(f"without must be a list of names of inputs, such as [{names!r}]; got {names!r}")
    absent = frozenset(names)
    known = [t.name for t in network.inputs if is_optional(t)]
    if unknown := [name for name in absent if name not in known]:
        raise ConfigError(
            f"{unknown[0]!r} is not an input of {network.name!r} that may be left out; optional are "
            f"{known or 'none'}"
        )
    if len(absent) == len(network.inputs):
        raise ConfigError(f"without lists all inputs of {network.name!r}; at least one must stay")
    return absent


def present(network: Network, absent: Absent) -> list[SymbolicTensor]:
    """The inputs that are not missing, in order."""
    return [t for t in network.inputs if t.name not in absent]
