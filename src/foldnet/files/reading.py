"""How a file is read: what the caller supplies for the names in it, and which parts are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from foldnet.files.registration import known_objects


@dataclass(frozen=True)
class Reading:
    """How a file is read.

    Attributes:
        objects: the caller's classes and functions, by name; activations are among them.
        activations: functions of an array. Under the name of a layer or of its class, one stands for the layer.
        dtype: the dtype policy that replaces every stored one.
        compile: whether the optimizer's state is kept.
    """

    objects: Mapping[str, Any] = field(default_factory=dict)
    activations: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    dtype: str | None = None
    compile: bool = True

    @staticmethod
    def of(
        custom_objects: Mapping[str, Any] | None,
        activations: Mapping[str, Callable[..., Any]] | None,
        dtype: str | None = None,
        compile: bool = True,
    ) -> Reading:
        """With all that the caller gives, and all that is registered."""
        objects = known_objects({**(custom_objects or {}), **(activations or {})})
        return Reading(objects, activations or {}, dtype, compile)
