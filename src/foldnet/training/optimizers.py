"""Keras's optimizers: each update rule is written once as an expression that both engines run.

Formulas and defaults are those of Keras 3. Numbers that all weights share at a step (the learning
rate, bias corrections) are computed beforehand in float32, as Keras does, and passed to the engine as a table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from foldnet import ops
from foldnet.arrays import Array
from foldnet.errors import ConfigError
from foldnet.training.further_optimizers import Ftrl, Lamb, ScheduleFreeAdamW
from foldnet.training.optimizer import Numbers, Updated
from foldnet.training.optimizer import Optimizer as Optimizer
from foldnet.training.suggestions import suggestion


def powers(base: float, step: Array) -> Array:
    """``base ** step`` in float32, not below about 2**-40, where ``1 - power`` is already 1.

    NumPy takes twenty times as long for powers that underflow, and long fits have many.
    """
    if 0 < base < 1:
        step = np.minimum(step, np.float32(math.ceil(-40 * math.log(2) / math.log(base))))
    return np.asarray(np.float32(base) ** step)


class SGD(Optimizer):
    """Gradient descent, optionally with momentum: ``v = momentum * v - learning_rate * g; w = w + v``.

    Args:
        momentum: factor of the previous step in this one.
        nesterov: Nesterov momentum: ``w = w + momentum * v - learning_rate * g`` with the new v.
    """

    default_learning_rate = 0.01

    def __init__(
        self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        if not 0 <= momentum <= 1:
            raise ConfigError(f"momentum must lie between 0 and 1, got {momentum}")
        self.momentum, self.nesterov = momentum, nesterov

    def slots(self) -> dict[str, float]:
        """``momentum``, if used."""
        return {"momentum": 0.0} if self.momentum else {}

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """One step."""
        step = g * at["learning_rate"]
        if not slots:
            return w - step, []
        m = slots[0] * self.momentum - step
        return (w + (m * self.momentum - step) if self.nesterov else w + m), [m]

    def _own_config(self) -> dict[str, Any]:
        return {"momentum": self.momentum, "nesterov": self.nesterov}


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2014).

    Args:
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        epsilon: added to the root ("epsilon hat" in the paper).
        amsgrad: divide by the largest second moment so far (Reddi et al., 2018).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad

    def slots(self) -> dict[str, float]:
        """``momentum`` and ``velocity``, and ``velocity_hat`` with amsgrad."""
        return {"momentum": 0.0, "velocity": 0.0} | ({"velocity_hat": 0.0} if self.amsgrad else {})

    def numbers(self, step: Array, learning_rate: Array) -> dict[str, Array]:
        """Learning rate, and learning rate times bias correction."""
        one = np.float32(1)
        first, second = powers(self.beta_1, step), powers(self.beta_2, step)
        return {
            "learning_rate": learning_rate,
            "alpha": learning_rate * np.sqrt(one - second) / (one - first),
        }

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """One step."""
        m = slots[0] + (g - slots[0]) * (1 - self.beta_1)
        v = slots[1] + (ops.square(g) - slots[1]) * (1 - self.beta_2)
        new = [m, v]
        if self.amsgrad:
            v = ops.maximum(slots[2], v)
            new.append(v)
        return w - m * at["alpha"] / (ops.sqrt(v) + self.epsilon), new

    def _own_config(self) -> dict[str, Any]:
        return {
            "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon, "amsgrad": self.amsgrad,
        }  # fmt: skip


class AdamW(Adam):
    """Adam with weight decay taken from the weight itself (Loshchilov and Hutter, 2019)."""

    def __init__(self, learning_rate: Any = 0.001, weight_decay: float = 0.004, **kwargs: Any) -> None:
        if weight_decay is None:
            raise ConfigError("AdamW needs a weight_decay")
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)


class Adamax(Optimizer):
    """Adam with the largest gradient in place of the second moment (Kingma and Ba, 2014, section 7)."""

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
        """``momentum`` and ``norm``."""
        return {"momentum": 0.0, "norm": 0.0}

    def numbers(self, step: Array, learning_rate: Array) -> dict[str, Array]:
        """Learning rate and bias correction of the first moment."""
        return {"learning_rate": learning_rate, "bias": np.float32(1) - powers(self.beta_1, step)}

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """One step."""
        m = slots[0] + (g - slots[0]) * (1 - self.beta_1)
        u = ops.maximum(slots[1] * self.beta_2, ops.abs(g))
        return w - m * at["learning_rate"] / ((u + self.epsilon) * at["bias"]), [m, u]

    def _own_config(self) -> dict[str, Any]:
        return {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


class Nadam(Adamax):
    """Adam with Nesterov momentum (Dozat, 2015), with Keras's schedule of the momentum."""

    def slots(self) -> dict[str, float]:
        """``momentum`` and ``velocity``."""
        return {"momentum": 0.0, "velocity": 0.0}

    def numbers(self, step: Array, learning_rate: Array) -> dict[str, Array]:
        """Learning rate and the weights of moment and gradient."""
        one, half, decay = np.float32(1), np.float32(0.5), np.float32(0.96)
        beta_1, beta_2 = np.float32(self.beta_1), np.float32(self.beta_2)
        u, u_next = beta_1 * (one - half * decay**step), beta_1 * (one - half * decay ** (step + one))
        # The product starts at the first step, also when this table starts later.
        before = np.arange(1, step[0], dtype=np.float32)
        start = np.prod(beta_1 * (one - half * decay**before), dtype=np.float32)
        product = start * np.cumprod(u, dtype=np.float32)
        return {
            "learning_rate": learning_rate,
            "of_moment": u_next / (one - product * u_next),
            "of_gradient": (one - u) / (one - product),
            "bias": one - beta_2**step,
        }

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """One step."""
        m = slots[0] + (g - slots[0]) * (1 - self.beta_1)
        v = slots[1] + (ops.square(g) - slots[1]) * (1 - self.beta_2)
        ahead = m * at["of_moment"] + g * at["of_gradient"]
        return w - ahead * at["learning_rate"] / (ops.sqrt(v / at["bias"]) + self.epsilon), [m, v]


