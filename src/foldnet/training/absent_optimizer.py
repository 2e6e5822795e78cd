"""What stands where an optimizer would: a network that is compiled without one evaluates and is saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foldnet.arrays import Array
from foldnet.errors import ConfigError
from foldnet.graph.training import UpdateRule
from foldnet.training.optimizer import Optimizer


class AbsentOptimizer(Optimizer):
    """No optimizer: it makes no step, and says why not when one is asked for.

    Args:
        reason: why there is none, and what to do.
        stored: an optimizer as a file had it, that foldnet does not have.
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
        """None: its programs only evaluate."""
        return None

    def table(self, first: int, steps: int) -> Array:
        """Never asked for."""
        raise ConfigError(self.reason)
