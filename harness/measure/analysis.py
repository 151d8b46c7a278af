"""From a recording to findings: estimate, interval, verdict and claim state of every metric. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.measure import stats, verdicts
from harness.measure.outcome import Effect, FidelityState, Finding, Verdict
from harness.measure.rounds import ArmName, Plan, Recording, is_slow
from harness.measure.spec import Claim, Clock, Metric, Optimization

FOREIGN_CPU_LIMIT = 0.1
SETUP_METRIC = "setup_time"


def findings(
    optimization: Optimization, recording: Recording, plan: Plan, row: str, clock: Clock
) -> tuple[Finding, ...]:
    """One finding per metric, plus the set-up time when an arm has a set-up."""
    found = tuple(
        _finding(metric, optimization, recording, plan, row, clock) for metric in optimization.metrics
    )
    return found + _setup_finding(recording)


def settled(optimization: Optimization, recording: Recording, plan: Plan, confidence: float) -> bool:
    """Whether every paired metric is decided, with an interval as narrow as planned.

    Of slow arms only an effect over 1.5x can be decided, and its interval may be wider.
    """
    for metric in optimization.metrics:
        if metric.gate != "paired":
            continue
        effect = paired_effect(recording, metric.name, "optimized", plan, confidence)
        if effect is None:
            return False
        is_large = is_slow(recording, plan) and abs(math.log(effect.ratio)) > math.log(verdicts.LARGE_EFFECT)
        is_narrow = math.log(effect.high / effect.low) / 2 <= plan.target_half_width
        if not (is_narrow or is_large):
            return False
        if verdicts.judge(effect, metric.better, metric.floor) == "inconclusive":
            return False
    return True


def paired_effect(
    recording: Recording, metric: str, arm: ArmName, plan: Plan, confidence: float
) -> Effect | None:
    """Median paired ratio arm / baseline, or None with too few rounds or samples without a ratio.

    p is multiplied by what a look costs (Bonferroni), as the interval's confidence already is: two
    looks at a quarter and three quarters of the error probability stay valid together.
    """
    values = recording.values[metric]
    if not _has_ratio(values):
        return None
    return _effect(stats.log_ratios(values["baseline"], values[arm]), plan, confidence)


def _has_ratio(arms: Mapping[ArmName, Sequence[float]]) -> bool:
    return all(0 < value < math.inf for values in arms.values() for value in values)


def _effect(d: stats.Floats, plan: Plan, confidence: float) -> Effect | None:
    interval = _median_interval(d, plan, confidence)
    if interval is None:
        return None
    low, high = interval
    return Effect(
        ratio=math.exp(float(np.median(d))),
        low=math.exp(low),
        high=math.exp(high),
        confidence=confidence,
        p=min(1.0, stats.randomisation_p(d) * (1.0 - plan.confidence) / (1.0 - confidence)),
        mde80=stats.minimal_detectable_effect(low, high, confidence),
    )


def _median_interval(d: stats.Floats, plan: Plan, confidence: float) -> stats.Interval | None:
    # order statistics are exact for independent rounds, where the bootstrap covers too little up to
    # a hundred rounds or so; the block bootstrap allows for neighbours that resemble each other
    exact = stats.order_statistic_interval(d, 0.5, confidence)
    if exact is None or d.size < plan.min_rounds:
        return exact
    low, high = stats.median_bootstrap_interval(d, confidence, seed=plan.seed)
    return min(low, exact[0]), max(high, exact[1])


def _finding(
    metric: Metric, optimization: Optimization, recording: Recording, plan: Plan, row: str, clock: Clock
) -> Finding:
    blank = Finding(
        metric=metric.name,
        unit=metric.unit,
        better=metric.better,
        gate=metric.gate,
        provenance="measured",
        verdict="not run",
        clock=(metric.clock or clock) if metric.is_timed else None,
        rounds=recording.rounds,
        limit=metric.limit,
        floor=metric.floor,
        tolerance=metric.tolerance,
    )
    if metric.compare is not None:
        finding = _bounded(blank, recording.losses.get(metric.name, []), optimization, plan)
    elif metric.probe is not None:
        finding = _probed(blank, recording, plan)
    elif metric.gate == "exact":
        finding = _counted(blank, recording)
    else:
        finding = _paired(blank, recording, plan)
    claims = tuple(
        verdicts.claim_finding(
            claim, row, _claim_interval(claim, metric, finding, recording, plan), metric.better
        )
        for claim in optimization.claims
        if claim.metric == metric.name
    )
    return replace(finding, claims=claims)


def _claim_interval(
    claim: Claim, metric: Metric, finding: Finding, recording: Recording, plan: Plan
) -> tuple[float, float] | None:
    if claim.value is not None and metric.compare is None:
        return _reached(metric, finding, recording, plan)
    if finding.gate == "exact" and finding.baseline and finding.optimized == 0:
        return 0.0, 0.0  # a ratio, though one without a logarithm
    if _clock_misses_work(finding, recording):
        return None
    if finding.effect is None or finding.verdict == "not run" or finding.effect.confidence == 0.0:
        return None
    return finding.effect.low, finding.effect.high


def _reached(
    metric: Metric, finding: Finding, recording: Recording, plan: Plan
) -> tuple[float, float] | None:
    """Interval of the optimized arm's median."""
    values = (recording.values if metric.probe is None else recording.probes).get(metric.name)
    if not values or finding.verdict == "not run" or _clock_misses_work(finding, recording):
        return None
    if len(set(values["optimized"])) == 1:
        return values["optimized"][0], values["optimized"][0]
    return _median_interval(np.array(values["optimized"], dtype=float), plan, plan.confidence)


