"""One finding for one cause: what a check says of many layers in the same words, and what others say follows from it.

A mistake is often made once and shows in every layer: 34 layers whose units are dead, a Dropout before each of 12
normalizations. A report with one finding for each of them is long, and says nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from foldnet.insight.doctor.finding import SEVERITIES, Finding

_NAMES = re.compile(r"'[^']*'")
_NUMBERS = re.compile(r"\b\d[\d.,]*(e[+-]?\d+)?|\b(nan|inf)\b")


def words_of(text: str) -> str:
    """A message without the names and numbers in it; signs of numbers stay, because they may tell two faults apart.

    >>> words_of("'drop' drops 30% before it") == words_of("'drop_1' drops 5% before it")
    True
    >>> words_of("use axis=-1") == words_of("use axis=1")
    False
    """
    return _NUMBERS.sub("#", _NAMES.sub("''", text))


def grouped(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of one check at several layers that have the same severity, words and remedy, as one finding.

    The first one stands for all; the rest are its ``others``, and its evidence gets the number of ``layers``. A finding
    that has its cause in another one at the same layer is among the ``others`` of that, which is as severe as the
    severest.

    >>> from foldnet.insight.doctor.finding import warning
    >>> (found,) = grouped([warning("a", "2 units are off.", "Fix."), warning("b", "3 units are off.", "Fix.")])
    >>> found.layers, found.message, found.evidence
    (('a', 'b'), '2 units are off.', {'layers': 2})
    """
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for found in findings:
        words = words_of(found.message), words_of(found.remedy)
        # Findings about the network as a whole, such as lines of a script, have nothing that would tell them apart.
        alone = "" if found.layer else found.message
        groups.setdefault((found.check, found.severity, found.fixable, *words, alone), []).append(found)
    return _with_their_causes([one_finding(group) for group in groups.values()])


def _with_their_causes(findings: list[Finding]) -> list[Finding]:
    """Each finding, together with those that have their cause in it."""
    groups = {i: [found] for i, found in enumerate(findings)}
    for i, found in enumerate(findings):
        for j, cause in enumerate(findings):
            if j in groups and found.cause == cause.check and set(found.layers) & set(cause.layers):
                groups[j] += groups.pop(i)
                break
    return [
        replace(one_finding(group), severity=min((f.severity for f in group), key=SEVERITIES.index))
        for group in groups.values()
    ]


def one_finding(group: list[Finding]) -> Finding:
    """The first finding of a group, with the rest as its ``others``."""
    first = group[0]
    others = (
        *first.others,
        *(each for found in group[1:] for each in (replace(found, others=()), *found.others)),
    )
    if not others:
        return first
    layers = len({first.layer, *(f.layer for f in others)})
    return replace(first, others=others, evidence={**first.evidence, "layers": layers})
