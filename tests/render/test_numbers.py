import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.render import numbers


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0412, "s", "41.2 ms"),
        (0.088, "s", "88.0 ms"),
        (12.83, "s", "12.8 s"),
        (4.21e-5, "s", "42.1 us"),
        (3e-8, "s", "30.0 ns"),
        (0, "s", "0 s"),
        (340665, "count", "340,665"),
        (123456789, "", "123,456,789"),
        (8_589_934_592, "bytes", "8.00 GiB"),
        (0.5, "GiB", "512 MiB"),
        (812.44, "tokens/s", "812 tokens/s"),
        (0.0812, "fraction", "8.12 %"),
        (3.1e-4, "max_abs", "3.10e-4 max_abs"),
        (1.25, "usd", "1.25 USD"),
        (0.0493, "ratio", "0.0493"),
        (None, "s", "-"),
        (math.nan, "s", "-"),
        (math.inf, "s", "inf"),
    ],
)
def test_quantity(value: float | None, unit: str, shown: str) -> None:
    assert numbers.quantity(value, unit) == shown


@given(st.integers(min_value=-(10**14), max_value=10**14))
def test_counts_keep_every_digit(count: int) -> None:
    assert int(numbers.quantity(count, "count").replace(",", "")) == count


@given(st.floats(min_value=1e-9, max_value=1e6))
def test_a_duration_reads_back_within_its_digits(seconds: float) -> None:
    figure, unit = numbers.quantity(seconds, "s").split()
    scale = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[unit]
    assert float(figure.replace(",", "")) * scale == pytest.approx(seconds, rel=0.006)


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_a_ratio_reads_back_within_its_digits(ratio: float) -> None:
    assert float(numbers.ratio(ratio).replace(",", "")) == pytest.approx(ratio, rel=0.006)


@pytest.mark.parametrize(
    ("low", "high", "unit", "shown"),
    [
        (0.25, 0.4, None, "0.25 to 0.4"),
        (-math.inf, 0.5, None, "<= 0.5"),
        (1.3, math.inf, None, ">= 1.3"),
        (-math.inf, 0.05, "fraction", "<= 5 %"),
        (-math.inf, math.inf, None, "any"),
        (2.0, 2.0, None, "2"),
        (0.1, 0.2, "s", "100 ms to 200 ms"),
    ],
)
def test_span(low: float, high: float, unit: str | None, shown: str) -> None:
    assert numbers.span(low, high, unit) == shown


def test_a_counted_ratio_has_no_interval() -> None:
    assert numbers.ratio_with_interval(0.5811, 0.5811, 0.5811) == "0.581"
    assert numbers.ratio_with_interval(0.313, 0.309, 0.318) == "0.313 [0.309, 0.318]"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(11.2, "0:12"), (185, "3:05"), (3729, "1:02:09"), (-3, "0:00")]
)
def test_clock(seconds: float, shown: str) -> None:
    assert numbers.clock(seconds) == shown
