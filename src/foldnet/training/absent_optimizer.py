"""Stand-in for a missing optimizer, so that a network compiled without one can be evaluated and saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foldnet.arrays import Array
from foldnet.errors import ConfigError
from foldnet.graph.training import UpdateRule
from foldnet.training.optimizer import Optimizer


class AbsentOptimizer(Optimizer):
    """No optimizer: training with it raises an error that says why.

    Args:
        reason: text of the error: why there is no optimizer, and what to do.
        stored: the configuration in the file, of an optimizer that foldnet does not have.
    """

    absent = True

    def __init__(self, reason: str, stored: Mapping[str, Any] | None = None) -> None:
        super().__init__(name="none")
        self.reason, self.stored = reason, stored

    def check_steps(self) -> None:
        """Refuse to train.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(self.reason)

    def rule(self) -> UpdateRule | None:
        """None: there is no update, so programs can only evaluate."""
        return None

    def table(self, first: int, steps: int) -> Array:
        """Never called, since ``check_steps`` refuses first."""
        raise ConfigError(self.reason)