class RMSprop(Optimizer):
    """Divide by the root of the running mean of squared gradients (Tieleman and Hinton, 2012).

    Args:
        rho: decay of the running means.
        momentum: factor of the previous step in this one.
        epsilon: added inside the root.
        centered: divide by the standard deviation of the gradients instead.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def slots(self) -> dict[str, float]:
        """``velocity``, then ``momentum`` and ``average_gradient`` if used."""
        names = ["velocity", *(["momentum"] if self.momentum > 0 else [])]
        return dict.fromkeys([*names, *(["average_gradient"] if self.centered else [])], 0.0)

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """One step."""
        old = dict(zip(self.slots(), slots, strict=True))
        velocity = old["velocity"] * self.rho + ops.square(g) * (1 - self.rho)
        new = {"velocity": velocity}
        if self.centered:
            new["average_gradient"] = old["average_gradient"] * self.rho + g * (1 - self.rho)
            velocity = velocity - ops.square(new["average_gradient"])
        step = g * at["learning_rate"] / ops.sqrt(velocity + self.epsilon)
        if self.momentum > 0:
            step = new["momentum"] = old["momentum"] * self.momentum + step
        return w - step, [new[name] for name in old]

    def _own_config(self) -> dict[str, Any]:
        return {
            "rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon, "centered": self.centered,
        }  # fmt: skip


class Adagrad(Optimizer):
    """Divide by the root of the sum of squared gradients (Duchi et al., 2011)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def slots(self) -> dict[str, float]:
        """``accumulator``."""
        return {"accumulator": self.initial_accumulator_value}

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """One step."""
        total = slots[0] + ops.square(g)
        return w - g * at["learning_rate"] / ops.sqrt(total + self.epsilon), [total]

    def _own_config(self) -> dict[str, Any]:
        return {"initial_accumulator_value": self.initial_accumulator_value, "epsilon": self.epsilon}


class Adadelta(Optimizer):
    """Steps in the units of the weights themselves (Zeiler, 2012)."""

    def __init__(
        self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho, self.epsilon = rho, epsilon

    def slots(self) -> dict[str, float]:
        """``accumulated_grad`` and ``accumulated_delta_var``."""
        return {"accumulated_grad": 0.0, "accumulated_delta_var": 0.0}

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """One step."""
        grads = slots[0] * self.rho + ops.square(g) * (1 - self.rho)
        delta = -(ops.sqrt(slots[1] + self.epsilon) * g / ops.sqrt(grads + self.epsilon))
        deltas = slots[1] * self.rho + ops.square(delta) * (1 - self.rho)
        return w + delta * at["learning_rate"], [grads, deltas]

    def _own_config(self) -> dict[str, Any]:
        return {"rho": self.rho, "epsilon": self.epsilon}


class Lion(Optimizer):
    """Steps of one size in the direction of the momentum's sign (Chen et al., 2023)."""

    def __init__(
        self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        if not 0 < beta_1 <= 1:
            raise ConfigError(f"beta_1 must lie between 0 and 1, got {beta_1}")
        self.beta_1, self.beta_2 = beta_1, beta_2

    def slots(self) -> dict[str, float]:
        """``momentum``."""
        return {"momentum": 0.0}

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """One step."""
        direction = ops.sign(slots[0] * self.beta_1 + g * (1 - self.beta_1))
        return w - direction * at["learning_rate"], [slots[0] * self.beta_2 + g * (1 - self.beta_2)]

    def _own_config(self) -> dict[str, Any]:
        return {"beta_1": self.beta_1, "beta_2": self.beta_2}


OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.__name__.lower(): cls
    for cls in (
        SGD, Adam, AdamW, Adamax, Nadam, RMSprop, Adagrad, Adadelta, Lion, Ftrl, Lamb, ScheduleFreeAdamW,
    )
}  # fmt: skip
"""Every optimizer by its Keras name."""


def get(identifier: Any) -> Optimizer | None:
    """Get an optimizer from an optimizer object, class, name, or Keras's stored configuration; None for None.

    Raises:
        ConfigError: the name is unknown, or the settings are wrong.

    >>> get("adam").learning_rate
    0.0010000000474974513
    """
    if identifier is None or isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()
    return deserialize(identifier if isinstance(identifier, Mapping) else {"class_name": identifier})


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
    """Create an optimizer from Keras's stored configuration.

    Args:
        config: ``{"class_name": ..., "config": {...}}``.
        custom_objects: your own classes, by name.

    Raises:
        ConfigError: the name is unknown, or the settings are wrong.
    """
    if not isinstance(config, Mapping):
        raise ConfigError(
            f"an optimizer's configuration is a dict with class_name and config, not {config!r}"
        )
    name, settings = config.get("class_name"), config.get("config") or {}
    cls = (custom_objects or {}).get(name) if isinstance(name, str) else None
    cls = cls or (OPTIMIZERS.get(name.lower()) if isinstance(name, str) else None)
    if cls is None:
        names = [known.__name__ for known in OPTIMIZERS.values()]
        raise ConfigError(f"there is no optimizer {name!r}{suggestion(name, names)}")
    if not isinstance(settings, Mapping):
        raise ConfigError(f"the settings of optimizer {name!r} must be a dict, got {settings!r}")
    found: Optimizer = cls.from_config(settings, custom_objects)
    return found
