"""Who answers: everything beside the request that decides an answer.

Two models that differ in any part never share an answer, whatever they are called.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from harness.calls.weights import weights_digest
from harness.engines.protocol import Engine
from harness.hardware.rows import Checkpoint

UNKNOWN = "unknown"
# what a server's list of models says of weights; it also says the time of day
_TELLING = ("id", "root", "parent", "owned_by", "max_model_len", "meta")


@dataclass(frozen=True, slots=True)
class Identity:
    """One model as it is run.

    `engine` with its version, without how many requests it runs at once. `endpoint` is the URL of a server,
    empty in this process; user, password and query are cut off. `weights` is a SHA-256, or begins with
    "unknown" where nobody can tell. `quantization` is the format of the weights as it was asked for.
    """

    model: str
    engine: str
    endpoint: str = ""
    weights: str = UNKNOWN
    quantization: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint", without_secrets(self.endpoint))

    @property
    def knows_weights(self) -> bool:
        """Whether other weights would be another identity."""
        return not self.weights.startswith(UNKNOWN)

    @property
    def digest(self) -> str:
        """SHA-256 over all parts."""
        return hashlib.sha256(json.dumps(self.document(), sort_keys=True).encode()).hexdigest()

    def document(self) -> dict[str, str]:
        """The parts by name."""
        return asdict(self)

    def fingerprint(self, role: str) -> dict[str, str]:
        """The parts as a journal's fingerprint has them: `task model`, `task weights` and so on."""
        return {f"{role} {name}": value for name, value in self.document().items()}


def identify_weights(path: Path, *, engine: str, quantization: str, model: str = "") -> Identity:
    """A checkpoint folder or a GGUF file on this machine, by what is in it; raises HarnessError for none."""
    return Identity(model or path.name, engine, "", weights_digest(path), quantization)


def identify_checkpoint(checkpoint: Checkpoint, path: Path, *, engine: str) -> Identity:
    """A checkpoint of the hardware matrix whose weights lie at `path`."""
    return identify_weights(
        path, engine=engine, quantization=checkpoint.quantization, model=checkpoint.location
    )


def identify_endpoint(
    url: str, listed: Mapping[str, Any], *, engine: str, quantization: str = "", weights: str = ""
) -> Identity:
    """A server's model, by its URL and what its list of models says (`listed_model`).

    `weights` is what the user says they are. Without it they are unknown: a server that is started again
    with other weights, on the same port and under the same name, is taken for the same one unless its list
    says something else.
    """
    said = {name: listed[name] for name in _TELLING if name in listed}
    told = json.dumps(said, sort_keys=True, ensure_ascii=False)
    known = f"declared: {weights}" if weights else f"{UNKNOWN}; the server says {told}"
    return Identity(str(listed.get("id", "")), engine, url, known, quantization)


def identify_engine(engine: Engine, *, model: str, weights: str, quantization: str = "") -> Identity:
    """An engine of this process that has no files: `weights` is whatever decides what it answers."""
    return Identity(model, engine.name, "", weights, quantization)


def without_secrets(url: str) -> str:
    """The URL without user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
