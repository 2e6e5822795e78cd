"""A function of JAX, compiled by ``jax.jit``."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from cases import Prediction
from networks import EPSILON, layer_weights

from peers import Predictors

LAST = {"linear": lambda z: z, "sigmoid": jax.nn.sigmoid, "softmax": jax.nn.softmax}


def predictor(case: Prediction, threads: int) -> Predictors:
    layers, x = jax.device_put(layer_weights(case.network)), case.x()

    @jax.jit
    def forward(layers, value):
        for kernel, bias, *norm in layers[:-1]:
            value = jnp.maximum(value @ kernel + bias, 0)
            if norm:
                gamma, beta, mean, variance = norm
                value = (value - mean) / jnp.sqrt(variance + EPSILON) * gamma + beta
        kernel, bias = layers[-1]
        return LAST[case.network.last](value @ kernel + bias)

    yield "", lambda: np.asarray(forward(layers, x))
