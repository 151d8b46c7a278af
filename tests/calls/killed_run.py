"""A run that may be killed at any moment: `killed_run.py URL JOURNAL CACHE|-` prints its answers as JSON."""

import json
import sys
from pathlib import Path

from harness.calls.cache import ResponseCache
from harness.calls.identity import Identity
from harness.calls.journal import Journal
from harness.calls.model import Model
from harness.engines.endpoint import EndpointEngine
from harness.engines.protocol import Message, Request, Sampling

IDENTITY = Identity("m", "endpoint (openai)", "http://server/v1")
# greedy texts that come again, and one that is cut
BATCHES = [[f"entry {(5 * batch + number) % 13}" for number in range(5)] for batch in range(5)] + [
    ["long 20"]
]


def request_of(text: str) -> Request:
    """One greedy chat."""
    return Request((Message("user", text),), Sampling(max_tokens=8))


def main() -> None:
    """Ask batch after batch."""
    url, journal_path, cache_path = sys.argv[1:]
    cache = None if cache_path == "-" else ResponseCache(Path(cache_path))
    engine = EndpointEngine(url, model="m", concurrency=3)
    with Journal(Path(journal_path), {"url": "any"}) as journal:
        model = Model(engine, IDENTITY, role="task", threads=3, cache=cache, journal=journal)
        answers = [[a.text for a in model.answers([request_of(t) for t in texts])] for texts in BATCHES]
        print(json.dumps({"answers": answers, "left": journal.left()}))
    engine.close()


if __name__ == "__main__":
    main()
