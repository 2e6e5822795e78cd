"""What every optimizer shares: learning rate, weight decay, clipping, averages, and its update as a graph."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from foldnet.errors import ConfigError
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.training import UpdateRule
from foldnet.layers.naming import snake_case
from foldnet.layers.weight import Weight
from foldnet.ops import Expression
from foldnet.training.schedules import LearningRateSchedule, schedule_from_config

Array = np.ndarray[Any, Any]
Numbers = Mapping[str, Any]
ACCUMULATOR = "gradient_accumulator"
"""Name of the array in which gradients are added up."""

Updated = tuple[Any, list[Any]]


class LearningRate(float):
    """The learning rate of an optimizer: a float that Keras scripts can also assign to."""

    optimizer: Optimizer

    @classmethod
    def of(cls, optimizer: Optimizer, value: float) -> LearningRate:
        """The number, and whose it is."""
        rate = cls(value)
        rate.optimizer = optimizer
        return rate

    def assign(self, value: Any) -> LearningRate:
        """Set the optimizer's learning rate.

        Raises:
            ConfigError: the optimizer follows a schedule.
        """
        self.optimizer.learning_rate = value
        return self.optimizer.learning_rate

    def numpy(self) -> np.float32:
        """The number as NumPy has it."""
        return np.float32(self)

    @property
    def value(self) -> float:
        """The plain number."""
        return float(self)

    def __reduce__(self) -> Any:
        return float, (float(self),)  # a number in somebody's logs needs no optimizer


class Optimizer:
    """Base of the optimizers; a subclass names its slots and numbers and gives the update.

    Args:
        learning_rate: a number, or a schedule from the step to a number.
        weight_decay: share of the weight, times the learning rate, taken off before the update.
        clipnorm: largest norm of each variable's gradient.
        clipvalue: largest absolute value in a gradient.
        global_clipnorm: largest norm of all gradients together.
        use_ema: keep a moving average of the weights; they take its place at the end of ``fit``.
        ema_momentum: share of the old average that is kept at a step.
        ema_overwrite_frequency: after how many steps the average replaces the weights; None for only at the end.
        loss_scale_factor: accepted, and kept for files; gradients in float32 need no scale, so it changes nothing.
        gradient_accumulation_steps: how many steps' gradients are averaged before one update is made of them.
        name: of the optimizer.

    Attributes:
        steps: batches seen so far.
    """

    default_learning_rate: ClassVar[float] = 0.001

    def __init__(
        self,
        learning_rate: Any = None,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ) -> None:
        if sum(c is not None for c in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ConfigError("only one of clipnorm, clipvalue and global_clipnorm can be given")
        for key, value in {
            "clipnorm": clipnorm,
            "clipvalue": clipvalue,
            "global_clipnorm": global_clipnorm,
        }.items():
            if value is not None and value <= 0:
                raise ConfigError(f"{key} must be positive, got {value}")
        if gradient_accumulation_steps is not None and not gradient_accumulation_steps >= 2:
            raise ConfigError(
                f"gradient_accumulation_steps must be 2 or more, or None, got {gradient_accumulation_steps}"
            )
        if use_ema and not 0 <= ema_momentum <= 1:
            raise ConfigError(f"ema_momentum must lie between 0 and 1, got {ema_momentum}")
        self._learning_rate = self._checked(
            self.default_learning_rate if learning_rate is None else learning_rate
        )
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.name = name or snake_case(type(self).__name__)
        self.steps = 0
        self.excluded_from_decay: list[str] = []
        self._excluded_arrays: list[Any] = []
        self._excluded_places: list[tuple[Any, str]] = []

    @property
    def iterations(self) -> int:
        """Updates made so far: the steps, or where gradients are accumulated, how often there were enough."""
        return self.steps // (self.gradient_accumulation_steps or 1)

    @iterations.setter
    def iterations(self, value: int) -> None:
        self.steps = value * (self.gradient_accumulation_steps or 1)

    # -- what a subclass says -------------------------------------------------------------------------------

    def slots(self) -> dict[str, float]:
        """Names of the arrays that the update keeps for each weight, and what they start with."""
        return {}

    def kept(self) -> dict[str, float]:
        """All arrays kept for each weight: the slots, and gradients added up for the next update."""
        return self.slots() | ({ACCUMULATOR: 0.0} if self.gradient_accumulation_steps else {})

    def numbers(self, step: Array, learning_rate: Array) -> dict[str, Array]:
        """What the update needs to know of each step; ``step`` counts from 1, both are float32 arrays."""
        return {"learning_rate": learning_rate}

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """The new weight and the new slots."""
        raise TypeError(f"{type(self).__name__} states no update")

    # -- learning rate --------------------------------------------------------------------------------------

    @property
    def learning_rate(self) -> LearningRate:
        """The learning rate now: a float, also when a schedule gives it; ``assign`` sets another."""
        if isinstance(self._learning_rate, float):
            return LearningRate.of(self, self._learning_rate)
        return LearningRate.of(self, float(self._rate(np.array([self.iterations], np.float32))[0]))

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if isinstance(self._learning_rate, LearningRateSchedule):
            raise ConfigError("this optimizer follows a schedule, so its learning rate cannot be set")
        self._learning_rate = self._checked(value)

    @staticmethod
    def _checked(value: Any) -> float | Callable[[Any], Any]:
        if isinstance(value, Mapping):
            return schedule_from_config(value)
        if callable(value):
            return value
        return float(np.float32(value))

    def _rate(self, steps: Array) -> Array:
        if isinstance(self._learning_rate, float):
            return np.full(len(steps), self._learning_rate, np.float32)
        return np.array([self._learning_rate(s) for s in steps], np.float32)

    # -- for the engines ------------------------------------------------------------------------------------

    def rule(self) -> UpdateRule:
        """The update as a graph."""
        b = GraphBuilder()
        w, g = Expression(b, b.input("variable", (None,))), Expression(b, b.input("gradient", (None,)))
        slots = {name: Expression(b, b.input(name, (None,))) for name in self.slots()}
        names = tuple(self.numbers(np.ones(1, np.float32), np.ones(1, np.float32)))
        at = {name: Expression(b, b.constant(name, np.zeros(()))) for name in names}
        if self.weight_decay:
            decay = Expression(b, b.constant("weight_decay", np.array(float(self.weight_decay))))
            w = w - w * decay * at["learning_rate"]
        new, new_slots = self.update(w, g, list(slots.values()), at)
        graph = b.build([new.value, *(s.value for s in new_slots)])
        return UpdateRule(
            graph, tuple(self.kept()), tuple(self.kept().values()), names, self._clip(),
            (self.ema_momentum, self.ema_overwrite_frequency or 0) if self.use_ema else None,
            self.gradient_accumulation_steps or 1,
        )  # fmt: skip

    def _clip(self) -> tuple[str, float] | None:
        limits = {"norm": self.clipnorm, "value": self.clipvalue, "global_norm": self.global_clipnorm}
        return next(((kind, float(limit)) for kind, limit in limits.items() if limit is not None), None)

    def table(self, first: int, steps: int) -> Array:
        """Numbers for ``steps`` steps after the first ``first`` ones: float32 (steps, numbers)."""
        every = self.gradient_accumulation_steps or 1
        update = np.arange(first // every, -(-(first + steps) // every), dtype=np.float32)
        columns = self.numbers(update + np.float32(1), self._rate(update))
        rows = np.stack([np.asarray(c, np.float32) for c in columns.values()], axis=1)
        if every > 1:
            rows = rows[np.arange(first, first + steps) // every - first // every]
        return np.ascontiguousarray(rows)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Sequence[str] | None = None) -> None:
        """Leave weights out of the weight decay; to be called before the first ``fit``.

        Args:
            var_list: weights themselves, as ``[layer.bias]``, or a layer's own arrays.
            var_names: parts of names such as ``"bias"`` or ``"gamma"``; regular expressions, as in Keras.
        """
        self.excluded_from_decay += list(var_names or ())
        for weight in var_list or ():
            if isinstance(weight, Weight):
                self._excluded_places.append((weight.layer, weight.name))
            else:
                self._excluded_arrays.append(weight)

    def decay_applies(self, layer: Any, weight: str) -> bool:
        """Whether the weight decay applies to a layer's weight."""
        # Training gives a weight a new array, so one that was excluded by its array is remembered by its place.
        array = layer.named_weights[weight]
        if any(array is excluded for excluded in self._excluded_arrays):
            self._excluded_places.append((layer, weight))
        named = any(re.search(pattern, weight) for pattern in self.excluded_from_decay)
        return not named and (layer, weight) not in self._excluded_places

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        common = (
            "weight_decay clipnorm global_clipnorm clipvalue use_ema ema_momentum ema_overwrite_frequency "
            "loss_scale_factor gradient_accumulation_steps"
        )  # fmt: skip
        rate = self._learning_rate
        config = {
            "name": self.name,
            "learning_rate": rate.serialize() if hasattr(rate, "serialize") else rate,
        }
        return config | {key: getattr(self, key) for key in common.split()} | self._own_config()

    def _own_config(self) -> dict[str, Any]:
        return {}
