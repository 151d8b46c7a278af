"""The pass as one graph: as it is, exported, compiled; all give the scores of `fast.score`."""

import importlib.util
import math

import numpy as np
import pytest
from detection.capture.random_models import every_head, model_of, samples_of

from harness.detection.capture.fast import score
from harness.detection.capture.loading import load
from harness.detection.sample import Scores
from harness.detection.trials import tensorrt
from harness.detection.trials.caching import furthest_scores
from harness.detection.trials.checkpoint import on_card, on_host, ready_from
from harness.detection.trials.compiled_model import compiled, furthest, missing_compiler, ours, uncompiled
from harness.detection.trials.dynamic_batching import (
    between,
    by_budget,
    by_table,
    furthest_means,
    fused,
    mapped,
    one_by_one,
)
from harness.detection.trials.feature_graph import graph_of, score_by
from harness.detection.trials.onnx_export import export, graph_in, in_onnx, in_torch
from harness.errors import HarnessError
from harness.models.embedded import model_folder

pytest.importorskip("transformers")
FOLDER = model_folder("answers")


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2", "qwen3"])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_graph_scores_as_the_fast_pass_does(architecture, seed):
    model, samples = model_of(architecture, seed), samples_of(seed, 7)
    layers = range(model.config.num_hidden_layers)
    wanted = score(model, samples, every_head(model), layers)
    for budget in (1, 60, 10_000):
        assert furthest_scores(score_by(graph_of(model), model, samples, token_budget=budget), wanted) < 1e-4
    assert score_by(graph_of(model), model, []) == []


def test_the_graph_refuses_what_the_model_cannot_read():
    model = model_of("llama", 1, max_position_embeddings=16)
    with pytest.raises(HarnessError, match="window"):
        score_by(graph_of(model), model, samples_of(1, 5))


def test_batches_by_length_change_no_score():
    samples = between(3, 9, 20, 90, 1024)
    plain, eager = ready_from(FOLDER, on_host()), ready_from(FOLDER, on_host(maps=True))
    alone = plain.run(fused(one_by_one), samples)
    for plan in (by_table, by_budget(True), by_budget(False)):
        assert furthest_scores(plain.run(fused(plan), samples), alone) < 1e-4
        assert furthest_scores(eager.run(mapped(plan), samples), alone) < 1e-4
    with pytest.raises(HarnessError, match="attention maps"):
        plain.run(mapped(by_table), samples)


def test_lengths_between_are_spread_and_no_prompt_is_shared():
    samples = between(1, 16, 48, 256, 1024)
    lengths = sorted(len(sample.tokens) for sample in samples)
    assert (lengths[0], lengths[-1], len({sample.tokens[: sample.prefix] for sample in samples})) == (
        48,
        256,
        16,
    )
    assert len(by_table(lengths).batches) == 1
    assert [len(batch) for batch in by_table([3999] * 9).batches] == [4, 4, 1]
    assert samples == between(1, 16, 48, 256, 1024)


def test_parity_is_of_a_responses_mean():
    first = Scores(np.zeros((4, 2)), np.zeros((4, 3)))
    swapped, shifted = np.zeros((4, 2)), np.zeros((4, 3))
    swapped[1, 1], shifted[:, 2] = 0.004, -0.5
    assert furthest_means([first, first], [first, Scores(swapped, first.parametric)]) == pytest.approx(0.001)
    assert furthest_means([first], [Scores(first.external, shifted)]) == 0.5


def test_uncompiled_arms_agree():
    samples = between(1, 5, 20, 60, 1024)
    arms = [made(FOLDER, on_host()).run(samples) for made in (uncompiled, ours)]
    assert furthest(*arms) < 1e-4
    assert [(arm.compile_s, arm.graphs) for arm in arms] == [(0.0, 0)] * 2


