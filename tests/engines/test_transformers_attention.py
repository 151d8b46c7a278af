"""Attention of one query per row with grouped heads gives what transformers' own gives."""

import pytest

torch = pytest.importorskip("torch", reason="needs extra models")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from transformers import AttentionInterface, LlamaConfig, LlamaForCausalLM  # noqa: E402
from transformers.integrations.sdpa_attention import sdpa_attention_forward  # noqa: E402

from harness.engines.transformers_attention import NAME, use_grouped_heads  # noqa: E402


class Module:
    is_causal = True

    def __init__(self, groups):
        self.num_key_value_groups = groups


@pytest.fixture(scope="module")
def grouped():
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=1,
        num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    use_grouped_heads(model)
    assert model.config._attn_implementation == NAME
    return AttentionInterface()[NAME]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 3),
    kv_heads=st.integers(1, 3),
    groups=st.integers(1, 3),
    tokens=st.integers(1, 9),
    queries=st.sampled_from([1, 1, 1, 2]),
    masked=st.sampled_from(["none", "bool", "float"]),
    seed=st.integers(0, 3),
)
def test_it_is_the_same_attention(grouped, rows, kv_heads, groups, tokens, queries, masked, seed):
    made = torch.Generator().manual_seed(seed)
    query = torch.randn(rows, kv_heads * groups, queries, 8, generator=made)
    key, value = (torch.randn(rows, kv_heads, tokens, 8, generator=made) for _ in range(2))
    mask = None
    if masked != "none":
        mask = torch.rand(rows, 1, queries, tokens, generator=made) > 0.4
        mask[..., 0] = True  # a row that sees nothing has no answer
        if masked == "float":
            mask = torch.zeros(mask.shape).masked_fill(~mask, -1e9)
    arguments = (Module(groups), query, key, value, mask)
    found, _ = grouped(*arguments, scaling=0.3)
    expected, _ = sdpa_attention_forward(*arguments, scaling=0.3)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
