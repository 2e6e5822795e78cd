"""What the sets are made of: pairs of a network with a fault and the same one mended, and healthy networks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Rows:
    """Rows of a training and their targets, and rows that it is validated with, if any."""

    x: Any
    y: Any
    kept: tuple[Any, Any] | None = None


@dataclass(frozen=True)
class Trained:
    """A network after its training, the rows it saw, and what is given to the doctor beside them."""

    model: Any
    x: Any
    y: Any
    more: dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """A training with one fault, and the same without it.

    Both call ``build`` with the rows and one value: ``sick`` or ``mended``. So they differ in one thing only.

    Attributes:
        name: short, and unlike all others.
        fault: what is wrong, as its author might have asked.
        checks: those that name the fault or what it does to the network; any of them will do.
    """

    name: str
    fault: str
    checks: tuple[str, ...]
    data: Callable[[], Rows]
    build: Callable[[Rows, Any], Trained]
    sick: Any
    mended: Any

    def trained(self, side: str) -> Trained:
        """The network of a side: "sick" or "mended"."""
        return self.build(self.data(), getattr(self, side))


@dataclass(frozen=True)
class Healthy:
    """A training with nothing wrong."""

    name: str
    data: Callable[[], Rows]
    build: Callable[[Rows], Trained]

    def trained(self) -> Trained:
        """The network."""
        return self.build(self.data())


def half(name: str) -> str:
    """The half of the sets that a name belongs to, whatever else there is: thresholds are chosen on the first.

    >>> half("moons"), half("softmax over steps")
    ('tuning', 'held out')
    """
    return ("tuning", "held out")[hashlib.sha256(name.encode()).digest()[0] % 2]


def standard(rows: Rows) -> Rows:
    """Each column with mean 0 and deviation 1; one that never varies with 0."""
    x = np.asarray(rows.x, np.float64)
    deviation = x.std(axis=0)
    scaled = (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    return Rows(scaled.astype(np.float32), rows.y)


def one_hot(rows: Rows) -> Rows:
    """Class numbers as rows with a single 1."""
    return Rows(
        rows.x, np.eye(int(np.max(rows.y)) + 1, dtype=np.float32)[np.asarray(rows.y, int).reshape(-1)]
    )


def in_deviations(rows: Rows) -> Rows:
    """The targets with mean 0 and deviation 1."""
    y = np.asarray(rows.y, np.float64)
    return Rows(rows.x, ((y - y.mean(axis=0)) / y.std(axis=0)).astype(np.float32))


def with_targets(rows: Rows, change: Callable[[Any], Any]) -> Rows:
    """The targets changed by a function."""
    return Rows(rows.x, np.asarray(change(rows.y), np.float32))


def copied(rows: Rows, noise: float = 0.0) -> Rows:
    """The rows as their own targets; with noise, which is to be taken away."""
    off = noise * np.random.default_rng(31).normal(size=rows.x.shape)
    return Rows((rows.x + off).astype(np.float32), rows.x)


def apart(rows: Rows, count: int) -> Rows:
    """The first rows to train with, and the others to validate with."""
    return Rows(rows.x[:count], rows.y[:count], (rows.x[count:], rows.y[count:]))
