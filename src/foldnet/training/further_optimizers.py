"""Keras's less common optimizers: Ftrl for sparse models, Lamb for large batches, ScheduleFreeAdamW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from foldnet import ops
from foldnet.arrays import Array
from foldnet.errors import ConfigError
from foldnet.training.optimizer import Numbers, Optimizer, Updated


class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan et al., 2013), which makes weights exactly 0 under an L1 penalty.

    Args:
        learning_rate_power: power of the accumulated squared gradients in the learning rate; 0 keeps it constant.
        initial_accumulator_value: first value of the sum of squared gradients.
        l1_regularization_strength: factor of the L1 penalty.
        l2_regularization_strength: factor of the L2 penalty.
        l2_shrinkage_regularization_strength: factor of an L2 penalty that is added to the gradient.
        beta: ``beta / (2 * learning_rate)`` is added to the L2 factor.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        if learning_rate_power > 0:
            raise ConfigError(f"learning_rate_power must be 0 or less, got {learning_rate_power}")
        self.learning_rate_power, self.beta = learning_rate_power, beta
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        negative = [
            k for k, v in self._own_config().items() if v < 0 and k not in ("learning_rate_power", "beta")
        ]
        if negative:
            raise ConfigError(f"{' and '.join(negative)} must be 0 or more")

    def slots(self) -> dict[str, float]:
        """``accumulator`` and ``linear``."""
        return {"accumulator": self.initial_accumulator_value, "linear": 0.0}

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """One step."""
        rate, l1 = at["learning_rate"], self.l1_regularization_strength
        old, linear = slots
        total = old + ops.square(g)

        def scale(x: Any) -> Any:
            return ops.power(x, -self.learning_rate_power)

        shrunk = g + w * (2 * self.l2_shrinkage_regularization_strength)
        linear = linear + shrunk - (scale(total) - scale(old)) / rate * w
        l2 = self.beta / (rate * 2.0) + self.l2_regularization_strength
        quadratic = scale(total) / rate + l2 * 2.0
        return (ops.clip(linear, -l1, l1) - linear) / quadratic, [total, linear]

    def _own_config(self) -> dict[str, Any]:
        return {
            "learning_rate_power": self.learning_rate_power,
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }


class Lamb(Optimizer):
    """Adam with each weight's step scaled to the norm of the weight, for large batches (You et al., 2020)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def slots(self) -> dict[str, float]:
        """``momentum`` and ``velocity``."""
        return {"momentum": 0.0, "velocity": 0.0}

    def numbers(self, step: Array, learning_rate: Array) -> dict[str, Array]:
        """Learning rate and the bias corrections of both moments."""
        one = np.float32(1)
        return {
            "learning_rate": learning_rate,
            "bias_1": one - np.float32(self.beta_1) ** step,
            "bias_2": one - np.float32(self.beta_2) ** step,
        }

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """One step."""
        m = slots[0] + (g - slots[0]) * (1 - self.beta_1)
        v = slots[1] + (ops.square(g) - slots[1]) * (1 - self.beta_2)
        step = (m / at["bias_1"]) / (ops.sqrt(v / at["bias_2"]) + self.epsilon)
        # In an update the "batch" axis runs over the elements of one weight, so batch_sum sums over them.
        weight_norm, step_norm = (ops.sqrt(ops.batch_sum(ops.square(x))) for x in (w, step))
        positive = ops.logical_and(ops.greater(weight_norm, 0.0), ops.greater(step_norm, 0.0))
        ratio = ops.where(positive, weight_norm / ops.where(positive, step_norm, 1.0), 1.0)
        return w - ratio * at["learning_rate"] * step, [m, v]

    def _own_config(self) -> dict[str, Any]:
        return {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


class ScheduleFreeAdamW(Lamb):
    """Schedule-free AdamW (Defazio et al., 2024): gradients are taken between the averaged and the newest weights.

    Args:
        warmup_steps: number of steps over which the learning rate rises from 0.
    """

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        self.warmup_steps = warmup_steps

    def numbers(self, step: Array, learning_rate: Array) -> dict[str, Array]:
        """Learning rate, the same with warm-up, bias correction of the velocity, weight of a step in the average."""
        one = np.float32(1)
        warm = np.minimum(step / np.float32(self.warmup_steps), one) if self.warmup_steps > 0 else one
        return {
            "learning_rate": learning_rate,
            "rate": learning_rate * warm,
            "bias": one - np.float32(self.beta_2) ** step,
            "share": one / step,
            "first": np.asarray(step == 1, np.float32),
        }

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """One step."""
        # At the first step the newest weights (z in the paper) are the initial weights.
        z = ops.where(at["first"], w, slots[0])
        v = slots[1] + (ops.square(g) - slots[1]) * (1 - self.beta_2)
        new_z = z - g * at["rate"] / (ops.sqrt(v / at["bias"]) + self.epsilon)
        average = (w - z * (1 - self.beta_1)) / self.beta_1
        average = average * (1.0 - at["share"]) + new_z * at["share"]
        return new_z * (1 - self.beta_1) + average * self.beta_1, [new_z, v]

    def _own_config(self) -> dict[str, Any]:
        return {**super()._own_config(), "warmup_steps": self.warmup_steps}
