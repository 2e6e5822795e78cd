"""foldnet: the public call with an array that gives an array, and ``fit``."""

from __future__ import annotations

from functools import partial

from cases import Prediction, Training
from deep_trainings import DeepTraining

import foldnet
from peers import Predictors, Trainers


def predictor(case: Prediction, threads: int) -> Predictors:
    predict, x = foldnet.freeze(case.model(), engine="native"), case.x()
    yield (
        "",
        partial(predict, x),
    )  # a function of Python around it would take a quarter of the time of one row


def trainer(case: Training | DeepTraining, threads: int) -> Trainers:
    model = case.started(foldnet)
    model.compile(foldnet.optimizers.Adam(0.001), case.loss)
    x, y = case.data

    def run(epochs: int) -> float:
        fitted = model.fit(x, y, batch_size=case.batch, epochs=epochs, shuffle=False, verbose=0)
        return fitted.history["loss"][-1]

    yield "", run
