"""From responses to the table that a detector is fitted on: tokens, one pass of the model, units."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.detection.capture.anatomy import anatomy_of, longest_of
from harness.detection.capture.fast import score
from harness.detection.capture.loading import load
from harness.detection.capture.threads import fitting_threads
from harness.detection.command import options as choices
from harness.detection.data.responses import Response
from harness.detection.data.shipped import MODEL
from harness.detection.data.tokenized import Encode, chat, encoder, samples
from harness.detection.detector.items import Items, chunk_items, response_items
from harness.detection.sample import Sample, Scores
from harness.errors import HarnessError
from harness.models.embedded import model_folder
from harness.models.tasks.answers import SYSTEM

_NAMED = 5


@dataclass(frozen=True)
class Ready:
    """A loaded model, and the responses that it can be asked about as its tokens.

    `left_out` says of which responses it cannot, and why, one line for each reason.
    """

    model: Any
    encode: Encode
    responses: tuple[Response, ...]
    samples: tuple[Sample, ...]
    left_out: tuple[str, ...]


def ready(asked: argparse.Namespace, responses: Sequence[Response]) -> Ready:
    """Load the model and encode the responses.

    Raises HarnessError for a model or tokenizer that cannot be used, and where no response is left.
    """
    folder = model_folder(asked.model)
    model = load(asked.model, choices.loading_of(asked))
    tokenizer = _tokenizer(folder)
    system = asked.system if asked.system is not None else SYSTEM if folder.name == MODEL else ""
    encode = encoder(tokenizer)
    made = samples(responses, chat(tokenizer, system), encode)
    anatomy = anatomy_of(model)
    if any(max(sample.tokens) >= anatomy.vocabulary for sample in made):
        raise HarnessError(
            "the tokenizer has tokens that the model lacks",
            where=str(folder),
            allowed=f"ids below {anatomy.vocabulary:,}",
        )
    # the last token predicts nothing and is not fed
    fitting = [sample for sample in made if len(sample.tokens) - 1 <= longest_of(anatomy)]
    kept, encoded = {sample.id for sample in fitting}, {sample.id for sample in made}
    reasons = {
        "without a token": [each.id for each in responses if each.id not in encoded],
        f"longer than the {longest_of(anatomy):,} tokens that the model reads at once": [
            sample.id for sample in made if sample.id not in kept
        ],
    }
    left_out = tuple(_listed(why, ids) for why, ids in reasons.items() if ids)
    if not fitting:
        raise HarnessError(f"no response can be scored: {'; '.join(left_out)}")
    by_id = {each.id: each for each in responses}
    return Ready(model, encode, tuple(by_id[each.id] for each in fitting), tuple(fitting), left_out)


def _listed(why: str, ids: Sequence[str]) -> str:
    named = ", ".join(map(repr, ids[:_NAMED]))
    more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
    return f"{len(ids):,} {'response is' if len(ids) == 1 else 'responses are'} {why}: {named}{more}"


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library raises what its parsers raise, some of it bare Exception
        reason = str(error).partition("\n")[0]
        raise HarnessError(f"its tokenizer cannot be loaded: {reason}", where=str(folder)) from error
    # where there are no files the library makes one without a vocabulary
    if not found("a")["input_ids"]:
        raise HarnessError("it has no tokenizer", where=str(folder), allowed="a folder with tokenizer.json")
    return found


def require_judgeable(made: Sequence[Sample], folds: int) -> None:
    """HarnessError where no detector could be fitted and judged: one class, or fewer sources than folds."""
    found = {sample.is_hallucinated for sample in made}
    if len(found) == 1:
        kind = "hallucinated" if found.pop() else "faithful"
        raise HarnessError(
            f"all {len(made):,} responses are {kind}, and a detector has to tell both kinds apart",
            next_step="take in responses of the other kind",
        )
    sources = len({sample.group for sample in made})
    if sources < folds:
        raise HarnessError(
            f"{folds} folds need as many sources, {sources} are there",
            where="--folds",
            next_step="fewer folds, or more responses",
        )


def scored(asked: argparse.Namespace, prepared: Ready) -> list[Scores]:
    """All heads' and layers' scores of each response."""
    anatomy = anatomy_of(prepared.model)
    layers = range(len(anatomy.layers))
    heads = [(layer, head) for layer in layers for head in range(anatomy.heads)]
    with fitting_threads(prepared.model):
        return score(prepared.model, prepared.samples, heads, layers, choices.scoring_of(asked))


def items_of(asked: argparse.Namespace, made: Sequence[Sample], found: Sequence[Scores]) -> Items:
    """The table that a detector is fitted on; raises HarnessError for a score that is no number."""
    if asked.level == "chunk":
        items = chunk_items(made, found, total=choices.scoring_of(asked).tokens == "sum")
    else:
        items = response_items(made, found)
    good = np.isfinite(items.external).all(axis=1) & np.isfinite(items.parametric).all(axis=1)
    if not good.all():
        first = made[int(items.owner[~good][0])]
        raise HarnessError(
            f"response {first.id!r} has a score that is no number",
            next_step="the official scores need a prompt of 10 tokens or more: --scoring paper does not",
        )
    return items
