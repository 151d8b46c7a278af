"""From names to readers, and recordings to replays."""

import json
from importlib.util import find_spec

import pytest

from harness.calls.cache import ResponseCache
from harness.calls.journal import Journal
from harness.errors import HarnessError
from harness.extraction.asks import Facility, Passage
from harness.extraction.company import Company, Document
from harness.extraction.reading import Choice, Noise, open_reader
from harness.extraction.reading.formats import ONE_QUESTION, SPARSE, STATEMENTS, VERBOSE, Sparse
from harness.extraction.reading.noise import ASSUMED, Curve
from harness.extraction.reading.opening import constrained, format_named
from harness.extraction.reading.replay import read_records, the_record


@pytest.mark.parametrize(
    ("name", "form"), [("perfect", SPARSE), ("perfect", VERBOSE), ("noisy", ONE_QUESTION)]
)
def test_readers_that_know_the_truth(name, form, worlds, asks):
    truth = worlds()
    names = {"sparse": SPARSE, "verbose": VERBOSE, "one-question": ONE_QUESTION}
    chosen = next(each for each, value in names.items() if value is form)
    with open_reader(
        Choice(name, chosen, truths=[truth], noise=Noise(Curve(-99), Curve(-99))), threads=2
    ) as one:
        reader = one.reader()
        (reply,) = reader.answers([asks(truth, fields=["country"])])
    assert [each.value for each in reply.found] == ["Portugal"]
    assert (reader.provenance, one.opened.threads) == ("modelled", 2)
    assert reader.name.startswith(name)


def test_identities_of_two_truths_or_noises_differ(worlds):
    digests = []
    for truth, noise in (
        (worlds(0), None),
        (worlds(1), None),
        (worlds(0), ASSUMED),
        (worlds(0), Noise(Curve(0), Curve(0))),
    ):
        choice = (
            Choice("perfect", truths=[truth])
            if noise is None
            else Choice("noisy", truths=[truth], noise=noise)
        )
        with open_reader(choice) as one:
            digests.append(one.record.identity.digest)
    assert len(set(digests)) == 4


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice("perfect"), "knows nothing without the truth"),
        (Choice("replay"), "nothing is named to replay"),
        (Choice("no such model"), "no model 'no such model'"),
        (Choice("embedded", engine="other"), "no engine 'other'"),
        (Choice("ftp://x"), "the base URL is none"),
    ],
)
def test_names_that_are_none(choice, message):
    with pytest.raises(HarnessError, match=message), open_reader(choice):
        pass


def test_a_format_that_is_none():
    with pytest.raises(HarnessError, match="there is no format 'loud'"):
        format_named("loud")


def test_an_engine_with_schemas_is_held_to_one(worlds, readers):
    _, engine = readers([worlds()])
    assert constrained(SPARSE, engine) == Sparse(constrained=True)
    assert constrained(ONE_QUESTION, engine) is ONE_QUESTION

    class Without:
        lacks = {"schema": "none"}  # noqa: RUF012

    assert constrained(SPARSE, Without()) is SPARSE


# replay


def recorded(folder, truth, asked, journal=False):
    with open_reader(Choice("perfect", truths=[truth])) as one:
        if not journal:
            return one.reader(cache=ResponseCache(folder)).answers(asked)
        with Journal(folder / "run.jsonl", {}) as kept:
            return one.reader(journal=kept).answers(asked)


