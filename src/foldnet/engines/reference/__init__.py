"""The reference engine: every op in NumPy, obvious and slow; what everything else is tested against."""

from foldnet.engines.reference.program import ReferenceProgram

__all__ = ["ReferenceProgram"]
