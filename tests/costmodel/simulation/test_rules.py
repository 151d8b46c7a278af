from __future__ import annotations

import math

import pytest

from harness.costmodel.simulation import sarathi_rules, vllm_rules
from harness.errors import HarnessError


def test_the_watermark_is_rounded_down():
    assert sarathi_rules().watermark_blocks(3328) == 33
    assert sarathi_rules().watermark_blocks(1100) == 11
    assert vllm_rules(2048, 64).watermark_blocks(1000) == 0


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (lambda: vllm_rules(0, 1), "max_batched_tokens is 0"),
        (lambda: vllm_rules(8, 0), "max_sequences is 0"),
        (lambda: vllm_rules(8, 2, block_tokens=0), "block_tokens is 0"),
        (lambda: vllm_rules(8, 9), "8 tokens a step for 9 sequences"),
        (lambda: sarathi_rules(watermark=1.0), "watermark is 1.0"),
        (lambda: sarathi_rules(watermark=math.nan), "watermark is nan"),
    ],
)
def test_rules_that_no_scheduler_can_obey(rules, message):
    with pytest.raises(HarnessError, match=message):
        rules()
