"""Accuracies as functions of ``y_true`` and ``y_pred``: 1 or 0 for each position. Their means are metrics."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldnet import ops
from foldnet.training import loss_functions as f
from foldnet.training.targets import check_classes


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where target and output are equal."""
    y_true, y_pred = f.same_rank(y_true, y_pred)
    return ops.equal(y_true, y_pred)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1 where output and label are on the same side of the threshold."""
    y_true, y_pred = f.same_rank(y_true, y_pred)
    return ops.equal(y_true, ops.greater(y_pred, threshold))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest output is that of the one-hot label."""
    y_true, y_pred = f.numbers(y_true, y_pred)
    return ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest output is that of the label.

    Raises:
        InputError: labels that are not class numbers, or whose shape is not that of the outputs without the last axis.
    """
    y_true, y_pred = f.classes_last(y_true, y_pred)
    check_classes(y_true, f.last_size(y_pred), "sparse_categorical_accuracy")
    return ops.equal(y_true, ops.argmax(y_pred, axis=-1))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the one-hot label's output is among the k largest."""
    y_true, y_pred = f.numbers(y_true, y_pred)
    return sparse_top_k_categorical_accuracy(ops.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> Any:
    """1 where the label's output is among the k largest; equal outputs all count.

    With ``from_sorted_ids`` the outputs are themselves class numbers, the most likely first.

    Raises:
        InputError: labels that are not class numbers, or whose shape is not that of the outputs without the last axis.
    """
    y_true, y_pred = f.classes_last(y_true, y_pred)
    width = f.last_size(y_pred)
    if from_sorted_ids:
        first = (np.arange(width) < k).astype(np.float32).reshape(*(1,) * (f.rank(y_pred) - 2), width)
        label = ops.rows_of(y_true, f.row_shape(y_true, 1))
        return ops.max(ops.multiply(ops.equal(label, y_pred), first), axis=-1)
    check_classes(y_true, width, "sparse_top_k_categorical_accuracy")
    chosen = ops.one_hot(y_true, width)
    own = ops.sum(ops.where(chosen, y_pred, 0.0), axis=-1, keepdims=True)
    place = ops.sum(ops.greater(y_pred, own), axis=-1)
    known = ops.equal(own, own)  # False for NaN, which is never among the k largest
    return ops.multiply(ops.less(place, float(k)), ops.rows_of(known, f.row_shape(place)))
