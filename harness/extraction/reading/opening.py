"""From a name to a reader: the embedded model, another local one, a server, the truth, a recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from harness.calls.cache import ResponseCache
from harness.calls.identity import identify_engine
from harness.calls.journal import Journal
from harness.calls.opening import GGUF, Local, Opened, Remote, opened
from harness.calls.tally import Tally
from harness.engines.protocol import Engine
from harness.errors import HarnessError
from harness.extraction.asks import Provenance
from harness.extraction.reading.formats import (
    ONE_QUESTION,
    SPARSE,
    STATEMENTS,
    VERBOSE,
    Format,
    Sparse,
    Verbose,
)
from harness.extraction.reading.noise import ASSUMED, Noise
from harness.extraction.reading.prefixes import FourCharacters, Tokenized, Tokens
from harness.extraction.reading.reader import ModelReader, Tell
from harness.extraction.reading.replay import Record, from_cache, from_journal, the_record, write_record
from harness.extraction.reading.truth_engine import IDEAL, Conditions, TruthEngine
from harness.extraction.truth import Truth
from harness.models.embedded import model_folder

EMBEDDED, EMBEDDED_MODEL = "embedded", "statements"
ENDPOINT, PERFECT, NOISY, REPLAY = "endpoint", "perfect", "noisy", "replay"
FORMATS: Mapping[str, Format] = MappingProxyType(
    {"verbose": VERBOSE, "sparse": SPARSE, "one-question": ONE_QUESTION, "statements": STATEMENTS}
)
_MADE_FOR: Mapping[str, str] = MappingProxyType({"fields": "one-question", "statements": "statements"})
"""The formats of shipped models that know no other."""
_SCRIPT = "1"  # raise it when the readers that know the truth answer otherwise
_SURE_SHARE = 0.75
"""Of a context whose tokens nobody here counts: four characters may be more than one token of it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A reader as it is asked for.

    `name` is "embedded", a shipped model, a checkpoint folder or GGUF file, "endpoint" or a URL, "perfect",
    "noisy" or "replay". `format` is one of FORMATS; empty: what the model was made for, else sparse.
    `truths` are for the readers that know the truth, `noise` for the noisy one. `recording` is the cache
    folder or the journal of a replay; `model` then names whose answers, of several, and otherwise a server's
    model. The other parts are those of `calls.opening`.
    """

    name: str = EMBEDDED
    format: str = ""
    truths: Sequence[Truth] = ()
    noise: Noise = ASSUMED
    conditions: Conditions = IDEAL
    recording: Path | None = None
    model: str = ""
    precision: str = "Q8_0"
    engine: str = "llama.cpp"
    dialect: str = "openai"
    context_tokens: int | None = None
    quantization: str = ""
    weights: str = ""


@dataclass(frozen=True, slots=True)
class OpenReader:
    """A reader's model, open, and who it is: what a journal's fingerprint needs before there is a journal."""

    opened: Opened
    format: Format
    tokens: Tokens
    record: Record
    tell: Tell | None = None

    def reader(
        self,
        *,
        cache: ResponseCache | None = None,
        journal: Journal | None = None,
        tally: Tally | None = None,
    ) -> ModelReader:
        """The reader. Who it is is written beside the answers that are kept, for replays."""
        for folder in ([] if cache is None else [cache.folder]) + (
            [] if journal is None else [journal.path.parent]
        ):
            write_record(folder, self.record)
        return ModelReader(
            self.opened.model("task", cache=cache, journal=journal, tally=tally),
            self.format,
            tokens=self.tokens,
            context_tokens=self.record.context_tokens,
            provenance=self.record.provenance,
            tell=self.tell,
        )


@contextmanager
def open_reader(choice: Choice, *, threads: int = 1) -> Iterator[OpenReader]:
    """The reader's model, with room for `threads` requests at once; closed at the end.

    Raises HarnessError for names that are none and for what they lack (a truth, a recording), EngineFailure
    for a server that cannot be reached.
    """
    if choice.name in (PERFECT, NOISY):
        opening = _knowing(choice, threads)
    elif choice.name == REPLAY:
        opening = _replay(choice, threads)
    elif choice.name == ENDPOINT or "://" in choice.name:
        opening = _endpoint(choice, threads)
    else:
        opening = _local(choice, threads)
    with opening as one:
        yield one


def format_named(name: str) -> Format:
    """A format by its name; raises HarnessError for another name."""
    if name not in FORMATS:
        raise HarnessError(f"there is no format {name!r}", where="reader", allowed=", ".join(FORMATS))
    return FORMATS[name]


@contextmanager
def _knowing(choice: Choice, threads: int) -> Iterator[OpenReader]:
    if not choice.truths:
        raise HarnessError(
            f"a {choice.name} reader knows nothing without the truth",
            where="reader",
            next_step="give a generated or labelled company with its truth, or another reader",
        )
    chosen = format_named(choice.format or "sparse")
    noise = choice.noise if choice.name == NOISY else None
    conditions = choice.conditions
    if choice.context_tokens is not None:
        conditions = replace(conditions, context_tokens=choice.context_tokens)
    engine = TruthEngine(choice.truths, chosen, noise, conditions)
    known = sorted(truth.company.digest[:12] for truth in choice.truths)
    weights = f"truth {_SCRIPT} of {' '.join(known)}, {noise or 'perfect'}"
    identity = identify_engine(engine, model=choice.name, weights=weights)
    record = Record(identity, chosen.name, engine.context_tokens, "modelled")
    try:
        one = Opened(engine, identity, threads)
        yield OpenReader(one, chosen, FourCharacters(), record, engine.expect)
    finally:
        engine.close()


@contextmanager
def _local(choice: Choice, threads: int) -> Iterator[OpenReader]:
    name = EMBEDDED_MODEL if choice.name == EMBEDDED else choice.name
    if choice.engine not in ("llama.cpp", "transformers"):
        raise HarnessError(f"no engine {choice.engine!r}", where="reader", allowed="llama.cpp, transformers")
    where = Local(
        name,
        choice.precision,
        "llama.cpp" if choice.engine == "llama.cpp" else "transformers",
        choice.context_tokens,
    )
    with opened(where, threads) as model:
        tokenizer = "" if name.endswith(GGUF) else _tokenizer_of(name)
        tokens = tokens_by(tokenizer) if tokenizer else Tokenized(model.engine.tokenize)
        chosen = format_named(choice.format or _MADE_FOR.get(model.identity.model, "sparse"))
        yield _measured(model, chosen, tokens, tokenizer, model.engine.context_tokens)


@contextmanager
def _endpoint(choice: Choice, threads: int) -> Iterator[OpenReader]:
    where = Remote(
        base_url="" if choice.name == ENDPOINT else choice.name,
        model=choice.model,
        dialect=choice.dialect,
        context_tokens=choice.context_tokens,
        quantization=choice.quantization,
        weights=choice.weights,
    )
    with opened(where, threads) as model:
        room = int(_SURE_SHARE * model.engine.context_tokens)
        yield _measured(model, format_named(choice.format or "sparse"), FourCharacters(), "", room)


def _measured(model: Opened, chosen: Format, tokens: Tokens, tokenizer: str, room: int) -> OpenReader:
    chosen = constrained(chosen, model.engine)
    provenance: Provenance = "measured"
    return OpenReader(model, chosen, tokens, Record(model.identity, chosen.name, room, provenance, tokenizer))


def constrained(chosen: Format, engine: Engine) -> Format:
    """The format with a schema in its requests, where the engine can hold a model to one."""
    if "schema" not in engine.lacks and isinstance(chosen, Sparse | Verbose):
        return replace(chosen, constrained=True)
    return chosen


@contextmanager
def _replay(choice: Choice, threads: int) -> Iterator[OpenReader]:
    if choice.recording is None:
        raise HarnessError("nothing is named to replay", where="reader", next_step="give the recording")
    path = choice.recording
    is_journal = path.is_file()
    record = the_record(path.parent if is_journal else path, choice.model)
    engine = from_journal(path, record) if is_journal else from_cache(path, record)
    tokens = tokens_by(record.tokenizer) if record.tokenizer else FourCharacters()
    yield OpenReader(Opened(engine, record.identity, threads), _format_of(record), tokens, record)


def _format_of(record: Record) -> Format:
    known: Sequence[Format] = (*FORMATS.values(), Sparse(True), Verbose(True))
    found = next((each for each in known if each.name == record.format), None)
    if found is None:
        raise HarnessError(
            f"the recording is in the format {record.format!r}",
            where="replay",
            allowed=", ".join(each.name for each in known),
        )
    return found


def _tokenizer_of(name: str) -> str:
    """The model whose tokenizer file counts tokens in this process; empty where it has none."""
    return name if (model_folder(name) / "tokenizer.json").is_file() else ""


def tokens_by(model: str) -> Tokens:
    """Tokens by the tokenizer of a shipped model or a checkpoint folder."""
    path = model_folder(model) / "tokenizer.json"
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise HarnessError("tokenizers is not installed", next_step="make install EXTRA=models") from None
    if not path.is_file():
        raise HarnessError("there is no tokenizer", where=str(path))
    tokenizer = Tokenizer.from_file(str(path))
    return Tokenized(lambda text: tokenizer.encode(text, add_special_tokens=False).ids)
