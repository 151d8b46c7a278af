from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.simulation.blocks import BlockAccount


def lengths_to_account(lengths, block, free, spare):
    """Sequences that hold so many tokens after step 0, each with the blocks for them."""
    held = sum(-(-length // block) for length in lengths)
    account = BlockAccount(held + free, block, spare, None)
    account.take(held)
    for length in lengths:
        account.follow(-length)
    return account


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=6),
    st.integers(1, 7),
    st.integers(0, 30),
    st.integers(0, 1),
    st.integers(1, 60),
)
@settings(max_examples=150, deadline=None)
def test_the_account_of_many_steps_is_that_of_each_sequence_in_each(lengths, block, free, spare, most):
    account = lengths_to_account(lengths, block, free, spare)
    needs = [sum((length + step - 1) % block == 0 for length in lengths) for step in range(1, most + 1)]
    if not account.grow(1):
        assert free - needs[0] < spare
        return
    assert account.free == free - needs[0] >= spare
    steps = account.affordable(1, most, len(lengths))
    left = [free - sum(needs[: done + 1]) for done in range(most)]
    assert all(one >= spare for one in left[:steps])
    assert steps == most or left[steps] < spare
    account.grow_ahead(1, steps - 1, len(lengths))
    assert account.free == left[steps - 1]
    assert account.total - account.free == sum(-(-(length + steps) // block) for length in lengths)


def test_one_sequence_at_a_time():
    account = lengths_to_account([4, 3], block=4, free=1, spare=0)
    assert account.grow_one(1, -4)
    assert account.free == 0
    assert account.grow_one(1, -3)
    assert not account.grow_one(2, -3)
    account.release(0, 2)
    account.forget(-4)
    assert account.free == 2
    assert account.grow(1)
    assert account.free == 2
