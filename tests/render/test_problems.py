import pytest
import sample
from sample import cell, document, effect, finding

from harness.render.problems import gate_outcome, inconclusive_hint, problems
from harness.render.view import view


def gated(state: str, gate: str = "default") -> dict:
    return document([cell("x", findings=[gated_finding(state, "why")])], gate=gate) | {"vanished": []}


def gated_finding(state: str, detail: str, **changes: str) -> dict:
    return finding(gate_result={"state": state, "detail": detail}, **changes)


@pytest.mark.parametrize(
    ("state", "severity"),
    [
        ("regressed", "failure"),
        ("left ratchet", "failure"),
        ("over limit", "failure"),
        ("baseline missing", "error"),
        ("incompatible", "error"),
        ("no baseline", "notice"),
    ],
)
def test_every_problem_names_its_next_step(state: str, severity: str) -> None:
    (problem,) = problems(view([gated(state)]))
    assert (problem.kind, problem.severity) == (state, severity)
    assert problem.next_step


@pytest.mark.parametrize("state", ["pass", "refused", "not gated"])
def test_findings_are_no_problems(state: str) -> None:
    assert problems(view([gated(state)])) == ()


@pytest.mark.parametrize("gate", ["paired", "exact", "bounded"])
def test_a_regression_taken_back_is_a_notice(gate: str) -> None:
    lost = gated_finding("inconclusive", "did not repeat in a fresh process", gate=gate)
    (problem,) = problems(view([document([cell("x", findings=[lost])]) | {"vanished": []}]))
    assert (problem.kind, problem.severity) == ("inconclusive", "notice")
    assert problem.what == "did not repeat in a fresh process"
    assert problem.where.endswith("::test_x[cpu] latency")


def test_one_notice_per_cell() -> None:
    lost = [gated_finding("inconclusive", "noisy machine", metric=name) for name in ("a", "b", "c")]
    lost[2]["gate_result"]["detail"] = "may be chance"
    (problem,) = problems(view([document([cell("x", findings=lost)]) | {"vanished": []}]))
    assert problem.where.endswith(" a, b, c")
    assert problem.what == "noisy machine; may be chance"


def test_nothing_was_taken_back_from_what_is_not_compared() -> None:
    silent = [gated_finding("inconclusive", ""), gated_finding("inconclusive", "why", gate="report")]
    assert problems(view([document([cell("x", findings=silent)]) | {"vanished": []}])) == ()


def test_inconclusive_is_a_problem_under_the_strict_gate() -> None:
    (problem,) = problems(view([gated("inconclusive", "strict")]))
    assert problem.severity == "error"


def test_a_vanished_benchmark_is_never_silent() -> None:
    (problem,) = problems(view([document([cell("x")])]))
    assert (problem.kind, problem.severity) == ("vanished", "error")
    assert "test_gone" in problem.where


def test_refuted_claims_and_refused_candidates_are_green() -> None:
    assert problems(view([sample.green()])) == ()


def test_the_hint_grows_with_the_square_of_what_is_missing() -> None:
    undecided = finding(verdict="inconclusive", effect=effect(1.0, 0.9, 1.1, mde80=0.05), floor=0.025)
    lines = view([document([cell("x", findings=[undecided], elapsed_s=4.0)])]).lines
    assert inconclusive_hint(lines) == " (detects >= 5.0 %; rerun with --budget 16)"


def test_the_hint_promises_nothing_that_rounds_cannot_give() -> None:
    noisy = finding(verdict="inconclusive", effect=effect(1.0, 0.99, 1.01, mde80=0.012), floor=0.025)
    lines = view([document([cell("x", findings=[noisy])])]).lines
    assert inconclusive_hint(lines) == " (detects >= 1.2 %)"
    assert inconclusive_hint(view([sample.document([cell("x")])]).lines) == ""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "gate passed"),
        (10, "regression"),
        (11, "strict"),
        (12, "nothing"),
        (13, "baseline"),
        (14, "fidelity"),
        (None, "--resume run-"),
        (1, "exit code 1"),
    ],
)
def test_every_exit_code_has_words(code: int | None, words: str) -> None:
    (run,) = view([document([cell("x")], exit_code=code)]).runs
    assert words in gate_outcome(run)
