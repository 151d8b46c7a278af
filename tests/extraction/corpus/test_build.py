import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.extraction.asks import Passage
from harness.extraction.chunks import four_characters, token_windows
from harness.extraction.corpus import FAMILIES, Knobs, certificate, companies, generate, problems
from harness.extraction.corpus.build import world_of
from harness.extraction.corpus.files import truth_json
from harness.extraction.corpus.lures import KINDS
from harness.extraction.corpus.presence import TOLD_BY
from harness.extraction.corpus.truths import AMBIGUOUS
from harness.extraction.schema import FIELDS
from harness.extraction.truth import DEAL, Truth

SMALL = Knobs(tokens=6_000)
families = st.sampled_from(FAMILIES)
SHARES = ("synonym", "oblique", "definition", "table", "foreign", "split")
ALONE = dict.fromkeys(SHARES, 0.0)


@st.composite
def knobs(draw: st.DrawFn) -> Knobs:
    """Any that are allowed, for small companies."""
    share = st.floats(0, 1)
    places = draw(st.tuples(share, share, share, share))
    manners = draw(st.tuples(share, share, share, share, share, share))
    return Knobs(
        draw(st.integers(2_000, 20_000)),
        draw(st.none() | st.integers(1, 5)),
        draw(share),
        *(each / max(1.0, sum(places)) for each in places),
        *(each / max(1.0, sum(manners)) for each in manners),
        repeated=draw(share),
        distractors=draw(st.floats(0, 4)),
        ocr=draw(st.floats(0, 0.3)),
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), knobs(), families)
def test_any_company_is_solvable(seed: int, chosen: Knobs, family: str) -> None:
    truth = generate(seed, chosen, family)  # type: ignore[arg-type]
    assert problems(truth) == []
    assert len(truth.company.text) > 4 * 0.9 * chosen.tokens


