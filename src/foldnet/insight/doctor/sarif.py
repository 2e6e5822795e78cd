"""A doctor's report as SARIF 2.1.0, which code hosts and editors show next to the file."""

from __future__ import annotations

from typing import Any

from foldnet import __version__
from foldnet.insight.doctor.finding import Finding, Report, number
from foldnet.insight.doctor.run import CHECKS

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(report: Report, file: str) -> dict[str, Any]:
    """The report as a SARIF document.

    Args:
        report: of a network.
        file: path of its file, for the results.
    """
    driver = {
        "name": "foldnet doctor",
        "version": __version__,
        "rules": [
            {
                "id": check.id,
                "name": "".join(word.capitalize() for word in check.id.split("-")),
                "shortDescription": {"text": check.title},
                "help": {"text": f"docs/doctor/{check.id}.md"},
            }
            for check in CHECKS
        ],
    }
    results = [_result(finding, file) for finding in report.findings]
    run = {"tool": {"driver": driver}, "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding, file: str) -> dict[str, Any]:
    seen = "; ".join(f"{k.replace('_', ' ')} {number(v)}" for k, v in finding.evidence.items())
    text = " ".join(t for t in (finding.message, f"Seen: {seen}." if seen else "", finding.remedy) if t)
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": file.replace("\\", "/")}},
    }
    if names := [layer for layer in finding.layers if layer]:
        location["logicalLocations"] = [{"name": name, "kind": "member"} for name in names]
    plain = finding.to_dict()
    return {
        "ruleId": finding.check,
        "ruleIndex": [c.id for c in CHECKS].index(finding.check),
        "level": finding.severity,
        "message": {"text": text},
        "locations": [location],
        "properties": {"evidence": plain["evidence"], "remedy": finding.remedy, "fixable": finding.fixable},
    }


def merged(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Several documents merged into one, with all results in one run of the tool."""
    first = documents[0]
    run = {**first["runs"][0], "results": [r for d in documents for r in d["runs"][0]["results"]]}
    return {**first, "runs": [run]}
