"""Colors of images in a compiled program: hue, saturation and value, and ranges of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from foldnet.layers.drawing import clipped, where
from foldnet.operations.expression import binary, emitted, unary
from foldnet.operations.mixing.op import Equalize

SMALLEST = 1.1920929e-07
"""What is nearer to 0 than this distance of two floats at 1 counts as 0."""


def rescaled(x: Any, given: tuple[float, float], wanted: tuple[float, float]) -> Any:
    """Values of one range in another."""
    if tuple(given) == tuple(wanted):
        return x
    return (x - given[0]) / (given[1] - given[0]) * (wanted[1] - wanted[0]) + wanted[0]


def hsv(red: Any, green: Any, blue: Any) -> tuple[Any, Any, Any]:
    """Hue from 0 to 1, saturation and value of colors (Smith, 1978)."""
    red, green, blue = (where(unary("abs", c) < SMALLEST, 0.0, c) for c in (red, green, blue))
    value = binary("maximum", binary("maximum", red, green), blue)
    spread = value - binary("minimum", binary("minimum", red, green), blue)
    saturation = where(value > 0, spread / where(value > 0, value, 1.0), 0.0)
    sixth = 1 / (6 * where(spread > 0, spread, 1.0))
    hue = where(binary("equal", value, green), sixth * (blue - red) + 2 / 6, sixth * (red - green) + 4 / 6)
    hue = where(binary("equal", value, red), sixth * (green - blue), hue)
    hue = where(spread > 0, hue, 0.0)
    return where(hue < 0, hue + 1, hue), saturation, value


def rgb(hue: Any, saturation: Any, value: Any) -> tuple[Any, Any, Any]:
    """Red, green and blue of colors."""
    turn = binary("mod", hue, 1.0) * 6
    away = (
        clipped(unary("abs", turn - 3) - 1, 0, 1),
        *(clipped(2 - unary("abs", turn - t), 0, 1) for t in (2, 4)),
    )
    red, green, blue = (value * (1 - saturation + saturation * a) for a in away)
    return red, green, blue


def equalized(x: Any, given: Sequence[float], axis: int) -> Any:
    """Values of a range, spread evenly over it; each position of an axis by itself, a whole batch at once."""
    low, high = given
    to, back = 255 / (high - low), (high - low) / 255
    return emitted(Equalize(axis), x * to - low * to) * back + low
