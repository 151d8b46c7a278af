"""The scoring pass as an ONNX file, run by ONNX Runtime; weights in float32 or dynamically quantized.

The guide exports logits and attention maps under two names. A pass that is to be scored has hidden states,
queries, keys and the lens' divergences as outputs (`feature_graph.OUTPUTS`), and lengths that vary.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.detection.capture.layouts import padded
from harness.detection.sample import Sample
from harness.detection.trials.feature_graph import (
    INPUTS,
    OUTPUTS,
    Graph,
    Scored,
    graph_of,
    inputs_of,
    score_by,
)

Weights = Literal["float32", "int8"]


@dataclass(frozen=True, slots=True)
class Exported:
    """A model and what runs its graph; `size` bytes of the weights in memory, or of the file."""

    model: Any
    graph: Graph
    size: int
    export_s: float = 0.0

    def run(self, samples: Sequence[Sample]) -> Scored:
        """Scores of all samples, and what they were computed with."""
        return Scored(score_by(self.graph, self.model, samples), self.export_s, size=self.size)


def in_torch(model: Any) -> Exported:
    """The same graph in torch; its size is that of the weights, tied ones once."""
    kept = {weight.data_ptr(): weight.numel() * weight.element_size() for weight in model.parameters()}
    return Exported(model, graph_of(model), sum(kept.values()))


def in_onnx(model: Any, weights: Weights) -> Exported:
    """Exported, quantized if asked, and loaded into ONNX Runtime, with as many threads as torch has.

    The file is in a temporary folder while it is loaded. On a card ONNX Runtime needs its CUDA provider.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pass.onnx"
        export(model, path)
        if weights == "int8":
            path = quantized(path)
        export_s = time.perf_counter() - began
        return Exported(model, graph_in(path, str(model.device)), path.stat().st_size, export_s)


def export(model: Any, path: Path) -> None:
    """Write the scoring pass of a float model as one ONNX file, all three axes dynamic.

    Raises what torch.onnx raises where an operation has no counterpart. No network: operators come with
    onnxscript. The file is below ONNX's limit of 2 GB or gets its weights beside it.
    """
    import torch

    example = Sample("example", "example", "QA", (1, 2, 3, 4, 5, 6, 7), 4, (0, 4), (False,) * 3)
    other = Sample("other", "other", "QA", (1, 2, 3, 4, 5), 3, (0, 3), (False,) * 2)
    given = tuple(torch.from_numpy(array) for array in inputs_of(padded([example, other], [0, 1])))
    size, length, rows = (torch.export.Dim(name) for name in ("batch", "length", "rows"))
    with _quiet(), torch.inference_mode():
        program = torch.onnx.export(
            graph_of(model),
            tuple(tensor.to(model.device) for tensor in given),
            dynamo=True,
            input_names=INPUTS,
            output_names=OUTPUTS,
            dynamic_shapes={"tokens": {0: size, 1: length}, "rows": {0: rows}, "columns": {0: rows}},
            verbose=False,
        )
        for node in program.model.graph:
            node.metadata_props.clear()  # where in our sources it came from, with folders
        unfinished = path.with_suffix(".part")
        program.save(unfinished)
        unfinished.replace(path)


def quantized(path: Path) -> Path:
    """A copy with the layers' matrices in 8 bits, activations quantized as they come (no calibration).

    The output matrix stays in float32, since the embedding is the same one.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(path)
    _share_transposed(model)
    found = path.with_name("pass-int8.onnx")
    with _quiet():
        quantize_dynamic(model, found, weight_type=QuantType.QInt8)
    return found


def _share_transposed(model: Any) -> None:
    """Products with a transposed matrix as plain ones of one transposition: the quantizer would turn a matrix
    that several products share once for each of them.
    """
    from onnx import helper

    turned: dict[str, str] = {}
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Gemm" and len(node.input) == 2:
            matrix = node.input[1]
            if matrix not in turned:
                turned[matrix] = f"{matrix}.transposed"
                nodes.append(helper.make_node("Transpose", [matrix], [turned[matrix]], perm=[1, 0]))
            operands = [node.input[0], turned[matrix]]
            nodes.append(helper.make_node("MatMul", operands, node.output, name=node.name))
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def graph_in(path: Path, device: str = "cpu") -> Graph:
    """The file in ONNX Runtime, called with tensors like the graph it was exported from."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    provider = "CPUExecutionProvider" if device == "cpu" else "CUDAExecutionProvider"
    session = onnxruntime.InferenceSession(path, options, providers=[provider])

    def run(*tensors: Any) -> list[Any]:
        fed = {name: it.cpu().numpy() for name, it in zip(INPUTS, tensors, strict=True)}
        return [torch.from_numpy(array).to(device) for array in session.run(list(OUTPUTS), fed)]

    return run


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints its progress, and warns of its own use of what torch will drop."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
