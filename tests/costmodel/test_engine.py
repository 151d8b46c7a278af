"""The cost model as an engine: what callers see of its virtual clock is what one simulation of all says."""

import asyncio
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest
from costmodel.simulation.strategies import SEEDS, random_step_time, random_vllm_rules
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.engine import ModelledEngine, continuous, sequential, static
from harness.costmodel.known_models import find_model
from harness.costmodel.load import decode_load, prefill_load
from harness.costmodel.serving import documented, serve, step_time_of
from harness.costmodel.simulation import (
    AffineStepTime,
    requests_of,
    simulate_continuous,
    simulate_sequential,
    simulate_static,
    vllm_rules,
)
from harness.costmodel.simulation.continuous import fitting
from harness.engines.protocol import (
    EngineFailure,
    Message,
    Request,
    Sampling,
    agenerate,
    astream,
    generate,
    stream,
)
from harness.engines.workloads import (
    answered,
    answered_by_threads,
    answered_in_turn,
    completion_tokens,
    computed_prompt_tokens,
    token_requests,
)
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware import load_matrix

ROWS = load_matrix(Path(__file__).resolve().parents[2] / "hardware_matrix.toml").rows
QWEN = find_model("qwen3-4b")
# Short binary fractions: sums of them are exact.
STEP = AffineStepTime(1 / 64, 1 / 1024, 1 / 65536)
IDS = range(1000, 9000)
ROOMY = 10_000


def asked(prompt, output, first=0, **rest):
    """A request whose prompt begins as no other `first` does."""
    return Request(
        tuple(islice(cycle((first, *range(50))), prompt)), Sampling(output, ignore_eos=True), **rest
    )


def engine_of(simulate, *, cache=0, context=4096, **rest):
    return ModelledEngine(
        simulate, name="test", version="1", context_tokens=context, cache_block_tokens=cache, **rest
    )


def vllm_like(*, sequences=8, tokens=64, blocks=ROOMY, caching=False, step_time=STEP, **rest):
    rules = vllm_rules(tokens, sequences, block_tokens=4, prefix_caching=caching)
    simulate = partial(simulate_continuous, rules=rules, blocks=blocks, step_time=step_time)
    return engine_of(simulate, cache=4 if caching else 0, **rest)


def one_by_one(step_time=STEP):
    return engine_of(partial(simulate_sequential, step_time=step_time))


def alone_s(prompt, output, step_time=STEP):
    decode = sum(step_time.seconds(decode_load(1, prompt + token)) for token in range(1, output))
    return step_time.seconds(prefill_load(prompt)) + decode


# --- time ---


@given(st.integers(1, 64), st.integers(1, 300), st.booleans())
@settings(max_examples=40, deadline=None)
def test_one_request_alone_takes_its_prefill_and_every_decode_step(prompt, output, caching):
    (done,) = generate(vllm_like(caching=caching), [asked(prompt, output)])
    assert done.timings.time_to_first_token_s == STEP.seconds(prefill_load(prompt))
    assert done.timings.total_s == alone_s(prompt, output)
    assert (done.prompt_tokens, done.completion_tokens, done.finish_reason) == (prompt, output, "length")
    assert (done.text, done.token_ids, done.cached_tokens) == ("", (), 0)


@pytest.mark.parametrize("start", [continuous, partial(static, parallel=4), sequential])
def test_a_rows_engine_takes_what_its_step_time_says(start):
    serving = documented(QWEN, "bf16", ROWS["l4"])
    (done,) = answered(start(serving), token_requests(IDS, [700], [90]))
    assert done.timings.total_s == pytest.approx(alone_s(700, 90, step_time_of(serving)), rel=1e-12)


