"""Memory growth of a piece of work, read from the kernel."""

import threading

import numpy as np

from harness.engines.memory import peak_growth

MIB = 2**20


def fill(mib: int) -> int:
    return int(np.ones(mib * MIB, dtype=np.uint8)[::4096].sum())


def test_the_peak_is_seen_although_it_is_freed_again():
    result, growth = peak_growth(lambda: fill(64), on_cpu=True)
    assert result == 64 * MIB // 4096
    assert 60 * MIB < growth < 80 * MIB


def test_it_is_seen_again_the_next_time_and_in_another_thread():
    def elsewhere() -> None:
        thread = threading.Thread(target=fill, args=(24,))
        thread.start()
        thread.join()

    for _ in range(3):
        assert 20 * MIB < peak_growth(elsewhere, on_cpu=True)[1] < 40 * MIB


def test_what_was_held_before_does_not_count():
    held = np.ones(64 * MIB, dtype=np.uint8)
    assert peak_growth(lambda: int(held[0]), on_cpu=True)[1] < 8 * MIB