def _counted(blank: Finding, recording: Recording) -> Finding:
    """An exact metric must repeat in every round, or it is not exact."""
    arms = recording.values[blank.metric]
    for arm, values in arms.items():
        if not all(map(math.isfinite, values)):
            return replace(blank, verdict="inconclusive", reason=f"{arm} gave a count that is not finite")
        if len(set(values)) > 1:
            reason = f"not exact: {arm} gave {min(values):g} to {max(values):g} over {len(values)} rounds"
            return replace(blank, verdict="inconclusive", reason=reason)
    before, after = arms["baseline"][0], arms["optimized"][0]
    ratio = after / before if before > 0 and after > 0 else None
    return replace(
        blank,
        verdict=verdicts.judge_exact(before, after, blank.better),
        baseline=before,
        optimized=after,
        effect=None if ratio is None else Effect(ratio, ratio, ratio, 1.0),
    )


def _probed(blank: Finding, recording: Recording, plan: Plan) -> Finding:
    if blank.metric in recording.unavailable:
        return replace(blank, reason=recording.unavailable[blank.metric])
    arms = recording.probes[blank.metric]
    before, after = _medians(arms)
    rounds = len(arms["baseline"])
    finding = replace(blank, rounds=rounds, baseline=before, optimized=after)
    if min(min(values) for values in arms.values()) <= 0:
        return replace(finding, verdict="inconclusive", reason="a probe read zero: no ratio")
    effect = _effect(stats.log_ratios(arms["baseline"], arms["optimized"]), plan, plan.confidence)
    if effect is None:
        reason = f"report only: {rounds} probe rounds give no interval"
        return replace(finding, verdict="inconclusive", reason=reason, effect=_bare_ratio(before, after))
    return replace(finding, effect=effect, verdict=verdicts.judge(effect, blank.better, blank.floor))


def _medians(arms: Mapping[ArmName, Sequence[float]]) -> tuple[float, float]:
    return float(np.median(arms["baseline"])), float(np.median(arms["optimized"]))


def _bare_ratio(before: float, after: float) -> Effect | None:
    # no interval was estimated: low and high repeat the point, confidence 0 says so
    return Effect(after / before, after / before, after / before, 0.0) if before > 0 and after > 0 else None


def _bounded(
    blank: Finding, losses: Sequence[Sequence[float]], optimization: Optimization, plan: Plan
) -> Finding:
    """Loss per example, averaged over rounds; a single value per round counts with its worst round.

    Booleans are errors of a sampled test set: even none among n leaves a rate that n cannot exclude.
    """
    if not losses:
        return replace(blank, reason="no round was compared")
    matrix = np.array(losses, dtype=float)
    if not np.isfinite(matrix).all():
        return replace(blank, verdict="worse", reason="the loss is not a finite number")
    examples = matrix.mean(axis=0) if matrix.shape[1] > 1 else matrix.max(axis=0)
    if isinstance(losses[0][0], bool) and set(examples) <= {0.0, 1.0}:
        low, high = stats.proportion_interval(int(examples.sum()), examples.size, plan.confidence)
    else:
        low, high = stats.mean_bootstrap_interval(examples, plan.confidence, seed=plan.seed)
    effect = Effect(float(examples.mean()), low, high, plan.confidence if high > low else 1.0)
    if blank.limit is None:
        return replace(blank, verdict="inconclusive", reason="report only: no limit", effect=effect)
    state = verdicts.fidelity(low, high, blank.limit, optimization.role)
    verdict: Verdict = "worse"
    if state in ("held", "inconclusive"):
        verdict = "unchanged" if state == "held" else "inconclusive"
    reason = f"limit {blank.limit:g}: {state}"
    return replace(blank, verdict=verdict, reason=reason, effect=effect)


