"""A run of training: interrupted or not, the same weights; and a state that is whole or not there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from models_toy import TOY

from harness.errors import HarnessError
from harness.models.training.trainer import (
    STATE_FILE,
    Progress,
    Trainer,
    _learning_rate,
    fingerprint,
    new_model,
    plain_data,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def nothing(progress: Progress) -> None:
    pass


def stopping_at(step: int, error: BaseException) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.step == step:
            raise error

    return report


def trained(folder: Path) -> Trainer:
    trainer = Trainer(TOY, folder, threads=1)
    trainer.run(nothing)
    return trainer


@cache
def uninterrupted() -> Trainer:
    with tempfile.TemporaryDirectory() as folder:
        return trained(Path(folder))


def assert_as_uninterrupted(found: Trainer) -> None:
    wanted = uninterrupted()
    first, second = wanted._tensors(), found._tensors()
    assert first.keys() == second.keys()
    assert any(key.startswith("exp_avg_sq.") for key in first)
    assert all(first[key].equal(second[key]) for key in first)
    assert (found.step, found._pool, found._place) == (wanted.step, wanted._pool, wanted._place)


@pytest.mark.parametrize("stops", [(1,), (2, 3), (5, 7)], ids=str)
def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path, stops: tuple[int, ...]) -> None:
    for step in stops:
        with pytest.raises(KeyboardInterrupt):
            Trainer(TOY, tmp_path, 1).run(stopping_at(step, KeyboardInterrupt()), every=1)
    resumed = Trainer(TOY, tmp_path, threads=1)
    assert resumed.step == stops[-1]
    resumed.run(nothing)
    assert_as_uninterrupted(resumed)


@pytest.mark.parametrize("where", ["torch.autograd.backward", "torch.nn.utils.clip_grad_norm_"])
def test_a_run_stopped_within_a_step_takes_the_same_batch_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    trainer = Trainer(TOY, tmp_path, threads=1)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:

        def at_five(progress: Progress) -> None:
            if progress.step == 5:
                patched.setattr(where, stop)

        with pytest.raises(KeyboardInterrupt):
            trainer.run(at_five, every=1)
    resumed = Trainer(TOY, tmp_path, threads=1)
    assert resumed.step == 5
    resumed.run(nothing)
    assert_as_uninterrupted(resumed)


def test_half_updated_weights_are_not_saved(tmp_path: Path) -> None:
    trainer = Trainer(TOY, tmp_path, threads=1)
    step = trainer._optimizer.step

    def half(*_: Any) -> None:
        if trainer.step == 5:
            with_gradient = trainer._optimizer.param_groups[1]["params"]
            with_gradient[0].data.add_(1.0)
            raise KeyboardInterrupt
        step()

    trainer._optimizer.step = half
    with pytest.raises(KeyboardInterrupt):
        trainer.run(nothing, save_every=4)
    resumed = Trainer(TOY, tmp_path, threads=1)
    assert resumed.step == 4
    resumed.run(nothing)
    assert_as_uninterrupted(resumed)


def test_a_run_that_is_done_does_nothing_more(tmp_path: Path) -> None:
    trained(tmp_path)
    again = Trainer(TOY, tmp_path, threads=1)
    assert again.step == TOY.steps
    again.run(stopping_at(TOY.steps, AssertionError("a step too many")), every=1)
    assert_as_uninterrupted(again)


def test_the_state_of_another_recipe_is_refused_by_name(tmp_path: Path) -> None:
    Trainer(TOY, tmp_path, threads=1).save()
    with pytest.raises(HarnessError, match=r"not of this recipe of 'toy'.*delete it") as caught:
        Trainer(replace(TOY, learning_rate=1e-3), tmp_path, threads=1)
    assert str(tmp_path / STATE_FILE) in caught.value.message
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("keep", [0, 5, 2000])
def test_a_damaged_state_is_refused(tmp_path: Path, keep: int) -> None:
    Trainer(TOY, tmp_path, threads=1).save()
    state = tmp_path / STATE_FILE
    state.write_bytes(state.read_bytes()[:keep])
    with pytest.raises(HarnessError, match="cannot be read"):
        Trainer(TOY, tmp_path, threads=1)


def test_a_failed_save_leaves_the_state_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(TOY, tmp_path, threads=1)
    trainer.save()
    before = (tmp_path / STATE_FILE).read_bytes()

    def full(tensors: Any, path: Path, metadata: Any) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("safetensors.torch.save_file", full)
        with pytest.raises(OSError, match="no space"):
            trainer.save()
    assert (tmp_path / STATE_FILE).read_bytes() == before
    assert Trainer(TOY, tmp_path, threads=1).step == 0


def test_the_state_holds_tensors_and_words_and_no_pickle(tmp_path: Path) -> None:
    from safetensors import safe_open

    trained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]
    with safe_open(tmp_path / STATE_FILE, "pt") as file:
        words = file.metadata()
    assert set(words) == {"fingerprint", "step", "pool", "place"}
    assert words["step"] == str(TOY.steps)


def test_no_row_of_trained_weights_is_exactly_zero() -> None:
    for name, parameter in uninterrupted().model.named_parameters():
        if parameter.dim() == 2:
            assert (parameter != 0).any(dim=1).all(), name


def test_loss_falls(tmp_path: Path) -> None:
    losses: list[float] = []
    tags: list[float] = []

    def note(progress: Progress) -> None:
        losses.append(progress.loss)
        tags.append(progress.tag_loss)

    recipe = replace(TOY, steps=50, copy_steps=0, early_pools=0, learning_rate=5e-3)
    Trainer(recipe, tmp_path, threads=1).run(note, every=1, save_every=1000)
    assert len(losses) == 50
    assert sum(losses[-5:]) / 5 < 0.6 * losses[0]
    assert sum(tags[-5:]) / 5 < 0.6 * tags[0]


def test_the_fingerprint_tells_recipes_and_their_texts_apart() -> None:
    assert fingerprint(TOY) == fingerprint(replace(TOY))
    assert fingerprint(TOY) != fingerprint(replace(TOY, seed=2))
    assert fingerprint(TOY) != fingerprint(replace(TOY, corpus=lambda seed, count: iter(["other"] * count)))
    assert not {"draw", "corpus"} & plain_data(TOY).keys()
    assert plain_data(TOY)["hidden"] == 64


def test_the_learning_rate_rises_holds_and_falls_to_three_percent() -> None:
    recipe = replace(TOY, steps=1000, warmup=100, decay_from=0.4, learning_rate=1.0)
    assert _learning_rate(recipe, 0) == pytest.approx(0.01)
    assert _learning_rate(recipe, 49) == pytest.approx(0.5)
    assert _learning_rate(recipe, 100) == _learning_rate(recipe, 399) == 1.0
    assert _learning_rate(recipe, 700) == pytest.approx(0.5)
    assert _learning_rate(recipe, 999) == 0.03


def test_the_model_has_the_shape_of_its_recipe() -> None:
    config = new_model(TOY).config
    assert (config.hidden_size, config.num_hidden_layers, config.vocab_size) == (64, 2, 300)
    assert (config.num_attention_heads, config.num_key_value_heads) == (2, 1)
    assert config.tie_word_embeddings
