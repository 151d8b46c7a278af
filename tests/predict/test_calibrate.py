"""`harness predict calibrate`: measured on an engine, fitted, and checked where nothing was fitted."""

import itertools
import json
from contextlib import nullcontext

import pytest

from harness.costmodel.calibration import CalibratedStepTime, Run, predicted, read_calibration
from harness.engines.protocol import Completion, Request, Ticket, Timings
from harness.predict import calibrate

STEP = CalibratedStepTime(
    step_s=2e-4, weights_s=3e-4, token_s=5e-5, sequence_s=4e-5, pair_s=4e-8, context_s=3e-7, request_s=4e-4
)
KEYS = {"sequences", "measured_tokens_per_s", "predicted_tokens_per_s", "error", "within_goal"}


class Clocked:
    """An engine whose time is a step time's; `slower` makes it so above four requests at once."""

    name, context_tokens, lacks = "clocked", 512, {}

    def __init__(self, slower: float = 1.0) -> None:
        self.slower, self.now, self.open = slower, 0.0, []

    def clock(self) -> float:
        if self.open:
            first = self.open[0][1]
            run = Run(len(self.open), len(first.prompt), first.sampling.max_tokens, 1.0, 2.0)
            self.now += self._times(run)[1]
            self.open = []
        return self.now

    def _times(self, run: Run) -> tuple[float, float]:
        first_s, total_s = predicted(STEP, run, 512)
        factor = self.slower if run.sequences > 4 else 1.0
        return first_s * factor, total_s * factor

    def submit(self, request: Request) -> Ticket:
        ticket = _Late(request, self)
        self.open.append((ticket, request))
        return ticket

    def answer(self, request: Request) -> Completion:
        run = Run(len(self.open), len(request.prompt), request.sampling.max_tokens, 1.0, 2.0)
        return Completion("", (), run.prompt_tokens, run.output_tokens, "length", Timings(*self._times(run)))


class _Late(Ticket):
    def __init__(self, request: Request, engine: Clocked) -> None:
        super().__init__(request)
        self._engine = engine

    def result(self) -> Completion:
        return self._engine.answer(self.request)


@pytest.fixture
def opened(monkeypatch):
    def at(slower=1.0):
        engine = Clocked(slower)
        monkeypatch.setattr(calibrate, "open_engine", lambda options, folder: nullcontext(engine))
        original = calibrate.measure
        monkeypatch.setattr(
            calibrate,
            "measure",
            lambda *a, **k: original(*a, **({**k, "clock": engine.clock})),
        )

    return at


def test_it_predicts_concurrencies_that_were_not_fitted(opened, predict, tmp_path):
    opened()
    out = tmp_path / "mine.json"
    code, found, _ = predict("calibrate", "--repeats", 3, "--json", "--out", out)
    assert code == 0
    assert [each["sequences"] for each in found["checks"]] == [2, 8, 16]
    assert all(each["within_goal"] and set(each) >= KEYS for each in found["checks"])
    assert {run["sequences"] for run in found["runs"]} == {1, 4}
    assert found["row"] == "cpu"
    assert read_calibration(out).version == found["version"]
    assert json.loads(out.read_text())["step_time"] == found["step_time"]


def test_a_calibration_predicts_any_load(opened, predict, tmp_path):
    opened()
    out = tmp_path / "mine.json"
    predict("calibrate", "--repeats", 3, "--out", out)
    load = ("--prompt-tokens", 60, "--output-tokens", 48, "--requests", 12)
    code, found, _ = predict("calibrated", out, *load, "--threads", 12, "--json")
    assert code == 0
    _, total_s = predicted(read_calibration(out).step_time, Run(12, 60, 48, 1.0, 2.0), 512)
    # the request's own time before the first step is no step's
    assert found["outcome"]["end_s"] == pytest.approx(total_s, rel=0.02)
    code, text, _ = predict("calibrated", out, *load, "--threads", 1)
    assert code == 0
    assert "fitted at 1, 4 sequences; 1.0 run together here" in text
    assert predict("calibrated", out, *load, "--max-seqs", 0)[0] == 4
    assert predict("calibrated", tmp_path / "none.json", *load)[0] == 4


def test_a_planted_misprediction_is_said(opened, predict):
    opened(slower=2.0)
    code, text, _ = predict("calibrate", "--repeats", 3)
    assert code == 0
    verdicts = [line for line in text.splitlines() if " sequences: predicted" in line]
    assert ["MISSES" in line for line in verdicts] == [False, True, True]


def test_cells_are_measured_in_another_order_every_time():
    engine, seen = Clocked(), []
    cells = [calibrate.Cell(1, length, 1) for length in (2, 4, 8)]
    submit = engine.submit
    engine.submit = lambda request: seen.append(len(request.prompt)) or submit(request)
    calibrate.measure(engine, cells, range(300, 600), 5, 0, clock=engine.clock)
    orders = (
        [tuple(part) for part in itertools.batched(seen, 3)]
        if hasattr(itertools, "batched")
        else [tuple(seen[at : at + 3]) for at in range(0, len(seen), 3)]
    )
    assert all(sorted(order) == [2, 4, 8] for order in orders)
    assert len(set(orders)) > 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--at", "1"), "--at"),
        (("--at", "1", "0"), "--at"),
        (("--check", "0"), "--check"),
        (("--tokens", "1"), "--tokens"),
        (("--repeats", "2"), "--repeats"),
        (("no-such-model",), "no-such-model"),
        (("--out", "no/such/folder/mine.json"), "no/such/folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_4(predict, words, said):
    code, out, err = predict("calibrate", *words)
    assert (code, out) == (4, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_a_real_engine_is_measured_and_fitted(predict):
    """Structure only: how good the prediction is depends on who else uses this machine."""
    code, found, _ = predict("calibrate", "--repeats", 3, "--check", 2, "--tokens", 8, "--json")
    assert code == 0
    assert "llama" in found["engine"].lower()
    assert len(found["checks"]) == 1
    assert found["checks"][0]["measured_tokens_per_s"] > 0
    assert all(run["total_s"] >= run["first_token_s"] > 0 for run in found["runs"])
