"""Choose the training engine: native if there is a C compiler, else reference."""

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
        engine: ``"native"``, ``"reference"``, or ``"auto"``: native, or the reference engine with one warning if
            the code cannot be compiled or loaded, or an activation is the caller's own function.

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
