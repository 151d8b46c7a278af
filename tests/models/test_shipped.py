"""The models that the project ships: whole, small, and good at what they are for."""

from pathlib import Path

import pytest

from harness.engines.llama_cpp import LlamaCppEngine
from harness.models.checkpoint import read_checkpoint
from harness.models.gguf.quantize import quantize
from harness.models.heldout.evaluation import GOALS, answers_to
from harness.models.heldout.prompts import counts, heldout
from harness.models.manifest import read_manifest
from harness.models.recipes import RECIPES
from harness.models.training.trainer import fingerprint

MODELS = Path(__file__).resolve().parents[2] / "fixtures" / "models"
NAMES = ["answers", "entities", "fields"]
LARGEST, LARGEST_TOGETHER = 12e6, 30e6


@pytest.mark.parametrize("name", NAMES)
def test_files_are_those_of_the_manifest(name: str) -> None:
    read_checkpoint(MODELS / name)  # checks every hash
    manifest = read_manifest(MODELS / name)
    present = {path.name for path in (MODELS / name).iterdir()} - {"manifest.json"}
    assert set(manifest.files) == present
    assert (manifest.name, manifest.steps, manifest.data_seed) == (
        name,
        RECIPES[name].steps,
        RECIPES[name].seed,
    )
    assert manifest.commit


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_is_still_the_one_it_was_made_by(name: str) -> None:
    assert read_manifest(MODELS / name).fingerprint == fingerprint(RECIPES[name])


def test_weights_are_small_and_no_pickles() -> None:
    sizes = {name: (MODELS / name / "model.safetensors").stat().st_size for name in NAMES}
    assert max(sizes.values()) <= LARGEST
    assert sum(sizes.values()) < LARGEST_TOGETHER
    suffixes = {path.suffix for path in MODELS.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".jinja"}


@pytest.mark.parametrize("name", NAMES)
def test_recorded_scores_are_in_their_goals(name: str) -> None:
    recorded = read_manifest(MODELS / name).scores
    missed = {
        score: recorded[score] for score, goal in GOALS[name].items() if not goal.holds(recorded[score])
    }
    assert missed == {}


@pytest.mark.parametrize(("name", "least"), [("answers", 0.60), ("entities", 0.80), ("fields", 0.80)])
def test_it_answers_held_out_prompts(name: str, least: float) -> None:
    """A few prompts through the deployed precision; the whole measurement is `harness models verify`."""
    asked = heldout(name, "names", 40, seed=3)
    with LlamaCppEngine(quantize(MODELS / name, "Q4_K_M"), parallel=8) as engine:
        given = answers_to(engine, [prompt.prompt for prompt in asked])
    hits, extra, missed = (
        sum(column)
        for column in zip(*(counts(name, a, p.turn) for a, p in zip(given, asked, strict=True)), strict=True)
    )
    assert 2 * hits / (2 * hits + extra + missed) >= least


def test_the_documented_scores_are_those_of_the_manifest() -> None:
    page = (MODELS.parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
    for name in NAMES:
        scores = read_manifest(MODELS / name).scores
        for score, goal in GOALS[name].items():
            assert f"| {scores[score]:.3f} | {goal} |" in page
