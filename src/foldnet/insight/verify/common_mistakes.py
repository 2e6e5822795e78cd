"""Common mistakes of prediction functions that can be found from their outputs, without any layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.oracle import in_tolerances
from foldnet.insight.verify.candidates import Candidate
from foldnet.insight.verify.comparison import Answers
from foldnet.insight.verify.diagnosis import Diagnosis, Findings
from foldnet.insight.verify.mistakes.catalogue import words_for
from foldnet.insight.verify.mistakes.of_result import ResultMistake, of_result
from foldnet.insight.verify.sight import ExactValues

NO_NUMBERS = frozenset({"returns-nothing", "takes-one-row", "gives-text", "wrong-dtype"})
"""Mistakes that leave no numbers to compare, so that no layer can be examined."""

ROWS = 8
"""The number of rows on which a function is tried, one by one."""


def common_mistakes(
    candidate: Candidate,
    answers: Answers,
    exact: ExactValues,
    outputs: Sequence[str],
    paths: Mapping[str, str],
    inputs: Sequence[Array],
) -> Findings:
    """The common mistakes that a candidate's outputs show.

    Args:
        candidate: to call again, row by row, if it is a function that failed on all rows together.
        answers: its results.
        exact: the right values.
        outputs: names of the network's outputs.
        paths: of the layers that make them.
        inputs: the rows as the candidate gets them.
    """
    found: list[Diagnosis] = []
    for name, one in _each(candidate, answers, exact, outputs, inputs):
        words, path = words_for(one.name), paths.get(name, name)
        note = f" ({one.note})" if one.note else ""
        message = f"{words.what.format(layer=repr(path))}{note}: {words.remedy}."
        found.append(Diagnosis(one.name, path, one.residual, message[0].upper() + message[1:]))
    if not found:
        return Findings()
    named = " and ".join(dict.fromkeys(f"{d.mistake} at {d.layer!r}" for d in found))
    sentence = f"The candidate makes a common mistake: {named}"
    return Findings(found, sentence, "common mistakes", certain=any(d.mistake in NO_NUMBERS for d in found))


def _each(
    candidate: Candidate,
    answers: Answers,
    exact: ExactValues,
    outputs: Sequence[str],
    inputs: Sequence[Array],
) -> Iterator[tuple[str, ResultMistake]]:
    if answers.nothing:
        yield outputs[0], ResultMistake("returns-nothing", 0.0)
        return
    if candidate.row is not None and _could_not(answers, exact, outputs):
        rows = _by_rows(candidate.row, exact, outputs, inputs)
        if rows is not None:
            yield outputs[0], ResultMistake("takes-one-row", rows)
            return
    for name, value in zip(outputs, answers.outputs or (), strict=False):
        right, tolerance = exact.values[name], exact.tolerances[name]
        one = _of_kind(value, right)
        if one is None and not _agrees(value, right, tolerance):
            one = of_result(value, right, tolerance)
        if one is not None:
            yield name, one


def _agrees(value: Array, right: Array, tolerance: Array) -> bool:
    if value.dtype.kind not in "fiub" or value.size != right.size or value.shape[:1] != right.shape[:1]:
        return False
    return bool((in_tolerances(value.reshape(right.shape), right, tolerance) <= 1).all())


def _of_kind(value: Array, right: Array) -> ResultMistake | None:
    """Outputs that are not numbers, or that cannot be compared."""
    kind = value.dtype.kind
    if kind in "US" or (kind == "O" and any(isinstance(v, str | bytes) for v in value.reshape(-1)[:100])):
        return ResultMistake(
            "gives-text", 0.0, f"the first is {str(value.reshape(-1)[0])[:40]!r}" if value.size else ""
        )
    if kind not in "fiub":
        return ResultMistake("wrong-dtype", 0.0, f"the dtype is {value.dtype}")
    if kind == "f" and value.size and np.isnan(value).all() and np.isfinite(right).any():
        return ResultMistake("only-nan", 0.0)
    return None


def _could_not(answers: Answers, exact: ExactValues, outputs: Sequence[str]) -> bool:
    """Whether the candidate failed, or gave something of another shape."""
    if answers.outputs is None:
        return bool(answers.trouble)
    shapes = [exact.values[name].shape for name in outputs]
    return any(v.shape[:1] != s[:1] for v, s in zip(answers.outputs, shapes, strict=False))


def _by_rows(
    row: Callable[[Sequence[Array]], list[Array]],
    exact: ExactValues,
    outputs: Sequence[str],
    inputs: Sequence[Array],
) -> float | None:
    """The largest error of the function on single rows; None if it is wrong there, too."""
    worst = 0.0
    try:
        for i in range(min(ROWS, len(inputs[0]))):
            results = row([x[i] for x in inputs])
            for name, result in zip(outputs, results, strict=True):
                right = exact.values[name][i : i + 1]
                if result.dtype.kind not in "fiub" or result.size != right.size:
                    return None
                error = in_tolerances(result.reshape(right.shape), right, exact.tolerances[name][i : i + 1])
                worst = max(worst, float(error.max(initial=0.0)))
    except Exception:  # any error of the user's function means that it does not take single rows
        return None
    return worst if worst <= 1 else None
