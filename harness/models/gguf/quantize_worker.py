"""The process that calls llama.cpp: `python -m harness.models.gguf.quantize_worker IN OUT TYPE`."""

from __future__ import annotations

import os
import sys


def main(source: str, out: str, to: str) -> int:
    """0 when done, else what llama.cpp returned; its log goes to stderr."""
    import llama_cpp

    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{to}")
    settings.nthread = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return int(llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(out), settings))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
