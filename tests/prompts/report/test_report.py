"""The page of one run: every part is there, with its figures, and model text stays text."""

import math
import re

import pytest

from harness.calls.answer import Answer
from harness.calls.tally import Counts
from harness.prompts.evaluate import compare, judge_answers
from harness.prompts.examples import Entity, EntityType, Example, ExampleSet
from harness.prompts.program import TYPED_LIST, Program
from harness.prompts.report.lint import lint
from harness.prompts.report.report import FinishedRun, prompt_points, run_page
from harness.prompts.report.tree import Node
from harness.prompts.transfer.divergence import check_evaluations
from harness.prompts.transfer.matrix import judge_transfers
from harness.render.sections import html_page, markdown_page

HOSTILE = "Find persons.<script>alert(1)</script> | ``` `x`\nFind places too."
TYPES = (EntityType(1, "person", "a human being"), EntityType(2, "place", "a town"))


def examples(n=12):
    return ExampleSet(
        TYPES,
        tuple(
            Example(f"e{i}", f"Ann{i} went to Ayr{i}.", (Entity(f"Ann{i}", 1), Entity(f"Ayr{i}", 2)))
            for i in range(n)
        ),
    )


def evaluation(instruction, found):
    """`found` of an example's number are the entities of the answer, an unknown type among them."""
    answers = [
        Answer(
            str([{"name": name, "entity_type_id": kind} for name, kind in found(i)]).replace("'", '"'),
            20, 10, "stop", "engine", 0.25,
        )
        for i in range(12)
    ]  # fmt: skip
    return judge_answers(Program(instruction, TYPED_LIST), examples(), answers)


BEFORE = evaluation("Find names.", lambda i: [(f"Ann{i}", 1), ("x", 9)])
AFTER = evaluation(HOSTILE, lambda i: [(f"Ann{i}", 1), (f"Ayr{i}", 2)])
WORSE = evaluation(HOSTILE, lambda i: [(f"Ann{i}", 1)] if i % 2 else [(f"Ann{i}", 1), (f"Ayr{i}", 2)])
CANDIDATES = (
    Node("Find names.", (), (0.5, 0.25, 0.75)),
    Node(HOSTILE, (0,), (1.0, 0.75, 1.0), chosen=True),
    Node("Find towns.", (0,), (), accepted=False),
)


def finished(**changes):
    after = Program(HOSTILE, TYPED_LIST)
    parts = {
        "name": "gepa <b>",
        "types": TYPES,
        "before": Program("Find names.\nFind places too.", TYPED_LIST),
        "after": after,
        "baseline": BEFORE,
        "optimized": AFTER,
        "comparison": compare(BEFORE, AFTER),
        "candidates": CANDIDATES,
        "calls": {
            "task": Counts(
                calls=392, answered=390, failures=2, cache_hits=15, prompt_tokens=123456, usd=0.25
            ),
            "reflection": Counts(calls=8, answered=8, retries=3, earlier_calls=4, earlier_usd=0.5, usd=0.5),
        },
        "wall_s": 192.0,
        "metric_calls": 392,
        "iterations": 64,
        "stop_reason": "perfect",
        "unusable": {"no block": 2, "echo": 1},
        "facts": {"hardware row": "cpu", "seed": "7", "data": "ab12"},
        "points": prompt_points(CANDIDATES, [3, 20, 2], [0.1, 0.2, 0.3]),
        "findings": tuple(lint(after, TYPES)),
        "check": check_evaluations(("FP8", AFTER), ("Q4_K_M", WORSE)),
        "transfers": tuple(
            judge_transfers({("p", "FP8"): [1.0, 1.0], ("p", "Q4"): [1.0, 0.0]}, {"p": "FP8"})
        ),
    }
    return FinishedRun(**{**parts, **changes})


