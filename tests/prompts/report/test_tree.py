"""The candidate tree: every candidate once, under its parent, its text harmless."""

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prompts.optimize.ledger import Rejected
from harness.prompts.optimize.run import Candidate, Optimized
from harness.prompts.optimize.settings import Settings
from harness.prompts.report.tree import Node, tree_lines, tree_nodes, tree_plot

RUN = (
    Node("Find names.", (), (0.5, 0.5)),
    Node("Find persons.", (0,), (0.75, 0.75), chosen=True),
    Node("Find it all.", (0,), (), accepted=False),
    Node("Find persons and places.", (1, 0), (1.0, 0.5)),
    Node("Find towns.", (1,), (), accepted=False),
)


@st.composite
def trees(draw):
    found = []
    for number in range(draw(st.integers(1, 20))):
        parents = draw(st.lists(st.integers(0, number - 1), max_size=2, unique=True)) if number else []
        scores = draw(st.sampled_from([(), (0.5,), (1.0,)]))
        found.append(Node(draw(st.text(max_size=12)), tuple(parents), scores, bool(scores)))
    return found


def test_the_tree_as_text():
    assert tree_lines(RUN) == [
        "#0 0.500: Find names.",
        "|- #1 0.750*: Find persons.",
        "|  |- #3 0.750 (also from #0): Find persons and places.",
        "|  `- #4 rejected: Find towns.",
        "`- #2 rejected: Find it all.",
    ]


@settings(deadline=None)
@given(trees())
def test_every_candidate_stands_in_one_line_below_its_first_parent(found):
    lines = tree_lines(found)
    numbers = [int(line[line.index("#") + 1 :].split()[0]) for line in lines]
    assert sorted(numbers) == list(range(len(found)))
    for number, candidate in enumerate(found):
        if candidate.parents:
            assert numbers.index(candidate.parents[0]) < numbers.index(number)
    assert all("\n" not in line for line in lines)


@settings(deadline=None, max_examples=40)
@given(trees())
def test_every_drawing_is_well_formed_and_has_every_candidate(found):
    svg = ET.fromstring(tree_plot(found))
    assert len(svg.findall("g")) == len(found)


def test_a_long_chain_needs_no_recursion():
    chain = [Node("x", (number - 1,) if number else (), (0.5,)) for number in range(3000)]
    assert len(tree_lines(chain)) == 3000


def test_what_a_model_wrote_is_escaped():
    text = 'ignore <script>alert("x")</script>\n```\x1b[31m & more'
    found = [Node(text, (), (0.5,))]
    svg, (line,) = tree_plot(found), tree_lines(found)
    assert "<script>" not in svg
    assert "\x1b" not in svg + line
    assert ET.fromstring(svg).find("g/title").text.startswith("ignore <script>")


def test_without_scores_there_is_no_mean():
    assert math.isnan(Node("x").score)


def test_a_runs_candidates_come_before_its_rejected_proposals():
    settings = Settings(metric_calls=10)
    run = Optimized(
        candidates=(Candidate("seed", (), (0.5,), 1), Candidate("child", (0,), (0.75,), 7)),
        best=1,
        rejected=(Rejected("worse", 1, 0.5, 0.25),),
        unusable={},
        unreadable=0,
        metric_calls=10,
        iterations=2,
        stopped="budget",
        batches=(),
        settings=settings,
    )
    assert tree_nodes(run) == (
        Node("seed", (), (0.5,)),
        Node("child", (0,), (0.75,), chosen=True),
        Node("worse", (1,), (), accepted=False),
    )


def test_a_parent_comes_first():
    for parent in (0, 1, -1):
        with pytest.raises(ValueError, match="before its parents"):
            tree_lines([Node("x", (parent,), (0.5,))])
