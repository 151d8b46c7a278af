"""Evaluating precisions with planted ones: some pass, some fail, some break; finished rows are kept."""

import hashlib
import math
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from harness.engines.protocol import Completion, EngineFailure, Forward, Ticket
from harness.errors import HarnessError
from harness.models.heldout.prompts import heldout
from harness.models.precisions.evaluate import Opened, Precision, evaluate_precisions

PROMPTS = heldout("entities", "names", 40, 1)
VOCABULARY = 128


def tokens(text):
    return [ord(character) % VOCABULARY for character in text]


GOLD = {tuple(tokens(prompt.prompt)): prompt.answer for prompt in PROMPTS}


@dataclass
class PlantedEngine:
    """Knows the gold answers; gives `wrong` of the prompts another one and adds noise to its logits.

    `dies_after` requests it fails, as an engine does whose process is gone.
    """

    wrong: float = 0.0
    noise: float = 0.0
    dies_after: float = math.inf
    lacks: dict = field(default_factory=dict)
    unended: bool = False
    splits_otherwise: bool = False
    name: str = "planted engine 1.0"
    context_tokens: int = 4096
    closed: bool = False
    asked: int = 0

    def submit(self, request):
        ticket = Ticket(request)
        self.asked += 1
        if self.asked > self.dies_after:
            ticket.fail(EngineFailure("the planted engine died"))
            return ticket
        position = list(GOLD).index(request.prompt)
        text = "{}" if position < self.wrong * len(GOLD) else GOLD[request.prompt]
        reason = "length" if self.unended else "stop"
        ticket.finish(
            Completion(text, tuple(tokens(text)), len(request.prompt), len(text), reason, ticket.timings())
        )
        return ticket

    def tokenize(self, text):
        return tokens(text)[::-1] if self.splits_otherwise else tokens(text)

    def forward(self, token_ids, wants, rows=()):
        assert wants == {"logits"}
        seed = int.from_bytes(hashlib.sha256(bytes(token_ids)).digest()[:8])
        drawn = np.random.default_rng(seed).normal(0, 3, (2, len(token_ids), VOCABULARY))
        return Forward(len(token_ids), logits=(drawn[0] + self.noise * drawn[1]).astype(np.float32))

    def close(self):
        self.closed = True


class Workshop:
    """Opens planted engines by precision, and remembers which."""

    def __init__(self, engines):
        self.engines = engines
        self.opened = []

    @contextmanager
    def __call__(self, checkpoint, precision):
        self.opened.append(precision.name)
        made = self.engines[precision.name]
        if isinstance(made, BaseException):
            raise made
        try:
            yield Opened(made, size_bytes=1000, bits_per_weight=8.0)
        finally:
            made.close()


BF16 = Precision("bf16", "transformers")


def named(*names):
    return [BF16, *(Precision(name, "llama.cpp") for name in names)]


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def evaluate(checkpoint, tmp_path):
    def run(workshop, precisions, prompts=PROMPTS, **options):
        return evaluate_precisions(
            checkpoint, "entities", prompts, precisions,
            **{"reference": "bf16", "cache": tmp_path / "cache", "open_precision": workshop, **options},
        )  # fmt: skip

    return run


def test_planted_degradations_are_found(evaluate):
    workshop = Workshop(
        {
            "bf16": PlantedEngine(wrong=0.1),
            "fine": PlantedEngine(wrong=0.1, noise=0.01),
            "coarse": PlantedEngine(wrong=0.5, noise=1.0),
            "dying": PlantedEngine(dies_after=7),
            "unbuildable": HarnessError("no such type", allowed="others"),
            "numberless": PlantedEngine(noise=math.nan),
            "buggy": ZeroDivisionError("division by zero"),
        }
    )
    lines = []
    results = evaluate(workshop, named(*list(workshop.engines)[1:]), tell=lines.append)
    found = {result.precision: result for result in results}
    assert list(found) == list(workshop.engines)
    assert found["bf16"].is_reference
    assert found["bf16"].score > 0.8
    assert found["fine"].divergence.decision == "pass"
    assert 0 < found["fine"].distances.kl_mean < 0.01 < found["coarse"].distances.kl_mean
    assert found["fine"].distances.flips < found["coarse"].distances.flips
    assert found["coarse"].divergence.decision == "fail"
    assert found["coarse"].divergence.higher == found["bf16"].score
    assert {name: result.error for name, result in found.items() if result.error} == {
        "dying": "the planted engine died",
        "unbuildable": "no such type (allowed: others)",
        "numberless": "ValueError: the quantized model's logits hold NaN or infinity",
        "buggy": "ZeroDivisionError: division by zero",
    }
    assert lines[0] == "bf16 (transformers), the reference"
    assert "dying: the planted engine died" in lines
    opened = [engine for engine in workshop.engines.values() if isinstance(engine, PlantedEngine)]
    assert all(engine.closed for engine in opened)


def test_an_equal_precision_is_at_distance_zero(evaluate):
    workshop = Workshop({"bf16": PlantedEngine(), "BF16": PlantedEngine()})
    _, equal = evaluate(workshop, named("BF16"))
    assert (equal.distances.kl_max, equal.distances.flips) == (0.0, 0.0)
    assert (equal.divergence.drop, equal.divergence.decision) == (0.0, "pass")
    gold = sum(len(prompt.answer) for prompt in PROMPTS)
    assert equal.distances.tokens == gold + len("<|im_end|>") * len(PROMPTS)
    assert (equal.n, equal.size_bytes, equal.bits_per_weight) == (40, 1000, 8.0)
    assert (equal.run_by, equal.engine) == ("planted engine 1.0", "llama.cpp")


