"""A whole epoch as one ``lax.scan`` over the batches, as someone would write it by hand for speed."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from cases import Training
from jax import random
from networks import EPSILON

from peers import Trainers

FUNCTIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}


class Scan:
    """The state of a training, and the compiled epoch."""

    def __init__(self, case: Training) -> None:
        x, y = case.data
        self.network = case.network
        self.x = jnp.asarray(x).reshape(case.steps, case.batch, -1)
        self.y = jnp.asarray(y).reshape(case.steps, case.batch, -1)
        layers = [[jnp.asarray(a) for a in arrays] for arrays in case.start]
        params, moving = [arrays[:4] for arrays in layers], [arrays[4:] for arrays in layers]
        zeros = jax.tree.map(jnp.zeros_like, params)
        self.state: Any = (params, moving, zeros, zeros, jnp.float32(0), random.key(0))
        self.epoch = jax.jit(self._epoch)

    def _loss(self, params: Any, moving: Any, key: Any, x: Any, y: Any) -> Any:
        keep, moved = 1 - self.network.dropout, []
        activate = FUNCTIONS[self.network.activation]
        for (kernel, bias, *norm), statistics in zip(params[:-1], moving[:-1], strict=True):
            x = activate(x @ kernel + bias)
            if keep < 1:
                key, own = random.split(key)
                x = jnp.where(random.bernoulli(own, keep, x.shape), x / keep, 0)
            if norm:
                (gamma, beta), mean, variance = norm, x.mean(0), x.var(0)
                moved.append(
                    [s * 0.99 + new * 0.01 for s, new in zip(statistics, (mean, variance), strict=True)]
                )
                x = (x - mean) / jnp.sqrt(variance + EPSILON) * gamma + beta
            else:
                moved.append([])
        kernel, bias = params[-1]
        return jnp.mean((x @ kernel + bias - y) ** 2), [*moved, []]

    def _epoch(self, state: Any, x: Any, y: Any) -> Any:
        def step(state: Any, batch: Any) -> Any:
            params, moving, m, v, count, key = state
            key, own = random.split(key)
            (loss, moving), g = jax.value_and_grad(self._loss, has_aux=True)(params, moving, own, *batch)
            count = count + 1
            m = jax.tree.map(lambda m, g: m + (g - m) * 0.1, m, g)
            v = jax.tree.map(lambda v, g: v + (g * g - v) * 0.001, v, g)
            alpha = 0.001 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            params = jax.tree.map(lambda p, m, v: p - alpha * m / (jnp.sqrt(v) + 1e-7), params, m, v)
            return (params, moving, m, v, count, key), loss

        return jax.lax.scan(step, state, (x, y))

    def run(self, epochs: int) -> float:
        """Train, and the mean loss of the last epoch."""
        for _ in range(epochs):
            self.state, losses = self.epoch(self.state, self.x, self.y)
        return float(losses.mean())


def trainer(case: Training, threads: int) -> Trainers:
    yield "", Scan(case).run
