"""One training, as people write it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from foldnet import Model, Sequential, layers
from foldnet.utils import set_random_seed
from tests.insight.doctor.sets.record import Rows, Trained

D = layers.Dense
RELU, TANH = {"activation": "relu"}, {"activation": "tanh"}


def network(parts: Any, x: Any) -> Any:
    """A Sequential of a list of layers, or a Model of a function from its inputs to its outputs."""
    several = isinstance(x, list)
    shapes = [np.shape(a)[1:] for a in (x if several else [x])]
    if isinstance(parts, list):
        return Sequential([layers.Input(shapes[0]), *parts])
    inputs = [layers.Input(shape) for shape in shapes]
    return Model(inputs if several else inputs[0], parts(inputs if several else inputs[0]))


def fit(
    rows: Rows,
    parts: Any,
    loss: Any,
    optimizer: Any = "adam",
    *,
    epochs: int = 30,
    batch_size: int = 32,
    metrics: Any = None,
    watched: bool = False,
    model: Any = None,
    **more: Any,
) -> Trained:
    """Compile and train; ``watched`` gives the doctor the history and the validation rows, too."""
    set_random_seed(7)
    made = network(parts, rows.x) if model is None else model
    made.compile(optimizer, loss, metrics=metrics)
    if rows.kept is not None:
        more["validation_data"] = rows.kept
    with warnings.catch_warnings():
        # What training says of a diverged network is not the doctor's answer.
        warnings.filterwarnings("ignore", "the loss became NaN", RuntimeWarning)
        history = made.fit(rows.x, rows.y, epochs=epochs, batch_size=batch_size, verbose=0, **more)
    beside = {"history": history, "validation_data": rows.kept} if watched else {}
    return Trained(made, rows.x, rows.y, beside)
