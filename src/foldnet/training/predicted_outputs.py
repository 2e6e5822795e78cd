"""What a network predicts for rows, and the masks of it: what evaluation needs of layers that cannot be trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.reference.program import ReferenceProgram
from foldnet.errors import UnsupportedError
from foldnet.lowering.lower import Lowering, Mode, lower_into
from foldnet.network import Network
from foldnet.passes.drop_dead import drop_dead
from foldnet.training.data import Rows
from foldnet.training.prediction import results_of


@dataclass(frozen=True)
class Predicted:
    """A network's outputs for some rows.

    Attributes:
        outputs: one for each output of the network.
        masks: of each output; None if it has none.
        penalties: what the regularizers of weights add to the loss.
    """

    outputs: list[Array]
    masks: list[Array | None]
    penalties: float

    @property
    def arrays(self) -> list[Array]:
        """All arrays, in the order in which ``program_of_predictions`` takes them."""
        return [*self.outputs, *(m for m in self.masks if m is not None)]


def predicted(network: Network, rows: Rows) -> Predicted:
    """Compute a network's outputs for rows as ``predict`` does.

    Raises:
        UnsupportedError: a layer cannot predict, or has an activity regularizer, whose loss is not computed so.
    """
    layers = network.single_layers()
    every = (inner for layer in layers for inner in layer.with_inner_layers)
    if found := next((layer for layer in every if layer.activity_regularizer is not None), None):
        raise UnsupportedError(
            f"{found.described()}: its activity_regularizer needs a network that can be trained"
        )
    given = iter(rows.inputs)
    entries = [None if name in rows.absent else next(given) for name in network.input_names]
    outputs = results_of(network, entries[0] if len(entries) == 1 else entries)
    penalties = sum(sum(layer.weight_losses()) for layer in layers if network.trainable)
    return Predicted([np.asarray(y, np.float32) for y in outputs], _masks(network, rows), float(penalties))


def _masks(network: Network, rows: Rows) -> list[Array | None]:
    b = Lowering(Mode.PREDICT)
    lower_into(b, network, absent=rows.absent)
    masks = [None if m is None else m.value() for m in b.output_masks]
    wanted = [m for m in masks if m is not None]
    if not wanted:
        return [None] * len(masks)
    program = ReferenceProgram(drop_dead(b.build(wanted)), "float32")
    found = iter(program.run(rows.inputs))
    return [None if m is None else np.asarray(next(found), np.float32) for m in masks]