def test_requests_at_once_are_one_simulation_of_all_of_them():
    serving = documented(QWEN, "bf16", ROWS["l4"])
    prompts, outputs = [300, 900, 40, 2000] * 10, [30, 5, 200]
    engine = continuous(serving)
    done = answered(engine, token_requests(IDS, prompts, outputs))
    wanted = serve(serving, requests_of(0.0, prompts, list(islice(cycle(outputs), 40))))
    assert [each.timings.total_s for each in done] == wanted.completed_s.tolist()
    assert [each.timings.time_to_first_token_s for each in done] == wanted.first_token_s.tolist()
    assert engine.elapsed_s == wanted.completed_s.max()


@pytest.mark.parametrize("start", [vllm_like, one_by_one, partial(vllm_like, caching=True)])
def test_requests_in_turn_take_the_sum_of_what_each_takes_alone(start):
    engine = start()
    done = answered_in_turn(engine, token_requests(IDS, [30, 7, 50, 9], [4, 20]))
    singles = [alone_s(each.prompt_tokens, each.completion_tokens) for each in done]
    assert [each.timings.total_s for each in done] == singles
    assert engine.elapsed_s == sum(singles)


def test_the_workloads_count_on_it_as_on_any_engine():
    engine, requests = vllm_like(caching=True), token_requests(IDS, [44] * 6, [5], shared_tokens=40)
    done = answered(engine, requests)
    assert completion_tokens(done) == 30
    assert computed_prompt_tokens(done) == 6 * 44 - 5 * 40


def test_no_chance_anywhere():
    def run():
        engine = vllm_like(caching=True, blocks=40)
        done = answered(engine, token_requests(IDS, [30, 70, 12] * 5, [9, 40], shared_tokens=8))
        return done, engine.elapsed_s

    assert run() == run()


def test_a_real_step_time_later_arrivals_and_all_at_once_agree():
    serving = documented(QWEN, "fp8", ROWS["l4"])
    engine = continuous(serving)
    requests = token_requests(IDS, [500] * 8, [60, 20])
    early = [engine.submit(request) for request in requests[:4]]
    first = early[1].result()
    at_s = engine.elapsed_s
    late = [engine.submit(request) for request in requests[4:]]
    found = [first.timings.total_s, *(at_s + ticket.result().timings.total_s for ticket in late)]
    wanted = serve(serving, requests_of([0.0] * 4 + [at_s] * 4, 500, [60, 20] * 4)).completed_s
    assert found == pytest.approx([wanted[1], *wanted[4:]], rel=1e-12)


# --- who comes later changes nothing that was handed out ---


def random_caller(engine, rng, count):
    """Sends, reads and cancels in some order: tickets and completions handed out with the tokens at a cut."""
    tickets, seen = [], {}
    trunks = rng.integers(0, 2, (3, 60))

    def send():
        shared, own = int(rng.integers(0, 12)), rng.integers(10, 99, int(rng.integers(1, 20)))
        prompt = (*trunks[rng.integers(3)][:shared].tolist(), *own.tolist())
        timeout_s = float(rng.integers(1, 400)) / 64 if rng.random() < 0.3 else None
        output = int(rng.integers(1, 30))
        tickets.append(engine.submit(Request(prompt, Sampling(output, ignore_eos=True), timeout_s)))

    while len(tickets) < count:
        for _ in range(int(rng.integers(1, 5))):
            send()
        for _ in range(int(rng.integers(0, 4))):
            place, what = int(rng.integers(len(tickets))), rng.random()
            with suppress(EngineFailure):
                if what < 0.2:
                    tickets[place].cancel()
                elif what < 0.6:
                    list(islice(tickets[place].pieces(), int(rng.integers(1, 9))))
                else:
                    seen[place] = tickets[place].result(), tickets[place].job.made
    return tickets, seen


def random_engine(rng, kind):
    """(simulation, block of its cache) with little memory."""
    step_time, rules = random_step_time(rng), random_vllm_rules(rng)
    if kind == "static":
        return partial(simulate_static, max_sequences=3, step_time=step_time), 0
    if kind == "sequential":
        return partial(simulate_sequential, step_time=step_time), 0
    rules = replace(rules, prefix_caching=kind == "vllm, cache")
    blocks = int(rng.integers(10, 80))
    simulate = partial(simulate_continuous, rules=rules, blocks=blocks, step_time=step_time)
    return simulate, rules.block_tokens if rules.prefix_caching else 0


