"""Which known mistakes a candidate makes: where it first differs, and which mistakes give its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.blocks import Patched
from foldnet.insight.oracle import in_tolerances
from foldnet.insight.verify.comparison import Point
from foldnet.insight.verify.hypotheses import HypothesisTester, State
from foldnet.insight.verify.mistakes import suspects_in
from foldnet.insight.verify.mistakes.base import patches_of
from foldnet.insight.verify.mistakes.catalogue import words_for
from foldnet.insight.verify.probe import sample_rows
from foldnet.insight.verify.search import Search
from foldnet.insight.verify.sight import VISIBLE, ExactValues, Sight

SHOWN = 5
"""The largest number of explanations reported."""


@dataclass(frozen=True)
class Diagnosis:
    """One mistake at one layer.

    Attributes:
        mistake: its stable id, such as ``variance-without-sqrt``.
        layer: path of the layer call.
        residual: the largest difference between the candidate's numbers and the network's with these mistakes, in
            tolerances: at most 1.
        message: what the candidate does, and how to fix it.
        explanation: 1, 2, ...: mistakes with the same number occur together; those with different numbers are
            alternatives, each of which explains the numbers.
    """

    mistake: str
    layer: str
    residual: float
    message: str
    explanation: int = 1


@dataclass(frozen=True)
class TellApart:
    """An input on which the explanations differ.

    Attributes:
        x: one row for each input of the network, with a batch axis of 1, as nested lists.
        outputs: the network's outputs for it with the mistakes of each explanation, by the explanation's number.
        distinct: the numbers of the explanations that the row distinguishes from the first.
    """

    x: list[Any]
    outputs: dict[int, list[Any]]
    distinct: tuple[int, ...]


@dataclass(frozen=True)
class Findings:
    """The result of the search.

    Attributes:
        diagnoses: mistakes, the most likely explanation first.
        sentence: a summary in one sentence.
        searched: what was tried.
        tell_apart: an input for which the explanations give different outputs, if there are several and one was found.
        certain: whether no other cause is possible.
    """

    diagnoses: list[Diagnosis] = field(default_factory=list)
    sentence: str = ""
    searched: str = ""
    tell_apart: TellApart | None = None
    certain: bool = False


def diagnose(
    sight: Sight,
    points: Mapping[str, Point],
    exact: ExactValues,
    *,
    tolerance: float | None,
    seconds: float,
    seed: int,
) -> Findings:
    """Search for the mistakes that give a candidate's numbers.

    Args:
        sight: of the right network.
        points: the candidate's values where they were compared, in computing order.
        exact: the right values.
        tolerance: the caller's own, if any.
        seconds: for the search for pairs of mistakes.
        seed: of the rows drawn to distinguish explanations.
    """
    known = {name: p for name, p in points.items() if p.value is not None}
    if not any(not p.agrees for p in known.values()):
        return Findings()
    tester = HypothesisTester(sight.oracle, exact, known, tolerance)
    search = Search(sight, tester, suspects_in(sight.sites, sight.oracle.graph), seconds)
    states = search.explanations()
    found = [s for s in states if s.hypotheses][:SHOWN]
    diagnoses = [d for i, state in enumerate(found, 1) for d in _of_state(state, i)]
    apart = _tell_apart(sight, found, seed) if len(found) > 1 else None
    sentence = _sentence(points, states, found, apart)
    if found and (softmax := _one_unit(sight)):
        diagnoses.append(softmax)
    return Findings(diagnoses, sentence, str(search.effort), apart)


def _of_state(state: State, number: int) -> list[Diagnosis]:
    found: dict[tuple[str, str], Diagnosis] = {}
    for hypothesis in state.hypotheses:
        for suspect in hypothesis.suspects:
            name, path = suspect.mistake.name, suspect.site.path
            words = words_for(name)
            others = "".join(f" (with {site.path!r})" for site, _ in suspect.others[:1])
            message = f"{words.what.format(layer=repr(path))}{others}: {words.remedy}."
            message = message[0].upper() + message[1:]
            found[name, path] = Diagnosis(name, path, state.residual, message, number)
    return list(found.values())


def _one_unit(sight: Sight) -> Diagnosis | None:
    """A fault of the network itself, reported if something else is wrong, too."""
    types = sight.oracle.graph.types
    for node in sight.oracle.graph.nodes:
        value = node.op.always(*(types[v].shape for v in node.inputs))
        if value is not None:
            message = (
                f"The network itself ends {node.layer!r} in a {type(node.op).__name__.lower()} over one unit, which "
                f"is always {value:g}: train it "
                "with a sigmoid, or with no activation."
            )
            return Diagnosis("softmax-one-unit", node.layer, 0.0, message)
    return None


def _sentence(
    points: Mapping[str, Point],
    states: Sequence[State],
    found: Sequence[State],
    apart: TellApart | None,
) -> str:
    unknown = [points[name].path for name, _ in states[0].unknown]
    if not found:
        return f"None of the known mistakes gives the candidate's numbers at {', '.join(map(repr, unknown))}"
    said = "; or ".join(_named(s) for s in found[:3])
    text = f"The candidate's numbers are those of the network with this mistake: {said}"
    if len(found[0].hypotheses) > 1 or len(found[0].hypotheses[0].suspects) > 1:
        text = text.replace("this mistake", "these mistakes")
    wrong = [p.value for p in points.values() if p.value is not None and not p.agrees]
    if not any(np.isfinite(v).any() for v in wrong):
        text += ". But there is no finite number to compare, so this is weak evidence"
    if unknown:
        text += f". None of the known mistakes explains {', '.join(map(repr, unknown))}"
    if len(found) > 1 and apart is None:
        text += ". No input that was tried tells these apart"
    elif apart is not None:
        text += ". An input that tells them apart is in tell_apart"
    return text


def _named(state: State) -> str:
    named: dict[str, list[str]] = {}
    for hypothesis in state.hypotheses:
        for suspect in hypothesis.suspects:
            places = named.setdefault(suspect.mistake.name, [])
            if suspect.site.path not in places:
                places.append(suspect.site.path)
    return " and ".join(f"{', '.join(map(repr, places))} with {name}" for name, places in named.items())


def _tell_apart(sight: Sight, states: Sequence[State], seed: int) -> TellApart | None:
    """The row, out of many random ones, for which most explanations give other outputs than the first."""
    graph = sight.oracle.graph
    best: tuple[int, float] = (0, 0.0)
    result: TellApart | None = None
    for rows in sample_rows(sight, seed):
        alone = any(d.of_batch for s in states for d in s.hypotheses)
        parts = [[x[i : i + 1] for x in rows] for i in range(len(rows[0]))] if alone else [rows]
        for inputs in parts[:8]:
            answers = [_outputs(sight, state, inputs) for state in states]
            right = sight.oracle.values(inputs)
            tolerances = sight.oracle.tolerances(inputs, right, graph.outputs)
            ratios = np.array([_apart(graph.outputs, answers[0], other, tolerances) for other in answers[1:]])
            ratios = np.where(np.isfinite(ratios), ratios, 0.0)
            scores = [(int((r > 10 * VISIBLE).sum()), float(np.log1p(r).sum())) for r in ratios.T]
            top = max(range(len(scores)), key=scores.__getitem__)
            if scores[top] > best and scores[top][0]:
                best = scores[top]
                result = TellApart(
                    [x[top : top + 1].tolist() for x in inputs],
                    {k: [a[top : top + 1].tolist() for a in each] for k, each in enumerate(answers, 1)},
                    tuple(int(k) + 2 for k in np.flatnonzero(ratios[:, top] > 10 * VISIBLE)),
                )
    return result


def _apart(
    names: Sequence[str], one: Sequence[Array], other: Sequence[Array], tolerances: Mapping[str, Array]
) -> Array:
    """For each row, the difference of two networks' outputs, in tolerances."""
    errors = [in_tolerances(a, b, tolerances[n]) for n, a, b in zip(names, one, other, strict=True)]
    return np.max(errors, axis=0)


def _outputs(sight: Sight, state: State, inputs: Sequence[Array]) -> list[Array]:
    """The outputs, for other rows, of the network with the state's mistakes, without the candidate's own values."""
    suspects = [s for d in state.hypotheses for s in d.suspects]
    patches = patches_of(suspects)
    values = sight.oracle.values(inputs)
    values = sight.oracle.patched(values, Patched(patches, patches), len(sight.oracle.graph.nodes))
    return [values[name] for name in sight.oracle.graph.outputs]