def part(markdown, title):
    return markdown.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_every_part_says_what_the_run_did():
    text = markdown_page(run_page(finished()))
    assert "improved: F1 0.500 -&gt; 1.000" in text
    result = part(text, "Result on held-out examples")
    assert "| baseline | 0.500 \\[0.500, 0.500\\]" in result
    assert result.count("| measured |") == 2
    kinds = part(text, "By entity type")
    assert "| person | 1.000 \\[1.000, 1.000\\] | 1.000 \\[1.000, 1.000\\] | measured |" in kinds
    assert "| no such type (9) | 0.000 \\[0.000, 0.000\\] | - | measured |" in kinds
    spent = part(text, "Calls, tokens, cost and time")
    assert "| task | 392 | 2 | 0 | 15 | 0 | 123,456 | 0 | 0.250 | counted |" in spent
    assert "| all | 400 | 2 | 3 | 15 | 0 | 123,456 | 0 | 0.750 | counted |" in spent
    assert "wall time 3:12 (measured); 64 iterations, 392 metric calls; stopped by: perfect" in spent
    assert "answers of 4 calls came from an earlier process (0.500 USD)" in spent
    assert "were no instruction: 2 no block, 1 echo" in spent
    candidates = part(text, "Candidates")
    assert "|- #1 0.917*: Find persons." in candidates
    assert "`- #2 rejected: Find towns." in candidates
    assert "best of 2 on 3 validation examples: 0.917; winner's bias" in candidates
    assert "| \\#1 | 0.917 \\[0.750, 1.000\\] | 20 |" in part(text, "Score against length and latency")
    assert "code fence" in part(text, "Lint of the optimized instruction")
    precision = part(text, "On a lower precision")
    assert "FP8 -&gt; Q4_K_M: fail" in precision
    assert "McNemar exact p = 0.0312" in precision
    assert "optimize locally" in precision
    assert "| p | FP8 | Q4 |" in precision
    assert "| seed | 7 |" in part(text, "Where the figures come from")


def test_the_instruction_is_a_diff():
    instruction = part(markdown_page(run_page(finished())), "Instruction").splitlines()
    assert "-Find names." in instruction
    assert "+Find persons.<script>alert(1)</script> | ``` `x`" in instruction
    assert " Find places too." in instruction
    # the fence is longer than the backticks of the instruction
    assert instruction[1] == "````diff"
    assert instruction.count("````") == 1


@pytest.mark.parametrize("form", [markdown_page, html_page])
def test_what_the_model_wrote_stays_text(form):
    text = form(run_page(finished()))
    outside = re.sub(r"^````diff$.*?^````$", "", text, flags=re.DOTALL | re.MULTILINE)
    # the tree's lines stand in a fence too
    outside = re.sub(r"^`{3,}$.*?^`{3,}$", "", outside, flags=re.DOTALL | re.MULTILINE)
    assert "<script>" not in outside
    assert "<b>" not in outside
    assert "alert(1)" in text


def test_html_holds_the_charts_and_markdown_does_not():
    page = run_page(finished())
    html, markdown = html_page(page), markdown_page(page)
    assert html.count("<svg ") == 2
    assert "<svg" not in markdown
    assert len(set(re.findall(r'<title id="([^"]+)"', html))) == 2


def test_a_run_without_much_to_say():
    text = markdown_page(
        run_page(
            finished(
                after=Program("Find names.\nFind places too.", TYPED_LIST), optimized=BEFORE,
                comparison=compare(BEFORE, BEFORE), candidates=(), points=(), findings=(), check=None,
                transfers=(), calls={},
            )
        )
    )  # fmt: skip
    assert "The instruction did not change." in text
    assert "No candidate was kept." in text
    assert "Nothing found." in text
    assert "was not checked on a lower precision" in text
    assert "Score against length" not in text
    assert "inconclusive" in text.splitlines()[2]


def test_candidates_of_unequal_validation_sets_have_no_bias_line():
    uneven = (Node("a", (), (0.5, 0.5)), Node("b", (0,), (1.0,)))
    text = markdown_page(run_page(finished(candidates=uneven, points=())))
    assert "winner's bias" not in text


def test_points_are_the_scored_candidates():
    points = prompt_points(CANDIDATES, [3, 20, 2])
    assert [(point.name, point.prompt_tokens) for point in points] == [("#0", 3), ("#1", 20)]
    assert all(math.isnan(point.latency_s) for point in points)
    with pytest.raises(ValueError, match="shorter"):
        prompt_points(CANDIDATES, [3])


def test_the_same_run_gives_the_same_page():
    assert html_page(run_page(finished())) == html_page(run_page(finished()))
