"""The base class of optimizers: learning rate, weight decay, clipping, averages, and the update as a graph."""

from __future__ import annotations

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
from foldnet.signatures import parameters_of
from foldnet.training.optimizer_settings import is_positive_int, number, takes_step
from foldnet.training.schedules import InverseTimeDecay, LearningRateSchedule, schedule_from_config
from foldnet.training.suggestions import suggestion
from foldnet.training.variables import Variable

Numbers = Mapping[str, Any]
ACCUMULATOR = "gradient_accumulator"
"""Name of the array that accumulates gradients."""

Updated = tuple[Any, list[Any]]


class FollowsScheduleError(ConfigError, TypeError):
    """The learning rate was set although a schedule determines it; also a TypeError, as in Keras."""


class LearningRate(float):
    """The learning rate of an optimizer: a float with Keras's ``assign``."""

    optimizer: Optimizer

    @classmethod
    def of(cls, optimizer: Optimizer, value: float) -> LearningRate:
        """The learning rate of this optimizer."""
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
        """The number as np.float32."""
        return np.float32(self)

    @property
    def value(self) -> np.float32:
        """The number as np.float32, so that 0.005 prints as 0.005."""
        return np.float32(self)

    def __reduce__(self) -> Any:
        return float, (float(self),)  # pickled as a plain number, without the optimizer


