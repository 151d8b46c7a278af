"""Runs a module as a server that ends when its starter is gone: `python -P server_child.py MODULE ...`.

The starter holds the other end of standard input; when that closes, however the starter ended, so does this.
Run by path and by other interpreters too (vLLM has one of its own), so it imports nothing of ours.
"""

import os
import runpy
import signal
import sys
import threading
import time

GRACE_S = 10.0


def _end_with_starter() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, name="starter", daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
