"""The native engine: a graph as C, compiled once for an architecture and machine, and called."""

from foldnet.engines.native.prediction.program import NativeProgram

__all__ = ["NativeProgram"]
