"""What every optimizer shares: learning rate, weight decay, clipping, averages, and its update as a graph."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.training import ClipKind, UpdateRule
from foldnet.layers.weight import Weight
from foldnet.naming import snake_case, unique_name
from foldnet.ops import Expression
from foldnet.training.optimizer_settings import is_count, number, takes_step
from foldnet.training.schedules import InverseTimeDecay, LearningRateSchedule, schedule_from_config
from foldnet.training.suggestions import suggestion
from foldnet.training.variables import Variable

Numbers = Mapping[str, Any]
ACCUMULATOR = "gradient_accumulator"
"""Name of the array in which gradients are added up."""

Updated = tuple[Any, list[Any]]


class FollowsScheduleError(ConfigError, TypeError):
    """The learning rate was set where a schedule gives it; a TypeError, as in Keras."""


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
    def value(self) -> np.float32:
        """The number as NumPy has it, under Keras's other name: 0.005 reads 0.005."""
        return np.float32(self)

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
        name: of the optimizer; by default ``adam``, then ``adam_1``, as Keras counts.
        decay: as of Keras 2: the learning rate is ``InverseTimeDecay(learning_rate, 1, decay)``.

    Attributes:
        steps: batches seen so far.
        trainer: what keeps its arrays for each weight, once a network was compiled with it.
    """

    dtype: ClassVar[str] = "float32"
    """Of its variables."""

    absent: ClassVar[bool] = False
    """Whether it only stands in the place of one."""

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
        decay: float | None = None,
        **others: Any,
    ) -> None:
        self._refuse(others)
        if sum(c is not None for c in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ConfigError("only one of clipnorm, clipvalue and global_clipnorm can be given")
        for key, value in {
            "clipnorm": clipnorm,
            "clipvalue": clipvalue,
            "global_clipnorm": global_clipnorm,
        }.items():
            if value is not None and not number(key, value) > 0:
                raise ConfigError(f"{key} must be positive, got {value}")
        if weight_decay is not None:
            number("weight_decay", weight_decay)
        if gradient_accumulation_steps is not None and not (
            isinstance(gradient_accumulation_steps, int) and gradient_accumulation_steps >= 2
        ):
            raise ConfigError(
                f"gradient_accumulation_steps must be 2 or more, or None, got {gradient_accumulation_steps}"
            )
        if use_ema and not 0 <= number("ema_momentum", ema_momentum) <= 1:
            raise ConfigError(f"ema_momentum must lie between 0 and 1, got {ema_momentum}")
        if use_ema and ema_overwrite_frequency is not None and not is_count(ema_overwrite_frequency):
            raise ConfigError(
                f"ema_overwrite_frequency is a number of steps or None, got {ema_overwrite_frequency!r}"
            )
        self._learning_rate = self._checked(
            self.default_learning_rate if learning_rate is None else learning_rate
        )
        if decay:
            if not isinstance(self._learning_rate, float):
                raise ConfigError("decay needs a learning rate that is a number; put it into the schedule")
            self._learning_rate = InverseTimeDecay(self._learning_rate, 1, number("decay", decay))
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.name = name or unique_name(snake_case(type(self).__name__))
        self.steps = 0
        self.trainer: Any = None
        self.excluded_from_decay: list[str] = []
        self._excluded_arrays: list[Any] = []
        self._excluded_places: list[tuple[Any, str]] = []

    def check_settings(self) -> None:
        """Check that the settings of the class's own are of the kinds that its constructor has by default.

        Raises:
            ConfigError: one is not.
        """
        defaults = inspect.signature(type(self).__init__).parameters
        for name, value in self._own_config().items():
            default = defaults[name].default if name in defaults else None
            if isinstance(default, bool) and not isinstance(value, bool | np.bool_):
                raise ConfigError(f"{type(self).__name__}: {name} must be True or False, got {value!r}")
            if isinstance(default, int | float) and not isinstance(default, bool):
                number(f"{type(self).__name__}: {name}", value)

    def _refuse(self, others: Mapping[str, Any]) -> None:
        """Refuse settings that there are not, by the names that are near."""
        if others:
            known = [*inspect.signature(type(self).__init__).parameters, *_COMMON, "name"]
            names = [n for n in known if n not in ("self", "kwargs")]
            first = next(iter(others))
            near = "; it is called learning_rate" if first == "lr" else suggestion(first, names)
            raise ConfigError(f"{type(self).__name__} has no setting {first!r}{near}")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"trainer": None}  # a trainer that is copied takes its optimizer up again

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
        """The new weight and the new slots.

        Raises:
            ConfigError: the class states none.
        """
        raise ConfigError(
            f"{type(self).__name__} must define update(w, g, slots, at), which gives the new weight and slots as "
            "expressions of foldnet.ops; update_step, as Keras's own optimizers have it, cannot be compiled"
        )

    def check_steps(self) -> None:
        """Refuse to train where there is no optimizer."""

    # -- learning rate --------------------------------------------------------------------------------------

    @property
    def learning_rate(self) -> LearningRate:
        """The learning rate now: a float, also when a schedule gives it; ``assign`` sets another."""
        if isinstance(self._learning_rate, float):
            return LearningRate.of(self, self._learning_rate)
        return LearningRate.of(self, float(self._rate(np.array([self.iterations], np.float32))[0]))

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if isinstance(self._learning_rate, LearningRateSchedule) and not callable(value):
            raise FollowsScheduleError(
                "this optimizer follows a schedule, so its learning rate cannot be set; make the optimizer with a "
                "number, or set another schedule"
            )
        self._learning_rate = self._checked(value)

    @staticmethod
    def _checked(value: Any) -> float | Callable[..., Any]:
        if isinstance(value, Mapping):
            return schedule_from_config(value)
        if callable(value) and not isinstance(value, type):
            return value
        return float(np.float32(number("learning_rate", value, " or a schedule")))

    def _rate(self, steps: Array) -> Array:
        rate = self._learning_rate
        if isinstance(rate, float):
            return np.full(len(steps), rate, np.float32)
        # As in Keras a function takes nothing, and a schedule the step; a function may ask for the step, too.
        alone = not isinstance(rate, LearningRateSchedule) and not takes_step(rate)
        values = [rate() if alone else rate(s) for s in steps]
        try:
            return np.array(values, np.float32).reshape(len(steps))
        except (TypeError, ValueError):
            raise ConfigError(
                f"the learning rate's function gave {values[0]!r}, expected one number"
            ) from None

    # -- variables ------------------------------------------------------------------------------------------

    @property
    def built(self) -> bool:
        """Whether a network was compiled with it, so that it has arrays for each weight."""
        return self.trainer is not None

    @property
    def variables(self) -> list[Variable]:
        """Its numbers and arrays in the order in which Keras keeps them: steps, learning rate, then the slots."""
        from foldnet.training.optimizer_state import variables_of

        return variables_of(self)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all variables.

        Raises:
            InputError: no network was compiled with the optimizer yet, or other numbers of variables, or shapes.
        """
        if not self.built:
            raise InputError(
                f"optimizer {self.name!r} has no weights to set before a network was compiled with it: call "
                "model.compile first"
            )
        own = self.variables
        if len(weights) != len(own):
            raise InputError(
                f"optimizer {self.name!r} has {len(own)} variables, and was given {len(weights)}"
            )
        for variable, value in zip(own, weights, strict=True):
            variable.assign(value)

    def save_own_variables(self, store: Any) -> None:
        """Put all variables into a mapping, by their numbers."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Set all variables from what ``save_own_variables`` has put there.

        Raises:
            InputError: other numbers of variables, or other shapes.
        """
        self.set_weights([store[str(i)] for i in range(len(store))])

    # -- for the engines ------------------------------------------------------------------------------------
    def rule(self) -> UpdateRule | None:
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

    def _clip(self) -> tuple[ClipKind, float] | None:
        limits: dict[ClipKind, float | None] = {
            "norm": self.clipnorm,
            "value": self.clipvalue,
            "global_norm": self.global_clipnorm,
        }
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
        rate = self._learning_rate
        config = {
            "name": self.name,
            "learning_rate": rate.serialize() if isinstance(rate, LearningRateSchedule) else rate,
        }
        return config | {key: getattr(self, key) for key in _COMMON} | self._own_config()

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """One with the settings that ``get_config`` gave, without its state.

        Args:
            config: settings.
            custom_objects: your own classes of schedules, by name.

        Raises:
            ConfigError: unknown settings, or values that cannot be.
        """
        config = dict(config)
        if isinstance(config.get("learning_rate"), Mapping):
            config["learning_rate"] = schedule_from_config(config["learning_rate"], custom_objects)
        return cls(**config)

    def _own_config(self) -> dict[str, Any]:
        return {}


_COMMON = (
    "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum",
    "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps",
)  # fmt: skip
