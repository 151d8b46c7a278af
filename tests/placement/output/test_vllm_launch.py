from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.placement.output.vllm_launch import Launch, launch, obstacle
from harness.placement.plan import Plan, Stage
from harness.placement.problem import Config, Problem


def plan_of_stages(*stages: tuple[str, int, int]) -> Plan:
    """(type, TP, layers) of each stage, GPUs numbered through."""
    placed, gpu, layer = [], 0, 1
    for name, tp, layers in stages:
        placed.append(Stage(name, tuple(range(gpu, gpu + tp)), layer, layer + layers - 1, 100.0))
        gpu, layer = gpu + tp, layer + layers
    return Plan(tuple(placed), 100.0, 1.0)


def words(command: str) -> tuple[dict[str, str], list[str]]:
    """(environment, argument words) as a shell would see them."""
    parts = shlex.split(command.replace("\\\n", ""))
    first = parts.index("vllm")
    return dict(part.split("=", 1) for part in parts[:first]), parts[first:]


def option(command: str, name: str) -> str | None:
    _, arguments = words(command)
    return arguments[arguments.index(name) + 1] if name in arguments else None


@pytest.fixture
def config(medium: Problem) -> Config:
    return medium.config


def test_one_type_on_one_machine_is_one_command(config: Config) -> None:
    made = launch(plan_of_stages(("A100", 2, 25), ("A100", 2, 15)), config)
    (command,) = made.commands
    environment, arguments = words(command)
    assert arguments[:3] == ["vllm", "serve", "llama-70b"]
    assert environment["VLLM_PP_LAYER_PARTITION"] == "25,15"
    assert environment["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"
    assert option(command, "--tensor-parallel-size") == "2"
    assert option(command, "--pipeline-parallel-size") == "2"
    assert option(command, "--max-model-len") == str(4096 + config.output_length)
    assert option(command, "--max-num-seqs") == "32"
    assert "--nnodes" not in command
    assert (made.tp, made.layer_partition) == (2, (25, 15))


def test_a_single_stage_needs_no_partition(config: Config) -> None:
    (command,) = launch(plan_of_stages(("A100", 4, 40)), config).commands
    assert "VLLM_PP_LAYER_PARTITION" not in command
    assert option(command, "--pipeline-parallel-size") == "1"


def test_more_gpus_than_a_machine_holds_are_equal_machines(config: Config) -> None:
    made = launch(plan_of_stages(*[("A100", 2, 7)] * 5, ("A100", 2, 5)), config)
    assert [option(command, "--node-rank") for command in made.commands] == ["0", "1"]
    assert {option(command, "--nnodes") for command in made.commands} == {"2"}
    assert {words(command)[0]["CUDA_VISIBLE_DEVICES"] for command in made.commands} == {"0,1,2,3,4,5"}
    assert {words(command)[0]["VLLM_PP_LAYER_PARTITION"] for command in made.commands} == {"7,7,7,7,7,5"}
    assert ["--headless" in command for command in made.commands] == [False, True]


def test_types_get_machines_of_their_own_with_equally_many_stages(config: Config) -> None:
    made = launch(plan_of_stages(("A100", 2, 20), ("L20", 2, 10), ("L20", 2, 10)), config)
    assert len(made.commands) == 3
    assert [note for note in made.notes if note.startswith("machine")] == [
        "machine 0: 2 x A100 (pool GPUs 0-1), 1 stage",
        "machine 1: 2 x L20 (pool GPUs 2-3), 1 stage",
        "machine 2: 2 x L20 (pool GPUs 4-5), 1 stage",
    ]


@pytest.mark.parametrize(
    ("stages", "why"),
    [
        ([("V100", 2, 28), ("V100", 4, 12)], "tensor-parallel sizes 2, 4"),
        ([("A100", 8, 40)], "span 8 GPUs, and a machine has 4"),
    ],
)
def test_what_no_launch_can_serve_is_told(
    config: Config, stages: list[tuple[str, int, int]], why: str
) -> None:
    plan = plan_of_stages(*stages)
    assert why in obstacle(plan, config, 4)
    with pytest.raises(HarnessError, match="one vLLM launch cannot serve"):
        launch(plan, config, 4)


def test_heads_that_cannot_be_split_are_told(config: Config) -> None:
    odd = replace(config, num_attention_heads=6)
    assert "6 attention heads" in obstacle(plan_of_stages(("A100", 4, 40)), odd)
    assert obstacle(plan_of_stages(("A100", 2, 40)), odd) == ""


@pytest.mark.parametrize(
    ("name", "size", "dtype"),
    [("V100", 2, "half"), ("T4", 2, "half"), ("A100", 2, None), ("A100", 4, "float32"), ("mine", 2, None)],
)
def test_the_data_type_follows_from_the_card_and_the_element(
    config: Config, name: str, size: int, dtype: str | None
) -> None:
    made = launch(plan_of_stages((name, 1, 40)), replace(config, bytes_per_element=size))
    assert option(made.commands[0], "--dtype") == dtype


@pytest.mark.parametrize(
    ("name", "says"),
    [("V100", "built from source"), ("mine", "not known here"), ("A100", None), ("T4", None)],
)
def test_a_card_that_published_builds_do_not_run_is_told(config: Config, name: str, says: str | None) -> None:
    notes = " ".join(launch(plan_of_stages((name, 1, 40)), config).notes)
    assert ("built from source" in notes, "not known here" in notes) == (
        says == "built from source",
        says == "not known here",
    )


@given(name=st.text(min_size=1))
def test_a_model_name_is_one_word_of_the_shell_or_refused(medium: Problem, name: str) -> None:
    config = replace(medium.config, model_name=name)
    if name.startswith("-") or not name.isprintable():
        with pytest.raises(HarnessError, match="model name"):
            launch(plan_of_stages(("A100", 1, 40)), config)
    else:
        (command,) = launch(plan_of_stages(("A100", 1, 40)), config).commands
        assert words(command)[1][2] == name


def test_notes_are_comments_whatever_a_type_is_called(config: Config) -> None:
    made = launch(plan_of_stages(("x\nrm -rf /\x1b[2J", 1, 40)), config)
    assert isinstance(made, Launch)
    heads = [line for line in made.text.splitlines() if not line.startswith(("  ", "CUDA"))]
    assert all(line.startswith("# ") for line in heads)
    assert "\x1b" not in made.text


@given(
    stages=st.lists(st.tuples(st.sampled_from(["A100", "L20"]), st.integers(1, 9)), min_size=1, max_size=12),
    tp=st.sampled_from([1, 2, 4]),
    gpus_per_machine=st.integers(4, 16),
)
def test_machines_hold_equally_many_stages_of_one_type_in_order(
    medium: Problem, stages: list[tuple[str, int]], tp: int, gpus_per_machine: int
) -> None:
    plan = plan_of_stages(*((name, tp, layers) for name, layers in stages))
    made = launch(plan, medium.config, gpus_per_machine)
    visible = [words(command)[0]["CUDA_VISIBLE_DEVICES"].split(",") for command in made.commands]
    assert len({tuple(each) for each in visible}) == 1
    assert len(visible[0]) <= gpus_per_machine
    assert sum(map(len, visible)) == tp * len(stages)
    each = len(visible[0]) // tp
    runs = [stages[at : at + each] for at in range(0, len(stages), each)]
    assert all(len({name for name, _ in run}) == 1 for run in runs)
    assert made.layer_partition == tuple(layers for _, layers in stages)
    assert [option(c, "--node-rank") for c in made.commands] == (
        [str(rank) for rank in range(len(runs))] if len(runs) > 1 else [None]
    )