@pytest.mark.parametrize("kind", ["vllm", "vllm, cache", "static", "sequential"])
@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_what_was_handed_out_stays_true_whoever_comes_later(kind, seed):
    rng = np.random.default_rng(seed)
    simulate, cache = random_engine(rng, kind)
    engine = engine_of(simulate, cache=cache)
    tickets, seen = random_caller(engine, rng, 25)
    came = [ticket.job for ticket in tickets if ticket.job.is_known or not ticket.job.is_past]
    assert engine.outcome().requests == len(came)  # and simulates what nobody asked about
    for place, (done, made) in seen.items():
        job = tickets[place].job
        assert done.timings.total_s == pytest.approx(job.end_s - job.arrived_s, rel=1e-9)
        assert job.made == made
        assert (done.finish_reason == "length") == (job.made is None)
        if job.made is None:
            first_s = job.first_token_s - job.arrived_s
            assert done.timings.time_to_first_token_s == pytest.approx(first_s, rel=1e-9)
            assert done.completion_tokens == job.output_tokens
    if cache:  # one period: the whole is one run of the simulation, each request at the time it was sent
        run = simulate(
            requests_of(
                [job.arrived_s for job in came],
                [job.prompt_tokens for job in came],
                [job.computed_tokens for job in came],
                prefix_group=[job.prefix_group for job in came],
                prefix_tokens=[job.prefix_tokens for job in came],
            )
        )
        np.testing.assert_array_equal(run.completed_s, [job.completed_s for job in came])


def test_a_late_request_joins_those_that_run():
    engine = vllm_like()
    long, short = engine.submit(asked(8, 200)), engine.submit(asked(8, 10))
    at_s = short.result().timings.total_s
    late = engine.submit(asked(8, 10))
    run = simulate_continuous(
        requests_of([0.0, 0.0, at_s], 8, [200, 10, 10]),
        vllm_rules(64, 8, block_tokens=4, prefix_caching=False),
        blocks=ROOMY,
        step_time=STEP,
    )
    assert late.result().timings.total_s == run.completed_s[2] - at_s
    assert long.result().timings.total_s == run.completed_s[0]
    assert run.completed_s[0] > alone_s(8, 200)


def test_an_answer_of_a_time_gone_by_does_not_move_the_clock():
    engine = vllm_like()
    short, long = engine.submit(asked(8, 10)), engine.submit(asked(8, 20))
    at_s = long.result().timings.total_s
    engine.submit(asked(8, 10))
    assert 0.0 < short.result().timings.total_s < at_s == engine.elapsed_s


@pytest.mark.parametrize(("caching", "simulated"), [(False, [1, 1, 1]), (True, [1, 2, 3])])
def test_only_a_cache_needs_the_history(caching, simulated):
    sizes = []
    rules = vllm_rules(64, 8, block_tokens=4, prefix_caching=caching)

    def simulate(requests):
        sizes.append(len(requests))
        return simulate_continuous(requests, rules, blocks=ROOMY, step_time=STEP)

    answered_in_turn(engine_of(simulate, cache=4 * caching), [asked(9, 5, first) for first in range(3)])
    assert sizes == simulated


# --- prefix cache ---


def test_a_prefix_is_still_cached_after_an_idle_time():
    engine = vllm_like(caching=True)
    passage = tuple(range(40))
    done = answered_in_turn(
        engine,
        [Request((*passage, 100 + question, 7, 7), Sampling(4, ignore_eos=True)) for question in range(3)],
    )
    assert [each.cached_tokens for each in done] == [0, 40, 40]
    assert done[1].timings.total_s < done[0].timings.total_s
    assert done[2].timings.total_s == done[1].timings.total_s


def test_the_whole_prompt_again_is_computed_from_its_last_token_on():
    first, second = answered_in_turn(vllm_like(caching=True), [asked(40, 4)] * 2)
    assert (first.cached_tokens, second.cached_tokens) == (0, 36)


