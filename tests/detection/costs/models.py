"""Settings on rows of the committed matrix, and a counter of the operations that torch is asked for."""

from pathlib import Path

from harness.detection.costs.structures import setting
from harness.hardware.matrix import load_matrix

MATRIX = Path(__file__).resolve().parents[3] / "hardware_matrix.toml"
ROWS = load_matrix(MATRIX).rows
GPU_ROWS = [name for name, row in ROWS.items() if row.kind == "cuda"]
WEIGHTS = ("fp16", "int8", "nf4_double")
MODELS = ("llama-2-7b", "llama-3.1-8b")
# what torch calls without starting a kernel
_VIEWS = {
    "_unsafe_view", "alias", "as_strided", "detach", "expand", "permute", "scalar_tensor", "select", "slice",
    "split", "squeeze", "t", "transpose", "unbind", "unsqueeze", "view",
}  # fmt: skip


def at(structure, row="a100_40gb", weights="fp16", stages=1, model="llama-2-7b"):
    return setting(ROWS[row], weights, structure, stages, model)


def operations(run):
    """Kernels that `run` starts: operations that torch's dispatcher sees, views left out."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    seen = []

    class Counter(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            seen.append(function.overloadpacket.__name__)
            return function(*args, **(kwargs or {}))

    # in inference mode composite operations are not taken apart
    with torch.no_grad(), Counter():
        run()
    return sum(name not in _VIEWS for name in seen)