def test_finished_rows_are_kept_and_failures_are_not(evaluate):
    engines = {"bf16": PlantedEngine(), "Q8_0": PlantedEngine(noise=0.1), "Q2_K": PlantedEngine(dies_after=3)}
    first = Workshop(engines)
    before = evaluate(first, named("Q8_0", "Q2_K"))
    second = Workshop({**engines, "Q2_K": PlantedEngine(wrong=0.9)})
    after = evaluate(second, named("Q8_0", "Q2_K"))
    assert second.opened == ["Q2_K"]
    assert repr(after[:2]) == repr(before[:2])
    assert (before[2].error, after[2].error) == ("the planted engine died", "")
    third = Workshop({})
    assert repr(evaluate(third, named("Q8_0", "Q2_K"))) == repr(after)
    assert third.opened == []


def test_an_interrupted_evaluation_goes_on_where_it_was(evaluate):
    engines = {"bf16": PlantedEngine(), "Q8_0": PlantedEngine(noise=0.1), "Q2_K": KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        evaluate(Workshop(engines), named("Q8_0", "Q2_K"))
    again = Workshop({"Q2_K": PlantedEngine()})
    assert len(evaluate(again, named("Q8_0", "Q2_K"))) == 3
    assert again.opened == ["Q2_K"]


def test_kept_rows_are_of_what_they_were_measured_on(evaluate, checkpoint):
    engines = {"bf16": PlantedEngine(), "Q8_0": PlantedEngine()}

    def opened(**options):
        workshop = Workshop(engines)
        evaluate(workshop, options.pop("precisions", named("Q8_0")), **options)
        return workshop.opened

    assert opened() == ["bf16", "Q8_0"]
    assert opened() == []
    assert opened(prompts=PROMPTS[:-1]) == ["bf16", "Q8_0"]
    assert opened(precisions=[BF16, Precision("Q8_0", "llama.cpp", timed=False)]) == ["Q8_0"]
    assert opened(precisions=named("Q8_0")[::-1], reference="Q8_0") == ["Q8_0", "bf16"]
    (checkpoint / "model.safetensors").write_bytes(b"other weights")
    assert opened() == ["bf16", "Q8_0"]


def test_a_damaged_row_or_lost_logits_are_measured_again(evaluate, tmp_path):
    engines = {"bf16": PlantedEngine(), "Q8_0": PlantedEngine()}
    evaluate(Workshop(engines), named("Q8_0"))
    for path in (tmp_path / "cache").glob("*.json"):
        path.write_text(path.read_text()[:100])
    again = Workshop(engines)
    evaluate(again, named("Q8_0"))
    assert again.opened == ["bf16", "Q8_0"]
    for path in (tmp_path / "cache").glob("*.npy"):
        path.unlink()
    again = Workshop(engines)
    evaluate(again, named("Q8_0"))
    assert again.opened == ["bf16"]


def test_nothing_half_written_stays(evaluate, tmp_path):
    engines = {"bf16": PlantedEngine(), "Q8_0": PlantedEngine(dies_after=2)}
    evaluate(Workshop(engines), named("Q8_0"))
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".json", ".npy"}


def test_an_answer_that_does_not_end_is_no_answer(evaluate):
    workshop = Workshop({"bf16": PlantedEngine(), "endless": PlantedEngine(unended=True)})
    _, endless = evaluate(workshop, named("endless"))
    assert (endless.score, endless.divergence.decision) == (0.0, "fail")


def test_speed_is_measured_only_where_it_says_something(evaluate):
    workshop = Workshop({"bf16": PlantedEngine(), "Q8_0": PlantedEngine(), "RTN": PlantedEngine()})
    precisions = [*named("Q8_0"), Precision("RTN", "transformers", timed=False)]
    for _ in range(2):  # measured, and then read again
        found = {result.precision: result.tokens_per_s for result in evaluate(workshop, precisions)}
        assert found["Q8_0"] > 0
        assert math.isnan(found["RTN"])


def test_other_tokens_are_no_pair(evaluate):
    workshop = Workshop({"bf16": PlantedEngine(), "Q8_0": PlantedEngine(splits_otherwise=True)})
    _, other = evaluate(workshop, named("Q8_0"))
    assert other.error == "it splits the prompts into other tokens than the reference does"


def test_an_engine_without_logits_has_answers_only(evaluate):
    workshop = Workshop({"bf16": PlantedEngine(), "Q8_0": PlantedEngine(lacks={"logits": "a server"})})
    _, blind = evaluate(workshop, named("Q8_0"))
    assert blind.distances is None
    assert blind.divergence.decision == "pass"


def test_what_the_reference_raises_is_passed_on(evaluate):
    with pytest.raises(EngineFailure, match="died"):
        evaluate(Workshop({"bf16": PlantedEngine(dies_after=0)}), named())
    with pytest.raises(HarnessError, match="bf16: the reference gives no logits: a server"):
        evaluate(Workshop({"bf16": PlantedEngine(lacks={"logits": "a server"})}), named())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompts": PROMPTS[:1]}, "1 prompts"),
        ({"precisions": [BF16, replace(BF16, timed=False)]}, "bf16 is named twice"),
        ({"precisions": [Precision("Q8_0", "llama.cpp")]}, "no reference 'bf16'"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(evaluate, change, said):
    with pytest.raises(HarnessError, match=said):
        evaluate(Workshop({}), **{"precisions": named(), **change})
