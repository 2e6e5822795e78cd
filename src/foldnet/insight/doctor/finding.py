"""What the doctor hands back: findings, and the report that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal, get_args, overload

from foldnet.escaping import escaped
from foldnet.insight.arguments import whole
from foldnet.insight.layout import WIDTH, wrapped

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, may be wrong, or is good to know.

    Attributes:
        check: stable id, such as ``"softmax-one-unit"``; ``docs/doctor/<check>.md`` tells its story.
        severity: ``"error"`` (the network cannot do what it is for), ``"warning"`` (it does it worse than it
            could, as far as can be measured), or ``"note"`` (good to know, nothing to worry about).
        layer: path of the layer call; empty for the network as a whole.
        message: what, and why it matters, in one sentence.
        evidence: numbers from this very network.
        remedy: how to mend it.
        fixable: whether ``mend`` (``foldnet doctor --fix``) does so exactly.
    """

    check: str
    severity: Severity
    layer: str
    message: str
    evidence: Mapping[str, object]
    remedy: str
    fixable: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; numbers that are not finite become strings."""
        return {
            "check": self.check, "severity": self.severity, "layer": self.layer, "message": self.message,
            "evidence": plain(self.evidence), "remedy": self.remedy, "fixable": self.fixable,
        }  # fmt: skip


def error(layer: str, message: str, remedy: str, fixable: bool = False, **evidence: object) -> Finding:
    """A finding that the registry has yet to put its check's id on."""
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
    """A finding whose severity the numbers decide."""
    return Finding("", severity, layer, message, evidence, remedy, fixable)


@dataclass(frozen=True)
class Report:
    """All findings about a network, the most severe first.

    ``for finding in report``, ``len(report)`` and ``report[0]`` go over the findings. In an ``if`` a report is true
    when there is no error among them, however many other findings there are; ``if len(report)`` asks for any.

    Attributes:
        model: name of the network.
        findings: in the order of their severity, then of the layers.
        checks: ids of the checks that were made.
        skipped: ids of the checks that could not be made, and what each would need.
        mended: what ``--fix`` changed, in words.
    """

    model: str
    findings: tuple[Finding, ...]
    checks: tuple[str, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    mended: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is no error among the findings."""
        return not any(f.severity == "error" for f in self.findings)

    @property
    def exit_code(self) -> int:
        """1 with an error among the findings, else 0."""
        return 0 if self.ok else 1

    def __bool__(self) -> bool:
        return self.ok

    def of(self, check: str) -> tuple[Finding, ...]:
        """The findings of one check."""
        return tuple(f for f in self.findings if f.check == check)

    def count(self, severity: Severity) -> int:
        """How many findings have a severity."""
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
    """A value of the evidence for reading: four digits, thousands apart.

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
    """The same with nothing but what JSON has."""
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
        fix = " (--fix does it)" if finding.fixable else ""
        yield from wrapped(f"mend: {finding.remedy}{fix}", width, "        ", "  ")
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
    """How many findings of each kind, in words."""
    counts = [(report.count(s), s) for s in SEVERITIES]
    found = ", ".join(f"{n} {s}{'s' * (n > 1)}" for n, s in counts if n) or "nothing found"
    return f"{found} ({len(report.checks)} checks)"
