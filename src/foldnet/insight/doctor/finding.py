"""The doctor's findings and its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal, get_args, overload

import numpy as np

from foldnet.escaping import escaped
from foldnet.insight.arguments import whole
from foldnet.insight.layout import WIDTH, wrapped

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


def percent(share: float) -> str:
    """A share in percent; with one digit that is not 0 if it is small.

    >>> percent(0.253), percent(1 / 300)
    ('25%', '0.3%')
    """
    if share == 0 or share >= 0.01:
        return f"{share:.0%}"
    return f"{np.format_float_positional(100 * share, precision=1, fractional=False, trim='-')}%"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, may be wrong, or is good to know.

    Attributes:
        check: stable id, such as ``"softmax-one-unit"``; described in ``docs/doctor/<check>.md``.
        severity: ``"error"`` (the network cannot do its task), ``"warning"`` (it does its task worse than it could, as
            far as can be measured), or ``"note"`` (good to know, but no problem).
        layer: path of the layer call; empty for the network as a whole.
        message: what, and why it matters, in one sentence.
        evidence: numbers from this very network.
        remedy: how to fix it.
        fixable: whether ``foldnet doctor --fix`` fixes it exactly.
        others: what was found at other layers for the same cause, and by other checks; each has its own evidence.
        cause: id of another check that names the cause; where that has found it, both become one finding.
    """

    check: str
    severity: Severity
    layer: str
    message: str
    evidence: Mapping[str, object]
    remedy: str
    fixable: bool = False
    others: tuple[Finding, ...] = ()
    cause: str = ""

    @property
    def layers(self) -> tuple[str, ...]:
        """Paths of all layer calls with this fault: ``layer``, then those of ``others``."""
        return tuple(dict.fromkeys((self.layer, *(f.layer for f in self.others))))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; NaN and infinities become strings."""
        return {
            "check": self.check, "severity": self.severity, "layer": self.layer, "message": self.message,
            "evidence": plain(self.evidence), "remedy": self.remedy, "fixable": self.fixable,
            "others": [{"layer": f.layer, "evidence": plain(f.evidence)} for f in self.others],
        }  # fmt: skip


def error(layer: str, message: str, remedy: str, fixable: bool = False, **evidence: object) -> Finding:
    """A finding without the check's id, which the registry adds."""
    return Finding("", "error", layer, message, evidence, remedy, fixable)


def warning(layer: str, message: str, remedy: str, fixable: bool = False, **evidence: object) -> Finding:
    """Likewise."""
    return Finding("", "warning", layer, message, evidence, remedy, fixable)


def note(layer: str, message: str, remedy: str, fixable: bool = False, **evidence: object) -> Finding:
    """Likewise."""
    return Finding("", "note", layer, message, evidence, remedy, fixable)


def graded(
    severity: Severity, layer: str, message: str, remedy: str, fixable: bool = False, **evidence: object
) -> Finding:
    """A finding whose severity is computed."""
    return Finding("", severity, layer, message, evidence, remedy, fixable)


@dataclass(frozen=True)
class Report:
    """All findings about a network, the most severe first.

    ``for finding in report``, ``len(report)`` and ``report[0]`` access the findings. ``bool(report)`` is True if no
    finding is an error, even if there are warnings and notes; use ``len(report)`` to test for any finding.

    Attributes:
        model: name of the network.
        findings: ordered by severity, then by layer.
        checks: ids of the checks that ran.
        skipped: ids of the checks that could not run, and what each of them needs.
        mended: descriptions of what ``--fix`` changed.
    """

    model: str
    findings: tuple[Finding, ...]
    checks: tuple[str, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    mended: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return not any(f.severity == "error" for f in self.findings)

    @property
    def exit_code(self) -> int:
        """1 if any finding is an error, else 0."""
        return 0 if self.ok else 1

    def __bool__(self) -> bool:
        return self.ok

    def of(self, check: str) -> tuple[Finding, ...]:
        """The findings of one check."""
        return tuple(f for f in self.findings if f.check == check)

    def count(self, severity: Severity) -> int:
        """The number of findings with a severity."""
        return sum(f.severity == severity for f in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "model": self.model, "ok": self.ok, "findings": [f.to_dict() for f in self.findings],
            "checks": list(self.checks), "skipped": dict(self.skipped), "mended": list(self.mended),
        }  # fmt: skip

    def text(self, width: int = WIDTH) -> str:
        """The report for a terminal of this width."""
        return escaped("\n".join(_lines(self, whole("width", width, 20))))

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """The report in a notebook."""
        from foldnet.insight.displays import report_html

        return report_html(self)

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    @overload
    def __getitem__(self, place: int) -> Finding: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Finding, ...]: ...

    def __getitem__(self, place: int | slice) -> Finding | tuple[Finding, ...]:
        return self.findings[place]


def number(value: Any) -> str:
    """A value of the evidence as text: four digits, with thousands separators.

    >>> number(0.123456), number(12345), number([1.0, 2.5])
    ('0.1235', '12,345', '[1, 2.5]')
    """
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(number(v) for v in value) + "]"
    return f"{float(value):.4g}"


def plain(value: object) -> object:
    """The same as plain JSON data."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value


def _lines(report: Report, width: int) -> Iterator[str]:
    yield from wrapped(f"{report.model!r}: {verdict(report)}", width, "")
    for finding in report.findings:
        yield ""
        yield from wrapped(f"{finding.severity}: {finding.check}{_at(finding)}", width, "  ", "")
        yield from wrapped(finding.message, width, "  ", "  ")
        if finding.evidence:
            seen = "; ".join(f"{k.replace('_', ' ')} {number(v)}" for k, v in finding.evidence.items())
            yield from wrapped(f"seen: {seen}", width, "        ", "  ")
        if others := finding.layers[1:]:
            yield from wrapped(f"also at: {', '.join(others)}", width, "           ", "  ")
        fix = " (--fix does it)" if finding.fixable else ""
        yield from wrapped(f"fix: {finding.remedy}{fix}", width, "        ", "  ")
    if report.skipped:
        yield ""
        reasons: dict[str, list[str]] = {}
        for check, reason in report.skipped.items():
            reasons.setdefault(reason, []).append(check)
        for reason, names in reasons.items():
            yield from wrapped(f"not checked ({reason}): {', '.join(names)}", width, "  ", "")
    for line in report.mended:
        yield from wrapped(f"mended: {line}", width, "  ", "")


def _at(finding: Finding) -> str:
    return f" at {finding.layer}" if finding.layer else ""


def verdict(report: Report) -> str:
    """The number of findings of each severity, as text."""
    counts = [(report.count(s), s) for s in SEVERITIES]
    found = ", ".join(f"{n} {s}{'s' * (n > 1)}" for n, s in counts if n) or "nothing found"
    return f"{found} ({len(report.checks)} checks)"
