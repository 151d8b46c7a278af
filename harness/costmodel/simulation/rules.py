"""How a continuously batching scheduler decides, as data. One core obeys any of these rule sets."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import HarnessError


@dataclass(frozen=True, slots=True)
class SchedulerRules:
    """What a scheduler does in each step, first come first served.

    A step holds one token of every decoding sequence, then chunks of prompts up to `max_batched_tokens`
    in all and `max_sequences` sequences. KV memory is kept in blocks of `block_tokens`.

    * `chunked_prefill`: a prompt may be cut to what is left; otherwise it waits until it fits whole.
    * `reserve_prompt`: a prompt takes all its blocks when admitted; otherwise as its tokens are computed.
    * `prompt_must_fit`: admitted only if blocks for the whole prompt are free, taken now or later.
    * `watermark`: share of all blocks that an admission leaves free, rounded down to blocks;
      `watermark_when_idle`: also where nothing else runs.
    * `decode_needs_free_block`: a decoding sequence is scheduled only while some block is free, even when
      it needs none.
    * `admit_after_restart`: a step that restarted a sequence may admit others.
    * `restart_keeps_computed_prompt`: a restarted sequence's prompt becomes the tokens it had processed,
      even when its prompt was not done (the rest counts as output). Otherwise an unfinished prompt stays.
    * `prefix_caching`: full blocks of a shared prefix are computed once and kept until evicted, least
      recently used first.

    HarnessError for counts below 1, a watermark outside [0, 1), fewer tokens than sequences.
    """

    max_batched_tokens: int
    max_sequences: int
    block_tokens: int = 16
    chunked_prefill: bool = True
    reserve_prompt: bool = False
    prompt_must_fit: bool = True
    watermark: float = 0.0
    watermark_when_idle: bool = False
    decode_needs_free_block: bool = False
    admit_after_restart: bool = False
    restart_keeps_computed_prompt: bool = False
    prefix_caching: bool = False

    def __post_init__(self) -> None:
        for name in ("max_batched_tokens", "max_sequences", "block_tokens"):
            if not getattr(self, name) >= 1:
                raise HarnessError(f"{name} is {getattr(self, name)}", where="scheduler", allowed="from 1")
        if not self.max_batched_tokens >= self.max_sequences:
            raise HarnessError(
                f"{self.max_batched_tokens} tokens a step for {self.max_sequences} sequences",
                where="scheduler max_batched_tokens",
                allowed="at least one token for each sequence",
            )
        if not 0.0 <= self.watermark < 1.0:
            raise HarnessError(f"watermark is {self.watermark}", where="scheduler", allowed="0 <= share < 1")
        if self.reserve_prompt and self.prefix_caching:
            raise HarnessError(
                "prompts that reserve their blocks cannot share them",
                where="scheduler",
                allowed="reserve_prompt or prefix_caching, not both",
            )

    def watermark_blocks(self, blocks: int) -> int:
        """Blocks that an admission leaves free, of `blocks`."""
        return int(self.watermark * blocks)


def vllm_rules(
    max_batched_tokens: int,
    max_sequences: int,
    *,
    block_tokens: int = 16,
    chunked_prefill: bool = True,
    prefix_caching: bool = True,
    prompt_must_fit: bool = True,
    watermark: float = 0.0,
) -> SchedulerRules:
    """vLLM's V1 scheduler (vllm/v1/core/sched/scheduler.py and kv_cache_manager.py, read in 2026).

    Running sequences first, then waiting ones unless a sequence was preempted in this step. Without a free
    block the last running sequence is preempted, loses all blocks and waits in front. `prompt_must_fit` is
    its scheduler_reserve_full_isl, which newer versions turn on. Left out: speculative tokens, priorities,
    and cache hits on blocks that are no shared prefix, such as a preempted sequence's own.
    """
    return SchedulerRules(
        max_batched_tokens=max_batched_tokens,
        max_sequences=max_sequences,
        block_tokens=block_tokens,
        chunked_prefill=chunked_prefill,
        prompt_must_fit=prompt_must_fit,
        watermark=watermark,
        prefix_caching=prefix_caching,
    )


def sarathi_rules(
    chunk_tokens: int = 512, max_sequences: int = 128, *, block_tokens: int = 16, watermark: float = 0.01
) -> SchedulerRules:
    """Sarathi-Serve's scheduler (Agrawal et al. 2024, OSDI) as the simulator Vidur (MLSys 2024) has it.

    Its `chunk_tokens` counts decode tokens too. Read in vidur/scheduler/replica_scheduler/
    sarathi_replica_scheduler.py at commit 7d47513, quirks included.
    """
    return SchedulerRules(
        max_batched_tokens=chunk_tokens,
        max_sequences=max_sequences,
        block_tokens=block_tokens,
        reserve_prompt=True,
        watermark=watermark,
        watermark_when_idle=True,
        decode_needs_free_block=True,
        admit_after_restart=True,
        restart_keeps_computed_prompt=True,
    )
