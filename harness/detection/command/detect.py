"""`harness detect`: score responses in one pass each, fit and judge a detector by sources, report."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from harness.detection.capture.anatomy import anatomy_of
from harness.detection.capture.fast import score
from harness.detection.capture.loading import load
from harness.detection.command import options as choices
from harness.detection.data.responses import Response
from harness.detection.data.shipped import MODEL
from harness.detection.data.tokenized import Encoded, chat, encoder, samples
from harness.detection.detector.combine import Detector, fit, unit_scores
from harness.detection.detector.controls import Judged, control_scores, judge
from harness.detection.detector.curves import confusion
from harness.detection.detector.folds import HeldOut, cross_validate, grid_fit
from harness.detection.detector.items import Items, chunk_items, response_items
from harness.detection.report.dashboard import Shown
from harness.detection.report.page import Highlighted, Report, judged_table, lede, report_page
from harness.detection.sample import Sample, Scores
from harness.errors import EXIT_DONE, HarnessError
from harness.models.checkpoint import write_bytes
from harness.models.embedded import model_folder
from harness.models.tasks.answers import SYSTEM
from harness.render.sections import html_page, markdown_page
from harness.render.tables import terminal_lines

_SHOWN = 12


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    choices.add_options(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Score, fit, judge, write."""
    weights, responses = choices.weights_of(asked), choices.responses_of(asked)
    scored, found, encode = scored_samples(asked, responses)
    items = items_of(asked, scored, found)

    def fitted(training: Items) -> Detector:
        return grid_fit(training, seed=asked.seed) if asked.tune else fit(training, weights)

    try:
        held_out = cross_validate(items, fitted, folds=asked.folds, seed=asked.seed)
    except ValueError as error:
        raise HarnessError(str(error), where="--folds", next_step="fewer folds, or more responses") from None
    by_id = {each.id: each for each in responses}
    kept = [by_id[sample.id] for sample in scored]
    report = _report(asked, kept, scored, found, items, held_out, encode)
    result = document(report, items, held_out, kept)
    _write(asked.output, report, result)
    if asked.json:
        sys.stdout.write(json_text(result))
    else:
        lines = [lede(report), "", *terminal_lines(judged_table(report)), ""]
        sys.stdout.write("\n".join([*lines, f"report: {asked.output / 'report.html'}"]) + "\n")
    return EXIT_DONE


def scored_samples(
    asked: argparse.Namespace, responses: Sequence[Response]
) -> tuple[list[Sample], list[Scores], Any]:
    """The responses as tokens with all heads' and layers' scores; and what encodes a text."""
    from transformers import AutoTokenizer

    loading = choices.loading_of(asked)
    folder = model_folder(asked.model)
    model = load(asked.model, loading)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    system = asked.system if asked.system is not None else SYSTEM if folder.name == MODEL else ""
    encode = encoder(tokenizer)
    made = samples(responses, chat(tokenizer, system), encode)
    anatomy = anatomy_of(model)
    layers = range(len(anatomy.layers))
    heads = [(layer, head) for layer in layers for head in range(anatomy.heads)]
    return made, score(model, made, heads, layers, choices.scoring_of(asked)), encode


def items_of(asked: argparse.Namespace, made: Sequence[Sample], found: Sequence[Scores]) -> Items:
    """The table that a detector is fitted on."""
    if asked.level == "chunk":
        return chunk_items(made, found, total=choices.scoring_of(asked).tokens == "sum")
    return response_items(made, found)


def _report(
    asked: argparse.Namespace,
    responses: Sequence[Response],
    made: Sequence[Sample],
    found: Sequence[Scores],
    items: Items,
    held_out: HeldOut,
    encode: Any,
) -> Report:
    detector = judge("detector", held_out.scores, items, seed=asked.seed)
    controls = tuple(
        judge(name, each, items, seed=asked.seed) for name, each in control_scores(items).items()
    )
    counts = confusion(held_out.called.astype(float), items.labels, 0.5)
    figures = (("PCC", f"{detector.correlation:.3f}"), ("within tasks", f"{detector.within:.3f}"))
    shown = Shown(held_out.scores, items.labels, counts, detector.auc, figures)
    facts = {
        "figures": "measured",
        "model": f"{asked.model}{' in NF4' if asked.nf4 else ''} on {asked.device}",
        "responses": str(asked.responses or f"fixtures/detection/{asked.variant}"),
        "scores": asked.scoring,
        "unit": asked.level,
        "detector": "tuned by nested cross-validation" if asked.tune else str(choices.weights_of(asked)),
        "folds": f"{asked.folds}, by source, seed {asked.seed}",
    }
    marked = _highlighted(responses, made, found, held_out, encode)
    return Report(f"Hallucinations of {asked.model}", detector, controls, shown, marked, facts)


def _highlighted(
    responses: Sequence[Response],
    made: Sequence[Sample],
    found: Sequence[Scores],
    held_out: HeldOut,
    encode: Any,
) -> tuple[Highlighted, ...]:
    """The responses that the detector is surest of, from both ends, each token by its fold's detector."""
    order = np.argsort(-held_out.scores, kind="stable")
    chosen = [*order[: _SHOWN // 2], *order[-_SHOWN // 2 :]]
    shown = []
    for number in dict.fromkeys(int(each) for each in chosen):
        tokens = _token_scores(made[number], found[number], held_out.detectors[held_out.fold[number]])
        encoded: Encoded = encode(responses[number].text)
        shown.append(
            Highlighted(
                responses[number],
                float(held_out.scores[number]),
                bool(held_out.called[number]),
                encoded.spans,
                tuple(float(each) for each in tokens),
            )
        )
    return tuple(shown)


def _token_scores(sample: Sample, scores: Scores, detector: Detector) -> Any:
    """Each token's score by itself, from the detector's range in training to [0, 1]."""
    count = sample.response
    each_token = Items(
        scores.external.astype(float),
        scores.parametric.astype(float),
        np.zeros(count, dtype=np.int64),
        np.array(sample.labels, dtype=bool),
        np.array([sample.is_hallucinated]),
        np.array([sample.task]),
        np.array([sample.group]),
        np.array([float(count)]),
        np.ones(count),
    )
    raw = unit_scores(detector, each_token)
    weights = detector.weights
    return np.clip((raw + weights.alpha) / (weights.alpha + weights.m), 0.0, 1.0)


def document(
    report: Report, items: Items, held_out: HeldOut, responses: Sequence[Response]
) -> dict[str, Any]:
    """Everything as JSON."""
    return {
        "facts": dict(report.facts),
        "detector": _judged(report.detector),
        "controls": [_judged(each) for each in report.controls],
        "confusion": asdict(report.shown.confusion),
        "folds": [asdict(each) for each in held_out.detectors],
        "responses": [
            {
                "id": response.id,
                "score": round(float(score_), 6),
                "called": bool(called),
                "hallucinated": bool(label),
            }
            for response, score_, called, label in zip(
                responses, held_out.scores, held_out.called, items.labels, strict=True
            )
        ],
    }


def _judged(each: Judged) -> dict[str, Any]:
    return asdict(each)


def json_text(found: Any) -> str:
    """Indented JSON, null for what has no number."""
    return json.dumps(_plain(found), indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _write(folder: Path, report: Report, result: dict[str, Any]) -> None:
    page = report_page(report)
    files = {
        "report.html": html_page(page),
        "report.md": markdown_page(page),
        "result.json": json_text(result),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_bytes(folder / name, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise HarnessError(
            f"the report cannot be written: {error.strerror}",
            where=str(folder),
            next_step="give another --output",
        ) from None
