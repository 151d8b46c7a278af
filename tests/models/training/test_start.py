"""The structured start: where its heads look, and what it is good for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from models_toy import TOY

from harness.models.recipes import ENTITIES, Recipe
from harness.models.training import trainer as training
from harness.models.training.start import structured_start
from harness.models.training.trainer import Progress, Trainer, new_model

STEPS = 40


def started(recipe: Recipe) -> Any:
    import torch

    torch.manual_seed(recipe.seed)
    model = new_model(recipe)
    structured_start(model, recipe.seed)
    return model.eval()


@pytest.mark.parametrize("recipe", [TOY, ENTITIES], ids=lambda recipe: recipe.name)
def test_the_first_two_heads_look_one_and_two_tokens_back(recipe: Recipe) -> None:
    import torch

    model = started(recipe)
    model.set_attn_implementation("eager")
    for length in (3, 17, 64, 250):
        ids = torch.randint(
            3, recipe.vocabulary, (2, length), generator=torch.Generator().manual_seed(length)
        )
        with torch.no_grad():
            first = model(ids, output_attentions=True).attentions[0]
        for head, back in ((0, 1), (1, 2)):
            weights = first[:, head].diagonal(-back, dim1=1, dim2=2)
            assert weights.min() >= 0.9, (length, head)


def test_no_row_or_column_is_exactly_zero() -> None:
    for name, parameter in started(TOY).named_parameters():
        if parameter.dim() == 2:
            # the embedding of the padding token is zero until the first step
            rows = parameter[1:] if "embed" in name else parameter
            assert (rows != 0).any(dim=0).all(), name
            assert (rows != 0).any(dim=1).all(), name


def test_the_same_seed_gives_the_same_start_and_another_seed_another() -> None:
    import torch

    def values(seed: int) -> Any:
        torch.manual_seed(0)
        model = new_model(TOY)
        structured_start(model, seed)
        return model.model.layers[1].self_attn.q_proj.weight.detach()

    assert values(3).equal(values(3))
    assert not values(3).equal(values(4))


@pytest.mark.usefixtures("one_thread")
def test_copies_are_learnt_at_once_with_it_and_not_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(TOY, steps=STEPS, copy_steps=STEPS, decay_from=1.0, learning_rate=4e-3, warmup=5)
    monkeypatch.setattr(training, "COPY_ROWS", 24)

    def last_loss(folder: str) -> float:
        losses: list[float] = []

        def note(progress: Progress) -> None:
            losses.append(progress.loss)

        Trainer(recipe, tmp_path / folder, threads=1).run(note, every=1)
        return sum(losses[-5:]) / 5

    structured = last_loss("with")
    monkeypatch.setattr(training, "structured_start", lambda model, seed: None)
    assert structured < 0.75 * last_loss("without")
