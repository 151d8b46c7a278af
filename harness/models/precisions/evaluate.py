"""Every precision of one checkpoint on the same held-out prompts: score, token distances, size and speed."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness.engines.protocol import Engine, EngineFailure
from harness.errors import HarnessError
from harness.hardware.machine import describe_machine, fingerprint
from harness.measure.divergence import judge_divergence, score_interval
from harness.models.checkpoint import folder_hashes
from harness.models.heldout.evaluation import ANSWER_TOKENS
from harness.models.heldout.prompts import Prompt, counts
from harness.models.precisions import probe
from harness.models.precisions.distances import Distances, TokenDistances, summarise
from harness.models.precisions.rows import Row, read_row, row_path, write_row
from harness.models.precisions.table import PrecisionResult

EngineKind = Literal["llama.cpp", "transformers"]
_MADE_BY: Mapping[EngineKind, Sequence[str]] = {
    "llama.cpp": ("gguf", "llama-cpp-python"),
    "transformers": ("bitsandbytes", "torch", "transformers"),
}


@dataclass(frozen=True, slots=True)
class Precision:
    """One way to hold the weights, run by one engine.

    `timed` is False where the engine computes with the weights' rounded values but not in their format: its
    speed then says nothing about the format.
    """

    name: str
    engine: EngineKind
    timed: bool = True


@dataclass(frozen=True, slots=True)
class Opened:
    """A precision ready to run, and what its weights take: bytes in all, and bits for each parameter."""

    engine: Engine
    size_bytes: int
    bits_per_weight: float


Opener = Callable[[Path, Precision], AbstractContextManager[Opened]]


def evaluate_precisions(
    checkpoint: Path,
    task: str,
    prompts: Sequence[Prompt],
    precisions: Sequence[Precision],
    *,
    reference: str,
    cache: Path,
    open_precision: Opener,
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> list[PrecisionResult]:
    """One result for each precision, judged against the one named `reference`, in the order given.

    A precision that cannot be built, crashes or gives logits that are no numbers is a result with its error;
    the others go on. Only what the reference raises is passed on. Finished rows are kept in `cache` under
    what they follow from (machine, checkpoint, prompts, precision, versions of the engine's packages) and not
    measured again. `tell` gets a line for each precision that is measured.
    """
    _check(prompts, precisions, reference)
    base = next(precision for precision in precisions if precision.name == reference)
    machine = fingerprint(describe_machine())
    given = [machine, folder_hashes(checkpoint), task, _prompts_hash(prompts), ANSWER_TOKENS, _identity(base)]
    measure = _Measure(checkpoint, prompts, open_precision, cache, given, tell)
    base_row, gold = measure.reference(base)
    results = []
    for precision in precisions:
        try:
            row = base_row if precision is base else measure.compared(precision, base_row, gold)
        except Exception as error:  # whatever breaks one precision is that precision's finding
            tell(f"{precision.name}: {_reason(error)}")
            results.append(PrecisionResult(task, precision.name, precision.engine, error=_reason(error)))
            continue
        results.append(_result(task, precision, prompts, row, None if precision is base else base_row, seed))
    return results


@dataclass(frozen=True, slots=True)
class _Measure:
    """Measures one precision after the other on the same prompts, or takes what is kept."""

    checkpoint: Path
    prompts: Sequence[Prompt]
    open_precision: Opener
    cache: Path
    given: Any
    tell: Callable[[str], None]

    def reference(self, base: Precision) -> tuple[Row, Path]:
        """The reference's row, and the file with its logits of the gold answers."""
        path = row_path(self.cache, [self.given, "reference"])
        gold = path.with_suffix(".npy")
        row = read_row(path)
        if row is not None and gold.is_file():
            return row, gold
        self.tell(f"{base.name} ({base.engine}), the reference")
        with self.open_precision(self.checkpoint, base) as opened:
            if "logits" in opened.engine.lacks:
                why = opened.engine.lacks["logits"]
                raise HarnessError(f"the reference gives no logits: {why}", where=base.name)
            tokens = probe.tokens_of(opened.engine, self.prompts)
            row = _row(base, opened, tokens, ())
            path.parent.mkdir(parents=True, exist_ok=True)
            probe.save_gold_logits(opened.engine, tokens, gold)
        write_row(path, row)
        return row, gold

    def compared(self, precision: Precision, base: Row, gold: Path) -> Row:
        """The row of another precision, with its distances from the reference."""
        path = row_path(self.cache, [self.given, _identity(precision)])
        row = read_row(path)
        if row is not None:
            return row
        self.tell(f"{precision.name} ({precision.engine})")
        with self.open_precision(self.checkpoint, precision) as opened:
            tokens = probe.tokens_of(opened.engine, self.prompts)
            if tokens.sha256 != base.tokens_sha256:
                raise HarnessError("it splits the prompts into other tokens than the reference does")
            lacks = "logits" in opened.engine.lacks
            distances = () if lacks else probe.gold_distances(opened.engine, tokens, gold)
            row = _row(precision, opened, tokens, distances)
        write_row(path, row)
        return row


def _row(
    precision: Precision, opened: Opened, tokens: probe.Tokens, distances: Sequence[TokenDistances]
) -> Row:
    answers = probe.answer(opened.engine, tokens)
    return Row(
        run_by=opened.engine.name,
        size_bytes=opened.size_bytes,
        bits_per_weight=opened.bits_per_weight,
        answers=answers.texts,
        completion_tokens=answers.completion_tokens,
        seconds=answers.seconds if precision.timed else math.nan,
        tokens_sha256=tokens.sha256,
        kl=tuple(tuple(float(f"{x:.7g}") for x in prompt.kl) for prompt in distances),
        flips=tuple(tuple(map(bool, prompt.flips)) for prompt in distances),
    )


def _result(
    task: str, precision: Precision, prompts: Sequence[Prompt], row: Row, base: Row | None, seed: int
) -> PrecisionResult:
    counted = _counts(task, prompts, row)
    score, low, high = score_interval(counted, seed=seed)
    divergence = None if base is None else judge_divergence(_counts(task, prompts, base), counted, seed=seed)
    return PrecisionResult(
        task=task,
        precision=precision.name,
        engine=precision.engine,
        run_by=row.run_by,
        n=len(counted),
        size_bytes=row.size_bytes,
        bits_per_weight=row.bits_per_weight,
        score=score,
        score_low=low,
        score_high=high,
        divergence=divergence,
        distances=_distances(row, seed),
        tokens_per_s=row.tokens_per_s,
    )


def _counts(task: str, prompts: Sequence[Prompt], row: Row) -> list[tuple[int, int, int]]:
    return [counts(task, text, prompt.turn) for text, prompt in zip(row.answers, prompts, strict=True)]


def _distances(row: Row, seed: int) -> Distances | None:
    pairs = zip(row.kl, row.flips, strict=True)
    prompts = [TokenDistances(np.array(kl), np.array(flips, dtype=bool)) for kl, flips in pairs]
    return summarise(prompts, seed=seed) if prompts else None


def _check(prompts: Sequence[Prompt], precisions: Sequence[Precision], reference: str) -> None:
    if len(prompts) < 2:
        raise HarnessError(f"{len(prompts)} prompts", where="prompts", allowed="at least 2")
    names = [precision.name for precision in precisions]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise HarnessError(f"{twice[0]} is named twice", where="precisions")
    if reference not in names:
        raise HarnessError(f"no reference {reference!r}", where="precisions", allowed=", ".join(names))


def _prompts_hash(prompts: Sequence[Prompt]) -> str:
    text = json.dumps([[prompt.prompt, prompt.answer] for prompt in prompts])
    return hashlib.sha256(text.encode()).hexdigest()


def _identity(precision: Precision) -> list[Any]:
    """What tells one precision's row from another's, the versions of what runs it included."""
    versions = {}
    for package in _MADE_BY[precision.engine]:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = ""
    return [dataclasses.asdict(precision), versions]


def _reason(error: Exception) -> str:
    if isinstance(error, (HarnessError, EngineFailure)):
        return str(error)
    return f"{type(error).__name__}: {error}"
