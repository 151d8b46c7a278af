"""Detectors judged on held-out responses of the committed sample: what the accuracy benchmarks compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from harness.detection.capture.anatomy import anatomy_of
from harness.detection.capture.fast import score
from harness.detection.capture.loading import load
from harness.detection.data.shipped import MODEL, shipped
from harness.detection.data.synthetic import Variant
from harness.detection.data.tokenized import chat, encoder, samples
from harness.detection.detector.auc import Flags, auc, placements
from harness.detection.detector.combine import PAPER_CHUNK, Detector, fit, predict
from harness.detection.detector.curves import confusion
from harness.detection.detector.folds import FOLDS, cross_validate, grouped_folds
from harness.detection.detector.items import Items, response_items
from harness.detection.detector.selection import Ensemble, averaged, votes
from harness.detection.sample import Sample
from harness.measure.stats import Floats
from harness.models.embedded import model_folder
from harness.models.tasks.answers import SYSTEM

Fit = Callable[[Items], Detector]


@dataclass(frozen=True)
class Judgement:
    """Held-out scores of all responses, and what was called hallucinated."""

    scores: Floats
    called: Flags
    labels: Flags

    @property
    def auc(self) -> float:
        """Area under the ROC curve."""
        return auc(self.scores, self.labels).auc

    @property
    def f1(self) -> float:
        """F1 of what was called."""
        return confusion(self.called.astype(float), self.labels, 0.5).f1


@cache
def sample_tokens(variant: Variant = "balanced") -> tuple[Sample, ...]:
    """The committed sample as the embedded model's tokens."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder(MODEL), local_files_only=True)
    return tuple(samples(shipped(variant), chat(tokenizer, SYSTEM), encoder(tokenizer)))


@cache
def sample_items(variant: Variant = "balanced") -> Items:
    """Its scores by all heads and layers of the embedded model, one unit for each response."""
    model, made = load(MODEL), sample_tokens(variant)
    layers = range(len(anatomy_of(model).layers))
    heads = [(layer, head) for layer in layers for head in range(anatomy_of(model).heads)]
    return response_items(made, score(model, made, heads, layers))


def default(items: Items) -> Detector:
    """The detector with the weights that the guide calls untuned, and the paper tuned."""
    return fit(items, PAPER_CHUNK)


def judged(items: Items, fitted: Fit = default, *, seed: int = 0) -> Judgement:
    """Cross-validated by source."""
    found = cross_validate(items, fitted, seed=seed)
    return Judgement(found.scores, found.called, items.labels)


def judged_ensemble(
    items: Items, made: Callable[[Items], Ensemble], *, vote: bool, seed: int = 0
) -> Judgement:
    """The same of an ensemble: the mean of its members' scores, or the share of them that call."""
    fold = grouped_folds(items.groups.tolist(), items.labels.tolist(), FOLDS, seed)
    scores, called = np.zeros(len(items.labels)), np.zeros(len(items.labels), dtype=bool)
    for number in range(FOLDS):
        outside = np.flatnonzero(fold == number)
        ensemble = made(items.only(np.flatnonzero(fold != number)))
        held_out = items.only(outside)
        scores[outside] = votes(ensemble, held_out) if vote else averaged(ensemble, held_out)
        called[outside] = votes(ensemble, held_out) > 0.5
    return Judgement(scores, called, items.labels)


def called_at_half(items: Items, *, seed: int = 0) -> Judgement:
    """The default detector with the guide's threshold: half of its scores' range in training."""
    fold = grouped_folds(items.groups.tolist(), items.labels.tolist(), FOLDS, seed)
    found = judged(items, seed=seed)
    called = np.zeros(len(items.labels), dtype=bool)
    for number in range(FOLDS):
        training, outside = items.only(np.flatnonzero(fold != number)), np.flatnonzero(fold == number)
        detector = default(training)
        low, high = (float(end) for end in np.quantile(predict(detector, training), [0.0, 1.0]))
        called[outside] = predict(detector, items.only(outside)) >= (low + high) / 2.0
    return Judgement(found.scores, called, items.labels)


def fewer(items: Items, share: float) -> Fit:
    """The default detector, fitted on the first `share` of the training sources alone."""

    def fitted(training: Items) -> Detector:
        groups = sorted(set(training.groups.tolist()))
        kept = set(groups[: max(4, round(share * len(groups)))])
        return default(training.only(np.flatnonzero([group in kept for group in training.groups.tolist()])))

    return fitted


def auc_loss(before: Judgement, after: Judgement) -> list[float]:
    """What the area loses, as one value for each response whose mean it is.

    Values are DeLong's components, each class's widened by its share, so that the variance of their mean is
    DeLong's: an interval over them is one of the paired difference.
    """
    first, second = (placements(each.scores, each.labels) for each in (before, after))
    total = len(before.labels)
    values = []
    for a, b in zip(first, second, strict=True):
        loss = a - b
        values.append(loss.mean() + (loss - loss.mean()) * total / len(loss))
    return [float(value) for value in np.concatenate(values)]


def called_wrong(before: Judgement, after: Judgement) -> list[float]:
    """For each response: 1 where only the second calls it wrongly, -1 where only the first does."""
    wrong = [(each.called != each.labels).astype(float) for each in (before, after)]
    return [float(value) for value in wrong[1] - wrong[0]]
