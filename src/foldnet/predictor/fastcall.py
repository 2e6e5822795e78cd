"""FastCall, the base of Predictor, and Bound: calls go to compiled code directly where the extension module is built.

A subclass of FastCall has ``_call(x)``, which takes any arguments of the public call. Without the extension every call
uses it, with the same results; only the cost of a call differs. Bound has its ``plain`` in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from foldnet.arrays import Array

if TYPE_CHECKING:
    from foldnet.engines.native.prediction.program import NativeProgram

RELEASE_COST = 100_000
"""From this many multiply-adds on, a call releases the GIL; taking it again costs about as much time."""

LARGEST_RANK = 9
"""Axes of an array that the extension can remember."""


class PythonFastCall:
    """The same class without the extension module."""

    def attach(self, *arguments: Any) -> None:
        """Does nothing: every call uses ``_call``."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result of ``_call``."""
        return self._call(*args, **kwargs)  # type: ignore[attr-defined]


class PythonBound:
    """The result of ``Predictor.bind``: ``bound()`` computes ``outputs`` from what is in ``inputs``, and gives them.

    It keeps its arrays alive. Several of them may be called in several threads at once.

    Args:
        plain: computes, and has words for what is wrong.
        inputs: the arrays that it reads, in the order of the inputs.
        outputs: what it writes and gives: the array of results; a list or a dict of them for several.
    """

    def __init__(self, plain: Callable[[], Any], inputs: tuple[Array, ...], outputs: Any) -> None:
        self.plain = plain
        self.inputs = inputs
        self.outputs = outputs

    def attach(self, *arguments: Any) -> None:
        """Does nothing: every call uses ``plain``."""

    def __call__(self) -> Any:
        """The results, in the same arrays each time."""
        return self.plain()

    def __repr__(self) -> str:
        return f"<Bound of {self.plain!r}>"


if TYPE_CHECKING:
    FastCall = PythonFastCall
    Bound = PythonBound
else:
    try:
        from foldnet.predictor._fastcall import Bound, FastCall
    except ImportError:
        FastCall, Bound = PythonFastCall, PythonBound


def attach(target: FastCall, program: NativeProgram) -> None:
    """Send the target's calls to a compiled program, if it has one float input and one float output.

    Args:
        target: a FastCall; its ``_call`` must give the same results.
        program: to be called; kept alive by the target.
    """
    if program.is_plain:
        target.attach(
            program.address, program.weights, program, program.input_rows[0], program.output_rows[0],
            program.threads, _release_from(program), program.lengths,
        )  # fmt: skip


def attach_bound(
    target: Bound, program: NativeProgram, sources: Sequence[Array], targets: Sequence[Array]
) -> None:
    """Send the target's calls to a compiled program with these arrays.

    Args:
        target: its ``plain`` must give the same results.
        program: to be called; kept alive by the target, as the arrays are.
        sources: as ``program.run_into`` takes them.
        targets: likewise.
    """
    rows = len(sources[0])
    if rows and all(a.ndim <= LARGEST_RANK for a in (*sources, *targets)):
        target.attach(
            program.address, program.weights, program, tuple(sources), tuple(targets), rows, program.threads,
            rows >= _release_from(program), program.lengths,
        )  # fmt: skip


def _release_from(program: NativeProgram) -> int:
    return max(2, RELEASE_COST // program.cost)
