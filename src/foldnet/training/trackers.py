"""``model.metrics``: objects that return what was logged last, as in Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foldnet.training.metric import Metric

if TYPE_CHECKING:
    from foldnet.network import Network


class LossTracker(Metric):
    """The loss, or the loss of one output, that was logged last; 0 before.

    Args:
        network: whose loss it is.
        name: in the logs.
    """

    def __init__(self, network: Network, name: str) -> None:
        super().__init__(name=name)
        self._network = network

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: training and evaluation set the value."""

    def result(self) -> Any:
        """The loss."""
        return self._network.logged.get(self.name, 0.0)

    def reset_state(self) -> None:
        """Forget it."""
        _forget(self._network, [self.name])


class CompileMetrics(Metric):
    """All metrics of ``compile`` as one metric.

    Args:
        network: whose metrics they are.
    """

    def __init__(self, network: Network) -> None:
        super().__init__(name="compile_metrics")
        self._network = network

    @property
    def metrics(self) -> list[Metric]:
        """The metrics in the order of ``compile``; empty before the input shape is known."""
        return [] if self._network.trainer is None else list(self._network.trainer.metrics())

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: training and evaluation set the value."""

    def result(self) -> dict[str, Any]:
        """The values that were logged last, by name; empty before."""
        losses = [m.name for m in self._network.metrics if isinstance(m, LossTracker)]
        return {name: value for name, value in self._network.logged.items() if name not in losses}

    def reset_state(self) -> None:
        """Forget them."""
        _forget(self._network, list(self.result()))


def _forget(network: Network, names: list[str]) -> None:
    network.logged = {name: value for name, value in network.logged.items() if name not in names}


def trackers_of(network: Network) -> list[Metric]:
    """The loss, one object for the metrics if there are any, and one per loss if there are several losses.

    Args:
        network: a compiled network.
    """
    given = network.compiled_with or {}
    found: list[Metric] = [LossTracker(network, "loss")]
    if any(given.get(key) is not None for key in ("metrics", "weighted_metrics")):
        found.append(CompileMetrics(network))
    terms = () if network.trainer is None else network.trainer.compiled.terms
    return found + [LossTracker(network, f"{term.name}_loss") for term in (terms if len(terms) > 1 else ())]
