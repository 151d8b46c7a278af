"""What is loaded, and what is refused with a reason before anything is."""

import pytest

from harness.detection.capture.compatibility import TABLE, incompatible, require_compatible
from harness.detection.capture.loading import Loading, load, offload_map
from harness.errors import EXIT_INFEASIBLE, HarnessError


@pytest.mark.parametrize("pair", TABLE, ids=lambda pair: f"{pair.first} and {pair.second}")
def test_incompatible_pairs_are_refused_with_a_reason(pair):
    with pytest.raises(HarnessError) as caught:
        require_compatible([pair.second, "something else", pair.first])
    assert pair.reason in caught.value.message
    assert pair.instead in caught.value.message
    assert caught.value.exit_code == EXIT_INFEASIBLE
    assert incompatible([pair.first]) is None


@pytest.mark.parametrize(
    "loading",
    [Loading(nf4=True), Loading(device_map="balanced"), Loading(attention="flash_attention_2")],
)
def test_what_needs_a_card_is_refused_on_a_cpu(loading):
    with pytest.raises(HarnessError, match="and CPU do not go together"):
        load("answers", loading)


def test_a_card_that_is_not_there_is_refused():
    torch = pytest.importorskip("torch", reason="needs extra models")
    if torch.cuda.is_available():
        pytest.skip("there is a card")
    with pytest.raises(HarnessError, match="no device 'cuda'"):
        load("answers", Loading(device="cuda", nf4=True))


def test_an_unknown_model_is_refused():
    with pytest.raises(HarnessError, match="no model"):
        load("no such model")


def test_the_embedded_model_loads_in_float32_on_sdpa():
    torch = pytest.importorskip("torch", reason="needs extra models")
    pytest.importorskip("transformers", reason="needs extra models")
    model = load("answers")
    assert (model.dtype, model.device.type, model.config._attn_implementation) == (
        torch.float32,
        "cpu",
        "sdpa",
    )


def test_the_guides_offload_is_completed():
    found = offload_map(32, 2, 4)
    on = [found[f"model.layers.{n}"] for n in range(32)]
    assert on == [0] * 14 + [1] * 14 + ["cpu"] * 4
    assert (found["model.embed_tokens"], found["model.norm"], found["lm_head"]) == (0, 1, 1)
    for layers, cards, on_cpu in ((4, 0, 0), (4, 2, 3), (4, 1, -1)):
        with pytest.raises(ValueError, match="cannot have"):
            offload_map(layers, cards, on_cpu)