@pytest.mark.parametrize("journal", [False, True])
def test_a_recording_gives_the_same_replies_and_asks_nobody(worlds, asks, tmp_path, journal):
    truth = worlds()
    asked = [asks(truth, fields=["spread", "country"]), asks(truth, "detection")]
    wanted = recorded(tmp_path, truth, asked, journal)
    where = tmp_path / "run.jsonl" if journal else tmp_path
    before = sorted((path, path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file())
    with open_reader(Choice("replay", recording=where)) as one:
        assert one.reader().answers(asked) == wanted
        with pytest.raises(HarnessError, match="no answer is recorded"):
            one.reader().answers([asks(truth, fields=["base_rate"])])
    assert sorted((path, path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file()) == before


def test_of_several_readers_one_is_named(worlds, asks, tmp_path):
    truth = worlds()
    ask = asks(truth, fields=["country"])
    for choice in (Choice("perfect", truths=[truth]), Choice("noisy", truths=[truth])):
        with open_reader(choice) as one:
            one.reader(cache=ResponseCache(tmp_path)).answers([ask])
    assert len(read_records(tmp_path)) == 2
    with pytest.raises(HarnessError, match=r"2 readers .*perfect \(sparse\)"):
        the_record(tmp_path)
    with open_reader(Choice("replay", recording=tmp_path, model="noisy")) as one:
        assert one.record.identity.model == "noisy"


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 1}', '{"version": 2, "provenance": "measured"}']
)
def test_a_damaged_record_is_an_error(worlds, asks, tmp_path, content):
    truth = worlds()
    recorded(tmp_path, truth, [asks(truth, fields=["country"])])
    (path,) = (tmp_path / "readers").glob("*.json")
    path.write_text(content)
    with pytest.raises(HarnessError, match="is no record of a reader"):
        read_records(tmp_path)


def test_a_folder_without_answers_is_no_recording(tmp_path):
    for where in (tmp_path, tmp_path / "none"):
        with pytest.raises(HarnessError, match="0 readers"), open_reader(Choice("replay", recording=where)):
            pass
    assert not (tmp_path / "none").exists()


def test_a_record_holds_nothing_of_the_documents(worlds, asks, tmp_path):
    truth = worlds()
    recorded(tmp_path, truth, [asks(truth, fields=["country"])])
    (path,) = (tmp_path / "readers").glob("*.json")
    assert set(json.loads(path.read_text())) == {
        "version", "identity", "format", "context_tokens", "provenance", "tokenizer",
    }  # fmt: skip
    assert "Portugal" not in path.read_text()


@pytest.mark.skipif(
    not (find_spec("llama_cpp") and find_spec("tokenizers")), reason="needs the extra `models`"
)
def test_the_model_of_one_question_a_call_reads_a_passage(asks, worlds):
    text = (
        "The parties keep a copy of this file. The Interest Margin amounts to 2.35 %, as agreed.\n"
        "Under the term sheet, the Agency Fee was set at 0.40 %. As agreed, the Final Maturity Date falls on "
        "14 March 2031. The Base Rate named below is EURIBOR.\n"
    )
    company = Company("c", (Document("d", text),))
    start = company.starts[0]
    ask = asks(
        worlds(facilities=1),
        fields=["spread", "maturity_date", "upfront_fee"],
        company=company,
        passages=(Passage(start, start + len(text)),),
    )
    with open_reader(Choice("fields")) as one:
        reader = one.reader()
        assert reader.format is ONE_QUESTION
        assert one.record.tokenizer == "fields"
        assert reader.tokens(text) == len(one.opened.engine.tokenize(text))
        (reply,) = reader.answers([ask])
    assert reply.calls == 3
    assert reader.provenance == "measured"
    assert reply.latency_s > 0.0
    assert {each.field: each.value for each in reply.found if each.evidence} == {
        "spread": "2.35 %", "maturity_date": "14 March 2031",
    }  # fmt: skip


@pytest.mark.skipif(
    not (find_spec("llama_cpp") and find_spec("tokenizers")), reason="needs the extra `models`"
)
def test_the_embedded_model_says_what_each_line_states(asks, worlds):
    text = "The Interest Margin of Term Loan A is 2.35 per cent.\n\nThe parties keep a copy of this file.\n"
    company = Company("c", (Document("d", text),))
    start = company.starts[0]
    ask = asks(
        worlds(facilities=1),
        fields=["spread", "maturity_date"],
        company=company,
        passages=(Passage(start, start + len(text)),),
        facilities=(Facility("Term Loan A"),),
    )
    with open_reader(Choice()) as one:
        reader = one.reader()
        assert reader.format is STATEMENTS
        (reply,) = reader.answers([ask])
    assert reader.provenance == "measured"
    assert reply.calls == reader.calls(ask) == 2
    (found,) = reply.found
    assert (found.field, found.facility) == ("spread", "Term Loan A")
    assert found.value.startswith("2.35")
    assert found.evidence is not None
    assert "2.35" in text[found.evidence.start - start : found.evidence.end - start]
