from __future__ import annotations

import pytest

from harness.costmodel.simulation.prefix import PrefixCache


@pytest.fixture
def cache():
    """Ten blocks; group 1 has 4 cached that nobody uses, and 6 are free before them."""
    cache = PrefixCache(10)
    cache.take(4)
    assert cache.extend(1, 0, 4)
    assert cache.release(1, 4) == 4
    return cache


def test_nothing_is_known_of_another_group(cache):
    assert cache.cached(2, 9) == (0, 0)


def test_what_is_cached_is_found_and_idle(cache):
    assert cache.cached(1, 9) == (4, 4)
    assert cache.cached(1, 3) == (3, 3)


def test_the_tail_is_lost_first_and_only_after_blocks_free_for_longer(cache):
    cache.take(6)
    assert cache.cached(1, 9) == (4, 4)
    cache.take(1)
    assert cache.cached(1, 9) == (3, 3)
    cache.take(3)
    assert cache.cached(1, 9) == (0, 0)


def test_what_is_held_is_not_idle_and_not_lost(cache):
    cache.hold(1, 0, 2)
    assert cache.cached(1, 9) == (4, 2)
    cache.take(8)
    assert cache.cached(1, 9) == (2, 0)
    assert cache.release(1, 2) == 2


def test_the_longest_holder_counts(cache):
    cache.hold(1, 0, 2)
    cache.hold(1, 0, 4)
    cache.hold(1, 0, 4)
    assert cache.release(1, 4) == 0
    assert cache.release(1, 4) == 2
    assert cache.release(1, 2) == 2


def test_a_released_prefix_goes_behind_what_was_free_before(cache):
    cache.give(0)
    cache.hold(1, 0, 4)
    cache.release(1, 4)
    cache.take(6)
    cache.give(6)
    cache.take(2)
    assert cache.cached(1, 9) == (2, 2)


def test_a_block_computed_again_does_not_count_twice(cache):
    cache.hold(1, 0, 3)
    cache.take(1)
    assert not cache.extend(1, 3, 4)
    cache.give(1)
    assert cache.release(1, 3) == 3


def test_more_than_is_free_cannot_be_taken(cache):
    with pytest.raises(IndexError):
        cache.take(11)
