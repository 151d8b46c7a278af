"""Plain benchmarks that note when they run; the last one waits until the file `go` exists."""

import time
from pathlib import Path


def noted(name):
    with Path("plain.log").open("a") as log:
        log.write(f"{name}\n")


def test_first(benchmark):
    noted("first")
    benchmark.pedantic(int, rounds=3)


def test_last(benchmark):
    noted("last")
    while not Path("go").exists():
        time.sleep(0.01)
    benchmark.pedantic(int, rounds=3)