def test_without_a_cache_nothing_is_found():
    engine = vllm_like()
    assert [each.cached_tokens for each in answered_in_turn(engine, [asked(40, 4)] * 2)] == [0, 0]


# --- streams ---


@pytest.mark.parametrize("output", [1, 2, 17])
def test_a_stream_has_a_piece_for_every_token(output):
    engine = vllm_like()
    ticket = engine.submit(asked(20, output))
    times = [engine.elapsed_s for piece in ticket.pieces() if piece.text == ""]
    assert len(times) == output
    assert times[0] == STEP.seconds(prefill_load(20))
    assert times == sorted(times)
    assert times[-1] == engine.elapsed_s == ticket.result().timings.total_s == alone_s(20, output)
    assert list(ticket.pieces()) == []


def test_leaving_a_stream_ends_the_request_there():
    engine = vllm_like()
    reading = stream(engine, asked(20, 400))
    for _ in range(10):
        next(reading)
    at_s = engine.elapsed_s
    reading.close()
    (next_one,) = answered(engine, [asked(20, 5)])
    # the step under way is done first, as any other
    waits_s = next_one.timings.total_s - alone_s(20, 5)
    assert 0.0 <= waits_s <= STEP.seconds(decode_load(1, 420))
    assert engine.elapsed_s == at_s + next_one.timings.total_s


def test_requests_sent_while_reading_slow_the_stream_down():
    engine = vllm_like(sequences=2)
    ticket = engine.submit(asked(20, 50))
    pieces = ticket.pieces()
    next(pieces)
    for first in range(1, 4):
        engine.submit(asked(64, 50, first))
    assert 1 + len(list(pieces)) == 50
    assert ticket.result().timings.total_s > alone_s(20, 50)
    assert ticket.result().timings.time_to_first_token_s == STEP.seconds(prefill_load(20))


# --- cancelling and time-outs ---


def test_a_request_cancelled_before_anyone_asked_never_came():
    engine = vllm_like()
    tickets = [engine.submit(asked(30, 40, first)) for first in range(3)]
    tickets[0].cancel()
    tickets[0].cancel()
    rest = [ticket.result() for ticket in tickets[1:]]
    assert rest == answered(vllm_like(), [asked(30, 40, first) for first in (1, 2)])
    gone = tickets[0].result()
    assert (gone.finish_reason, gone.completion_tokens, gone.timings.total_s) == ("cancelled", 0, 0.0)
    assert engine.outcome().requests == 2
    answered(engine, [asked(30, 1)])
    assert engine.outcome().requests == 3


def test_a_running_request_is_cancelled_with_the_tokens_it_has():
    engine = vllm_like()
    short, long = engine.submit(asked(8, 10)), engine.submit(asked(8, 300))
    at_s = short.result().timings.total_s
    long.cancel()
    cut = long.result()
    assert (cut.finish_reason, cut.completion_tokens, cut.timings.total_s) == ("cancelled", 10, at_s)
    assert engine.elapsed_s == at_s


def test_cancelling_what_is_over_does_nothing():
    engine = vllm_like()
    short, long = engine.submit(asked(8, 10)), engine.submit(asked(8, 30))
    long.result()
    short.cancel()
    assert short.result().finish_reason == "length"
    answered(engine, [asked(8, 1)])
    short.cancel()
    assert short.result().completion_tokens == 10


def test_a_failed_generate_leaves_nothing_running():
    engine = vllm_like(context=32)
    with pytest.raises(HarnessError, match="50 tokens"):
        generate(engine, [asked(8, 10), asked(50, 10)])
    assert answered(engine, [asked(8, 10)])[0].timings.total_s == alone_s(8, 10)


