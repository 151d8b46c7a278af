"""JUnit XML, one testcase per cell, for the CI systems that read it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

from harness.render.escape import xml_text
from harness.render.problems import BASELINE_ERRORS, FAILURES, Problem, gate_outcome, problem_of
from harness.render.view import Document, Line, Run, view

# When a cell fails in several ways, the gravest names the failure.
_GRAVEST = ("over limit", "left ratchet", "regressed")


def junit(documents: Sequence[Document]) -> str:
    """One `<testsuite>` per run; valid XML 1.0 whatever the data holds.

    A gate failure is `<failure type="regression|ratchet|fidelity">`, a baseline that is missing or
    incompatible `<error>`, an inconclusive or unrun cell `<skipped>` with its reason.
    """
    shown = view(documents)
    root = ET.Element("testsuites", name="benchmarks")
    for run in shown.runs:
        cells: dict[int, list[Line]] = {}
        for line in shown.lines:
            if line.run is run:
                cells.setdefault(id(line.cell), []).append(line)
        suite = ET.SubElement(root, "testsuite")
        for lines in cells.values():
            _testcase(suite, lines)
        for owner, item in shown.vanished:
            if owner is run:
                _vanished(suite, item)
        _totals(suite, run)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _totals(suite: ET.Element, run: Run) -> None:
    suite.set("name", xml_text(run.hardware))
    suite.set("id", xml_text(run.id))
    suite.set("timestamp", xml_text(str(run.run.get("started", ""))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    for plural, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(plural, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in suite.findall('testcase')):.3f}")
    properties = ET.Element("properties")
    facts = {
        "commit": run.run.get("commit"), "seed": run.run.get("seed"), "gate": gate_outcome(run),
        "fingerprint": run.machine.get("fingerprint"), "noise_floor": run.machine.get("noise_floor"),
    }  # fmt: skip
    for name, value in facts.items():
        _property(properties, name, "" if value is None else str(value))
    suite.insert(0, properties)


def _property(parent: ET.Element, name: str, value: str) -> None:
    ET.SubElement(parent, "property", name=xml_text(name), value=xml_text(value))


def _case(suite: ET.Element, nodeid: str, seconds: float) -> ET.Element:
    path, _, name = nodeid.partition("::")
    classname = path.removesuffix(".py").replace("/", ".")
    return ET.SubElement(
        suite, "testcase", classname=xml_text(classname), name=xml_text(name or nodeid), time=f"{seconds:.3f}"
    )


def _testcase(suite: ET.Element, lines: Sequence[Line]) -> None:
    cell = lines[0].cell
    case = _case(suite, cell.nodeid, cell.elapsed_s)
    properties = ET.SubElement(case, "properties")
    for name in ("optimization", "hardware", "role", "state", "fidelity", "engine", "model", "seed"):
        value = getattr(cell, name)
        if value is not None:
            _property(properties, name, str(value))
    for line in lines:
        _figures(properties, line)
    _result(case, lines)


def _figures(properties: ET.Element, line: Line) -> None:
    """Raw figures, not rounded: another program reads these."""
    found = line.finding
    if found is None:
        return
    facts = {
        "unit": found.unit, "verdict": line.outcome, "provenance": found.provenance,
        "rounds": str(found.rounds), "gate": found.gate_result.state,
    }  # fmt: skip
    if found.effect is not None:
        kind = "loss" if found.gate == "bounded" else "ratio"
        facts |= {
            kind: repr(found.effect.ratio), "interval": f"[{found.effect.low!r}, {found.effect.high!r}]",
            "confidence": repr(found.effect.confidence),
        }  # fmt: skip
    for name, value in facts.items():
        _property(properties, f"{found.metric}.{name}", value)
    for number, claim in enumerate(found.claims, start=1):
        _property(properties, f"{found.metric}.claim.{number}", f"{line.promised(claim)}: {claim.state}")


def _result(case: ET.Element, lines: Sequence[Line]) -> None:
    """At most one of failure, error, skipped: readers keep only the first."""
    found = [problem for line in lines if (problem := problem_of(line)) is not None]
    failures = sorted((p for p in found if p.kind in FAILURES), key=lambda p: _GRAVEST.index(p.kind))
    if failures:
        _outcome(case, "failure", FAILURES[failures[0].kind], failures)
        return
    baseline = [problem for problem in found if problem.kind in BASELINE_ERRORS]
    if baseline:
        _outcome(case, "error", baseline[0].kind, baseline)
        return
    unsure = [line for line in lines if line.outcome in ("not run", "inconclusive")]
    if any(line.ran for line in lines) and not any(line.outcome == "inconclusive" for line in lines):
        return
    if unsure:
        told = [
            f"{line.finding.metric}: " * bool(line.finding) + _why(line) for line in unsure if line.finding
        ]
        message = "; ".join(told) or _why(unsure[0])
        ET.SubElement(case, "skipped", message=xml_text(message))


def _why(line: Line) -> str:
    return f"{line.outcome}: {line.reason}" if line.reason else line.outcome


def _outcome(case: ET.Element, tag: str, kind: str, found: Sequence[Problem]) -> None:
    message = "; ".join(f"{problem.kind}: {problem.where}: {problem.what}" for problem in found)
    element = ET.SubElement(case, tag, type=xml_text(kind), message=xml_text(message))
    element.text = xml_text("\n".join(f"next: {problem.next_step}" for problem in found))


def _vanished(suite: ET.Element, item: Mapping[str, Any]) -> None:
    case = _case(suite, str(item["nodeid"]), 0.0)
    ET.SubElement(case, "error", type="vanished", message=xml_text(f"vanished: {item.get('detail', '')}"))
