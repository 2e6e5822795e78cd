"""Choose the training engine: native if there is a C compiler, else reference."""

from __future__ import annotations

from foldnet.engines.fallback import native_or_none
from foldnet.engines.fit import TrainingEngine
from foldnet.engines.reference.training import ReferenceTraining
from foldnet.errors import ConfigError
from foldnet.graph.training import TrainingProgram


def training_engine(program: TrainingProgram, engine: str = "auto") -> TrainingEngine:
    """An engine for a program.

    Args:
        program: to run.
        engine: ``"native"``, ``"reference"``, or ``"auto"``: native, or the reference engine with one warning if
            the code cannot be compiled or loaded, or an activation is the caller's own function.

    Raises:
        ConfigError: there is no such engine.
        CompileError: the native engine was asked for and its code cannot be compiled or loaded.
        UnsupportedError: the native engine was asked for and cannot run the program.
    """
    if engine not in ("auto", "native", "reference"):
        raise ConfigError(f"engine is 'auto', 'native' or 'reference', not {engine!r}")

    def native() -> TrainingEngine:
        from foldnet.engines.native.training.program import NativeTraining

        return NativeTraining(program)

    made = None if engine == "reference" else native_or_none(native, engine, "training steps")
    return ReferenceTraining(program) if made is None else made
