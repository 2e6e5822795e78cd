"""Sequences and signals that are made here."""

from __future__ import annotations

import numpy as np

from tests.insight.doctor.sets.record import Rows


def _from(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def waves(count: int = 250, length: int = 16) -> Rows:
    """Windows of a noisy wave, and the value after each."""
    generator = _from(21)
    time = np.arange(count + length)
    wave = np.sin(time / 4) + 0.5 * np.sin(time / 9) + generator.normal(0, 0.05, time.size)
    x = np.stack([wave[i : i + length] for i in range(count)])[..., None]
    return Rows(x.astype(np.float32), wave[length:].astype(np.float32))


def prices() -> Rows:
    """The same as a price between 3,000 and 5,000; what is to be told is scaled."""
    rows = waves()
    return Rows((4000 + 600 * rows.x).astype(np.float32), rows.y)


def reviews(count: int = 500, length: int = 32, words: int = 60) -> Rows:
    """Word numbers; 0 fills the end. The kind is that of the words which are more: 5 to 14, or 15 to 24."""
    generator = _from(22)
    x, y = np.zeros((count, length), np.int32), generator.integers(0, 2, count)
    for row, kind in zip(x, y, strict=True):
        size = int(generator.integers(4, 16))
        row[:size] = generator.integers(25, words, size)
        told = generator.permutation(size)[: max(2, size // 3)]
        row[told] = generator.integers(5, 15, told.size) + 10 * kind
    return Rows(x, y.astype(np.float32))


def whole_reviews() -> Rows:
    """The same where every one is as long as the others."""
    generator = _from(23)
    x, y = generator.integers(25, 60, (500, 12)), generator.integers(0, 2, 500)
    for row, kind in zip(x, y, strict=True):
        row[generator.permutation(12)[:3]] = generator.integers(5, 15, 3) + 10 * kind
    return Rows(x.astype(np.int32), y.astype(np.float32))


def steps() -> Rows:
    """Walks of 24 steps with three sensors, and which of four kinds of walking it is."""
    generator = _from(24)
    y = generator.integers(0, 4, 400)
    time, start = np.arange(24), generator.uniform(0, 6, (400, 1))
    wave = np.sin(time * (0.3 + 0.25 * y[:, None]) + start)
    x = np.stack([wave, np.cos(time / 3 + start) * (1 + (y[:, None] % 2)), 0.5 * wave**2], axis=-1)
    return Rows((x + generator.normal(0, 0.3, x.shape)).astype(np.float32), y)


def tagged() -> Rows:
    """Word numbers, and for each word one of three tags, which depends on it and the word before."""
    generator = _from(25)
    x = generator.integers(1, 30, (400, 10))
    before = np.concatenate([np.zeros((400, 1), int), x[:, :-1]], axis=1)
    return Rows(x.astype(np.int32), ((x % 2 + (before > 15)) % 3).astype(np.int32))


def signals() -> Rows:
    """Windows of 64 readings with one channel; a short burst somewhere, or none."""
    generator = _from(26)
    x, y = generator.normal(0, 0.4, (400, 64)), generator.integers(0, 2, 400)
    for row in np.flatnonzero(y):
        place = int(generator.integers(0, 56))
        x[row, place : place + 8] += 1.8 * np.sin(np.arange(8) * 1.2)
    return Rows(x[..., None].astype(np.float32), y.astype(np.float32))


def _smooth(x: np.ndarray) -> np.ndarray:
    """Pictures whose pixels are like their neighbours, as those of cameras are: means of three by three."""
    for axis in (-1, -2):
        x = (np.roll(x, 1, axis) + x + np.roll(x, -1, axis)) / 3
    return x


def planes() -> Rows:
    """Pictures with the channels first: three of 12 by 12, a bright bar across or down in one of them."""
    generator = _from(27)
    x, y = _smooth(generator.normal(0, 0.9, (300, 3, 12, 12))), generator.integers(0, 2, 300)
    for picture, down in zip(x, y, strict=True):
        place, channel = int(generator.integers(1, 11)), int(generator.integers(0, 3))
        if down:
            picture[channel, 2:10, place] += 1.5
        else:
            picture[channel, place, 2:10] += 1.5
    return Rows(x.astype(np.float32), y.astype(np.float32))


def stills() -> Rows:
    """The same with the channels last."""
    rows = planes()
    return Rows(np.moveaxis(rows.x, 1, -1).copy(), rows.y)
