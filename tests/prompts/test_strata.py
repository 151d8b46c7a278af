"""Parts of given sizes, each with its share of every type."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.prompts.examples import Entity, Example, ExampleSet
from harness.prompts.generate import TYPES, generate
from harness.prompts.strata import stratified


@st.composite
def divided(draw):
    kinds = draw(st.lists(st.frozensets(st.integers(1, 4)), min_size=1, max_size=25))
    sizes = [0, 0, 0]
    for _ in kinds:
        sizes[draw(st.integers(0, 2))] += 1
    examples = tuple(
        Example(f"{number}", f"{number} x", tuple(Entity("x", kind) for kind in sorted(each)))
        for number, each in enumerate(kinds)
    )
    return ExampleSet(TYPES, examples), sizes


def ids(part):
    return [each.id for each in part.examples]


@given(divided(), st.integers(0, 9))
def test_every_example_is_in_one_part_of_its_size_in_its_order(case, seed):
    examples, sizes = case
    parts = stratified(examples, sizes, seed)
    assert [len(part.examples) for part in parts] == sizes
    assert sorted(each for part in parts for each in ids(part)) == sorted(ids(examples))
    for part in parts:
        assert ids(part) == [each for each in ids(examples) if each in set(ids(part))]


@given(divided(), st.integers(0, 9), st.randoms(use_true_random=False))
def test_the_order_of_the_file_does_not_matter(case, seed, r):
    examples, sizes = case
    shuffled = list(examples.examples)
    r.shuffle(shuffled)
    parts = stratified(ExampleSet(TYPES, tuple(shuffled)), sizes, seed)
    assert [set(ids(part)) for part in parts] == [
        set(ids(part)) for part in stratified(examples, sizes, seed)
    ]


def test_another_seed_is_another_split():
    examples = generate(60, seed=1)
    splits = {tuple(map(tuple, map(ids, stratified(examples, (20, 20, 20), seed)))) for seed in range(5)}
    assert len(splits) == 5


def having(part, kind):
    return sum(any(entity.type_id == kind.id for entity in each.entities) for each in part.examples)


def worst(parts, examples):
    """Most examples of a type that a part has too few or too many."""
    n = len(examples.examples)
    return max(
        abs(having(part, kind) - having(examples, kind) * len(part.examples) / n)
        for part in parts
        for kind in TYPES
    )


@pytest.mark.parametrize("sizes", [(50, 75, 75), (48, 126, 126), (15, 22, 23)])
def test_types_are_divided_much_more_evenly_than_by_chance(sizes):
    ours, chance = [], []
    for seed in range(10):
        examples = generate(sum(sizes), seed=seed)
        ours.append(worst(stratified(examples, sizes, seed), examples))
        shuffled = list(examples.examples)
        random.Random(seed).shuffle(shuffled)
        ends = [sum(sizes[:k]) for k in range(4)]
        parts = [ExampleSet(TYPES, tuple(shuffled[a:b])) for a, b in itertools.pairwise(ends)]
        chance.append(worst(parts, examples))
    assert sum(ours) < 0.6 * sum(chance)
    assert max(ours) <= 4.0


def test_one_kind_each_is_divided_exactly():
    examples = ExampleSet(
        TYPES, tuple(Example(f"{n}", f"x {n}", (Entity("x", 1 + n % 4),)) for n in range(40))
    )
    for part in stratified(examples, (8, 12, 20), seed=0):
        assert len({having(part, kind) for kind in TYPES}) == 1


@pytest.mark.parametrize("sizes", [(1, 1), (3, 0), (-1, 3)])
def test_sizes_add_up(sizes):
    examples = ExampleSet(TYPES, tuple(Example(f"{n}", f"{n}", ()) for n in range(2)))
    if sum(sizes) == 2 and min(sizes) >= 0:
        assert len(stratified(examples, sizes, 0)) == 2
        return
    with pytest.raises(ValueError, match="2 examples"):
        stratified(examples, sizes, 0)
