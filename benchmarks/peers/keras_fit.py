"""Keras's ``fit``, on the backend that the environment names: a step at a time, and several steps in an execution."""

from __future__ import annotations

import keras
from cases import Training
from deep_trainings import DeepTraining

from peers import Trainers

TOGETHER = 8
"""Steps of an execution; Keras's documentation advises more than one for small models."""


def trainer(case: Training | DeepTraining, threads: int) -> Trainers:
    x, y = case.data
    for steps in (1, TOGETHER) if case.batch <= 128 else (1,):
        model = case.started(keras)
        model.compile(keras.optimizers.Adam(0.001), case.loss, steps_per_execution=steps)

        def run(epochs: int, model: keras.Model = model) -> float:
            fitted = model.fit(x, y, batch_size=case.batch, epochs=epochs, shuffle=False, verbose=0)
            return fitted.history["loss"][-1]

        yield f"steps_per_execution={steps}", run
