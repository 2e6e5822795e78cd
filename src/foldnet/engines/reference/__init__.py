"""The reference engine: every op in NumPy, simple and slow. Everything else is tested against it."""

from foldnet.engines.reference.program import ReferenceProgram

__all__ = ["ReferenceProgram"]
