"""Keras on TensorFlow: the model's forward pass as ``tf.function``, with XLA and without."""

from __future__ import annotations

import keras
import tensorflow as tf
from cases import Prediction
from networks import build

from peers import Predictors


def predictor(case: Prediction, threads: int) -> Predictors:
    model, x = build(keras, case.network), case.x()
    given = tf.TensorSpec(x.shape, tf.float32)
    for compiled in (False, True):
        forward = tf.function(
            lambda x: model(x, training=False), input_signature=[given], jit_compile=compiled
        ).get_concrete_function()
        yield f"jit_compile={compiled}", lambda forward=forward: forward(tf.constant(x)).numpy()