@given(st.integers(1, 80), st.integers(1, 60), st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_a_time_out_leaves_the_tokens_that_came_in_time(prompt, output, ticks):
    timeout_s = ticks / 128
    token_times = [alone_s(prompt, count, STEP) for count in range(1, output + 1)]
    if prompt > 64:  # the first 64 tokens are a step of their own
        extra = STEP.seconds(prefill_load(64)) + STEP.seconds(prefill_load(prompt - 64, 1, 64))
        token_times = [each - STEP.seconds(prefill_load(prompt)) + extra for each in token_times]
    engine = vllm_like()
    (done,) = generate(engine, [asked(prompt, output, timeout_s=timeout_s)])
    if token_times[-1] <= timeout_s:
        assert (done.finish_reason, done.timings.total_s) == ("length", token_times[-1])
    else:
        in_time = sum(each <= timeout_s for each in token_times)
        assert (done.finish_reason, done.completion_tokens) == ("timeout", in_time)
        assert done.timings.total_s == engine.elapsed_s == timeout_s
        assert done.timings.time_to_first_token_s == (token_times[0] if in_time else timeout_s)


def test_who_times_out_makes_room_for_others():
    fast = vllm_like(sequences=2)
    requests = [asked(8, 200, first, timeout_s=0.5) for first in range(2)] + [asked(8, 10, 9)]
    done = generate(fast, requests)
    assert [each.finish_reason for each in done] == ["timeout", "timeout", "length"]
    slow = generate(vllm_like(sequences=2), [replace(each, timeout_s=None) for each in requests])
    assert done[2].timings.total_s < 1.0 < slow[2].timings.total_s


def test_a_time_out_that_later_requests_bring_about():
    engine = vllm_like(sequences=2)
    short, long = engine.submit(asked(8, 5)), engine.submit(asked(8, 100, timeout_s=2.0))
    before = short.result()
    assert long.job.made is None
    for first in range(1, 20):
        engine.submit(asked(64, 60, first))
    cut = long.result()
    assert (cut.finish_reason, cut.timings.total_s) == ("timeout", 2.0)
    assert 5 < cut.completion_tokens < 100
    assert short.result() is before


def test_a_time_out_is_not_put_on_who_has_time_once_others_are_gone():
    engine = vllm_like(sequences=1)
    done = generate(engine, [asked(8, 900, 1, timeout_s=1.0), asked(8, 10, 2, timeout_s=2.0)])
    assert [each.finish_reason for each in done] == ["timeout", "length"]
    assert 1.0 < done[1].timings.total_s < 2.0


def test_later_requests_take_tokens_from_who_times_out_anyway():
    engine = vllm_like()
    short, long = engine.submit(asked(8, 5)), engine.submit(asked(8, 500, timeout_s=1.0))
    short.result()
    before = long.job.tokens
    for first in range(1, 8):
        engine.submit(asked(64, 60, first))
    cut = long.result()
    assert 5 <= cut.completion_tokens < before - 5


def test_the_step_under_way_at_a_deadline_is_done_first():
    engine = vllm_like(step_time=AffineStepTime(1.0))
    (cut,) = generate(engine, [asked(8, 100, timeout_s=2.5)])
    assert (cut.completion_tokens, engine.elapsed_s) == (2, 2.5)
    assert answered(engine, [asked(8, 4, 1)])[0].timings.total_s == 0.5 + 4.0


def test_pieces_that_were_handed_out_count_although_the_tokens_came_later():
    engine = vllm_like()
    ticket = engine.submit(asked(8, 100))
    for first in range(1, 8):
        engine.submit(asked(64, 1, first))
    pieces = ticket.pieces()
    for _ in range(6):
        next(pieces)
    ticket.cancel()
    assert list(pieces) == []
    assert ticket.job.tokens < 6 == ticket.result().completion_tokens


# --- async, threads ---


def test_async_callers_get_what_sync_ones_get():
    requests = token_requests(IDS, [20, 40, 60], [8, 30])
    assert asyncio.run(agenerate(vllm_like(), requests)) == answered(vllm_like(), requests)


def test_async_streams():
    async def pieces(engine):
        return [piece async for piece in astream(engine, asked(20, 12))]

    engine = vllm_like()
    assert len(asyncio.run(pieces(engine))) == 12
    assert engine.elapsed_s == alone_s(20, 12)


def test_tasks_one_after_the_other_may_ask():
    async def main(engine):
        async with asyncio.timeout(60):
            return [await asyncio.create_task(agenerate(engine, [asked(20, 5)])) for _ in range(2)]

    first, second = asyncio.run(main(vllm_like()))
    assert first == second


def test_tasks_beside_one_another_are_refused():
    async def main(engine):
        return await asyncio.gather(*(agenerate(engine, [asked(20, 5, first)]) for first in range(3)))

    with pytest.raises(HarnessError, match="several threads or tasks"):
        asyncio.run(main(vllm_like()))


def test_a_second_thread_is_refused():
    engine = vllm_like()
    answered(engine, [asked(20, 5)])
    with pytest.raises(HarnessError, match="ClosedLoop"):
        answered_by_threads(engine, [asked(20, 5)], 1)


def test_another_thread_may_wait_for_an_answer():
    engine, found = vllm_like(), []
    ticket = engine.submit(asked(20, 5))
    waiting = threading.Thread(target=lambda: found.append(ticket.result()))
    waiting.start()
    waiting.join()
    assert found == [ticket.result()]


# --- what is asked, and what is refused ---


def test_text_and_chats_go_through_the_tokenizer_that_was_given():
    def tokenize(prompt):
        if isinstance(prompt, str):
            return [ord(letter) for letter in prompt]
        return [token for turn in prompt for token in (0, *map(ord, turn.content))]

    engine = vllm_like(tokenize=tokenize)
    chat = (Message("system", "abc"), Message("user", "de"))
    done = generate(engine, [Request("abcd"), Request(chat)])
    assert [each.prompt_tokens for each in done] == [4, 7]
    assert engine.tokenize("ab") == [97, 98]


@pytest.mark.parametrize("prompt", ["text", (Message("user", "text"),)])
def test_no_tokenizer(prompt):
    with pytest.raises(HarnessError, match="token ids"):
        vllm_like().submit(Request(prompt))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(()), "0 tokens"),
        (asked(40, 5), "40 tokens"),
        (asked(8, 0), "max_tokens is 0"),
        (Request((1,), Sampling(schema={})), "no schema"),
        (Request((1,), Sampling(grammar="root ::= [a]")), "no grammar"),
    ],
)
def test_requests_that_are_refused_at_once(request_, message):
    with pytest.raises(HarnessError, match=message):
        vllm_like(context=40).submit(request_)


