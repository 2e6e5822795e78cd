"""Which engine trains: the native one where a C compiler is at hand, else the reference."""

from __future__ import annotations

from typing import assert_never

from foldnet.engines.fallback import native_or_none
from foldnet.engines.fit import TrainingEngine
from foldnet.engines.reference.training import ReferenceTraining
from foldnet.graph.training import TrainingProgram
from foldnet.literals import Engine


def training_engine(program: TrainingProgram, engine: Engine = "auto") -> TrainingEngine:
    """An engine for a program.

    Args:
        program: to run.
        engine: ``"native"``, ``"reference"``, or ``"auto"``: native, and where its code cannot be compiled or loaded,
            or an activation is a function of the caller's own, the reference engine with one warning.

    Raises:
        CompileError: the native engine was asked for and its code cannot be compiled or loaded.
        UnsupportedError: the native engine was asked for and cannot run the program.
    """

    def native() -> TrainingEngine:
        from foldnet.engines.native.training.program import NativeTraining

        return NativeTraining(program)

    match engine:
        case "reference":
            return ReferenceTraining(program)
        case "native" | "auto":
            made = native_or_none(native, engine, "training steps")
            return ReferenceTraining(program) if made is None else made
        case _:
            assert_never(engine)
