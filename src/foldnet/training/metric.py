"""The base class of metrics, as in Keras: a name, a dtype, variables, and methods that subclasses define."""

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
    """The name of a dtype, or of a policy's compute dtype; float32 for None."""
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
    """The dtype for computing on arrays: float16 and float64 stay, everything else is float32."""
    return np.dtype(name if name in ("float16", "float64") else np.float32)


class Metric:
    """Base class of metrics, also of your own.

    A subclass creates its state in ``__init__`` with ``add_variable`` and defines ``update_state`` and ``result``. In
    ``fit`` and ``evaluate`` such a metric runs in Python between the steps, which is slow (a warning says so once). A
    function of ``y_true`` and ``y_pred`` written with ``foldnet.ops`` is compiled instead.

    Args:
        dtype: of its variables.
        name: in the logs.

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
    """``"up"`` if higher values are better, ``"down"`` if lower ones are; None if unknown."""

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or snake_case(type(self).__name__)
        self._dtype = dtype_name(dtype)
        self._metrics: list[Metric] = []
        self._variables: list[Any] = []

    # -- what a subclass defines-------------------------------------------------------------------------------

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Update the state with a batch."""
        raise NotImplementedError(
            f"{type(self).__name__} must define update_state(y_true, y_pred, sample_weight)"
        )

    def result(self) -> Any:
        """The metric over all batches so far: a number, or a dict of numbers."""
        raise NotImplementedError(f"{type(self).__name__} must define result()")

    def reset_state(self) -> None:
        """Set every variable to 0."""
        self._clear()

    def _clear(self) -> None:
        for variable in self.variables:
            variable.assign(np.zeros(np.shape(variable), np.asarray(variable).dtype))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Update the state with a batch and return the result."""
        self.update_state(*args, **kwargs)
        return self.result()

    # -- state -------------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> str:
        """The dtype of the variables."""
        return self._dtype

    @property
    def variables(self) -> list[Any]:
        """The metric's variables, then those of metrics stored in it."""
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
        """Add a variable to the metric.

        Args:
            shape: of the variable.
            initializer: of its first values; zeros by default.
            dtype: by default the metric's.
            aggregation: accepted as in Keras, without effect: it is for training on several devices.
            name: of the variable.

        Raises:
            ConfigError: called before ``super().__init__()``, or an unknown initializer or dtype.
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
        # Variables and metrics stored in attributes are tracked, as in Keras.
        if name not in ("_variables", "_metrics") and "_variables" in self.__dict__:
            for leaf in nested(value):
                if isinstance(leaf, Metric):
                    _add(self._metrics, leaf)
                elif callable(getattr(leaf, "assign", None)) and hasattr(leaf, "numpy"):
                    _add(self._variables, leaf)
        object.__setattr__(self, name, value)

    def _stateless(self, variables: Sequence[Any], do: Callable[[], Any]) -> Any:
        """Call a function while the variables have other values, then restore them."""
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
        """The variables' values after a batch, computed from given values; the metric is unchanged."""

        def updated() -> list[Array]:
            self.update_state(*args, **kwargs)
            return [v.numpy() for v in self.variables]

        found: list[Array] = self._stateless(metric_variables, updated)
        return found

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """The result for these values of the variables."""

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

    def omitted_settings(self) -> dict[str, Any]:
        """Settings that Keras's ``get_config`` leaves out but ``from_config`` accepts."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create one from the settings that ``get_config`` returns."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _add(known: list[Any], one: Any) -> None:
    if not any(one is other for other in known):
        known.append(one)
