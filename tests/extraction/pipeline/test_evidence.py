from __future__ import annotations

from extraction.pipeline.planted import valid
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.asks import Confidence, Passage
from harness.extraction.pipeline.calibration import IDENTITY
from harness.extraction.pipeline.evidence import Shown, Sighting, weigh
from harness.extraction.pipeline.precedence import ORDINARY
from harness.extraction.schema.fields import FIELDS
from harness.extraction.values import same

FIELD = next(field for field in FIELDS.values() if field.kind == "percent")
ONE, TWO = valid(FIELD.key)
HERE, THERE = Passage(100, 120), Passage(500, 520)
AMENDMENT = (1, 0, 1)


def sighting(value: str, look: int = 0, evidence: Passage | None = HERE, **more: object) -> Sighting:
    confidence: Confidence = more.pop("confidence", "HIGH")  # type: ignore[assignment]
    return Sighting(value, confidence, evidence, "quote", look, **more)  # type: ignore[arg-type]


def weighed(*sightings: Sighting, shown: tuple[Shown, ...] = ()):  # type: ignore[no-untyped-def]
    value = weigh(FIELD, sightings, shown, IDENTITY)
    assert value is not None
    return value


def test_no_sighting_is_no_value() -> None:
    assert weigh(FIELD, [], [], IDENTITY) is None


def test_agreement_raises_confidence_and_from_two_places_most() -> None:
    once = weighed(sighting(ONE))
    twice = weighed(sighting(ONE), sighting(ONE, 1))
    apart = weighed(sighting(ONE), sighting(ONE, 1, THERE))
    assert once.status == "FOUND"
    assert once.confidence < twice.confidence < apart.confidence
    assert twice.others == ()


def test_a_look_at_the_evidence_that_does_not_say_it_lowers_confidence() -> None:
    whole = (Passage(0, 1000),)
    once = weighed(sighting(ONE), shown=(Shown(0, whole, 0.9),))
    doubted = weighed(sighting(ONE), shown=(Shown(0, whole, 0.9), Shown(1, whole, 0.9)))
    beside = weighed(sighting(ONE), shown=(Shown(0, whole, 0.9), Shown(1, (Passage(600, 900),), 0.9)))
    assert doubted.confidence < once.confidence == beside.confidence


def test_two_values_of_equal_weight_are_a_conflict_with_both_spans() -> None:
    value = weighed(sighting(ONE), sighting(TWO, 1, THERE))
    assert value.status == "CONFLICT"
    assert value.value == ONE
    assert [(each.value, each.evidence) for each in value.others] == [(TWO, THERE)]


def test_one_value_against_many_is_found_with_the_other_kept() -> None:
    value = weighed(sighting(TWO, 0, THERE), sighting(ONE, 1), sighting(ONE, 2), sighting(ONE, 3))
    assert (value.status, value.value) == ("FOUND", ONE)
    assert [each.value for each in value.others] == [TWO]


def test_a_later_amendment_overrules_however_often_the_old_value_was_read() -> None:
    old = [sighting(ONE, look) for look in range(4)]
    value = weighed(*old, sighting(TWO, 9, THERE, rank=AMENDMENT))
    assert (value.status, value.value, value.evidence) == ("FOUND", TWO, THERE)
    assert [each.value for each in value.others] == [ONE]


def test_an_ungrounded_value_is_marked_and_overrules_nothing() -> None:
    alone = weighed(sighting(ONE, 0, None))
    assert alone.evidence is None
    assert alone.confidence < 0.4 < weighed(sighting(ONE)).confidence
    beside = weighed(sighting(ONE, 0, None), sighting(TWO, 1, HERE, confidence="LOW"))
    assert beside.value == TWO


def test_saying_it_again_without_evidence_adds_nothing() -> None:
    assert (
        weighed(sighting(ONE, 0, None), sighting(ONE, 1, None)).confidence
        == weighed(sighting(ONE, 0, None)).confidence
    )


SIGHTINGS = st.lists(
    st.builds(
        sighting,
        st.sampled_from([ONE, TWO]),
        st.integers(0, 5),
        st.sampled_from([HERE, THERE, None]),
        confidence=st.sampled_from(["HIGH", "MEDIUM", "LOW"]),
        rank=st.sampled_from([ORDINARY, AMENDMENT]),
    ),
    min_size=1,
    max_size=7,
)


@given(SIGHTINGS)
def test_every_value_seen_is_kept_once_and_best_first(sightings: list[Sighting]) -> None:
    value = weighed(*sightings)
    kept = [value.value, *(each.value for each in value.others)]
    for sighted in sightings:
        assert sum(same(FIELD, sighted.value, each) for each in kept) == 1
    assert 0.0 < value.confidence < 1.0
    assert value.status in ("FOUND", "CONFLICT")
    if any(each.evidence is not None for each in sightings):
        assert value.evidence is not None


@given(SIGHTINGS, st.randoms(use_true_random=False))
def test_confidence_does_not_depend_on_the_order_of_sightings(sightings: list[Sighting], r: object) -> None:
    shuffled = list(sightings)
    r.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = weighed(*sightings), weighed(*shuffled)
    assert abs(one.confidence - two.confidence) < 1e-12
