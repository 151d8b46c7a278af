"""The decision tree from planted results: every branch fires, and a changed result changes the tree."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.detection.capture.compatibility import TABLE
from harness.detection.report.tree import BAND_UNKNOWN, BANDS, GUIDE_TREE, TECHNIQUES, band_of, technique_of
from harness.detection.report.tree_derived import budgets_of, derive, quantity_of
from harness.detection.report.tree_page import decision, derived_lines, guide_lines, tree_page
from harness.hardware.matrix import load_matrix
from harness.measure.outcome import Cell, Effect, Finding
from harness.measure.verdicts import judge
from harness.render.sections import html_page, markdown_page

ROWS = load_matrix(Path(__file__).resolve().parents[3] / "hardware_matrix.toml").rows


def finding(ratio, metric="time", unit="s", better="lower", provenance="measured", gate="paired", width=1.04):
    effect = Effect(ratio, ratio / width, ratio * width, 0.99)
    verdict = judge(effect, better, 0.05)
    return Finding(
        metric, unit, better, gate, provenance, verdict,
        baseline=100.0, optimized=100.0 * ratio, effect=effect, floor=0.05,
    )  # fmt: skip


def cell(name, *findings, hardware="cpu", state="measured", fidelity="held", reason="", **params):
    told = "-".join(str(value) for value in params.values())
    return Cell(
        f"benchmarks/detection/test_{name}.py::test_{name}[{hardware}-{told}]", name, name, "candidate",
        hardware, params, state, reason, fidelity, findings=tuple(findings),
    )  # fmt: skip


def tree(*cells, runs=()):
    return derive([("run-1", cells), *runs], ROWS)


def leaf(found, problem="too slow", band=BANDS[0], row="cpu"):
    by_memory = problem != "low accuracy"
    return next(
        each
        for each in found.leaves
        if (each.problem, each.band) == (problem, band if by_memory else BAND_UNKNOWN)
        and (not by_memory or row in each.budget.rows)
    )


def test_a_measured_speed_up_is_chosen_for_its_length_and_memory_alone():
    found = tree(cell("fused_attention", finding(0.5), tokens=1024))
    here = leaf(found)
    assert decision(here) == "fused attention (3): time 0.500 [0.481, 0.520] helps, measured"
    assert [each for each in found.leaves if not each.is_empty] == [here]
    assert decision(leaf(found, row="t4")) == "nothing measured"
    assert decision(leaf(found, band=BANDS[1])) == "nothing measured"


def test_measured_and_modelled_are_never_ranked_together():
    slow = cell("compiled_model", finding(0.9), hardware="l4", longest=512)
    fast = cell("tensorrt", finding(0.1, provenance="modelled"), hardware="l4", state="modelled", longest=512)
    here = leaf(tree(fast, slow), row="l4")
    assert [(each.technique.number, each.provenance) for each in here.chosen] == [
        (7, "measured"),
        (16, "modelled"),
    ]
    assert ", measured; TensorRT (16)" in decision(here)


def test_of_two_the_one_whose_interval_promises_more_is_chosen():
    sure = cell("dynamic_batching", finding(0.6, width=1.02), plan="table", longest=256)
    bold = cell("process_per_device", finding(0.55, width=1.5), longest=256)
    assert [each.technique.number for each in leaf(tree(sure, bold)).options] == [6, 9]
    higher = cell("process_per_device", finding(2.0, "rate", "samples/s", "higher"), longest=256)
    assert leaf(tree(sure, higher)).chosen[0].technique.number == 9


@pytest.mark.parametrize(
    ("planted", "says"),
    [
        (cell("gradient_checkpointing", finding(1.0), tokens=9000), "gradient checkpointing (2) no effect"),
        (cell("gradient_checkpointing", finding(1.4), tokens=9000), "gradient checkpointing (2) worse"),
        (
            cell("gradient_checkpointing", finding(0.9, width=1.5), tokens=9000),
            "gradient checkpointing (2) undecided",
        ),
        (
            cell("low_bit_weights", finding(0.5), fidelity="refused", bits=2, tokens=9000),
            "low-bit weights (1) with bits=2 refused",
        ),
    ],
)
def test_what_does_not_help_is_named_with_what_was_found(planted, says):
    here = leaf(tree(planted), band=BANDS[2])
    assert here.chosen == ()
    assert decision(here) == f"nothing is shown to help: {says}"
    assert says in "\n".join(derived_lines(tree(planted)))


def test_what_helps_against_one_baseline_only_depends():
    loop = cell("compiled_kernels", finding(0.1), against="loop", rows=256)
    product = cell("compiled_kernels", finding(1.0), against="product", rows=256)
    here = leaf(tree(loop, product), band=BAND_UNKNOWN)
    assert here.options[0].state == "depends"
    assert "0.100 [0.0962, 0.104] helps [against=loop, rows=256]" in decision(here)
    assert "no effect [against=product, rows=256]" in decision(here)


def test_a_choice_of_the_users_is_an_option_of_its_own():
    cells = [
        cell("length_batching", finding(ratio, "padding", "share", gate="exact"), plan=plan)
        for plan, ratio in (("buckets of 1000", 1.0), ("sorted", 0.1))
    ]
    here = leaf(tree(*cells), band=BAND_UNKNOWN)
    assert [(each.setting, each.state) for each in here.options] == [
        ("plan=sorted", "helps"),
        ("plan=buckets of 1000", "no effect"),
    ]
    assert decision(here).startswith("batches by length (4) with plan=sorted: padding 0.100")


def test_accuracy_asks_for_neither_length_nor_memory():
    auc = finding(0.947, "auc", "AUC", "higher", gate="exact")
    f1 = finding(1.12, "f1", "F1", "higher", gate="exact")
    same = finding(1.0, "auc", "AUC", "higher", gate="exact")
    here = leaf(tree(cell("ensembles", auc, vote=True), cell("threshold_tuning", f1, same)), "low accuracy")
    assert [(each.technique.number, each.quantity, each.state) for each in here.options] == [
        (14, "F1", "helps"),
        (14, "AUC", "no effect"),
        (12, "AUC", "worse"),
    ]
    assert decision(here).startswith("threshold tuning (14): f1 1.120")


def test_memory_is_its_own_problem_and_what_does_not_fit_is_not_chosen():
    saves = finding(0.5, "peak_memory", "bytes", gate="report")
    here = leaf(tree(cell("fused_attention", saves, tokens=256)), "out of memory")
    assert decision(here).startswith("fused attention (3): peak_memory 0.500")
    too_large = replace(saves, baseline=64 * 2.0**30, optimized=32 * 2.0**30)
    planted = cell("fused_attention", saves, too_large, hardware="t4", tokens=256)
    assert leaf(tree(planted), "out of memory", row="t4").options[0].state == "does not fit"
    assert (
        leaf(
            tree(cell("fused_attention", finding(0.5), too_large, hardware="t4", tokens=256)), row="t4"
        ).chosen
        == ()
    )


def test_what_excludes_itself_is_refused_with_a_reason_whatever_was_found():
    fast = finding(0.1, "rate", "tokens/s", "higher", "modelled")
    cells = [
        cell("vllm_against_nf4", fast, hardware="l4", state="modelled", tokens=256),
        cell("cpu_offload", finding(0.5), samples=8),
        cell("flash_attention", finding(0.5), tokens=256),
    ]
    found = tree(*cells)
    on_card, on_host = leaf(found, row="l4"), leaf(found)
    assert on_card.is_empty
    assert [each.text for each, _ in on_card.excluded] == ["vLLM (15)"]
    assert [each.number for each, _ in on_host.excluded] == [3, 5, 15]
    assert {pair for _, pair in on_host.excluded} <= set(TABLE)
    text = markdown_page(tree_page(found))
    assert "neither attention nor the residual stream" in text
    assert "excluded: FlashAttention-2 (3), CPU offload (5), vLLM (15)" in text


def test_what_helps_but_not_with_the_guides_weights_is_said():
    fast = cell("onnx_runtime", finding(0.5), hardware="t4", tokens=256)
    here = leaf(tree(fast), row="t4")
    assert here.budget.quantized == ("t4", "t4x2")
    assert [{each.first, each.second} for each in here.apart] == [{"bitsandbytes", "ONNX"}]
    assert "Not together: bitsandbytes and ONNX" in markdown_page(tree_page(tree(fast)))


def test_why_it_was_not_run_stands_beside_the_guides_advice():
    lacking = cell(
        "flash_attention", hardware="t4", state="not run", reason="needs compute capability 8.0", tokens=2048
    )
    host = cell("grid_search", hardware="t4", state="not run", reason="host-only: measured on row cpu")
    found = tree(lacking, host)
    text = "\n".join(derived_lines(found))
    assert "FlashAttention-2 (3): not run, t4: needs compute capability 8.0" in text
    assert "host-only" not in text
    assert all(each.is_empty for each in found.leaves)


def test_a_model_has_no_noise_so_its_small_effects_are_none():
    small = finding(0.99, provenance="modelled")
    planted = cell(
        "process_per_device",
        replace(small, verdict="improved"),
        hardware="t4x2",
        state="modelled",
        tokens=512,
    )
    assert leaf(tree(planted), row="t4x2").options[0].state == "no effect"


def test_what_the_model_finds_too_large_is_said_beside_what_fits():
    small = cell(
        "dynamic_batching", finding(0.5, provenance="modelled"), hardware="t4", state="modelled", plan="fused"
    )
    reason = "modelled: t4: 16 samples of up to 999 tokens need 48.7 GiB, t4 has 14.5"
    large = cell("dynamic_batching", hardware="t4", state="not run", reason=reason, plan="maps")
    elsewhere = cell("tensorrt", hardware="l4", state="not run", reason="needs l4; this machine is cpu")
    lines = "\n".join(derived_lines(tree(small, large, elsewhere)))
    assert "dynamic batching (6) with plan=fused: time 0.500" in lines
    assert "plan=maps: not run, t4: modelled: 16 samples of up to 999 tokens need 48.7 GiB" in lines
    assert "TensorRT (16): not run, l4: this machine is not one, and no model says it" in lines


def test_a_share_of_memory_above_one_does_not_fit():
    share = finding(2.0, "memory_share", "ratio", provenance="modelled", gate="report")
    planted = replace(share, baseline=0.9, optimized=1.8)
    rate = finding(3.0, "samples_per_min", "1/min", "higher", "modelled", gate="report")
    found = tree(
        cell("batch_table", rate, planted, hardware="t4", state="modelled", structure="ours", tokens=999)
    )
    assert leaf(found, row="t4").options[0].state == "does not fit"


def test_of_several_cells_the_least_effect_is_told():
    cells = [
        cell("process_per_device", finding(ratio), longest=longest)
        for ratio, longest in ((0.5, 256), (0.7, 512))
    ]
    assert "time 0.700 [0.673, 0.728] at the least of 2 cells: helps" in decision(leaf(tree(*cells)))


def test_lengths_that_a_benchmark_fixes_are_known():
    assert band_of("dynamic_batching_long", {}, on_host=True) == BANDS[0]
    assert band_of("dynamic_batching_long", {}, on_host=False) == BANDS[1]


def test_a_changed_result_changes_the_tree():
    before = tree(
        cell("fused_attention", finding(0.5), tokens=1024),
        cell("process_per_device", finding(0.7), tokens=1024),
    )
    after = tree(
        cell("fused_attention", finding(1.2), tokens=1024),
        cell("process_per_device", finding(0.7), tokens=1024),
    )
    assert decision(leaf(before)).startswith("fused attention (3)")
    assert decision(leaf(after)).startswith("one process per device (9)")
    assert markdown_page(tree_page(before)) != markdown_page(tree_page(after))


def test_the_latest_run_counts_but_a_model_does_not_replace_a_measurement():
    old, new = (
        cell("fused_attention", finding(0.5), tokens=1024),
        cell("fused_attention", finding(0.8), tokens=1024),
    )
    modelled = cell("fused_attention", finding(0.1, provenance="modelled"), state="modelled", tokens=1024)
    found = tree(old, runs=[("run-2", [new]), ("run-3", [modelled])])
    assert [
        (each.evidence[0].run, each.evidence[0].finding.effect.ratio) for each in leaf(found).options
    ] == [("run-2", 0.8)]
    assert found.runs == ("run-2",)


def test_a_row_that_the_matrix_lacks_and_a_strange_benchmark():
    found = tree(
        cell("fused_attention", finding(0.5), hardware="b300", tokens=1024), cell("place", finding(0.5))
    )
    assert leaf(found, row="b300").budget.text == "memory unknown (b300)"
    assert leaf(found, row="b300").chosen
    assert found.ignored == ("place",)


def test_without_results_every_leaf_says_so_and_the_guide_stands_beside_it():
    found = derive([], ROWS)
    text = markdown_page(tree_page(found))
    assert {decision(each) for each in found.leaves} == {"nothing measured"}
    for branch in GUIDE_TREE:
        for step in branch.steps:
            assert f'"{step.quote}"' in text
    assert "0 of 41 leaves" in text


def test_text_of_results_is_harmless():
    bad = "<script>alert(1)</script>`\n# x"
    planted = cell("fused_attention", finding(0.5), tokens=1024, note=bad)
    lacking = cell("process_per_device", state="not run", reason=bad, tokens=1024)
    found = derive([(bad, [planted, lacking])], ROWS)
    assert "<script>" not in html_page(tree_page(found))
    assert "\n# x" not in markdown_page(tree_page(found))


def test_the_guides_tree_is_the_guides():
    lines = list(guide_lines())
    assert len(lines) == 1 + 3 + 4 + 4 + 5
    names = {name for branch in GUIDE_TREE for step in branch.steps for name in step.names}
    assert all(technique_of(name) for name in names)
    assert {each.number for each in TECHNIQUES} == set(range(18))
    every = [name for each in TECHNIQUES for name in each.names]
    assert len(every) == len(set(every))


@given(st.integers(0, 100_000))
def test_every_length_is_in_one_band(length):
    assert [band.low <= length < band.high for band in BANDS].count(True) == 1
    assert band_of("x", {"longest": length}) in BANDS


def test_every_row_is_in_one_budget():
    rows = [row for each in budgets_of(ROWS.values()) for row in each.rows]
    assert sorted(rows) == sorted(ROWS)


@pytest.mark.parametrize("value", ["all", None, True, -1])
def test_what_is_no_length_is_none(value):
    assert band_of("x", {"tokens": value}) == BAND_UNKNOWN


def test_a_loss_and_a_set_up_are_no_effects():
    setup = finding(0.5, "setup_time", gate="report")
    assert quantity_of(setup, "too slow") == ""
    assert quantity_of(finding(0.5, "auc_loss", "AUC", gate="bounded"), "low accuracy") == ""


@given(st.permutations(range(4)))
def test_the_order_of_cells_changes_nothing(order):
    cells = [
        cell("fused_attention", finding(0.5), tokens=1024),
        cell("process_per_device", finding(0.5), tokens=1024),
        cell("dynamic_batching", finding(0.7), plan="table", longest=256),
        cell("dynamic_batching", finding(0.7), plan="budget", longest=256),
    ]
    told = [decision(each) for each in tree(*(cells[number] for number in order)).leaves]
    assert told == [decision(each) for each in tree(*cells).leaves]
