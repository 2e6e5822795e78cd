"""Loops around what is written next: what the writers of predictions and of training steps have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar

from foldnet.codegen.expressions import Number
from foldnet.codegen.loops import loop


class LoopsAround(ABC):
    """The part of a ``Writer`` that puts loops around statements.

    Attributes:
        counter: the type in C of what a loop counts with.
    """

    counter: ClassVar[str] = "int"

    @abstractmethod
    def inside(self, head: str) -> AbstractContextManager[None]:
        """A block around all that is written inside the ``with``."""

    @abstractmethod
    def numbers(self, name: str, numbers: Sequence[int]) -> AbstractContextManager[str]:
        """An array of whole numbers around all that is written inside the ``with``; gives its name."""

    @contextmanager
    def loop(self, variable: str, count: int) -> Iterator[Number]:
        """A loop around all that is written inside the ``with``; gives its variable, or 0 where there is one turn."""
        if count == 1:
            yield 0
            return
        with self.inside(f"{loop(variable, 0, count, self.counter)} {{"):
            yield variable

    @contextmanager
    def table(self, name: str, numbers: Sequence[int]) -> Iterator[tuple[Number, Number]]:
        """A loop over a table of whole numbers; gives the position and the number there."""
        if len(numbers) == 1:
            yield 0, numbers[0]
            return
        with self.numbers(name, numbers), self.loop("p", len(numbers)) as p:
            yield p, f"{name}[{p}]"
