"""The process of a `transformers serve`, with a bound on what one request may take.

transformers 5.19 lets a request of any length in, and its continuous batching ends for good at one that its
cache can never hold. Here a prompt beyond the context is refused with 400 and an answer ends at it. Its list
of models is that of the download cache, an error without one; here it is the model that is served.
Started by `server`, never imported by it.
"""

from __future__ import annotations

import argparse
from typing import Any


def main() -> None:
    """Serve until killed."""
    from transformers.cli.serve import Serve
    from transformers.cli.serving.model_manager import ModelManager
    from transformers.cli.serving.utils import CBGenerateManager, GenerateManager

    options = _options()
    for manager in (CBGenerateManager, GenerateManager):
        _bound(manager, options.context)
    served = {"id": options.model, "object": "model", "created": 0, "owned_by": ""}
    ModelManager.get_gen_models = staticmethod(lambda: [served | {"max_model_len": options.context}])
    Serve(
        force_model=options.model,
        host=options.host,
        port=options.port,
        device=options.device,
        quantization=options.quantization or None,
        continuous_batching=options.continuous,
        cb_num_blocks=options.blocks,
        cb_max_batch_tokens=options.batch_tokens or None,
    )


def _bound(manager: Any, context: int) -> None:
    """Have the manager's two ways to generate refuse what is longer than `context` tokens."""
    stream, whole = manager.generate_streaming, manager.generate_non_streaming

    def generate_streaming(
        self: Any, model: Any, processor: Any, inputs: Any, config: Any, **rest: Any
    ) -> Any:
        _fit(inputs, config, context)
        return stream(self, model, processor, inputs, config, **rest)

    async def generate_non_streaming(
        self: Any, model: Any, processor: Any, inputs: Any, config: Any, **rest: Any
    ) -> Any:
        _fit(inputs, config, context)
        return await whole(self, model, processor, inputs, config, **rest)

    manager.generate_streaming = generate_streaming
    manager.generate_non_streaming = generate_non_streaming


def _fit(inputs: Any, config: Any, context: int) -> None:
    from fastapi import HTTPException

    token_ids = inputs["input_ids"]
    prompt = len(token_ids) if isinstance(token_ids, list) else token_ids.shape[-1]
    if prompt >= context:
        detail = f"the prompt has {prompt} tokens, the context {context}, the answer included"
        raise HTTPException(status_code=400, detail=detail)
    config.max_new_tokens = min(config.max_new_tokens, context - prompt)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for text in ("model", "host", "device", "quantization"):
        parser.add_argument(f"--{text}", required=True)
    for number in ("port", "context", "blocks", "batch-tokens"):
        parser.add_argument(f"--{number}", type=int, required=True)
    parser.add_argument("--continuous", action=argparse.BooleanOptionalAction, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
