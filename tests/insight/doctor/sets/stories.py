"""Tables that are made here, each with the trait that its pairs or healthy networks need."""

from __future__ import annotations

import numpy as np

from tests.insight.doctor.sets.record import Rows


def _from(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def xor() -> Rows:
    """The four rows of exclusive or."""
    return Rows(np.float32([[0, 0], [0, 1], [1, 0], [1, 1]]), np.float32([[0], [1], [1], [0]]))


def moons(count: int = 400) -> Rows:
    """Two half circles that hold each other, in two classes."""
    generator = _from(1)
    angle = generator.uniform(0, np.pi, count)
    label = np.arange(count) % 2
    x = np.where(label, 1 - np.cos(angle), np.cos(angle)), np.where(label, 0.5 - np.sin(angle), np.sin(angle))
    points = np.stack(x, axis=1) + generator.normal(0, 0.12, (count, 2))
    return Rows(points.astype(np.float32), label.astype(np.float32))


def houses() -> Rows:
    """Living space in square metres, rooms, year, distance in km; the price."""
    generator = _from(2)
    space, year = generator.gamma(9, 13, 500), generator.integers(1900, 2024, 500)
    rooms = np.maximum(1, np.round(space / 28 + generator.normal(0, 0.7, 500)))
    distance = generator.exponential(6, 500)
    price = 2600 * space + 900 * (year - 1900) - 6000 * np.sqrt(distance) * space / 40 + 30_000
    price *= np.exp(generator.normal(0, 0.12, 500))
    return Rows(np.stack([space, rooms, year, distance], axis=1).astype(np.float32), price.astype(np.float32))


def trips() -> Rows:
    """When a taxi left, in seconds since 1970, and how far it went; how long it took, in minutes."""
    generator = _from(3)
    hour, day = generator.uniform(0, 24, 600), generator.integers(0, 60, 600)
    distance = generator.gamma(2, 2, 600)
    minutes = distance * (2.5 + np.exp(-((hour - 8) ** 2) / 4) + np.exp(-((hour - 17) ** 2) / 5)) + 3
    seconds = 1.7e9 + day * 86_400 + hour * 3_600
    y = minutes * np.exp(generator.normal(0, 0.1, 600))
    return Rows(np.stack([seconds, distance], axis=1).astype(np.float32), y.astype(np.float32))


def changes() -> Rows:
    """Six readings of the weather; by how many degrees the next day differs, above and below 0."""
    generator = _from(4)
    x = generator.normal(size=(500, 6))
    y = 3 * np.tanh(x[:, 0]) - 2 * x[:, 1] * (x[:, 2] > 0) + x[:, 3] + generator.normal(0, 0.6, 500)
    return Rows(x.astype(np.float32), y.astype(np.float32))


def hires() -> Rows:
    """Temperature, rain, weekend and hour's sine and cosine; how many bicycles were hired."""
    generator = _from(5)
    hour = generator.uniform(0, 2 * np.pi, 800)
    x = np.stack(
        [generator.normal(size=800), generator.exponential(1, 800), generator.integers(0, 2, 800), np.sin(hour),
         np.cos(hour)], axis=1,
    )  # fmt: skip
    rate = np.exp(1.2 + 0.5 * x[:, 0] - 0.4 * x[:, 1] + 0.7 * x[:, 3] * (1 - x[:, 2]))
    return Rows(x.astype(np.float32), generator.poisson(rate).astype(np.float32))


def loans(share: float = 0.02, apart: float = 1.2) -> Rows:
    """Eight numbers of a borrower; the few that do not pay back differ a little."""
    generator = _from(6)
    y = (generator.uniform(size=2000) < share).astype(np.float32)
    x = generator.normal(size=(2000, 8))
    x[:, :3] += apart * y[:, None] * [1, -1, 0.7]
    return Rows(x.astype(np.float32), y)


def topics(together: bool = True) -> Rows:
    """Counts of 30 words in a message, and which of five topics it has: several ones, or (not together) one."""
    generator = _from(7)
    words = generator.dirichlet(np.full(30, 0.2), 5)
    y = (generator.uniform(size=(700, 5)) < 0.35).astype(np.float32)
    if not together:
        y = np.eye(5, dtype=np.float32)[generator.integers(0, 5, 700)]
    mean = 12 * (y @ words + 0.02)
    return Rows(generator.poisson(mean).astype(np.float32), y)


def shares() -> Rows:
    """Five readings; three valves between 0 and 1, each by itself."""
    generator = _from(8)
    x = generator.normal(size=(500, 5))
    score = x @ generator.normal(size=(5, 3)) + np.abs(x[:, :3])
    y = 1 / (1 + np.exp(-score)) + generator.normal(0, 0.02, (500, 3))
    return Rows(x.astype(np.float32), y.clip(0, 1).astype(np.float32))


def noise(share: float = 0.05, count: int = 600) -> Rows:
    """Five columns that explain this share of the target's variance."""
    generator = _from(9)
    x = generator.normal(size=(count, 5))
    y = np.sqrt(share) * x[:, 0] + np.sqrt(1 - share) * generator.normal(size=count)
    return Rows(x.astype(np.float32), y.astype(np.float32))


def incomes() -> Rows:
    """Five columns; amounts with a heavy tail."""
    generator = _from(10)
    x = generator.normal(size=(800, 5))
    y = np.exp(0.7 * x[:, 0] - 0.4 * x[:, 1]) * (1 + generator.pareto(2.1, 800))
    return Rows(x.astype(np.float32), y.astype(np.float32))


def line(count: int = 6) -> Rows:
    """y = 2x - 1 at a few whole numbers."""
    x = np.arange(-1, count - 1, dtype=np.float32)[:, None]
    return Rows(x, 2 * x - 1)


def curve() -> Rows:
    """One feature; a sine with a little noise."""
    generator = _from(11)
    x = generator.uniform(-3, 3, (300, 1))
    return Rows(x.astype(np.float32), (np.sin(2 * x) + generator.normal(0, 0.1, x.shape)).astype(np.float32))


def unlike(rows: Rows, count: int) -> Rows:
    """Only so many of the rows, in an order by chance."""
    chosen = _from(12).permutation(len(rows.x))[:count]
    return Rows(rows.x[chosen], rows.y[chosen])


def mixed(rows: Rows) -> Rows:
    """All rows in an order by chance."""
    return unlike(rows, len(rows.x))
