"""Groups that the simulation can trust: whatever it is told is shared really is."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.prefix_groups import PrefixGroups
from harness.costmodel.simulation.requests import NO_GROUP

SYSTEM, OTHER, THIRD = tuple(range(40)), tuple(range(100, 140)), tuple(range(200, 240))
prompts = st.lists(st.lists(st.integers(0, 1), max_size=14).map(tuple), max_size=30)


def assigned(*asked, block_tokens=4):
    groups = PrefixGroups(block_tokens)
    return [groups.assign(prompt) for prompt in asked]


@settings(max_examples=200, deadline=None)
@given(prompts, st.integers(1, 3))
def test_what_a_group_shares_its_prompts_share(asked, block_tokens):
    told = assigned(*asked, block_tokens=block_tokens)
    for prompt, (group, shared) in zip(asked, told, strict=True):
        assert shared <= len(prompt)
        assert shared % block_tokens == 0
        assert (group == NO_GROUP) == (len(prompt) < block_tokens)
    for (one, (group, shared)), (other, (same, too)) in combinations(zip(asked, told, strict=True), 2):
        if group == same != NO_GROUP:
            both = min(shared, too)
            assert one[:both] == other[:both]


@settings(max_examples=50, deadline=None)
@given(prompts)
def test_what_was_told_does_not_depend_on_what_comes_later(asked):
    told = assigned(*asked, block_tokens=2)
    assert all(assigned(*asked[:count], block_tokens=2) == told[:count] for count in range(len(asked)))


def test_the_same_prompt_again_shares_all_of_it():
    assert assigned(SYSTEM, SYSTEM) == [(0, 40), (0, 40)]


def test_questions_about_one_passage_share_the_passage():
    asked = [(*SYSTEM, 900 + question, *OTHER) for question in range(4)]
    assert assigned(*asked) == [(0, 80), (0, 40), (0, 40), (0, 40)]


def test_a_conversation_shares_more_with_every_turn():
    assert assigned(SYSTEM, SYSTEM + OTHER, SYSTEM + OTHER + THIRD) == [(0, 40), (0, 80), (0, 120)]


def test_prompts_that_begin_differently_share_nothing():
    assert assigned(SYSTEM, OTHER, THIRD) == [(0, 40), (1, 40), (2, 40)]


def test_a_path_that_comes_again_beside_the_trunk_gets_its_own():
    beside = SYSTEM[:4] + OTHER
    assert assigned(SYSTEM, beside, beside, beside) == [(0, 40), (0, 4), (1, 44), (1, 44)]


def test_a_short_detour_stays_with_its_trunk():
    detour = SYSTEM + THIRD[:4]
    assert assigned(SYSTEM + OTHER, detour, detour) == [(0, 80), (0, 40), (0, 40)]


def test_only_whole_blocks_count():
    assert assigned(SYSTEM[:3], SYSTEM[:7]) == [(NO_GROUP, 0), (0, 4)]
