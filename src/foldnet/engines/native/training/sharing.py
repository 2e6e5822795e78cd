"""How a step's work is divided: into blocks of rows, and among threads."""

from __future__ import annotations

from foldnet.engines.native.training.places import Places
from foldnet.graph.training import TrainingProgram

THREADED_FROM = 200_000
"""Multiplications a row from which a program is worth threads."""

CACHED = 250_000
"""Gradients that stay in the second-level cache."""

MUCH = 16
"""Multiplications a row, for each gradient that memory must hold, beside which adding up gradients is little."""


class Sharing(Places):
    """Decides it for one program.

    Attributes:
        by_blocks: whether forward and backward run for one block of rows after the other, as no operation of the
            network mixes rows. Threads share each block if ``threaded``, else each has blocks of its own.
        walks: whether the network goes through sequences step by step.
        few_rows: whether these are blocks of 16 rows, the number R then: a network with values of many positions, which
            stay in the cache so, and whose threads need not wait for each other.
        threaded: whether threads share each operation.
    """

    def __init__(self, program: TrainingProgram) -> None:
        super().__init__(program)
        self.by_blocks = not any(node.op.mixes_rows or node.op.moves for node in self.forward)
        self.walks = any(node.op.walks for node in self.forward)
        # Gradients are added up once a block: that must be little beside the work on a block.
        most = self.work() if self.layout.trainable <= CACHED else self.work() // MUCH
        positions = any(node.op.has_positions for node in self.forward)
        self.few_rows = positions and self.by_blocks and self.layout.trainable <= most
        self.threaded = not self.few_rows and self.work() >= THREADED_FROM
