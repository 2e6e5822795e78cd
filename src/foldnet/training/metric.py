"""What every metric has, as Keras has it: a name, a dtype, variables, and what a subclass states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np

from foldnet import initializers
from foldnet.arrays import Array
from foldnet.errors import ConfigError
from foldnet.naming import snake_case
from foldnet.training.state import StateVariable, nested

Direction = Literal["up", "down"]
"""Whether higher or lower values of a metric are better."""


def dtype_name(dtype: Any) -> str:
    """The name of a dtype, or of what a policy computes in; float32 if there is none."""
    if dtype is None:
        return "float32"
    if isinstance(dtype, Mapping):  # a policy as Keras stores it
        dtype = dict(dtype.get("config") or {}).get("name", "float32")
    name = getattr(dtype, "compute_dtype", None) or getattr(dtype, "name", None) or dtype
    try:
        name = name if isinstance(name, str) else np.dtype(name).name
    except TypeError:
        raise ConfigError(f"{dtype!r} is not a dtype; give a name such as 'float32'") from None
    name = name.removeprefix("mixed_")
    return {"int": "int32", "float": "float32"}.get(name, name)


def float_type(name: str) -> np.dtype[Any]:
    """What numbers of a dtype are computed in on arrays: itself where it is float16 or float64, else float32."""
    return np.dtype(name if name in ("float16", "float64") else np.float32)


class Metric:
    """Base of the metrics, and of your own metrics.

    A subclass makes its state in ``__init__`` by ``add_variable``, and states ``update_state`` and ``result``. In
    ``fit`` and ``evaluate`` such a metric runs in Python between the steps, which is slow, and warned of once; what
    can be written as a function of ``y_true`` and ``y_pred`` with ``foldnet.ops`` compiles.

    Args:
        dtype: of the variables.
        name: under which it is reported.

    >>> class Largest(Metric):
    ...     def __init__(self, name="largest", **kwargs):
    ...         super().__init__(name=name, **kwargs)
    ...         self.largest = self.add_weight(name="largest", initializer="zeros")
    ...
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.largest.assign(max(float(self.largest), float(np.max(y_pred))))
    ...
    ...     def result(self):
    ...         return self.largest
    >>> metric = Largest()
    >>> metric.update_state([0.0, 1.0], [0.25, 0.5])
    >>> float(metric.result())
    0.5
    """

    direction: Direction | None = None
    """``"up"`` or ``"down"``: which way is better; None if this is not known."""

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or snake_case(type(self).__name__)
        self._dtype = dtype_name(dtype)
        self._metrics: list[Metric] = []
        self._variables: list[Any] = []

    # -- what a subclass states --------------------------------------------------------------------------------

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Take in a batch."""
        raise NotImplementedError(
            f"{type(self).__name__} must define update_state(y_true, y_pred, sample_weight)"
        )

    def result(self) -> Any:
        """The metric of all batches taken in so far: a number, or a dict of numbers."""
        raise NotImplementedError(f"{type(self).__name__} must define result()")

    def reset_state(self) -> None:
        """Set every variable to 0."""
        self._clear()

    def _clear(self) -> None:
        for variable in self.variables:
            variable.assign(np.zeros(np.shape(variable), np.asarray(variable).dtype))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take in a batch, then the result."""
        self.update_state(*args, **kwargs)
        return self.result()

    # -- state -------------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> str:
        """The dtype of the variables."""
        return self._dtype

    @property
    def variables(self) -> list[Any]:
        """The metric's variables, then those of metrics that it holds."""
        self._check_made()
        return [*self._variables, *(v for metric in self._metrics for v in metric.variables)]

    def add_variable(
        self,
        shape: Sequence[int] | int = (),
        initializer: Any = None,
        dtype: Any = None,
        aggregation: str | None = None,
        name: str | None = None,
    ) -> StateVariable:
        """A variable of the metric.

        Args:
            shape: of the variable.
            initializer: of its first values; zeros if not said.
            dtype: the metric's own if not said.
            aggregation: for Keras's many devices; changes nothing.
            name: of the variable.

        Raises:
            ConfigError: before ``super().__init__()``, or an initializer or a dtype that there is not.
        """
        self._check_made()
        kind = self._dtype if dtype is None else dtype_name(dtype)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        given = initializers.get(initializer or "zeros")
        try:
            value = np.asarray(given(shape), np.dtype(kind))
        except TypeError:
            raise ConfigError(
                f"the metric {self.name!r}: NumPy has no dtype {kind!r}, so no variable can have it; give 'float32'"
            ) from None
        variable = StateVariable(value, name or "variable")
        self._variables.append(variable)
        return variable

    def add_weight(
        self,
        shape: Sequence[int] | int = (),
        initializer: Any = None,
        dtype: Any = None,
        name: str | None = None,
    ) -> StateVariable:
        """``add_variable`` under Keras's older name."""
        return self.add_variable(shape, initializer, dtype, name=name)

    def _check_made(self) -> None:
        if "_variables" not in self.__dict__:
            raise ConfigError(
                f"{type(self).__name__}.__init__ must call super().__init__(name=name) before it adds variables"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        # Variables and metrics are found where they are kept, as Keras finds them.
        if name not in ("_variables", "_metrics") and "_variables" in self.__dict__:
            for leaf in nested(value):
                if isinstance(leaf, Metric):
                    _add(self._metrics, leaf)
                elif callable(getattr(leaf, "assign", None)) and hasattr(leaf, "numpy"):
                    _add(self._variables, leaf)
        object.__setattr__(self, name, value)

    def _stateless(self, variables: Sequence[Any], do: Callable[[], Any]) -> Any:
        """What a function gives while the variables have other values, which it may change."""
        own = self.variables
        if len(variables) != len(own):
            raise ConfigError(f"the metric {self.name!r} has {len(own)} variables, not {len(variables)}")
        kept = [v.numpy() for v in own]
        try:
            for variable, value in zip(own, variables, strict=True):
                variable.assign(value)
            return do()
        finally:
            for variable, value in zip(own, kept, strict=True):
                variable.assign(value)

    def stateless_update_state(
        self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any
    ) -> list[Array]:
        """The variables' values after a batch, from those before it; the metric itself stays as it is."""

        def updated() -> list[Array]:
            self.update_state(*args, **kwargs)
            return [v.numpy() for v in self.variables]

        found: list[Array] = self._stateless(metric_variables, updated)
        return found

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """The result that these values of the variables give."""

        def found() -> Any:
            result = self.result()
            return result.numpy() if isinstance(result, StateVariable) else result

        return self._stateless(metric_variables, found)

    def stateless_reset_state(self) -> list[Array]:
        """The variables' values after a reset."""

        def reset() -> list[Array]:
            self.reset_state()
            return [v.numpy() for v in self.variables]

        found: list[Array] = self._stateless([v.numpy() for v in self.variables], reset)
        return found

    # -- settings ----------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {"name": self.name, "dtype": self.dtype}

    def unsaid(self) -> dict[str, Any]:
        """Settings that Keras leaves out of ``get_config`` and takes in ``from_config``."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """One with settings as ``get_config`` gives them."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _add(known: list[Any], one: Any) -> None:
    if not any(one is other for other in known):
        known.append(one)
