import sample
from sample import cell, document, effect, finding

from harness.render.view import OUTCOMES, Line, by_reason, counts, ratio_heading, view
from harness.results.compare import merge_documents
from harness.results.documents import validate_results


def only(made: dict) -> Line:
    (line,) = view([document([made])]).lines
    return line


def test_the_sample_is_what_the_rig_writes() -> None:
    for made in (sample.realistic(), sample.second_machine(), sample.green(), sample.many(20)):
        validate_results(made, "sample")


def test_merged_documents_read_like_a_list() -> None:
    both = [sample.realistic(), sample.second_machine()]
    merged = view([merge_documents(both)])
    listed = view(both)
    assert sorted(line.cell.nodeid for line in merged.lines) == sorted(
        line.cell.nodeid for line in listed.lines
    )
    assert {run.hardware for run in merged.runs} == {"cpu", "l4"}


def test_parameters_show_only_where_they_tell_cells_apart() -> None:
    labels = {line.label for line in view([sample.realistic()]).lines}
    assert {"extraction_cap [cap=2048]", "extraction_cap [cap=4096]", "thread_sizing"} <= labels
    assert only(cell("x", params={"a": 1})).label == "x"


def told_by(*nodeids: str, **changes: object) -> list[str]:
    made = [cell("x", nodeid=nodeid, **changes) for nodeid in nodeids]
    return [line.label for line in view([document(made)]).lines]


def test_two_tests_of_one_optimization_are_told_apart() -> None:
    two = told_by("b/test_x.py::test_one[cpu]", "b/test_x.py::test_two[cpu]")
    assert two == ["x test_one", "x test_two"]
    classes = told_by("b/test_x.py::TestA::test_one[cpu]", "b/test_x.py::TestB::test_one[cpu]")
    assert classes == ["x TestA::test_one", "x TestB::test_one"]
    files = told_by("b/test_x.py::test_one[cpu]", "b/test_y.py::test_one[cpu]")
    assert files == ["x b/test_x.py::test_one", "x b/test_y.py::test_one"]


def test_a_test_is_named_only_where_a_figure_repeats() -> None:
    one, two = "b/test_x.py::test_one[cpu]", "b/test_x.py::test_two[cpu]"
    made = [cell("x", nodeid=one), cell("x", nodeid=two, findings=[finding("tokens")])]
    assert {line.label for line in view([document(made)]).lines} == {"x"}
    runs = [document([cell("x", nodeid=one)]), document([cell("x", nodeid=one)], id="run-b")]
    assert {line.label for line in view(runs).lines} == {"x"}


def test_a_name_is_the_same_on_every_row() -> None:
    here = [cell("x", nodeid=f"b/test_x.py::test_{name}[cpu]") for name in ("one", "two")]
    there = sample.not_run("x", "l4", "needs l4") | {"nodeid": "b/test_x.py::test_two[l4]"}
    assert view([document([*here, there])]).lines[2].label == "x test_two"


def test_every_outcome_is_told() -> None:
    lines = view([sample.realistic()]).lines
    assert {line.outcome for line in lines} == set(OUTCOMES) - {"over limit", "report only"}
    assert sum(counts(lines).values()) == len(lines)


def test_a_figure_that_is_never_judged_is_report_only() -> None:
    only_reported = finding(gate="report", verdict="inconclusive")
    assert only(cell("x", findings=[only_reported])).outcome == "report only"


def test_fast_but_wrong_is_refused_and_slow_stays_worse() -> None:
    assert only(cell("x", fidelity="refused")).outcome == "refused"
    assert only(cell("x", fidelity="broken")).outcome == "refused"
    assert only(cell("x", fidelity="refused", findings=[finding(verdict="worse")])).outcome == "worse"
    assert only(cell("x", fidelity="held")).outcome == "improved"


def test_a_bounded_metric_shows_its_loss_against_its_limit() -> None:
    loss = finding(
        "loss", "fraction", gate="bounded", verdict="unchanged", baseline=None, optimized=None,
        effect=effect(0.031, 0.028, 0.034), limit=0.05,
    )  # fmt: skip
    line = only(cell("x", findings=[loss]))
    assert (line.before, line.after, line.ratio) == ("-", "3.10 %", "[2.80, 3.40] limit 5 %")
    assert line.found == "3.10 % [2.80, 3.40]"
    assert line.outcome == "within limit"
    loss["gate_result"] = {"state": "over limit", "detail": ""}
    assert only(cell("x", findings=[loss])).outcome == "over limit"


def test_open_intervals_are_infinite() -> None:
    line = only(cell("x", findings=[finding(effect=effect(0.5, None, None))]))
    assert line.ratio == "0.500 [-inf, inf]"


def test_reasons_are_grouped_largest_first() -> None:
    groups = by_reason(view([sample.realistic()]).not_run)
    assert [len(lines) for _, lines in groups] == [11, 11, 2, 1]
    assert groups[2][0] == "needs compute capability 8.0, this is cpu"


def test_the_heading_names_a_confidence_all_lines_share() -> None:
    lines = view([document([cell("x"), cell("y")])]).lines
    assert ratio_heading(lines) == "ratio [99 % CI]"
    counted = finding(effect=effect(0.5, 0.5, 0.5) | {"confidence": 1.0})
    beside = view([document([cell("x"), cell("y", findings=[counted])])]).lines
    assert ratio_heading(beside) == "ratio [99 % CI]"
    mixed = finding(effect=effect(0.5, 0.4, 0.6) | {"confidence": 0.975})
    assert (
        ratio_heading(view([document([cell("x"), cell("y", findings=[mixed])])]).lines) == "ratio [interval]"
    )
