"""The process of an xllamacpp server: llama.cpp's own llama-server, within this interpreter.

Started by `server`, never imported by it: what llama.cpp does to its process stays in this one.
"""

from __future__ import annotations

import argparse
import sys
import threading

from harness.errors import EXIT_BAD_INPUT

# of the host's memory, for prompts whose slot went to another request; llama.cpp's own limit is 8 GiB
_PROMPT_CACHE_MIB = 512


def main() -> int:
    """Serve until killed; exit code 4 when llama.cpp does not come up, with its reason on standard error."""
    import xllamacpp

    options = _options()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = options.model
    parameters.hostnames = [options.host]
    parameters.port = options.port
    parameters.n_parallel = options.parallel
    # llama.cpp splits its context evenly between the slots
    parameters.n_ctx = options.context * options.parallel
    parameters.cont_batching = options.continuous
    parameters.cache_prompt = options.prefix_cache
    parameters.cache_ram_mib = _PROMPT_CACHE_MIB if options.prefix_cache else 0
    # what was asked for, not what llama.cpp thinks fits
    parameters.fit_params = False
    parameters.endpoint_metrics = True
    parameters.ui = False
    # no page in a browser may read the answers
    parameters.cors_origins = f"http://{options.host}:{options.port}"
    if options.threads:
        parameters.cpuparams.n_threads = options.threads
        parameters.cpuparams_batch.n_threads = options.threads
    try:
        server = xllamacpp.Server(parameters)
    except RuntimeError:
        return EXIT_BAD_INPUT
    print(f"listening at {server.listening_address}", flush=True)
    threading.Event().wait()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--host", required=True)
    for number in ("port", "parallel", "context", "threads"):
        parser.add_argument(f"--{number}", type=int, required=True)
    for switch in ("continuous", "prefix-cache"):
        parser.add_argument(f"--{switch}", action=argparse.BooleanOptionalAction, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
