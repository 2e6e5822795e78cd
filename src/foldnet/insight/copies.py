"""Copies of layers with other weights; the layers themselves are not changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TypeVar

from foldnet.arrays import Array
from foldnet.layers.base import Layer

L = TypeVar("L", bound=Layer)


def with_weights(layer: L, weights: Mapping[str, Array]) -> L:
    """A copy of a layer with some weights replaced, by their names."""
    changed = copy.copy(layer)
    changed._values = {**layer.named_weights}
    for name, value in weights.items():
        changed.set_weight(name, value)
    return changed