@pytest.mark.parametrize("shapes", ["as they come", "dynamic"])
def test_versions_that_were_compiled_are_counted(monkeypatch, shapes):
    import torch

    real = torch.compile
    # tracing without the C++ compiler behind it, which takes most of the time
    monkeypatch.setattr(
        torch, "compile", lambda graph, mode, dynamic: real(graph, backend="eager", dynamic=dynamic)
    )
    # batches of 3 and 4 samples: one of a single sample would be a version of its own
    samples = between(1, 7, 100, 200, 1024)
    arm = compiled(FOLDER, on_host(), samples, shapes)
    assert arm.graphs == 1 if shapes == "dynamic" else arm.graphs > 1
    assert arm.compile_s > 0.0
    assert furthest(arm.run(samples), ours(FOLDER, on_host()).run(samples)) < 1e-4


def test_a_missing_compiler_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs a C++ compiler" in missing_compiler()
    compiler = tmp_path / "g++"
    compiler.touch(mode=0o755)
    assert missing_compiler() is None


# --- ONNX ---


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    model, path = model_of("qwen2", 3), tmp_path_factory.mktemp("onnx") / "pass.onnx"
    export(model, path)
    return model, path


def test_an_exported_pass_gives_the_same_scores_for_any_batch(exported):
    model, path = exported
    assert [file.name for file in path.parent.iterdir()] == ["pass.onnx"]
    graph, samples = graph_in(path), samples_of(5, 6)
    wanted = score_by(graph_of(model), model, samples)
    for budget in (1, 10_000):
        assert furthest_scores(score_by(graph, model, samples, token_budget=budget), wanted) < 1e-4


def test_an_exported_file_has_named_outputs_and_tells_no_folders(exported):
    import onnx

    _, path = exported
    graph = onnx.load(path).graph
    assert [each.name for each in graph.input] == ["tokens", "rows", "columns"]
    assert [each.name for each in graph.output] == ["states", "queries", "keys", "parametric"]
    assert b"feature_graph" not in path.read_bytes()


def test_eight_bits_are_smaller_and_change_scores():
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    model, samples = load("answers"), between(1, 4, 30, 60, 1024)
    plain, small = in_torch(model), in_onnx(model, "int8")
    assert small.size < 0.3 * plain.size
    assert 1e-3 < furthest(plain.run(samples), small.run(samples)) < math.log(2.0) + 2.0


# --- TensorRT ---


def test_the_guides_example_inputs_are_refused():
    import torch

    with pytest.raises(HarnessError, match="token ids are whole numbers, the example input is float32"):
        tensorrt.require_inputs([torch.randn(1, 512)])
    with pytest.raises(HarnessError, match=r"the shape \(1, 512\) is fixed") as refused:
        tensorrt.require_inputs([torch.zeros(1, 512, dtype=torch.int64)])
    assert refused.value.exit_code == 3
    with pytest.raises(HarnessError, match="is fixed"):
        tensorrt.require_inputs([tensorrt.Profile((1, 8), (1, 8), (1, 8))])
    tensorrt.require_inputs(tensorrt.profiles(samples_of(1, 5)))


def test_what_is_given_to_tensorrt_takes_any_batch_of_the_profiles():
    model, samples = model_of("llama", 2), samples_of(4, 8)
    shapes = tensorrt.profiles(samples, 60)
    program = tensorrt.exported(model, shapes)
    wanted = score_by(graph_of(model), model, samples)
    for budget in (1, 60):
        assert furthest_scores(score_by(program.module(), model, samples, token_budget=budget), wanted) < 1e-4


def test_tensorrt_says_what_it_lacks():
    with pytest.raises(HarnessError, match="bitsandbytes and TensorRT do not go together"):
        tensorrt.compiled(FOLDER, on_card(), samples_of(1, 2))
    if importlib.util.find_spec("torch_tensorrt") is None:
        with pytest.raises(HarnessError, match="needs torch_tensorrt") as refused:
            tensorrt.compiled(FOLDER, on_card(nf4=False), samples_of(1, 2))
        assert refused.value.exit_code == 3
