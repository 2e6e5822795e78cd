"""Fits in closed form that networks are compared with: ridge regressions, each row predicted without itself.

A network that learned its task need not beat such a fit, but should not lose by much. The fit sees a few hundred
columns of the inputs, and a few random bends of them, so that it also finds simple curves. It is meant to be a low
hurdle: what it cannot find (the order of words, shapes in images) it does not hold against a network.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.task import Task

MOST_COLUMNS = 256
"""The largest number of columns of inputs or hidden values; more would make the fit slower than the network."""
BENDS = 100
"""The number of random ReLU features."""
MOST_CODES = 128
"""Of so many codes, the most frequent ones, it is counted how often each occurs in a row."""
MOST_ANSWERS = 64
"""More classes or columns of targets than this are not fitted."""
FARTHEST = 5.0
"""Standardized values are cut here: a single outlier would otherwise decide a fit."""
STRENGTHS = (1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 2.0, 10.0)
"""Strengths of a ridge regression, per row; the columns have mean 0 and deviation 1."""


def input_columns(context: Context, task: Task) -> Array:
    """All inputs as standardized columns, one row for each of the task's; sequences with its steps give each step's.

    Codes (inputs of an Embedding, or texts) are counted. Of more columns than ``MOST_COLUMNS``, images and sequences
    are shrunk by sums of neighbours, which keeps what varies slowly, as most of what images and signals hold does.
    Other inputs have no neighbours: their columns are added up in groups, with random signs. That keeps distances
    between rows roughly (Weinberger et al. 2009, "Feature hashing for large scale multitask learning"), and costs one
    pass.
    """
    return _fewer(np.concatenate(list(_parts(context, task)), axis=1))


def _parts(context: Context, task: Task) -> Iterator[Array]:
    yield np.zeros((task.rows, 0))
    for start in context.sites:
        if start.operands:
            continue
        value = context.measured.value(start.path)
        if task.steps == 1:
            value = value[task.usable]
        elif not _has_steps(value, task):
            continue
        else:
            value = task.by_row(value)
        yield _counted(value) if context.measured.is_code(start.path) else _standardized(_shrunk(value))


def _has_steps(value: Array, task: Task) -> bool:
    """Whether an input has values for each step of the task."""
    return any(int(np.prod(value.shape[1:axis])) == task.steps for axis in range(2, value.ndim + 1))


def _shrunk(value: Array) -> Array:
    """Rows of images or sequences as columns, no more than a few hundred."""
    value = value.astype(np.float64, copy=False)
    along = range(1, value.ndim) if value.ndim > 3 else range(1, value.ndim - 1)
    while along and np.prod(value.shape[1:]) > MOST_COLUMNS:
        axis = max(along, key=lambda a: value.shape[a])
        size = value.shape[axis]
        if size < 4:
            break
        value = np.add.reduceat(value, np.arange(0, size, 2), axis=axis)
    return value.reshape(len(value), -1)


def _counted(value: Array) -> Array:
    """How often each of the most frequent codes occurs in a row."""
    codes = value.reshape(len(value), -1)
    names, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    kept = np.argsort(-counts, kind="stable")[:MOST_CODES]
    column = np.full(len(names), -1)
    column[kept] = np.arange(len(kept))
    found = column[places.reshape(codes.shape)]
    rows = np.broadcast_to(np.arange(len(codes))[:, None], codes.shape)[found >= 0]
    flat = np.bincount(rows * len(kept) + found[found >= 0], minlength=len(codes) * len(kept))
    return _standardized(flat.reshape(len(codes), len(kept)).astype(np.float64))


def _standardized(columns: Array) -> Array:
    """Columns with mean 0 and deviation 1, cut at ``FARTHEST``; without those that never vary."""
    mean = columns.mean(axis=0)
    scaled = columns - mean
    deviation = np.sqrt(np.einsum("ij,ij->j", scaled, scaled) / len(columns))
    varies = deviation > 1e-9 * np.abs(mean)
    if not varies.all():
        scaled = scaled[:, varies]
    scaled /= deviation[varies]
    return np.clip(scaled, -FARTHEST, FARTHEST, out=scaled)


def _fewer(columns: Array) -> Array:
    """At most ``MOST_COLUMNS``: groups added up with random signs."""
    count = columns.shape[1]
    if count <= MOST_COLUMNS:
        return columns
    generator = np.random.default_rng(count)
    order, signs = generator.permutation(count), generator.choice((-1.0, 1.0), count)
    groups = np.linspace(0, count, MOST_COLUMNS, endpoint=False).astype(np.int64)
    return _standardized(np.add.reduceat(columns[:, order] * signs[order], groups, axis=1))


def with_bends(columns: Array) -> Array:
    """The columns and ``BENDS`` random ReLU features of them, always the same ones."""
    generator = np.random.default_rng(columns.shape[1])
    kernel = generator.normal(size=(columns.shape[1], BENDS)) / np.sqrt(max(columns.shape[1], 1))
    bent = np.maximum(columns @ kernel + generator.normal(size=BENDS), 0)
    return np.concatenate([columns, _standardized(bent)], axis=1)


def hidden_columns(values: Array) -> Array:
    """Hidden values of each row as columns for a fit."""
    return _fewer(_standardized(values.astype(np.float64, copy=False)))


def fitted(columns: Array, task: Task) -> Array | None:
    """What a ridge regression predicts for each row without having seen it, in the task's columns of answers.

    Classes that occur are fitted as columns of 0 and 1. None if there is nothing to fit, or too much.

    Args:
        columns: with mean 0 and deviation 1.
        task: what to predict.
    """
    count = len(np.unique(task.targets)) if task.kind == "classes" else task.targets[:1].size
    if columns.shape[1] == 0 or not 0 < count <= MOST_ANSWERS:
        return None
    return left_out(columns, answer_columns(task), task.weights)


def answer_columns(task: Task) -> Array:
    """Numbers and labels as they are, two classes in one column, other classes in one for each that occurs."""
    if task.kind == "two classes":
        return task.targets[:, None].astype(np.float64)
    if task.kind == "classes":
        return (task.targets[:, None] == np.unique(task.targets)).astype(np.float64)
    return task.targets.astype(np.float64)


def as_predicted(fit: Array, task: Task) -> Array:
    """What fitted columns of answers say, in the form of the task's targets."""
    if task.kind == "numbers":
        return fit
    if task.kind == "labels":
        return (fit > 0.5).astype(np.int64)
    if task.kind == "two classes":
        return (fit[:, 0] > 0.5).astype(np.int64)
    return np.asarray(np.unique(task.targets)[fit.argmax(axis=1)])


