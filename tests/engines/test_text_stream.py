import itertools

from hypothesis import given
from hypothesis import strategies as st

from harness.engines.text_stream import TextStream


def fed(parts: list[bytes], stop: tuple[str, ...] = ()) -> tuple[list[str], bool]:
    """What was shown after each part, up to a stop, and whether one came."""
    stream = TextStream(stop)
    shown = []
    for part in parts:
        shown.append(stream.add(part))
        if stream.stopped:
            break
    return [*shown, stream.end()], stream.stopped


@given(st.text(), st.lists(st.integers(0, 40)))
def test_characters_come_whole_wherever_the_bytes_are_cut(text: str, cuts: list[int]) -> None:
    data = text.encode()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    parts = [data[a:b] for a, b in itertools.pairwise(edges)]
    shown, _ = fed(parts)
    assert "".join(shown) == text
    assert "\ufffd" in text or not any("\ufffd" in piece for piece in shown)


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_the_text_ends_before_the_first_stop_string(text: str, stop: list[str]) -> None:
    shown, stopped = fed([letter.encode() for letter in text], tuple(stop))
    # Fed letter by letter, the stop string that is complete first wins, the longest of those.
    complete = [at + len(word) for word in stop if (at := text.find(word)) >= 0]
    assert stopped == bool(complete)
    if stopped:
        seen = text[: min(complete)]
        text = seen[: min(len(seen) - len(word) for word in stop if seen.endswith(word))]
    assert "".join(shown) == text


def test_what_begins_a_stop_string_waits_until_it_cannot_become_one() -> None:
    stream = TextStream(("</end>",))
    assert [stream.add(part) for part in (b"one <", b"/en", b"ter>", b" </e")] == [
        "one ",
        "",
        "</enter>",
        " ",
    ]
    assert stream.end() == "</e"
    assert not stream.stopped


def test_half_a_character_at_the_end_is_a_replacement_character() -> None:
    assert fed(["é".encode()[:1]])[0] == ["", "\ufffd"]
