"""Confidence on trial: a calibration fitted on the tuning family, judged on the gate."""

from __future__ import annotations

from functools import cache

from harness.extraction.pipeline.calibration import IDENTITY, Calibration, calibrate
from harness.extraction.pipeline.extract import extract
from harness.extraction.reading.opening import open_reader
from harness.extraction.scoring import confidences, reliability, score_company
from harness.extraction.trials.companies import PROFILES, Setting, choice, truths

FITTED = Setting("assumed", "tuning", count=30, seed=11)
"""What the shipped table is fitted on."""


@cache
def judged(setting: Setting, calibration: Calibration = IDENTITY) -> tuple[tuple[float, bool], ...]:
    """(confidence, whether it is right) of every value that ours gives on a setting's companies."""
    companies = [each.company for each in truths(setting)]
    with open_reader(choice(setting, "sparse")) as opening:
        results = extract(companies, opening.reader(), PROFILES[setting.reader], calibration=calibration)
    scores = [score_company(result, truth) for result, truth in zip(results, truths(setting), strict=True)]
    return tuple(confidences(scores))


def fitted(setting: Setting = FITTED) -> Calibration:
    """The table of raw scores and shares on these companies."""
    noise = choice(setting, "sparse").noise.origin if setting.reader != "perfect" else "no errors"
    origin = (
        f"{setting.count} companies of {setting.tokens:,} tokens, family {setting.family}, "
        f"seed {setting.seed}; {setting.reader} reader ({noise})"
    )
    return calibrate(judged(setting), origin=origin, least=60)


def expected_error(values: tuple[tuple[float, bool], ...]) -> float:
    """Expected calibration error."""
    return reliability(values).expected_error
