"""What tokens and hours cost."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.calls.price import FREE, Price
from harness.errors import HarnessError

USD = st.floats(0, 1000)
TOKENS = st.integers(0, 10**9)


def test_a_price_list_as_it_is_written():
    price = Price(0.15, 0.60, 0.075, 1.20)
    assert price.of_tokens(1_000_000, 500_000, 400_000) == pytest.approx(
        0.6 * 0.15 + 0.4 * 0.075 + 0.5 * 0.60
    )
    assert price.of_time(1800) == pytest.approx(0.60)
    assert FREE.of_tokens(10, 10) == FREE.of_time(10) == 0


@given(USD, USD, TOKENS, TOKENS, st.data())
def test_cached_tokens_cost_what_others_do_unless_said(each, out, prompt, completion, data):
    cached = data.draw(st.integers(0, prompt))
    price = Price(each, out)
    assert price.of_tokens(prompt, completion, cached) == pytest.approx(price.of_tokens(prompt, completion))


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_what_is_no_price(wrong):
    with pytest.raises(HarnessError, match="usd_per_million_output is"):
        Price(1.0, wrong)
    with pytest.raises(HarnessError, match="usd_per_hour is"):
        Price(usd_per_hour=wrong)
