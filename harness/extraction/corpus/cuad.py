"""CUAD's published JSON, when a user has it: contracts with labelled clauses as companies with their truth.

The layout is that of SQuAD 2.0. CUAD (Hendrycks et al. 2021, CC BY 4.0) is not part of this project and is
not downloaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.extraction.asks import Passage
from harness.extraction.company import Company, Document
from harness.extraction.truth import DEAL, TrueValue, Truth

_QUOTED = re.compile(r'"([^"]+)"')


def read_cuad(path: Path) -> list[Truth]:
    """One company for each contract. Its fields are the file's categories, all of the deal; every answer is
    an alternative, the first one's text is the value.

    Raises HarnessError, with the place in the file, where it is not of that layout or an answer is not where
    it says.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HarnessError(
            "there is no such file", where=str(path), next_step="get CUADv1.json from its publisher"
        ) from None
    except (OSError, ValueError) as error:
        raise HarnessError(f"no readable JSON: {error}", where=str(path)) from None
    contracts = _get(found, "data", list, str(path))
    return [_contract(each, f"{path}: data[{number}]") for number, each in enumerate(contracts)]


def _contract(found: Any, where: str) -> Truth:
    title = _get(found, "title", str, where)
    paragraphs = _get(found, "paragraphs", list, where)
    if not paragraphs:
        raise HarnessError("has no paragraphs", where=where)
    documents = tuple(
        Document(f"{number:03}.txt", _get(each, "context", str, f"{where}.paragraphs[{number}]"))
        for number, each in enumerate(paragraphs)
    )
    company = Company(title, documents)
    values: dict[tuple[str, str], TrueValue] = {}
    for number, each in enumerate(paragraphs):
        here = f"{where}.paragraphs[{number}]"
        for place, asked in enumerate(_get(each, "qas", list, here)):
            key, value = _labelled(asked, documents[number], company.starts[number], f"{here}.qas[{place}]")
            if value is not None:
                values[DEAL, key] = _both(values.get((DEAL, key)), value)
    return Truth(company, (), values, {}, {})


def _labelled(found: Any, document: Document, start: int, where: str) -> tuple[str, TrueValue | None]:
    """A question's category, and its value; None where it has no answer."""
    key = _category(_get(found, "id", str, where), _get(found, "question", str, where))
    answers = _get(found, "answers", list, where)
    is_impossible = found.get("is_impossible", not answers)
    if not isinstance(is_impossible, bool) or is_impossible == bool(answers):
        raise HarnessError(f"is_impossible is {is_impossible!r} with {len(answers)} answers", where=where)
    texts, spans = [], []
    for number, answer in enumerate(answers):
        here = f"{where}.answers[{number}]"
        text, at = _get(answer, "text", str, here), _get(answer, "answer_start", int, here)
        if not text or at < 0 or document.text[at : at + len(text)] != text:
            raise HarnessError(f"{text[:40]!r} does not stand at {at}", where=here)
        texts.append(text)
        spans.append((Passage(start + at, start + at + len(text)),))
    if not texts:
        return key, None
    others = tuple(dict.fromkeys(text for text in texts if text != texts[0]))
    marks = tuple(sorted(dict.fromkeys(span for (span,) in spans)))
    return key, TrueValue(texts[0], tuple(dict.fromkeys(spans)), others, marks=marks)


def _both(first: TrueValue | None, second: TrueValue) -> TrueValue:
    """The labels of one category in two parts of a contract."""
    if first is None:
        return second
    texts = dict.fromkeys((*first.renderings, second.value, *second.renderings))
    return TrueValue(
        first.value,
        first.spans + second.spans,
        tuple(text for text in texts if text != first.value),
        marks=first.marks + second.marks,
    )


def _category(identity: str, question: str) -> str:
    """CUAD's ids end in it after two underscores, its questions quote it."""
    if "__" in identity:
        return identity.rsplit("__", 1)[1]
    quoted = _QUOTED.search(question)
    return quoted[1] if quoted else identity


def _get(found: Any, key: str, kind: type[Any], where: str) -> Any:
    if not isinstance(found, Mapping) or key not in found:
        raise HarnessError(f"has no {key!r}", where=where, allowed="the layout of SQuAD 2.0")
    value = found[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise HarnessError(f"{key!r} is no {kind.__name__}", where=where)
    return value
