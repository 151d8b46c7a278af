"""A run killed at random moments and started again: no answer that was kept is asked for again."""

import json
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from counting_server import counting_server, words_of
from killed_run import BATCHES, IDENTITY, request_of

from harness.calls.journal import read_journal
from harness.calls.keys import request_key

TEXTS = [text for batch in BATCHES for text in batch]
KEYS = {request_key(IDENTITY, request_of(text)): text for text in TEXTS}
RUN = Path(__file__).with_name("killed_run.py")


def kept(path):
    """How often the journal has an engine's answer to each text."""
    if not path.exists() or not path.stat().st_size:
        return Counter()
    answers = read_journal(path).answers.items()
    # only "long 20" is asked with other limits, whose keys are not among these
    return Counter(KEYS.get(place.key, "long 20") for place, answer in answers if answer.source == "engine")


class Killer:
    """Ends a process `delay_s` after the server has got its `at`th request; later ones are not answered."""

    def __init__(self, at, delay_s):
        self.at, self.delay_s, self.seen = at, delay_s, 0
        self.lock, self.killed = threading.Lock(), threading.Event()
        self.run = None

    def fault(self, _text, _nth):
        with self.lock:
            self.seen += 1
            seen = self.seen
        if seen == self.at:
            threading.Timer(self.delay_s, self.kill).start()
        elif seen > self.at:
            self.killed.wait(30)

    def kill(self):
        self.run.send_signal(signal.SIGKILL)
        self.killed.set()


@pytest.mark.parametrize(("seed", "cached"), [(1, False), (2, True)], ids=["journal", "journal and cache"])
def test_a_killed_run_repeats_no_answer_that_was_kept(tmp_path, seed, cached):
    r = random.Random(f"kills {seed}")
    path = tmp_path / "run.jsonl"
    needed = Counter(set(TEXTS) if cached else TEXTS) + Counter({"long 20": 2})
    kills = 0
    while True:
        before = kept(path)
        killer = Killer(r.randint(1, 9) if kills < 5 else 10_000, r.uniform(0.0, 0.004))
        # a server for each, so that no late request of a dead run counts as one of the next
        with counting_server(fault=killer.fault) as server:
            command = [
                sys.executable,
                str(RUN),
                server.url,
                str(path),
                str(tmp_path / "c") if cached else "-",
            ]
            killer.run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            output = killer.run.communicate()[0]
        for text, count in server.asked.items():
            assert count + before[text] <= needed[text], text
        if killer.run.returncode == 0:
            break
        assert killer.run.returncode == -signal.SIGKILL
        kills += 1
    assert kills >= 1
    done = json.loads(output)
    expected = {text: "".join(f"{word} " for word in words_of("w0", text)) for text in TEXTS}
    assert done == {"answers": [[expected[text] for text in batch] for batch in BATCHES], "left": 0}
    assert kept(path) == needed
