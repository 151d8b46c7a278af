"""Train one recipe, resumably: the same steps give the same weights, interrupted or not."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.models.recipes import Recipe
from harness.models.tokenizer import train_tokenizer
from harness.models.training.batches import IGNORED, Batch, encode, on_device, pool_batches, random_copies
from harness.models.training.start import structured_start

if TYPE_CHECKING:
    import torch

STATE_FILE = "state.safetensors"
# The tag head reads what the first two layers made of the text.
TAG_LAYER = 2
COPY_ROWS = 48
_START_ANEW = "delete it to start anew, or name another --work folder"


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of the training log."""

    step: int
    steps: int
    loss: float
    tag_loss: float
    tokens_per_s: float


def fingerprint(recipe: Recipe) -> str:
    """Identifies what a saved state belongs to: the recipe's plain data, and a sample of its texts."""
    known = [plain_data(recipe), *recipe.corpus(recipe.seed, 50)]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


def plain_data(recipe: Recipe) -> dict[str, Any]:
    """All of a recipe but its functions."""
    return {f.name: getattr(recipe, f.name) for f in fields(recipe) if f.name not in ("draw", "corpus")}


class Trainer:
    """Model, tag head, optimizer and place in the data of one run; `folder` holds its state between runs."""

    def __init__(self, recipe: Recipe, folder: Path, threads: int, device: str = "cpu") -> None:
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.tokenizer = train_tokenizer(
            recipe.corpus(recipe.seed, recipe.tokenizer_texts), recipe.vocabulary
        )
        self.model = new_model(recipe)
        structured_start(self.model, recipe.seed)
        self.tag_head = torch.nn.Linear(recipe.hidden, 1 + 2 * len(recipe.tags))
        self.model.to(device)
        self.tag_head.to(device)
        self._device = device
        self._tag_ids = {tag: index for index, tag in enumerate(recipe.tags)}
        self._optimizer = _optimizer(self.model, self.tag_head, recipe.learning_rate)
        self._state = folder / STATE_FILE
        self._step, self._pool, self._place = 0, 0, 0
        self._is_whole = True
        folder.mkdir(parents=True, exist_ok=True)
        if self._state.exists():
            self._load()

    def run(self, report: Callable[[Progress], None], every: int = 50, save_every: int = 250) -> None:
        """Train to the last step; saves on the way, and on an interruption too."""
        batches, started, tokens = self._batches(), time.monotonic(), 0
        try:
            while self._step < self.recipe.steps:
                copies = self._step < self.recipe.copy_steps
                batch = self._copies() if copies else next(batches)
                loss, tag_loss = self._train_on(batch)
                tokens += batch.ids.numel()
                self._step, self._place = self._step + 1, self._place + (not copies)
                self._is_whole = True
                if self._step % every == 0:
                    rate = tokens / (time.monotonic() - started)
                    report(Progress(self._step, self.recipe.steps, loss, tag_loss, rate))
                if self._step % save_every == 0:
                    self.save()
        finally:
            # Stopped amid an update of the weights, only the state saved before is one of the run's own.
            if self._is_whole:
                self.save()

    def _copies(self) -> Batch:
        import torch

        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self._step)
        return random_copies(generator, self.recipe.vocabulary, COPY_ROWS)

    def _batches(self) -> Iterator[Batch]:
        """The batch at the place in the data, which `run` moves on once a step is done."""
        while True:
            since_easy = self._pool - self.recipe.early_pools
            pool = pool_batches(
                lambda r, since_easy=since_easy: self.recipe.draw(r, since_easy),  # type: ignore[misc]
                lambda example: encode(example, self.tokenizer, self._tag_ids),
                f"{self.recipe.name} {self.recipe.seed} pool {self._pool}",
                self.recipe.batch_tokens,
                self.recipe.lengths,
            )
            while self._place < len(pool):
                yield pool[self._place]
            self._pool, self._place = self._pool + 1, 0

    def _train_on(self, batch: Batch) -> tuple[float, float]:
        import torch
        from torch.nn.functional import cross_entropy

        batch = on_device(batch, self._device)
        for group in self._optimizer.param_groups:
            group["lr"] = _learning_rate(self.recipe, self._step)
        with torch.autocast(self._device, torch.bfloat16):
            out = self.model.model(
                batch.ids,
                attention_mask=batch.mask,
                position_ids=batch.positions,
                output_hidden_states=True,
                use_cache=False,
            )
            wanted = batch.labels[:, 1:] != IGNORED
            logits = self.model.lm_head(out.last_hidden_state[:, :-1][wanted])
        answer_loss = cross_entropy(logits.float(), batch.labels[:, 1:][wanted])
        tagged = batch.tags != IGNORED
        tag_loss = torch.zeros((), device=self._device)
        if tagged.any():
            hidden = out.hidden_states[TAG_LAYER][tagged].float()
            tag_loss = cross_entropy(self.tag_head(hidden), batch.tags[tagged])
        self._optimizer.zero_grad()
        torch.autograd.backward(answer_loss + self.recipe.tag_weight * tag_loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._is_whole = False
        self._optimizer.step()
        return answer_loss.item(), tag_loss.item()

    def save(self) -> None:
        """Write the whole state to one file, atomically; tensors and a few words, no pickle."""
        from safetensors.torch import save_file

        words = {"fingerprint": fingerprint(self.recipe), "step": str(self._step)}
        words |= {"pool": str(self._pool), "place": str(self._place)}
        partial = self._state.with_suffix(".partial")
        save_file(self._tensors(), partial, metadata=words)
        partial.replace(self._state)

    def _tensors(self) -> dict[str, torch.Tensor]:
        tensors = {}
        for name, parameter in self._parameters():
            tensors[f"value.{name}"] = parameter.detach().clone()
            for key, value in self._optimizer.state.get(parameter, {}).items():
                tensors[f"{key}.{name}"] = value.clone()
        return tensors

    def _parameters(self) -> Iterator[tuple[str, Any]]:
        yield from self.model.named_parameters()
        for name, parameter in self.tag_head.named_parameters():
            yield f"tag_head.{name}", parameter

    def _load(self) -> None:
        import torch

        words, tensors = _read_state(self._state)
        if words.get("fingerprint") != fingerprint(self.recipe):
            raise HarnessError(
                f"the saved training state is not of this recipe of {self.recipe.name!r}",
                where=str(self._state),
                next_step=_START_ANEW,
            )
        with torch.no_grad():
            for name, parameter in self._parameters():
                parameter.copy_(tensors[f"value.{name}"])
                keys = [key for key in ("step", "exp_avg", "exp_avg_sq") if f"{key}.{name}" in tensors]
                if keys:
                    moved = {key: tensors[f"{key}.{name}"].to(parameter.device) for key in keys}
                    self._optimizer.state[parameter] = moved
        self._step, self._pool, self._place = (int(words[key]) for key in ("step", "pool", "place"))

    @property
    def step(self) -> int:
        """Steps done."""
        return self._step


def _read_state(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """The words and tensors of a state file; raises HarnessError for one that cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        # Any: the annotations of safetensors are partial.
        opened: Any = safe_open(path, "pt")
        with opened as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise HarnessError(
            f"the saved training state cannot be read: {error}", where=str(path), next_step=_START_ANEW
        ) from None


def new_model(recipe: Recipe) -> Any:
    """A Qwen2-shaped causal LM with random weights: q and k biases are what the structured start needs."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=recipe.vocabulary,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.kv_heads,
        max_position_embeddings=recipe.context_tokens,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=0,
    )
    # Any: the constructor has no annotations.
    build: Any = Qwen2ForCausalLM
    return build(config)


def _optimizer(model: Any, tag_head: Any, learning_rate: float) -> Any:
    import torch

    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": 0.05},
        {"params": [*vectors, *tag_head.parameters()], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), fused=True)


def _learning_rate(recipe: Recipe, step: int) -> float:
    share = step / recipe.steps
    falling = (
        1.0
        if share < recipe.decay_from
        else max(0.03, 1 - (share - recipe.decay_from) / (1 - recipe.decay_from))
    )
    return recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup) * falling
