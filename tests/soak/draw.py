"""Random choices, and settings drawn from tables of them."""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Callable, Mapping
from typing import Any

Shape = tuple[int | None, ...]
Choice = Any
"""A sequence to pick from, or a function of the dice and the shape of a row."""
Settings = Mapping[str, Choice]
"""Choices by setting; one whose name ends with ``!`` is always set, although Keras has a default."""

HOW_OFTEN = 0.55
"""How often a setting that has a default is set."""


class Dice(random.Random):
    """A seeded generator with the choices that growers make."""

    def often(self, chance: float) -> bool:
        return self.random() < chance


@functools.cache
def required(class_name: str) -> frozenset[str]:
    """The settings of a layer of Keras that have no default."""
    import keras

    parameters = inspect.signature(getattr(keras.layers, class_name).__init__).parameters.values()
    plain = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"]
    return frozenset(p.name for p in plain if p.default is p.empty)


def drawn(choice: Choice, dice: Dice, shape: Shape) -> Any:
    return choice(dice, shape) if callable(choice) else dice.choice(choice)


def settings_of(class_name: str, table: Settings, dice: Dice, shape: Shape) -> dict[str, Any]:
    """Settings of a layer, drawn from a table of choices."""
    config = {}
    for key, choice in table.items():
        name = key.removesuffix("!")
        if name != key or name in required(class_name) or dice.often(HOW_OFTEN):
            config[name] = drawn(choice, dice, shape)
    return config


def per_dim(low: int, high: int) -> Callable[[Dice, Shape], Any]:
    """One number for all dimensions of a window, or one for each."""

    def choose(dice: Dice, shape: Shape) -> Any:
        if dice.often(0.5):
            return dice.randint(low, high)
        return [dice.randint(low, high) for _ in shape[1:]]

    return choose


def pairs(low: int, high: int) -> Callable[[Dice, Shape], Any]:
    """What is put or cut at the ends of each dimension: a number, one for each, or a pair for each."""

    def choose(dice: Dice, shape: Shape) -> Any:
        dims = len(shape) - 1
        if dice.often(0.3):
            return dice.randint(low, high)
        both = [[dice.randint(low, high), dice.randint(low, high)] for _ in range(dims)]
        return both[0] if dims == 1 else both

    return choose


def an_axis(dice: Dice, shape: Shape) -> int:
    """An axis of the row, counted from the batch axis on or from the end."""
    axis = dice.randint(1, len(shape))
    return axis if dice.often(0.5) else axis - len(shape) - 1


def some_axes(dice: Dice, shape: Shape) -> int | list[int]:
    axes = sorted(dice.sample(range(1, len(shape) + 1), dice.randint(1, len(shape))))
    return an_axis(dice, shape) if dice.often(0.5) else axes
