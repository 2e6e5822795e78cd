"""FastCall, the base of Predictor: calls go to compiled code directly where the extension module is built.

A subclass has ``_call(x)``, which takes any arguments of the public call. Without the extension every call
uses it, with the same results; only the cost of a call differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldnet.engines.native.prediction.program import NativeProgram

RELEASE_COST = 100_000
"""From this many multiply-adds on, a call releases the GIL; taking it again costs about as much time."""


class PythonFastCall:
    """The same class without the extension module."""

    def attach(self, *arguments: Any) -> None:
        """Does nothing: every call uses ``_call``."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result of ``_call``."""
        return self._call(*args, **kwargs)  # type: ignore[attr-defined]


if TYPE_CHECKING:
    FastCall = PythonFastCall
else:
    try:
        from foldnet.predictor._fastcall import FastCall
    except ImportError:
        FastCall = PythonFastCall


def attach(target: FastCall, program: NativeProgram) -> None:
    """Send the target's calls to a compiled program, if it has one float input and one float output.

    Args:
        target: a FastCall; its ``_call`` must give the same results.
        program: to be called; kept alive by the target.
    """
    if program.is_plain:
        release_from = max(2, RELEASE_COST // program.cost)
        target.attach(
            program.address, program.weights, program, program.input_rows[0], program.output_rows[0],
            program.threads, release_from, program.lengths,
        )  # fmt: skip
