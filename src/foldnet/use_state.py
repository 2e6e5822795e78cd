"""The methods of a network for its training state: its metrics, and its state as a nested dict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from foldnet.errors import ConfigError, InputError
from foldnet.literals import member
from foldnet.use_compile import UseCompile

if TYPE_CHECKING:
    pass

STATE = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")


class UseState(UseCompile):
    """Methods of ``Network`` for metrics and state; a base class of ``Use``."""

    _tracked: Any = None
    _trackers: Sequence[Any] = ()
    logged: Mapping[str, Any] = {}
    """Loss and metrics of the last logged epoch, evaluation or batch."""

    @property
    def metrics(self) -> list[Any]:
        """As in Keras, a tracker of the last loss, and one object with the metrics of ``compile``.

        With several losses, there is also one for each output. Before ``compile`` there are none.
        """
        from foldnet.training.trackers import trackers_of

        network = self._network
        if not network.compiled:
            return []
        now = self._compile if network.trainer is None else network.trainer
        if self._tracked is not now:
            self._tracked, self._trackers = now, trackers_of(network)
        return list(self._trackers)

    @property
    def metrics_names(self) -> list[str]:
        """The names of the values of ``evaluate``, in order."""
        return [] if self.trainer is None else list(self.trainer.value_names())

    def reset_metrics(self) -> None:
        """Forget the last logs. Each ``fit``, ``evaluate`` and ``train_on_batch`` resets its metrics."""
        self.logged = {}

    @property
    def metrics_variables(self) -> list[Any]:
        """An empty list: sums of losses and metrics are in compiled code, and are reset at each epoch."""
        return []

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """All weights and the optimizer's variables, nested by the parts of their paths.

        Args:
            value_format: ``"backend_tensor"`` gives arrays, ``"numpy_array"`` copies.

        Raises:
            ConfigError: another format.
            InputError: two weights have the same path.
        """
        form: Literal["backend_tensor", "numpy_array"] | None
        form = member(value_format, ("backend_tensor", "numpy_array"))
        if form is None:
            raise ConfigError(f'value_format must be "backend_tensor" or "numpy_array", got {value_format!r}')
        tree: dict[str, Any] = {}
        for name, variables in self._variables_by_kind().items():
            tree[name] = {}
            for variable in variables:
                inner = tree[name]
                *folders, last = variable.path.split("/")
                for folder in folders:
                    inner = inner.setdefault(folder, {})
                if last in inner:
                    raise InputError(
                        f"the path {variable.path!r} is found twice in the network; give its layers different names"
                    )
                inner[last] = variable.value if form == "backend_tensor" else variable.numpy()
        return tree

    def set_state_tree(self, state_tree: Mapping[str, Any]) -> None:
        """Set weights and the optimizer's variables from the result of ``get_state_tree``, or from a part of it.

        Raises:
            InputError: paths that the network does not have, or other shapes.
        """
        if not isinstance(state_tree, Mapping) or (unknown := [k for k in state_tree if k not in STATE]):
            found = unknown if isinstance(state_tree, Mapping) else type(state_tree).__name__
            raise InputError(f"a state tree is a dict with {', '.join(STATE)}; got {found}")
        for name, variables in self._variables_by_kind().items():
            known = {variable.path: variable for variable in variables}
            for path, value in _leaves(state_tree.get(name, {}), ()):
                if path not in known:
                    raise InputError(f"{name} has no {path!r}; it has {', '.join(known) or 'none'}")
                known[path].assign(value)

    def _variables_by_kind(self) -> dict[str, Sequence[Any]]:
        network = self._network
        optimizer = network.optimizer
        found = (
            network.trainable_variables, network.non_trainable_variables,
            [] if optimizer is None else optimizer.variables, self.metrics_variables,
        )  # fmt: skip
        return dict(zip(STATE, found, strict=True))


def _leaves(tree: Any, path: tuple[str, ...]) -> list[tuple[str, Any]]:
    if not isinstance(tree, Mapping):
        return [("/".join(path), tree)]
    return [leaf for key, value in tree.items() for leaf in _leaves(value, (*path, str(key)))]
