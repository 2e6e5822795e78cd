"""The training programs of networks that this process has seen: making one takes as long as many steps.

What is kept knows no network: it has numbers in the place of layers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.fit import TrainingEngine
from foldnet.graph.training import TrainingProgram
from foldnet.layers.base import Layer
from foldnet.recent_cache import RecentCache
from foldnet.training.compiled import Compiled, Target
from foldnet.training.data import Rows
from foldnet.training.likeness import likeness
from foldnet.training.program import Owners

MOST = 64
"""Kinds of networks to remember; the one that was asked for longest ago goes first."""

MOST_VARIANTS = 16
"""Programs of one kind, which differ in the numbers of weights that are constants, such as the statistics of a fold."""

LARGEST = 100_000
"""Numbers in the weights of a network that is remembered. The steps of a larger one take longer than its program."""

Fixed = list[tuple[Layer, str, Array]]
"""The weights that are constants of a program: layer, name, and the array that the program was made with."""


@dataclass(frozen=True)
class Ready:
    """A program for one network, ready to run."""

    program: TrainingProgram
    engine: TrainingEngine
    owners: Owners
    fixed: Fixed


@dataclass(frozen=True)
class _Known:
    program: TrainingProgram
    engine: TrainingEngine
    owners: dict[str, tuple[int, str]]
    fixed: list[tuple[int, str, Array]]

    def ready(self, layers: Sequence[Layer]) -> Ready | None:
        """It for a network with these layers; None if the weights that are constants differ."""
        fixed: Fixed = []
        for at, name, array in self.fixed:
            own = layers[at].named_weights[name]
            if own is not array and own.tobytes() != array.tobytes():
                return None
            fixed.append((layers[at], name, own))
        owners = {key: (layers[at], weight) for key, (at, weight) in self.owners.items()}
        return Ready(self.program, self.engine, owners, fixed)


_known: RecentCache[tuple[_Known, ...]] = RecentCache(MOST)


def ready_program(
    compiled: Compiled,
    targets: Sequence[Target],
    rows: Rows,
    make_engine: Callable[[TrainingProgram], TrainingEngine],
) -> Ready:
    """The training program of a network for rows like these; made only if no network like it has been seen lately.

    Args:
        compiled: the network with optimizer, losses and metrics.
        targets: those of the rows.
        rows: any; only their shapes and which inputs they have count.
        make_engine: makes a program ready to run.

    Raises:
        UnsupportedError: a layer, setting or loss that cannot be trained exactly.
    """
    single = compiled.network.single_layers()
    for layer in single:
        layer.named_weights  # noqa: B018 - drawn here, in the order of the layers, whether the program is known or not
    small = sum(a.size for layer in single for a in layer.named_weights.values()) <= LARGEST
    like = likeness(compiled, targets, rows.absent, rows.kind[1]) if small else None
    if like is None:
        return _made(compiled, targets, rows, make_engine, single)
    key: Hashable = (like[0], make_engine)
    variants = _known.get(key) or ()
    for known in variants:
        found = known.ready(like[1])
        if found is not None:
            return found
    made = _made(compiled, targets, rows, make_engine, single)
    remembered = _remembered(made, like[1])
    if remembered is not None:
        _known.put(key, (remembered, *variants[: MOST_VARIANTS - 1]))
    return made


def _made(
    compiled: Compiled,
    targets: Sequence[Target],
    rows: Rows,
    make_engine: Callable[[TrainingProgram], TrainingEngine],
    single: Sequence[Layer],
) -> Ready:
    shapes = [a.shape for a in rows.inputs]
    program, owners = compiled.program(targets, rows.absent, shapes)
    program = program.bound([(None, *a.shape[1:]) for a in rows.arrays])
    owned: set[Any] = set(owners.values())
    fixed = [
        (layer, name, array)
        for layer in single
        for name, array in layer.named_weights.items()
        if (layer, name) not in owned
    ]
    return Ready(program, make_engine(program), owners, fixed)


def _remembered(made: Ready, layers: Sequence[Layer]) -> _Known | None:
    """It without its network; None if a layer with weights has no number, or if its errors name a layer.

    Nor is a program that had to do without a compiler kept: the next one may find it.
    """
    if not made.engine.is_native or any(node.op.batch_rows is not None for node in made.program.graph.nodes):
        return None
    numbers = {layer: at for at, layer in enumerate(layers)}
    needed = {layer for layer, _ in made.owners.values()} | {layer for layer, _, _ in made.fixed}
    if not needed <= numbers.keys():
        return None
    return _Known(
        made.program,
        made.engine,
        {key: (numbers[layer], weight) for key, (layer, weight) in made.owners.items()},
        [(numbers[layer], name, np.array(array)) for layer, name, array in made.fixed],
    )
