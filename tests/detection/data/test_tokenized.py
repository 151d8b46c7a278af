"""Labels and chunks token by token."""

from hypothesis import given
from hypothesis import strategies as st

from harness.detection.data.chunks import response_chunks, text_chunks
from harness.detection.data.responses import Label, Response
from harness.detection.data.tokenized import Encoded, samples, token_labels

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
