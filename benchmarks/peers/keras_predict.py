"""Keras on JAX: ``model.predict``, as most users call it."""

from __future__ import annotations

import keras
from cases import Prediction
from networks import build

from peers import Predictors


def predictor(case: Prediction, threads: int) -> Predictors:
    model, x = build(keras, case.network), case.x()
    yield "", lambda: model.predict(x, verbose=0)
