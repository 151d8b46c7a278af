"""One benchmark whose arm raises, one that its author skips, one that is fine."""

import pytest

from harness import Metric, Optimization

OPTIMIZATION = Optimization(
    "trouble", "Trouble", metrics=(Metric("duration", "s", gate="paired", floor=0.2),)
)


def test_raises(ab):
    def raises():
        raise ValueError("the input is bad\nand this is a second line")

    ab.arms(int, raises)
    ab.run()


def test_skips(ab):
    pytest.skip("needs a licence")


def test_fine(ab):
    ab.arms(int, int)
    ab.run()
