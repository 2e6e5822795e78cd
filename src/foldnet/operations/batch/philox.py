"""Philox4x32-10, a counter-based generator (Salmon et al., 2011): the same numbers on every engine.

Every engine draws from it by the same rule, so a seed gives the same masks on every engine and thread count.
The key is (seed, stream), the counter (block low, block high, step low, step high) in 32-bit words; element ``i``
is lane ``i % 4`` of block ``i // 4``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from foldnet.arrays import Array

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def bits(seed: int, stream: int, step: int, count: int) -> Array:
    """The first ``count`` uint32 of a step.

    >>> [hex(b) for b in bits(0, 0, 0, 4)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    c0, c1 = blocks & _LOW, blocks >> _HALF
    c2 = np.full_like(blocks, step & 0xFFFFFFFF)
    c3 = np.full_like(blocks, (step >> 32) & 0xFFFFFFFF)
    k0, k1 = seed & 0xFFFFFFFF, stream & 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (p1 >> _HALF) ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> _HALF) ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32).reshape(-1)[:count]


def threshold(rate: float) -> tuple[int, int]:
    """Below which number of 32 bits an element is dropped, and how many elements share a number of the generator.

    Drawing is a large part of a small network's step, so two elements share a number, with 16 bits each, where rounding
    the rate to 16 bits changes it, and what it keeps, by less than a thousandth.

    >>> threshold(0.3), threshold(0.001)
    ((1288503296, 2), (4294967, 1))
    """
    rounded = round(rate * 2.0**16)
    if abs(rounded / 2.0**16 - rate) <= min(rate, 1 - rate) / 1000:
        return rounded << 16, 2
    return min(round(rate * 2.0**32), 2**32), 1


def dropped(seed: int, stream: int, step: int, count: int, rate: float) -> Array:
    """Which of ``count`` elements a Dropout of this rate zeroes: those whose number is below its threshold.

    Where two elements share a number, the first one's is its low half, and the second one's its high half, as the high
    halves of numbers of 32 bits; what is in the low half makes no difference then.
    """
    below, sharing = threshold(rate)
    numbers = bits(seed, stream, step, -(-count // sharing))
    if sharing == 2:
        numbers = np.stack([numbers << np.uint32(16), numbers], axis=1).reshape(-1)[:count]
    return numbers < np.uint64(below)


def normal(seed: int, stream: int, step: int, count: int) -> Array:
    """Standard normal float64 numbers by Box and Muller: lanes 0 and 1 make two, lanes 2 and 3 the next two.

    With ``u = ((a >> 8) + 1) / 2**24`` and ``v = (b >> 8) / 2**24`` from the pair (a, b), the first is
    ``sqrt(-2 log u) cos(2 pi v)``, the second the same with the sine.
    """
    pairs = (bits(seed, stream, step, count + count % 2) >> np.uint32(8)).astype(np.float64).reshape(-1, 2)
    radius = np.sqrt(-2.0 * np.log((pairs[:, 0] + 1.0) / 2.0**24))
    angle = 2.0 * np.pi * pairs[:, 1] / 2.0**24
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:count]


def uniform(seed: int, stream: int, step: int, count: int) -> Array:
    """Uniform float64 numbers from 0 on and below 1, of 24 bits: ``(a >> 8) / 2**24``."""
    return (bits(seed, stream, step, count) >> np.uint32(8)).astype(np.float64) / 2.0**24


DISTRIBUTIONS = {"uniform": uniform, "normal": normal}
"""By name, what gives the numbers of a distribution."""


def of_rows(numbers: Callable[[int], Array], rows: int, width: int, block: int = 4) -> Array:
    """``width`` numbers for each row, (rows, width).

    Each row starts at a new block of four numbers of the generator, so that rows can be drawn in parallel.

    Args:
        numbers: gives so many numbers.
        rows: how many rows there are.
        width: how many numbers each has.
        block: how many numbers a block makes.
    """
    padded = -(-width // block) * block
    return numbers(rows * padded).reshape(rows, padded)[:, :width]


def permutation(seed: int, stream: int, step: int, count: int) -> Array:
    """An order of ``count`` rows: Fisher-Yates from the last position down, ``j = number(i) % (i + 1)``."""
    numbers = bits(seed, stream, step, count).astype(np.int64)
    order = np.arange(count)
    for i in range(count - 1, 0, -1):
        j = numbers[i] % (i + 1)
        order[i], order[j] = order[j], order[i]
    return order
