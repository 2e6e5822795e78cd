"""StackedRNNCells: several cells as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from foldnet.errors import ConfigError
from foldnet.layers.base import Layer
from foldnet.layers.composite import Composite
from foldnet.layers.stepping import Stepping, Steps, in_reverse
from foldnet.layers.tensors import Shape
from foldnet.naming import snake_case
from foldnet.setting_types import shown

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class StackedRNNCells(Stepping, Composite):
    """Several cells as one: each gets the output of the one before it.

    Args:
        cells: a list of cells.
    """

    layers_in_settings = ("cells",)

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        vars(self)["name"] = kwargs.get("name")
        listed = cells if isinstance(cells, list | tuple) else []
        if not listed or not all(getattr(cell, "is_cell", False) for cell in listed):
            raise ConfigError(
                f"{self.described()}: cells must be a list of SimpleRNNCell, LSTMCell or GRUCell, not {shown(cells)}"
            )
        super().__init__(**kwargs)
        self.cells = list(cells)

    def make_parts(self, *input_shapes: Shape) -> Mapping[str, tuple[Layer, Shape]]:
        """The cells."""
        shape, found = input_shapes[0], {}
        counts: Counter[str] = Counter()
        for cell in self.cells:
            kind = snake_case(type(cell).__name__)
            found[f"cells/{kind}_{counts[kind]}" if counts[kind] else f"cells/{kind}"] = (cell, shape)
            counts[kind] += 1
            shape = (*shape[:-1], cell.output_size)
        return found

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The sizes of all states, cell by cell."""
        return tuple(n for cell in self.cells for n in cell.state_sizes)

    @property
    def state_size(self) -> list[int | list[int]]:
        """The sizes of the states of each cell."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The size of the output: the last cell's."""
        size: int = self.cells[-1].output_size
        return size

    def differs_in_training(self) -> bool:
        """Whether a cell drops values in training."""
        return any(cell.differs_in_training() for cell in self.cells)

    def lower_steps(
        self, b: Lowering, x: str, states: Sequence[str], mask: str | None, steps: Steps
    ) -> tuple[str, list[str]]:
        """Emit all steps of the first cell, then of the second, and so on; see ``Stepping.lower_steps``."""
        found, rest = [], list(states)
        if steps.reverse:
            x = in_reverse(b, x, 2)
            mask = None if mask is None else in_reverse(b, mask, 1)
        for k, cell in enumerate(self.cells):
            last = k == len(self.cells) - 1
            own = [rest.pop(0) for _ in cell.state_sizes] if states else []
            how = replace(steps, reverse=False) if last else Steps(states=steps.states)
            x, new = cell.lower_steps(b, x, own, mask, how)
            found += new
        return x, found
