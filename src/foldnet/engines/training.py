"""Which engine trains: the native one where a C compiler is at hand, else the reference."""

from __future__ import annotations

from foldnet.engines.fit import TrainingEngine
from foldnet.engines.reference.training import ReferenceTraining
from foldnet.errors import CompileError, ConfigError, UnsupportedError
from foldnet.graph.training import TrainingProgram
from foldnet.warn import warn

_warned = False


def training_engine(program: TrainingProgram, engine: str = "auto") -> TrainingEngine:
    """An engine for a program.

    Args:
        program: to run.
        engine: ``"native"``, ``"reference"``, or ``"auto"``: native, and where there is no compiler, or an
            activation is a function of the caller's own, the reference engine with one warning.

    Raises:
        ConfigError: there is no such engine.
        CompileError: the native engine was asked for and there is no working compiler.
        UnsupportedError: the native engine was asked for and cannot run the program.
    """
    if engine not in ("auto", "native", "reference"):
        raise ConfigError(f"engine is 'auto', 'native' or 'reference', not {engine!r}")
    if engine == "reference":
        return ReferenceTraining(program)
    from foldnet.engines.native.train import NativeTraining

    try:
        return NativeTraining(program)
    except (CompileError, UnsupportedError) as error:
        if engine == "native":
            raise
        _warn_once(error)
        return ReferenceTraining(program)


def _warn_once(error: Exception) -> None:
    global _warned
    if not _warned:
        _warned = True
        warn(f"training runs on the slow reference engine: {error}", RuntimeWarning)