def test_an_answer_ends_with_the_context():
    (done,) = generate(vllm_like(context=40), [asked(30, 500)])
    assert (done.completion_tokens, done.finish_reason) == (10, "length")


def test_a_model_that_stops_by_itself():
    engine = vllm_like(output_tokens=lambda request: len(request.prompt))
    requests = [Request((1,) * 5, Sampling(20)), Request((1,) * 30, Sampling(20)), asked(5, 20)]
    done = generate(engine, requests)
    assert [(each.completion_tokens, each.finish_reason) for each in done] == [
        (5, "stop"),
        (20, "length"),
        (20, "length"),
    ]


def test_a_model_that_answers_nothing():
    with pytest.raises(HarnessError, match="output_tokens gave 0"):
        vllm_like(output_tokens=lambda request: 0).submit(Request((1,)))


def test_a_request_that_never_fits_is_refused_at_once_where_that_is_known():
    rules = vllm_rules(64, 8, block_tokens=4, prefix_caching=False)
    engine = vllm_like(blocks=10, fits=partial(fitting, rules=rules, blocks=10))
    with pytest.raises(HarnessError, match="never fit"):
        engine.submit(asked(30, 20))
    assert engine.submit(asked(30, 5)).result().completion_tokens == 5


def test_otherwise_its_ticket_fails_and_the_others_do_not():
    engine = vllm_like(blocks=10)
    tickets = [engine.submit(asked(30, output, output)) for output in (20, 5)]
    with pytest.raises(EngineFailure, match="never fit"):
        tickets[0].result()
    with pytest.raises(EngineFailure, match="never fit"):
        list(tickets[0].pieces())
    assert tickets[1].result().completion_tokens == 5
    tickets[0].cancel()
    assert answered(engine, [asked(30, 5)])[0].timings.total_s == alone_s(30, 5)


