"""Labels and chunks token by token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.detection.data.chunks import response_chunks, text_chunks
from harness.detection.data.responses import Label, Response
from harness.detection.data.tokenized import Encoded, chat, encoder, samples, token_labels
from harness.errors import HarnessError

TEXT = st.text(alphabet="ab .!?\n", max_size=60)


def by_words(text):
    """A token for each run of letters and for each other character."""
    spans, start = [], 0
    for place in range(1, len(text) + 1):
        if place == len(text) or not (text[place].isalpha() and text[place - 1].isalpha()):
            spans.append((start, place))
            start = place
    return Encoded(tuple(range(len(spans))), tuple(spans))


@given(TEXT, st.integers(1, 20))
def test_chunks_cover_the_text_and_are_no_longer_than_allowed(text, longest):
    chunks = text_chunks(text, longest)
    assert "".join(text[start:end] for start, end in chunks) == text
    assert all(0 < end - start <= longest for start, end in chunks)


@given(TEXT, st.integers(1, 20))
def test_every_token_is_in_one_chunk(text, longest):
    spans = by_words(text).spans
    chunks = response_chunks(text, spans, longest)
    assert [place for start, end in chunks for place in range(start, end)] == list(range(len(spans)))
    assert all(start < end for start, end in chunks)


@given(TEXT.filter(bool), st.data())
def test_a_token_is_hallucinated_when_it_shares_a_character_with_a_label(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    spans = by_words(text).spans
    found = token_labels(spans, [Label(start, end, "Evident Conflict")])
    assert found == tuple(bool(set(range(*span)) & set(range(start, end))) for span in spans)
    assert any(found)


def test_a_sample_is_the_chat_and_then_the_answer():
    response = Response(
        "r", "s", "QA", "m", 0.0, "the context. why", (4, 11), "so it is", (Label(3, 5, "x"),)
    )
    (sample,) = samples([response], lambda message: f"<{message}>", by_words)
    # < the blank context . blank why >
    assert (sample.prefix, sample.context, sample.response) == (8, (3, 4), 5)
    assert sample.labels == (False, False, True, False, False)
    assert samples([Response("r", "s", "QA", "m", 0.0, "p", (0, 1), "", ())], str, by_words) == []


def test_a_template_that_takes_blanks_off_moves_the_context_with_its_text():
    response = Response("r", "s", "QA", "m", 0.0, "  the context. why \n", (6, 13), "yes", ())
    (sample,) = samples([response], lambda message: f"[INST] {message.strip()} [/INST]", by_words)
    (as_it_is,) = samples([response], lambda message: f"[INST] {message} [/INST]", by_words)
    assert by_words("[INST] the context. why [/INST]").spans[sample.context[0]] == (11, 18)
    assert [each.context[1] - each.context[0] for each in (sample, as_it_is)] == [1, 1]
    whole = Response("r", "s", "QA", "m", 0.0, "ab ", (0, 3), "yes", ())
    (found,) = samples([whole], lambda message: f"<{message.strip()}> and more", by_words)
    # not a token behind the prompt
    assert found.context == (1, 2)


def test_a_short_prompt_is_found_where_the_template_puts_it():
    response = Response("r", "s", "QA", "m", 0.0, "us", (0, 2), "yes", ())
    (sample,) = samples([response], lambda message: f"user : {message} : as us", by_words)
    assert by_words("user : us : as us").spans[sample.context[0]] == (7, 9)


def test_a_template_that_changes_the_prompt_is_refused():
    response = Response("r7", "s", "QA", "m", 0.0, "A b", (0, 1), "yes", ())
    with pytest.raises(HarnessError, match="changes the prompt of response 'r7'"):
        samples([response], str.lower, by_words)


class Plain:
    """A tokenizer without a chat template; it begins a text with a token when `begins`."""

    def __init__(self, begins, fast=True):
        self.begins, self.is_fast = begins, fast
        self.chat_template, self.bos_token, self.bos_token_id = None, "<s>", 1

    def __call__(self, text):
        return {"input_ids": [1, 5] if self.begins else [5]}


def test_without_a_template_the_chat_begins_as_the_tokenizer_begins_a_text():
    assert chat(Plain(True))("why") == "<s>why\n"
    assert chat(Plain(False), "Be brief.")("why") == "Be brief.\n\nwhy\n"
    with pytest.raises(HarnessError, match=r"tokenizer\.json"):
        encoder(Plain(True, fast=False))
