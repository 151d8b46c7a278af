"""Declarations: every contradiction is refused by name, every sound one is taken."""

import math
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.spec import Claim, Metric, Optimization


def first(result):
    return result[0]


def loss(before, after):
    return abs(before - after)


SOUND = {
    "duration": {"gate": "paired"},
    "throughput": {"gate": "paired", "work": first, "better": "higher"},
    "counted by the arm": {"gate": "exact", "counter": "calls"},
    "counted from the answer": {"gate": "exact", "value": first, "tolerance": 0.01},
    "probed": {"probe": "peak_rss"},
    "limited": {"gate": "bounded", "compare": loss, "limit": 0.0},
    "loss without a limit": {"compare": loss},
}
CONTRADICTORY = {
    "two readers": ({"value": first, "counter": "calls", "gate": "exact"}, "several readers"),
    "bounded without limit": ({"gate": "bounded", "compare": loss}, "goes with both"),
    "bounded without compare": ({"gate": "bounded", "limit": 0.1}, "goes with both"),
    "limit that nothing reads": ({"gate": "paired", "limit": 0.1}, "limit="),
    "limit on a reported loss": ({"compare": loss, "limit": 0.1}, "goes with both"),
    "limit that is no number": ({"gate": "bounded", "compare": loss, "limit": math.nan}, "finite"),
    "timed loss": ({"gate": "paired", "compare": loss}, "lower is better"),
    "loss that is better higher": (
        {"gate": "bounded", "compare": loss, "limit": 1.0, "better": "higher"},
        "lower is better",
    ),
    "exact duration": ({"gate": "exact"}, "counts something"),
    "exact rate": ({"gate": "exact", "work": first}, "counts something"),
    "exact probe": ({"gate": "exact", "probe": "energy"}, "counts something"),
    "paired probe": ({"gate": "paired", "probe": "peak_rss"}, "use gate 'report'"),
    "negative floor": ({"floor": -0.01}, "not negative"),
    "floor that is no number": ({"floor": math.nan}, "finite"),
    "negative tolerance": ({"tolerance": -1e-9}, "not negative"),
    "infinite tolerance": ({"tolerance": math.inf}, "finite"),
}


@pytest.mark.parametrize("declared", SOUND.values(), ids=SOUND.keys())
def test_a_sound_metric_is_taken(declared):
    assert Metric("m", "u", **declared).name == "m"


@pytest.mark.parametrize(("declared", "said"), CONTRADICTORY.values(), ids=CONTRADICTORY.keys())
def test_a_contradiction_is_refused_by_the_name_of_the_metric(declared, said):
    with pytest.raises(ValueError, match=f"'culprit'.*{said}"):
        Metric("culprit", "u", **declared)


def test_only_durations_and_rates_are_timed():
    timed = {name for name, declared in SOUND.items() if Metric("m", "u", **declared).is_timed}
    assert timed == {"duration", "throughput"}


@given(st.floats(allow_nan=True), st.floats(allow_nan=True), st.booleans())
def test_a_claim_is_a_range_or_an_error(low, high, is_ratio):
    given_as = {"ratio" if is_ratio else "value": (low, high)}
    if low <= high:
        assert Claim("m", "source", "quote", **given_as).band == (low, high)
    else:
        with pytest.raises(ValueError, match="no range"):
            Claim("m", "source", "quote", **given_as)


@pytest.mark.parametrize("given_as", [{}, {"ratio": (0, 1), "value": (0, 1)}])
def test_a_claim_is_a_ratio_or_a_value(given_as):
    with pytest.raises(ValueError, match="exactly one"):
        Claim("m", "source", "quote", **given_as)


DURATION = Metric("duration", "s", gate="paired")
LOSS = Metric("loss", "ratio", gate="bounded", compare=loss, limit=0.05)
REPORTED_LOSS = Metric("loss", "ratio", compare=loss)


def test_an_optimization_is_frozen():
    with pytest.raises(FrozenInstanceError):
        Optimization("o", "title", (DURATION,)).name = "other"


@pytest.mark.parametrize(
    ("metrics", "claims", "said"),
    [
        ((), (), "at least one"),
        ((DURATION, DURATION), (), "distinct"),
        ((DURATION,), (Claim("speed", "s", "q", ratio=(0, 1)),), "unknown metric 'speed'"),
        ((LOSS,), (Claim("loss", "s", "q", ratio=(0, 1)),), "takes value="),
        ((REPORTED_LOSS,), (Claim("loss", "s", "q", ratio=(0, 1)),), "takes value="),
    ],
)
def test_an_optimization_refuses(metrics, claims, said):
    with pytest.raises(ValueError, match=f"'o'.*{said}"):
        Optimization("o", "title", metrics, claims)


@pytest.mark.parametrize("loss", [LOSS, REPORTED_LOSS], ids=["limited", "reported"])
def test_claims_go_with_their_metrics(loss):
    claims = (
        Claim("duration", "s", "q", ratio=(0.5, 0.8)),
        Claim("duration", "s", "q", value=(0, 60)),
        Claim("loss", "s", "q", value=(0, 0.01)),
    )
    assert Optimization("o", "title", (DURATION, loss), claims).claims == claims