def test_a_closed_engine():
    engine = vllm_like()
    over, open_ = engine.submit(asked(8, 5)), engine.submit(asked(8, 50))
    done = over.result()
    engine.close()
    engine.close()
    assert over.result() is done
    with pytest.raises(EngineFailure, match="closed"):
        open_.result()
    with pytest.raises(EngineFailure, match="closed"):
        list(open_.pieces())
    with pytest.raises(EngineFailure, match="closed"):
        engine.submit(asked(8, 5))


def test_a_step_time_that_is_no_time_is_told_at_every_try():
    class Broken(AffineStepTime):
        def seconds(self, load):
            return -1.0

    ticket = vllm_like(step_time=Broken(1.0)).submit(asked(8, 1))
    for _ in range(2):
        with pytest.raises(HarnessError, match="step time"):
            ticket.result()


def test_a_forward_pass():
    with pytest.raises(HarnessError, match="computes no tokens"):
        vllm_like().forward([1, 2], frozenset(["logits"]))


# --- names and sums ---


def test_a_name_says_what_was_modelled_on_what_and_by_which_constants():
    serving = documented(QWEN, "bf16", ROWS["l4"])
    for engine in (continuous(serving), static(serving, 4), sequential(serving)):
        assert engine.version == step_time_of(serving).version
        for part in ("modelled", QWEN.name, "bf16", "l4", engine.version):
            assert part in engine.name
        assert engine.context_tokens == serving.max_model_len


def test_what_each_engine_lacks():
    serving = documented(QWEN, "bf16", ROWS["l4"])
    always = {"logits", "hidden_states", "attention_rows", "schema", "grammar"}
    off = replace(serving, prefix_caching=False, max_sequences=1)
    assert set(continuous(serving).lacks) == always
    assert set(continuous(off).lacks) == always | {"prefix_cache", "parallel"}
    assert set(static(serving, 4).lacks) == always | {"prefix_cache"}
    assert set(sequential(serving).lacks) == always | {"prefix_cache", "parallel"}
    assert all(sequential(serving).lacks.values())


@pytest.mark.parametrize("start", [continuous, partial(static, parallel=4), sequential])
def test_a_model_that_does_not_fit_on_the_row(start):
    with pytest.raises(HarnessError) as failed:
        start(documented(find_model("llama-2-70b"), "fp16", ROWS["l4"]))
    assert failed.value.exit_code == EXIT_INFEASIBLE


def test_static_batches_are_padded_and_take_turns():
    serving = documented(QWEN, "bf16", ROWS["l4"])
    done = answered(static(serving, 2), [asked(100, 10), asked(50, 90), asked(100, 10)])
    run = simulate_static(
        requests_of(0.0, [100, 50, 100], [10, 90, 10]), max_sequences=2, step_time=step_time_of(serving)
    )
    assert [each.timings.total_s for each in done] == run.completed_s.tolist()


def test_laps_and_the_outcome_of_everything():
    engine = vllm_like()
    answered(engine, [asked(8, 10), asked(8, 20)])
    first_s = engine.lap()
    answered(engine, [asked(8, 30)])
    assert engine.elapsed_s == alone_s(8, 30)
    outcome = engine.outcome()
    assert (outcome.requests, outcome.output_tokens, outcome.refused) == (3, 60, 0)
    assert outcome.end_s == first_s + alone_s(8, 30)
    assert outcome.busy_share == pytest.approx(1.0)


def test_the_outcome_of_nothing():
    with pytest.raises(HarnessError, match="no request was served"):
        vllm_like().outcome()
