"""Same call, same key; another call, another key."""

import dataclasses
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.calls.identity import Identity
from harness.calls.keys import answer_key, request_key
from harness.engines.protocol import Message, Request, Sampling

IDENTITY = Identity("m", "e 1", "http://h/v1", "abc", "Q8_0")
TEXTS = st.text(max_size=5)
SCHEMAS = st.sampled_from([None, {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": [1, {"c": None}]}])
SAMPLINGS = st.builds(
    Sampling,
    max_tokens=st.integers(1, 3), temperature=st.sampled_from([0.0, 0.5, 1.0]),
    top_p=st.sampled_from([0.5, 1.0]), top_k=st.integers(0, 2), min_p=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 2),
    stop=st.lists(TEXTS, max_size=2).map(tuple), schema=SCHEMAS, grammar=st.sampled_from(["", "root ::= x"]),
    ignore_eos=st.booleans(),
)  # fmt: skip
MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(["system", "user", "assistant"]), TEXTS), min_size=1, max_size=3
).map(tuple)
PROMPTS = MESSAGES | TEXTS | st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple)
REQUESTS = st.builds(Request, PROMPTS, SAMPLINGS, st.sampled_from([None, 1.0]))


def decides(request):
    """What of a request decides its answer, schema order included."""
    sampling = dataclasses.asdict(request.sampling)
    kinds = [type(part).__name__ for part in request.prompt]
    return repr((type(request.prompt).__name__, kinds, request.prompt, sampling))


@given(REQUESTS, REQUESTS)
def test_two_requests_have_one_key_exactly_when_they_ask_the_same(one, other):
    same = decides(one) == decides(other)
    assert (request_key(IDENTITY, one) == request_key(IDENTITY, other)) == same


@given(REQUESTS, st.integers(0, 3))
def test_only_drawn_answers_depend_on_the_occurrence(request, occurrence):
    key = request_key(IDENTITY, request)
    greedy = request.sampling.temperature == 0
    assert (answer_key(key, request, occurrence) == key) == greedy
    others = {answer_key(key, request, other) for other in range(4)}
    assert len(others) == (1 if greedy else 4)


@pytest.mark.parametrize("part", ["model", "engine", "endpoint", "weights", "quantization"])
def test_every_part_of_the_identity_counts(part):
    request = Request("text")
    other = dataclasses.replace(IDENTITY, **{part: "other"})
    assert request_key(other, request) != request_key(IDENTITY, request)
    assert other.digest != IDENTITY.digest


def test_numbers_and_mappings_count_by_what_they_say():
    one = Request("text", Sampling(temperature=0, top_p=1, schema={"a": [1]}))
    other = Request("text", Sampling(temperature=0.0, top_p=1.0, schema=MappingProxyType({"a": (1,)})))
    assert request_key(IDENTITY, one) == request_key(IDENTITY, other)


def test_the_key_is_the_same_in_every_process():
    key = request_key(IDENTITY, Request((Message("user", "hi"),), Sampling(schema={"b": 1, "a": 2})))
    assert key == "6c86d48852c01f45fde18f6b1670e65957210ab935d5f803b0f753c22675895c"
