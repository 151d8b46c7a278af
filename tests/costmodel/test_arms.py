"""An arm on the cost model: each metric as the rig would read it, on virtual seconds."""

from functools import partial
from pathlib import Path

import pytest

from harness.cells import model_cell
from harness.costmodel.arms import on_cost_model
from harness.costmodel.engine import continuous
from harness.costmodel.known_models import find_model
from harness.costmodel.serving import documented
from harness.engines.protocol import agenerate
from harness.engines.workloads import (
    answered,
    answered_in_turn,
    completion_tokens,
    computed_prompt_tokens,
    token_requests,
)
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware import load_matrix
from harness.measure.arms import Arm
from harness.measure.probes import Tally
from harness.measure.spec import Metric, Optimization
from harness.pair import Declaration, Identity

ROWS = load_matrix(Path(__file__).resolve().parents[2] / "hardware_matrix.toml").rows
QWEN = find_model("qwen3-4b")
REQUESTS = token_requests(range(1000, 9000), [220] * 8, [16], shared_tokens=160)
METRICS = (
    Metric("time", "s", gate="paired"),
    Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens),
    Metric("computed", "tokens", gate="exact", value=computed_prompt_tokens),
    Metric("calls", "calls", gate="exact", counter="calls"),
    Metric("memory", "GiB", probe="peak_rss"),
    Metric("loss", "share", gate="bounded", compare=lambda a, b: 0.0, limit=0.1),
)


def start(row, model=QWEN):
    return continuous(documented(model, "bf16", row))


def all_at_once(engine):
    return answered(engine, REQUESTS)


def in_turn(engine):
    return answered_in_turn(engine, REQUESTS)


def test_every_metric_is_read_as_the_rig_reads_it():
    figures = on_cost_model(METRICS, all_at_once, start)(ROWS["l4"])
    engine = start(ROWS["l4"])
    done = all_at_once(engine)
    assert figures == {
        "time": engine.elapsed_s,
        "throughput": completion_tokens(done) / engine.elapsed_s,
        "computed": computed_prompt_tokens(done),
    }
    assert figures["computed"] == 8 * 220 - 7 * 160


def test_an_async_arm_is_the_same():
    async def run(engine):
        return await agenerate(engine, REQUESTS)

    figures = on_cost_model(METRICS, run, start)
    assert figures(ROWS["l4"]) == on_cost_model(METRICS, all_at_once, start)(ROWS["l4"])


def test_every_row_gets_a_fresh_engine():
    engines = []

    def started(row):
        engines.append(start(row))
        return engines[-1]

    figures = on_cost_model(METRICS, all_at_once, started)
    assert figures(ROWS["l4"]) == figures(ROWS["l4"])
    assert figures(ROWS["h100"])["time"] < figures(ROWS["l4"])["time"]
    assert len({id(engine) for engine in engines}) == 4
    with pytest.raises(Exception, match="closed"):
        answered(engines[0], REQUESTS)


def test_an_arm_that_asks_for_nothing_has_no_time():
    with pytest.raises(HarnessError, match="took no virtual time"):
        on_cost_model(METRICS, lambda engine: [], start)(ROWS["l4"])
    assert on_cost_model(METRICS[2:], lambda engine: [], start)(ROWS["l4"]) == {"computed": 0.0}


def cell_of(row, model=QWEN):
    optimization = Optimization("batching", "All at once", METRICS)
    identity = Identity("node", optimization, ROWS[row], {}, "")
    arms = [on_cost_model(METRICS, run, partial(start, model=model)) for run in (in_turn, all_at_once)]
    arm = Arm(lambda: None)
    return model_cell(identity, Declaration(arm, arm, None, tuple(arms), "v1", "", Tally()), "no l4 here")


def test_a_pair_of_arms_makes_a_modelled_cell():
    cell = cell_of("l4")
    found = {finding.metric: finding for finding in cell.findings}
    assert (cell.state, cell.model) == ("modelled", "v1")
    assert set(found) == {"time", "throughput", "computed"}
    assert found["time"].effect.ratio < 0.5 < 2.0 < found["throughput"].effect.ratio
    assert found["computed"].verdict == "unchanged"


def test_a_row_on_which_the_model_does_not_fit_is_not_run():
    with pytest.raises(HarnessError) as failed:
        on_cost_model(METRICS, all_at_once, partial(start, model=find_model("llama-2-70b")))(ROWS["l4"])
    assert failed.value.exit_code == EXIT_INFEASIBLE
    cell = cell_of("l4", find_model("llama-2-70b"))
    assert cell.state == "not run"
    assert "l4" in cell.reason