def _paired(blank: Finding, recording: Recording, plan: Plan) -> Finding:
    arms = recording.values[blank.metric]
    before, after = _medians(arms)
    finding = replace(blank, baseline=before, optimized=after, iterations=recording.iterations["baseline"])
    if not _has_ratio(arms):
        reason = "a sample was not a positive finite number: no ratio"
        return replace(finding, verdict="inconclusive", reason=reason)
    if recording.rounds < recording.rounds_wanted:
        cost = sum(recording.call_s[arm] * recording.iterations[arm] for arm in recording.iterations)
        total = math.ceil(1.3 * cost * recording.rounds_wanted)
        reason = f"budget: needs {recording.rounds_wanted} rounds of {cost:.3g} s; this cell needs {total} s"
        return replace(finding, verdict="inconclusive", reason=reason, effect=_bare_ratio(before, after))
    effect = paired_effect(recording, blank.metric, "optimized", plan, recording.confidence)
    canary = paired_effect(recording, blank.metric, "canary", plan, recording.confidence)
    if effect is None or canary is None:
        return replace(finding, verdict="inconclusive", reason=f"{recording.rounds} rounds give no interval")
    finding = replace(finding, effect=effect, canary=canary)
    return _judged(finding, recording, plan)


def _judged(finding: Finding, recording: Recording, plan: Plan) -> Finding:
    effect = finding.effect
    assert effect is not None
    verdict = verdicts.judge(effect, finding.better, finding.floor)
    reason = ""
    if verdict == "inconclusive":
        reason = f"detects >= {effect.mde80 or 0.0:.1%}"
    if _clock_misses_work(finding, recording):
        verdict = "inconclusive"
        share = f"{recording.foreign_cpu_share:.0%} of the CPU time ran in other threads"
        reason = f"{share}: clock 'thread' misses it, use clock='process' or 'wall'"
    elif is_slow(recording, plan) and recording.rounds < plan.min_rounds:
        large = abs(math.log(effect.ratio)) > math.log(verdicts.LARGE_EFFECT)
        if not large or effect.p is None or effect.p >= 1.0 - plan.confidence:
            verdict = "inconclusive"
            reason = f"report only: {recording.rounds} rounds of a slow arm settle only effects over 1.5x"
    return replace(finding, verdict=verdict, reason=reason)


def _clock_misses_work(finding: Finding, recording: Recording) -> bool:
    return finding.clock == "thread" and recording.foreign_cpu_share > FOREIGN_CPU_LIMIT


def _setup_finding(recording: Recording) -> tuple[Finding, ...]:
    before, after = recording.setup_s.get("baseline"), recording.setup_s.get("optimized")
    if before is None and after is None:
        return ()
    return (
        Finding(
            metric=SETUP_METRIC,
            unit="s",
            better="lower",
            gate="report",
            provenance="measured",
            verdict="inconclusive",
            reason="report only: set-up runs once",
            clock="wall",
            rounds=1,
            baseline=before,
            optimized=after,
            effect=_bare_ratio(before, after) if before and after else None,
        ),
    )


def cell_fidelity(found: Sequence[Finding], optimization: Optimization) -> FidelityState:
    """The worst fidelity state over the bounded metrics of one cell."""
    states: set[FidelityState] = set()
    for finding in found:
        if finding.gate == "bounded" and finding.limit is not None:
            if finding.effect is None:
                states.add("inconclusive" if finding.verdict == "not run" else _over(optimization))
            else:
                effect = finding.effect
                states.add(verdicts.fidelity(effect.low, effect.high, finding.limit, optimization.role))
    worst_first: tuple[FidelityState, ...] = ("broken", "refused", "inconclusive", "held")
    return next((state for state in worst_first if state in states), "none")


def _over(optimization: Optimization) -> FidelityState:
    return "broken" if optimization.role == "shipped" else "refused"