def left_out(columns: Array, answers: Array, weights: Array | None = None) -> Array:
    """Each row's answer by a ridge regression on all other rows; for each column with the strength that predicts best.

    In closed form: the residual of a row that was left out is its residual divided by 1 minus its leverage (Hastie,
    Tibshirani, Friedman, "The Elements of Statistical Learning", section 7.10, with the mean as a further column).
    A row of weight w is a row times the root of w, whose residual is that much larger.

    Args:
        columns: ``(rows, columns)``.
        answers: ``(rows, answers)``.
        weights: how much each row counts, above 0 with a mean of 1; by default all the same.
    """
    count = len(columns)
    weights = np.ones(count) if weights is None else weights
    roots = np.sqrt(weights)[:, None]
    columns = (columns - np.average(columns, axis=0, weights=weights)) * roots
    centred = (answers - np.average(answers, axis=0, weights=weights)) * roots
    sizes, directions = _directions(columns)
    parts = directions.T @ centred
    best, chosen = np.full(answers.shape[1], np.inf), np.zeros_like(centred)
    squares = directions**2
    for strength in STRENGTHS:
        shrunk = 1 / (sizes + strength * count)
        kept = 1 - weights / count - squares @ shrunk
        rest = centred - directions @ (parts * shrunk[:, None])
        with np.errstate(
            all="ignore"
        ):  # a row that decides its own prediction leaves 0 / 0: that strength is not taken
            rest = rest / kept[:, None]
        error = (rest**2).sum(axis=0)
        better = error < best
        chosen[:, better] = answers[:, better] - rest[:, better] / roots
        best = np.minimum(best, error)
    return chosen


def _directions(columns: Array) -> tuple[Array, Array]:
    """The squares of the singular values, and the left singular vectors times the singular values."""
    count, width = columns.shape
    if width <= count:
        sizes, vectors = np.linalg.eigh(columns.T @ columns)
        return np.maximum(sizes, 0), columns @ vectors
    sizes, vectors = np.linalg.eigh(columns @ columns.T)
    sizes = np.maximum(sizes, 0)
    return sizes, vectors * np.sqrt(sizes)


def ranking(values: Array, positive: Array, weights: Array | None = None) -> tuple[float, float]:
    """The share of pairs of a positive and a negative row in which the positive one has the larger value (AUC).

    And the standard error of that where values say nothing (Mann and Whitney 1947, "On a test of whether one of two
    random variables is stochastically larger than the other"). A pair counts as much as the product of its weights.
    """
    weights = np.ones(len(values)) if weights is None else weights
    if positive.all() or not positive.any():
        return 0.5, float("inf")
    names, places = np.unique(values, return_inverse=True)
    above, below = (np.bincount(places, weights * part, len(names)) for part in (positive, ~positive))
    share = float((above * (np.cumsum(below) - below / 2)).sum() / (above.sum() * below.sum()))
    many, few = (weights[part].sum() ** 2 / (weights[part] ** 2).sum() for part in (positive, ~positive))
    return share, float(np.sqrt((many + few + 1) / (12 * many * few)))
