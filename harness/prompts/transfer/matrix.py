"""Every optimized prompt on every precision: which ones hold where they were not optimized."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.calls.model import Model
from harness.engines.protocol import Sampling
from harness.errors import HarnessError
from harness.measure.divergence import (
    CONFIDENCE,
    LIMIT,
    RESAMPLES,
    Decision,
    Divergence,
    explain,
    judge_divergence,
    score_interval,
)
from harness.prompts.evaluate import SAMPLING, evaluate
from harness.prompts.examples import ExampleSet
from harness.prompts.program import Program
from harness.prompts.transfer.divergence import f1_scores
from harness.render.escape import markdown_text, printable
from harness.render.tables import Table, drop_text, markdown_lines, score_text, terminal_lines

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["optimized here", "transfer", "no transfer", "undecided"]
Results = Mapping[tuple[str, str], Sequence[float]]

COLUMNS = (
    "prompt", "optimized_on", "precision", "n", "f1", "f1_low", "f1_high", "drop", "drop_low", "drop_high",
    "points", "verdict", "needed", "provenance",
)  # fmt: skip
_VERDICTS: Mapping[Decision, Verdict] = {
    "pass": "transfer",
    "fail": "no transfer",
    "inconclusive": "undecided",
    "undefined": "undecided",
}


@dataclass(frozen=True, slots=True)
class OptimizedPrompt:
    """A prompt with a name, and the name of the precision it was optimized on."""

    name: str
    program: Program
    optimized_on: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """One prompt on one precision: its F1 with interval, and its paired drop from where it was optimized.

    On that precision itself there is no `divergence`. Each cell is judged by itself, at its own confidence.
    """

    prompt: str
    optimized_on: str
    precision: str
    n: int
    f1: float
    low: float
    high: float
    divergence: Divergence | None
    provenance: str = "measured"

    @property
    def verdict(self) -> Verdict:
        """What the rule says of using the prompt here."""
        return "optimized here" if self.divergence is None else _VERDICTS[self.divergence.decision]


def transfer_matrix(
    prompts: Sequence[OptimizedPrompt],
    examples: ExampleSet,
    models: Mapping[str, Model],
    *,
    sampling: Sampling = SAMPLING,
    limit: float = LIMIT,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> list[Transfer]:
    """Ask every model, by its precision's name, with every prompt, and judge all pairs.

    Raises HarnessError for two prompts of one name, for a prompt whose own precision is not among `models`,
    and for one model under two names; EngineFailure when a model cannot answer.
    """
    _check(prompts, models)
    results = {
        (prompt.name, precision): f1_scores(evaluate(prompt.program, examples, model, sampling=sampling))
        for precision, model in models.items()
        for prompt in prompts
    }
    homes = {prompt.name: prompt.optimized_on for prompt in prompts}
    return judge_transfers(results, homes, limit=limit, confidence=confidence, seed=seed)


def judge_transfers(
    results: Results,
    optimized_on: Mapping[str, str],
    *,
    limit: float = LIMIT,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Transfer]:
    """Judge F1 per example by (prompt, precision), given where each prompt was optimized. Pure.

    Prompt by prompt in the order of `optimized_on`, where it was optimized first. Raises KeyError without the
    results of a prompt's own precision, ValueError for results that are not paired.
    """
    found = []
    for prompt, home in optimized_on.items():
        base = results[prompt, home]
        others = [precision for name, precision in results if name == prompt and precision != home]
        for precision in (home, *others):
            scores = results[prompt, precision]
            f1, low, high = score_interval(scores, confidence=confidence, seed=seed, resamples=resamples)
            judged = None
            if precision != home:
                judged = judge_divergence(
                    base, scores, limit=limit, confidence=confidence, seed=seed, resamples=resamples
                )
            found.append(Transfer(prompt, home, precision, len(scores), f1, low, high, judged))
    return found


def _check(prompts: Sequence[OptimizedPrompt], models: Mapping[str, Model]) -> None:
    names = [prompt.name for prompt in prompts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise HarnessError(f"two prompts are called {twice!r}", where="transfer matrix")
    for prompt in prompts:
        if prompt.optimized_on not in models:
            raise HarnessError(
                f"{prompt.name} was optimized on {prompt.optimized_on}, which is not among the precisions",
                where="transfer matrix",
                allowed=", ".join(models),
                next_step="add that precision: the drop is measured from it",
            )
    identities = [model.identity for model in models.values()]
    for number, (name, model) in enumerate(models.items()):
        if model.identity in identities[:number]:
            other = list(models)[identities.index(model.identity)]
            raise HarnessError(f"{other} and {name} are the same model", where="transfer matrix")


def transfer_frame(transfers: Sequence[Transfer]) -> pd.DataFrame:
    """One row per prompt and precision with COLUMNS; shares, NaN where there is no drop."""
    import pandas as pd

    return pd.DataFrame([_record(each) for each in transfers], columns=list(COLUMNS))


def _record(each: Transfer) -> dict[str, object]:
    record: dict[str, object] = {
        "prompt": each.prompt,
        "optimized_on": each.optimized_on,
        "precision": each.precision,
        "n": each.n,
        "f1": each.f1,
        "f1_low": each.low,
        "f1_high": each.high,
        "verdict": each.verdict,
        "provenance": each.provenance,
    }
    if (d := each.divergence) is not None:
        record |= {"drop": d.drop, "drop_low": d.low, "drop_high": d.high, "points": d.points}
        record |= {"needed": d.needed}
    return record


def transfer_table(transfers: Sequence[Transfer]) -> Table:
    """The same for people."""
    rows = tuple(
        (
            each.prompt,
            each.optimized_on,
            each.precision,
            score_text(each.f1, each.low, each.high),
            *_drop(each.divergence),
            each.verdict,
            f"{each.n:,}",
            each.provenance,
        )
        for each in transfers
    )
    head = ("prompt", "optimized on", "precision", "F1", "drop", "points", "verdict", "n", "provenance")
    return Table(head, rows, frozenset({0, 1, 2, 6, 8}))


def _drop(judged: Divergence | None) -> tuple[str, str]:
    if judged is None or math.isnan(judged.drop):
        return "-", "-"
    return drop_text(judged.drop, judged.low, judged.high), f"{judged.points:.1f}"


def transfer_sentences(transfers: Sequence[Transfer]) -> list[str]:
    """What stands behind each verdict, those that forbid something first."""
    judged = [(each, each.divergence) for each in transfers if each.divergence is not None]
    return [
        f"{each.prompt} on {each.precision}: {each.verdict}; {explain(found)}"
        for verdict in ("no transfer", "undecided", "transfer")
        for each, found in judged
        if each.verdict == verdict
    ]


def terminal_matrix(transfers: Sequence[Transfer]) -> str:
    """The table, then a line for each verdict."""
    told = [printable(sentence) for sentence in transfer_sentences(transfers)]
    return "\n".join([*terminal_lines(transfer_table(transfers)), "", *told]) + "\n"


def markdown_matrix(transfers: Sequence[Transfer]) -> str:
    """The same in Markdown; names are shown literally."""
    told = [f"- {markdown_text(sentence)}" for sentence in transfer_sentences(transfers)]
    return "\n".join([*markdown_lines(transfer_table(transfers)), "", *told]) + "\n"