def test_same_bytes_for_a_seed_under_any_hash_seed() -> None:
    code = (
        "import hashlib\n"
        "from harness.extraction.corpus import FAMILIES, Knobs, companies\n"
        "from harness.extraction.corpus.files import truth_json\n"
        "made = [t for f in FAMILIES for t in companies(2, 5, Knobs(tokens=6_000, ocr=0.02), f)]\n"
        "text = ''.join(t.company.text + truth_json(t) for t in made)\n"
        "print(hashlib.sha256(text.encode()).hexdigest())\n"
    )
    made = [t for f in FAMILIES for t in companies(2, 5, Knobs(tokens=6_000, ocr=0.02), f)]
    text = "".join(t.company.text + truth_json(t) for t in made)
    here = hashlib.sha256(text.encode()).hexdigest()
    for seed in ("0", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == here


def test_seeds_families_and_numbers_make_different_companies() -> None:
    made = [*companies(3, 1, SMALL, "report"), *companies(3, 2, SMALL, "report"), generate(1, SMALL, "gate")]
    assert len({each.company.digest for each in made}) == len(made)
    assert len({each.company.name for each in made}) == len(made)
    assert companies(5, 1, SMALL, "report")[:3] == made[:3]


def test_the_length_is_that_of_the_knob() -> None:
    for tokens in (20_000, 60_000):
        assert len(generate(3, Knobs(tokens=tokens), "report").company.text) / 4 == pytest.approx(
            tokens, rel=0.1
        )


@pytest.mark.parametrize("facilities", [1, 2, 3, 4, 5])
def test_so_many_facilities_as_asked_for(facilities: int) -> None:
    truth = generate(4, replace(SMALL, facilities=facilities), "gate")
    names = [each.name for each in truth.facilities]
    assert len(names) == len(set(names)) == facilities == len(truth.facility_spans)
    assert {owner for owner, _ in truth.values} == {DEAL, *names}


def test_scopes_are_the_schemas(small: list[Truth]) -> None:
    for truth in small:
        assert all((owner == DEAL) == (FIELDS[key].scope == "deal") for owner, key in truth.values)


@pytest.mark.parametrize("absent", [0.2, 0.4, 0.6])
def test_the_share_of_absent_fields_is_that_of_the_knob(absent: float) -> None:
    for truth in companies(4, 2, replace(SMALL, absent=absent), "tuning"):
        units = 34 + 38 * len(truth.facilities)
        assert 1.0 - len(truth.values) / units == pytest.approx(absent, abs=0.05)


def test_what_can_be_told_is_present(small: list[Truth]) -> None:
    for truth in small:
        for (owner, key), value in truth.values.items():
            for told, others in TOLD_BY.items():
                if key in others and value.value != "No":
                    assert (owner, told) in truth.values
            if key == "hedge_notional":
                assert (owner, "hedged_share") in truth.values


@pytest.mark.parametrize("manner", ["synonym", "oblique", "definition", "table"])
def test_a_wording_alone_is_used_wherever_it_can_be(manner: str) -> None:
    chosen = Knobs(tokens=6_000, facilities=2, amendment=0.0, repeated=0.0, **{**ALONE, manner: 1.0})
    truth = generate(5, chosen, "report")
    tags = [value.tags for value in truth.values.values() if value.tags[0] not in ("told", "computed")]
    assert sum(manner in each for each in tags) > 0.3 * len(tags)
    others = [each for each in SHARES if each not in (manner, "table")]
    assert not any(other in each for each in tags for other in others)


@pytest.mark.parametrize("place", ["front", "schedule", "elsewhere"])
def test_a_place_alone_is_used(place: str) -> None:
    shares = {"front": 0.0, "schedule": 0.0, "amendment": 0.0, "elsewhere": 0.0, place: 1.0}
    truth = generate(5, Knobs(tokens=6_000, repeated=0.0, **shares), "gate")
    stated = {value.tags[0] for value in truth.values.values()}
    # the table of lenders is a schedule whatever the knobs say
    assert place in stated <= {place, "told", "computed", "schedule"}


def test_an_amended_value_is_superseded_and_its_old_one_a_distractor() -> None:
    truth = generate(6, Knobs(tokens=8_000, amendment=1.0, front=0, schedule=0, elsewhere=0), "report")
    amended = [value for value in truth.values.values() if "amendment" in value.tags]
    assert len(amended) > 10
    for value in amended:
        (old,) = [each for each in value.distractors if each[0] == "amended"]
        assert value.superseded == (old[2],)
        assert old[2] != value.value
        place = truth.company.place(value.spans[0][0].start, value.spans[0][0].end)
        before = truth.company.place(old[1].start, old[1].end)
        assert place is not None
        assert "amendment" in place.file
        assert before is not None
        assert "amendment" not in before.file


def test_split_values_are_in_no_documented_window() -> None:
    chosen = Knobs(tokens=60_000, facilities=4, **{**ALONE, "split": 0.5})
    truth = generate(7, chosen, "tuning")
    windows = token_windows(truth.company.text, four_characters)
    split = [value.spans[0] for value in truth.values.values() if "split" in value.tags]
    assert len(split) > 10
    for spans in split:
        assert all(any(_in(span, window) for window in windows) for span in spans)
        assert not any(all(_in(span, window) for span in spans) for window in windows)


@pytest.mark.parametrize("seed", range(4))
def test_split_values_are_placed_where_statements_leave_no_room(seed: int) -> None:
    chosen = Knobs(tokens=9_143, absent=0.0, distractors=2.0, **{**ALONE, "split": 1.0})
    certificate(truth := generate(seed, chosen, "tuning"))
    assert any("split" in value.tags for value in truth.values.values())


def test_foreign_and_misread_clauses() -> None:
    truth = generate(8, Knobs(tokens=6_000, facilities=3, **{**ALONE, "foreign": 1.0}), "tuning")
    foreign = [value for value in truth.values.values() if "foreign" in value.tags]
    text = truth.company.text
    assert len(foreign) > 5
    assert any("beträgt" in text[v.spans[0][0].start : v.spans[0][0].end] for v in foreign)
    clean, noisy = (generate(8, Knobs(tokens=6_000, ocr=ocr), "tuning") for ocr in (0.0, 0.05))
    assert len(clean.company.text) == len(noisy.company.text)
    wrong = sum(a != b for a, b in zip(clean.company.text, noisy.company.text, strict=True))
    assert 0.02 < wrong / len(clean.company.text) < 0.06
    assert {key: value.value for key, value in clean.values.items()} == {
        key: value.value for key, value in noisy.values.items()
    }


def test_distractors_are_of_every_kind_and_as_many_as_asked_for() -> None:
    made = companies(6, 3, Knobs(tokens=12_000, distractors=3.0), "gate")
    values = [value for truth in made for value in truth.values.values()]
    kinds = {kind for value in values for kind, _, _ in value.distractors}
    assert kinds == set(KINDS) - {"sister"}
    assert 2.5 < sum(len(value.distractors) for value in values) / len(values) < 3.5
    assert any(truth.baits for truth in made)
    none = generate(3, Knobs(tokens=6_000, distractors=0.0), "gate")
    kept = {kind for value in none.values.values() for kind, _, _ in value.distractors}
    assert kept <= {"amended"}
    assert not none.baits


def test_distractors_give_other_values_and_never_overlap_the_evidence(small: list[Truth]) -> None:
    for truth in small:
        for value in truth.values.values():
            evidence = [span for spans in value.spans for span in spans]
            for kind, span, given_value in value.distractors:
                assert not any(span.start < each.end and each.start < span.end for each in evidence)
                if kind in ("default_covenant", "amended"):
                    assert given_value not in ("", value.value)
        for key, baits in truth.baits.items():
            assert key not in truth.values
            assert baits


def test_references_name_a_place_and_not_the_value(small: list[Truth]) -> None:
    for truth in small:
        assert truth.references
        for key, spans in truth.references.items():
            assert key in FIELDS
            alone = [v for (_, k), v in truth.values.items() if k == key]
            for span in spans:
                assert not any((span,) in value.spans for value in alone)


def test_no_to_everything_still_names_the_facilities() -> None:
    truth = generate(9, replace(SMALL, absent=1.0), "report")
    certificate(truth)
    assert all(truth.facility_spans.values())


def test_the_world_does_not_hang_on_how_it_is_written() -> None:
    one = world_of(3, SMALL, "report")
    assert one == world_of(3, replace(SMALL, ocr=0.1, tokens=9_000, synonym=0.0), "report")
    assert one != world_of(4, SMALL, "report")


def test_evidence_is_hardly_ever_ambiguous() -> None:
    made = companies(10, 1, SMALL, "gate")
    tags = [value.tags for truth in made for value in truth.values.values()]
    assert sum(AMBIGUOUS in each for each in tags) < 0.01 * len(tags)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tokens": 100},
        {"facilities": 0},
        {"facilities": 6},
        {"absent": 1.5},
        {"front": 0.8, "schedule": 0.8},
        {"synonym": 0.9, "oblique": 0.9},
        {"distractors": -1.0},
        {"ocr": float("nan")},
    ],
)
def test_knobs_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(HarnessError):
        Knobs(**wrong)  # type: ignore[arg-type]


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(HarnessError, match="no family 'train'"):
        generate(1, SMALL, "train")  # type: ignore[arg-type]


def test_defaults_are_printed() -> None:
    line = Knobs().line()
    assert "tokens 100000" in line
    assert "facilities drawn" in line


def _in(span: Passage, window: Passage) -> bool:
    return window.start <= span.start and span.end <= window.end
