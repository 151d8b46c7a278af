"""Prompts on precisions: judged from where each was optimized, in a frame and in two kinds of table."""

import math

import pytest
from transfer_examples import PROMPT, examples

from harness.calls.identity import Identity
from harness.calls.model import Model
from harness.errors import HarnessError
from harness.prompts.offline.scripted import EXACT, Precision, scripted_model
from harness.prompts.program import TYPED_LIST, Program
from harness.prompts.transfer.matrix import (
    COLUMNS,
    OptimizedPrompt,
    judge_transfers,
    markdown_matrix,
    terminal_matrix,
    transfer_frame,
    transfer_matrix,
)

PRECISIONS = {"FP8": EXACT, "Q8_0": Precision(dropped=0.0), "Q2_K": Precision(dropped=0.5)}


def models(n=60, names=tuple(PRECISIONS)):
    return {
        name: Model(
            scripted_model(examples(n), TYPED_LIST, precision=PRECISIONS[name]),
            Identity("scripted", "scripted", "", name, name),
            role="task",
        )
        for name in names
    }


def prompt(name, optimized_on="FP8", instruction=PROMPT):
    return OptimizedPrompt(name, Program(instruction, TYPED_LIST), optimized_on)


def test_every_prompt_on_every_precision_judged_from_its_own():
    prompts = [prompt("both"), prompt("local", "Q2_K", "Extract the persons, and each place.")]
    found = transfer_matrix(prompts, examples(60), models())
    assert [(each.prompt, each.precision, each.verdict) for each in found] == [
        ("both", "FP8", "optimized here"),
        ("both", "Q8_0", "transfer"),
        ("both", "Q2_K", "no transfer"),
        ("local", "Q2_K", "optimized here"),
        ("local", "FP8", "transfer"),
        ("local", "Q8_0", "transfer"),
    ]
    assert found[2].divergence.drop > 0.2
    # better where it was not optimized: a drop below 0
    assert found[4].divergence.drop < 0.0
    assert all(each.low <= each.f1 <= each.high for each in found)


def test_too_few_examples_are_undecided():
    results = {("p", "FP8"): [1.0, 1.0, 0.5], ("p", "Q4"): [1.0, 0.5, 1.0]}
    _, there = judge_transfers(results, {"p": "FP8"})
    assert there.verdict == "undecided"


def test_a_prompt_that_scores_nothing_at_home_is_undecided():
    _, there = judge_transfers({("p", "FP8"): [0.0, 0.0], ("p", "Q4"): [0.0, 1.0]}, {"p": "FP8"})
    assert there.verdict == "undecided"
    assert "-" in terminal_matrix([there]).splitlines()[1]


def test_the_frame_has_a_row_for_each_and_no_drop_at_home():
    frame = transfer_frame(transfer_matrix([prompt("p")], examples(20), models(20)))
    assert list(frame.columns) == list(COLUMNS)
    assert list(frame["precision"]) == ["FP8", "Q8_0", "Q2_K"]
    assert math.isnan(frame["drop"][0])
    assert frame["drop"][1] == 0.0
    assert set(frame["provenance"]) == {"measured"}


def test_tables_show_names_literally():
    name = "<script>|`x`\x1b[31m"
    found = judge_transfers({(name, "FP8"): [1.0, 1.0], (name, "Q4"): [1.0, 0.0]}, {name: "FP8"})
    markdown, terminal = markdown_matrix(found), terminal_matrix(found)
    assert "<script>" not in markdown
    assert "\\|" in markdown.splitlines()[2]
    assert "\x1b" not in markdown + terminal
    assert terminal.splitlines()[-1].endswith("would decide")


def test_the_same_results_give_the_same_matrix():
    results = {("p", "FP8"): [1.0, 0.5, 0.75, 1.0], ("p", "Q4"): [1.0, 0.5, 0.5, 1.0]}
    assert judge_transfers(results, {"p": "FP8"}, seed=4) == judge_transfers(results, {"p": "FP8"}, seed=4)


def test_what_can_not_be_judged_is_refused():
    with pytest.raises(HarnessError, match="not among the precisions"):
        transfer_matrix([prompt("p", "BF16")], examples(3), models(3))
    with pytest.raises(HarnessError, match="two prompts"):
        transfer_matrix([prompt("p"), prompt("p")], examples(3), models(3))
    same = models(3, ("FP8",))
    with pytest.raises(HarnessError, match="FP8 and again are the same model"):
        transfer_matrix([prompt("p")], examples(3), {**same, "again": same["FP8"]})