class Optimizer:
    """Base class of optimizers; a subclass defines ``slots``, ``numbers`` and ``update``.

    Args:
        learning_rate: a number, or a schedule (a function of the step).
        weight_decay: before the update, ``weight_decay * learning_rate`` times the weight is subtracted from it.
        clipnorm: largest norm of each weight's gradient.
        clipvalue: largest absolute value of an element of a gradient.
        global_clipnorm: largest norm of all gradients together.
        use_ema: keep a moving average of the weights, which replaces them at the end of ``fit``.
        ema_momentum: factor of the old average at each step.
        ema_overwrite_frequency: replace the weights by the average after this many steps; None for only at the end.
        loss_scale_factor: accepted and saved, without effect: float32 gradients need no loss scaling.
        gradient_accumulation_steps: average the gradients of this many steps before each update.
        name: by default ``adam``, then ``adam_1``, as in Keras.
        decay: Keras 2's argument: the learning rate becomes ``InverseTimeDecay(learning_rate, 1, decay)``.

    Attributes:
        steps: batches seen so far.
        trainer: the Trainer that holds its arrays for each weight; None before a network is compiled with it.
    """

    dtype: ClassVar[str] = "float32"
    """The dtype of its variables."""

    absent: ClassVar[bool] = False
    """Whether this is the stand-in for a missing optimizer."""

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
        if use_ema and ema_overwrite_frequency is not None and not is_positive_int(ema_overwrite_frequency):
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
        """Check that the class's settings have the types of the constructor's defaults.

        Raises:
            ConfigError: a setting of another type.
        """
        defaults = parameters_of(type(self).__init__)
        for name, value in self._own_config().items():
            default = defaults[name].default if name in defaults else None
            if isinstance(default, bool) and not isinstance(value, bool | np.bool_):
                raise ConfigError(f"{type(self).__name__}: {name} must be True or False, got {value!r}")
            if isinstance(default, int | float) and not isinstance(default, bool):
                number(f"{type(self).__name__}: {name}", value)

    def _refuse(self, others: Mapping[str, Any]) -> None:
        """Refuse unknown settings, and suggest similar names."""
        if others:
            known = [*parameters_of(type(self).__init__), *_COMMON, "name"]
            names = [n for n in known if n not in ("self", "kwargs")]
            first = next(iter(others))
            near = "; it is called learning_rate" if first == "lr" else suggestion(first, names)
            raise ConfigError(f"{type(self).__name__} has no setting {first!r}{near}")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"trainer": None}  # a copied trainer sets itself again

    @property
    def iterations(self) -> int:
        """Updates made so far: the steps, divided by ``gradient_accumulation_steps`` if given."""
        return self.steps // (self.gradient_accumulation_steps or 1)

    @iterations.setter
    def iterations(self, value: int) -> None:
        self.steps = value * (self.gradient_accumulation_steps or 1)

    # -- what a subclass defines----------------------------------------------------------------------------

    def slots(self) -> dict[str, float]:
        """Names of the arrays that the update keeps for each weight, and their initial values."""
        return {}

    def kept(self) -> dict[str, float]:
        """All arrays kept for each weight: the slots, and the accumulated gradients if there are any."""
        return self.slots() | ({ACCUMULATOR: 0.0} if self.gradient_accumulation_steps else {})

    def numbers(self, step: Array, learning_rate: Array) -> dict[str, Array]:
        """Numbers that the update needs at each step; ``step`` counts from 1, both arguments are float32 arrays."""
        return {"learning_rate": learning_rate}

    def update(self, w: Any, g: Any, slots: Sequence[Any], at: Numbers) -> Updated:
        """The new weight and the new slots.

        Raises:
            ConfigError: the class does not define it.
        """
        raise ConfigError(
            f"{type(self).__name__} must define update(w, g, slots, at), which gives the new weight and slots as "
            "expressions of foldnet.ops; update_step, as Keras's own optimizers have it, cannot be compiled"
        )

    def check_steps(self) -> None:
        """Raise ConfigError if it cannot train (only the stand-in does)."""

    # -- learning rate --------------------------------------------------------------------------------------

    @property
    def learning_rate(self) -> LearningRate:
        """The current learning rate, a float also with a schedule; ``assign`` sets it."""
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
        # As in Keras a plain function takes no argument and a schedule takes the step; here a function may take it too.
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
        """Whether a network was compiled with it, so that its arrays exist."""
        return self.trainer is not None

    @property
    def variables(self) -> list[Variable]:
        """Its variables in Keras's order: steps, learning rate, then the slots."""
        from foldnet.training.optimizer_state import variables_of

        return variables_of(self)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all variables.

        Raises:
            InputError: no network was compiled with it yet, or the number or shapes of the weights differ.
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
        """Store all variables in a mapping, under their numbers."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Set all variables from a mapping that ``save_own_variables`` filled.

        Raises:
            InputError: the number or shapes of the variables differ.
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
        """``numbers`` of ``steps`` steps, starting after ``first`` steps: float32 (steps, numbers)."""
        every = self.gradient_accumulation_steps or 1
        update = np.arange(first // every, -(-(first + steps) // every), dtype=np.float32)
        columns = self.numbers(update + np.float32(1), self._rate(update))
        rows = np.stack([np.asarray(c, np.float32) for c in columns.values()], axis=1)
        if every > 1:
            rows = rows[np.arange(first, first + steps) // every - first // every]
        return np.ascontiguousarray(rows)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Sequence[str] | None = None) -> None:
        """Exclude weights from the weight decay; call it before the first ``fit``.

        Args:
            var_list: weights such as ``[layer.bias]``, or a layer's arrays.
            var_names: regular expressions that match parts of names, such as ``"bias"`` or ``"gamma"``.
        """
        self.excluded_from_decay += list(var_names or ())
        for weight in var_list or ():
            if isinstance(weight, Weight):
                self._excluded_places.append((weight.layer, weight.name))
            else:
                self._excluded_arrays.append(weight)

    def decay_applies(self, layer: Any, weight: str) -> bool:
        """Whether the weight decay applies to a layer's weight."""
        # Training replaces a weight's array, so a weight excluded by its array is remembered by layer and name.
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
        """Create one from the settings that ``get_config`` returns, without its state.

        Args:
            config: the settings.
            custom_objects: your own schedule classes, by name.

        Raises:
            ConfigError: unknown settings or invalid values.
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
