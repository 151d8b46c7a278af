"""Real precisions of a small random model: opened, run and compared with the reference."""

import pytest
from tokenizers import Tokenizer

from harness.errors import HarnessError
from harness.models.example import END
from harness.models.heldout.prompts import heldout
from harness.models.precisions import engines as precision_engines
from harness.models.precisions.engines import PRECISIONS, REFERENCE, opener
from harness.models.precisions.evaluate import Precision, evaluate_precisions


@pytest.fixture(scope="module")
def results(tiny_model, tmp_path_factory):
    """Some precisions of the tiny model, fine ones and coarse ones, on three prompts."""
    folder = tmp_path_factory.mktemp("precisions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(folder / "gguf"))
        patch.setattr("harness.models.precisions.probe.ANSWER_TOKENS", 8)
        patch.setattr("harness.models.precisions.engines.CALIBRATION_PROMPTS", 4)
        found = evaluate_precisions(
            tiny_model,
            "entities",
            heldout("entities", "names", 3, 1),
            [p for p in PRECISIONS if p.name in (REFERENCE, "BF16", "Q8_0", "TQ2_0", "nf4", "gptq3")],
            reference=REFERENCE,
            cache=folder / "rows",
            open_precision=opener("entities"),
        )
    return {result.precision: result for result in found}


def test_every_precision_runs(results):
    assert [(name, result.error) for name, result in results.items() if result.error] == []
    assert list(results) == [REFERENCE, "BF16", "Q8_0", "TQ2_0", "nf4", "gptq3"]


def test_sizes_are_those_of_the_formats(results, tiny_model):
    bits = {name: result.bits_per_weight for name, result in results.items()}
    assert bits[REFERENCE] == 16
    assert bits["BF16"] == pytest.approx(16, abs=0.3)  # norms and biases are float32 there
    assert bits["Q8_0"] == pytest.approx(8.5, abs=0.3)
    assert bits["TQ2_0"] < bits["gptq3"] < bits["nf4"] < bits["Q8_0"]
    weights = (tiny_model / "model.safetensors").stat().st_size
    assert 0 < weights - results[REFERENCE].size_bytes < 10_000  # the file's header


def test_distances_grow_as_bits_shrink(results):
    kl = {name: result.distances.kl_mean for name, result in results.items() if result.distances}
    assert list(kl) == ["BF16", "Q8_0", "TQ2_0", "nf4", "gptq3"]
    assert kl["BF16"] < kl["Q8_0"] < kl["nf4"] < kl["gptq3"] < kl["TQ2_0"]
    assert kl["BF16"] < 1e-3
    assert results["TQ2_0"].distances.flips > 0.3


def test_speeds_are_measured_where_the_engine_computes_in_the_format(results):
    timed = [name for name, result in results.items() if result.tokens_per_s > 0]
    assert timed == ["BF16", "Q8_0", "TQ2_0"]


def test_calibration_asks_for_training_prompts_only(tiny_model, monkeypatch):
    asked = []

    def recorded(task, split, count, seed):
        asked.append((task, split, count))
        return heldout(task, split, count, seed)

    monkeypatch.setattr(precision_engines, "heldout", recorded)
    monkeypatch.setattr(precision_engines, "CALIBRATION_PROMPTS", 5)
    rows = precision_engines._calibration(tiny_model, "entities")
    assert asked == [("entities", "train", 5)]
    tokenizer = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    texts = [tokenizer.decode(row, skip_special_tokens=False) for row in rows]
    assert texts == [p.prompt + p.answer + END for p in heldout("entities", "train", 5, 0)]


def test_an_unknown_precision_is_refused(tiny_model):
    with (
        pytest.raises(HarnessError, match="'fp2' is no weight format"),
        opener("entities")(tiny_model, Precision("fp2", "transformers")),
    ):
        pass
    with (
        pytest.raises(HarnessError, match="'Q1' is no precision"),
        opener("entities")(tiny_model, Precision("Q1", "llama.cpp")),
    ):
        pass
