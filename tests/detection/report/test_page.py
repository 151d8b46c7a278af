"""The report: six panels, controls beside the detector, tokens marked, text harmless."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from planted import items

from harness.detection.data.responses import Label, Response
from harness.detection.detector.auc import auc
from harness.detection.detector.controls import control_scores, judge
from harness.detection.detector.curves import confusion
from harness.detection.report.dashboard import Shown, dashboard
from harness.detection.report.page import Highlighted, Report, lede, marked_response, report_page
from harness.render.sections import html_page, markdown_page

HOSTILE = "<script>alert(1)</script> is the answer"


@pytest.fixture
def report():
    made = items(responses=60, seed=3)
    r = np.random.default_rng(0)
    scores = np.clip(0.5 + 0.2 * (made.labels - 0.5) + 0.1 * r.normal(size=60), 0.0, 1.0)
    shown = Shown(
        scores, made.labels, confusion(scores, made.labels, 0.5), auc(scores, made.labels), (("PCC", "0.5"),)
    )
    response = Response(
        "r1", "s1", "QA", "m", 0.0, f"The context.\n{HOSTILE}?", (0, 12), HOSTILE, (Label(0, 8, "x"),)
    )
    controls = tuple(judge(name, score, made) for name, score in control_scores(made).items())
    return Report(
        "Detection of answers",
        judge("detector", scores, made),
        controls,
        shown,
        (Highlighted(response, 0.7, True, ((0, 8), (8, 9), (10, 20)), (0.9, 0.1, 0.5)),),
        {"model": "answers"},
    )


def test_the_page_shows_detector_and_controls(report):
    html = html_page(report_page(report))
    for name in ("detector", "task prior", "response length", "chunk length", "always hallucinated"):
        assert f"<td>{name}</td>" in html
    assert html.count("<mark") == 3
    assert "<script>" not in html
    assert 'title="score 0.90, hallucinated"' in html
    assert "within tasks" in lede(report)
    assert "<script>" not in markdown_page(report_page(report)).replace("`", "")[:400]


def test_a_control_that_does_as_well_is_named(report):
    made = items(responses=60, seed=3)
    better = judge("cheating control", made.labels.astype(float), made)
    changed = Report(report.title, report.detector, (better,), report.shown, (), report.facts)
    assert "cheating control alone does no worse (1.000)" in lede(changed)


def test_all_characters_of_a_response_are_shown_once(report):
    *_, answer = marked_response(report.highlighted[0])
    assert "".join(piece.text for piece in answer) == f"> {HOSTILE}"


def test_the_drawing_has_six_panels_and_is_well_formed(report):
    svg = ET.fromstring(dashboard(report.shown))
    assert len(svg.findall("g")) == 6
    with pytest.raises(ValueError, match="both classes"):
        dashboard(Shown(np.array([0.1]), np.array([True]), report.shown.confusion, report.shown.auc, ()))
