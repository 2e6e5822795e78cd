"""Checks of targets for a loss or a metric: the outputs' shape, or valid class numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldnet.errors import InputError
from foldnet.ops import Expression

Shape = tuple[int | None, ...]


def shown(shape: Shape) -> str:
    """A shape for an error message."""
    inner = ", ".join("rows" if n is None else str(n) for n in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def check_same_shape(y_true: Any, y_pred: Any, name: str) -> None:
    """Check that targets and outputs have the same shape; broadcasting them would give a meaningless number.

    Raises:
        InputError: the shapes differ.
    """
    own, given = (v.shape if isinstance(v, Expression) else np.shape(v) for v in (y_true, y_pred))
    if len(own) == len(given) and all(None in (n, m) or n == m for n, m in zip(own, given, strict=True)):
        return
    way = "give targets of the outputs' shape"
    numbers = len(own) == len(given) - 1 or (len(own) == len(given) and own[-1] == 1)
    if name.startswith("categorical") and numbers:
        sparse = name.replace("categorical", "sparse_categorical")
        other = f'with "{sparse}", or ' if sparse == "sparse_categorical_crossentropy" else ""
        way = (
            f"class numbers go {other}through foldnet.utils.to_categorical(y, {given[-1]}), which makes one-hot rows "
            "of them"
        )
    elif name.startswith("binary"):
        way += ": one 0 or 1 for each output"
    raise InputError(
        f"{name}: the targets have shape {shown(own)} and the outputs {shown(given)}, which must be the same; {way}"
    )


def check_classes(
    labels: Any, classes: int, name: str, ignored: int | None = None, of: str = "the outputs have"
) -> None:
    """Check that labels are valid class numbers; rows with other numbers would silently add nothing.

    Args:
        labels: an array; an expression has no values yet, so it is not checked.
        classes: number of classes.
        name: of the loss, metric or output, for the message.
        ignored: a number that is allowed although it is not a class.
        of: who has the classes, for the message.

    Raises:
        InputError: NaN, a fraction, or a number outside the classes.
    """
    if isinstance(labels, Expression):
        return
    array = np.asarray(labels)
    if not array.size or array.dtype.kind not in "fiu":
        return
    fine = (array >= 0) & (array < classes)
    if array.dtype.kind == "f":
        fine &= array == np.floor(array)
    if ignored is not None:
        fine |= array == ignored
    if fine.all():
        return
    place = tuple(int(i) for i in np.argwhere(~np.atleast_1d(fine))[0])
    value = np.atleast_1d(array)[place]
    at = f"row {place[0]}" + (f", place {place[1:]}" if len(place) > 1 and array.shape[1:] != (1,) else "")
    left_out = "" if ignored is None else f" (and {ignored}, which is ignored)"
    raise InputError(
        f"{name}: the target of {at} is {value:g}, and {of} {classes} classes, 0 to {classes - 1}{left_out}. Class "
        "numbers are whole and start at 0; a number that is not a class is given as "
        "SparseCategoricalCrossentropy(ignore_class=...)"
    )
