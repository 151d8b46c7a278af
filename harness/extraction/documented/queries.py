"""What the documented pipeline searches for. The facility's name is in no query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from harness.extraction.schema.fields import FIELDS, Field
from harness.extraction.schema.groups import Group

_FACILITIES = (
    "facility name amount currency commitment",
    "term loan tranche facility agreement",
    "total commitments lenders available facility",
    "revolving credit facility working capital guarantee facility",
    "facilities granted under the agreement principal amount",
)
"""What is asked of every text, whatever its language."""

_IN_LANGUAGE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "es": (
            "contrato de crédito importe del préstamo",
            "línea de crédito tramo",
            "límite de crédito disponible",
            "financiación sindicada entidades acreditantes",
            "importe máximo del tramo",
        ),
        "fr": (
            "convention de crédit montant du prêt",
            "ligne de crédit tranche",
            "engagements des prêteurs",
            "crédit renouvelable fonds de roulement",
            "montant maximal de la tranche",
        ),
        "de": (
            "Kreditvertrag Darlehensbetrag",
            "Kreditlinie Tranche",
            "Zusagen der Kreditgeber",
            "Betriebsmittellinie revolvierender Kredit",
            "Höchstbetrag der Tranche",
        ),
        "nl": (
            "kredietovereenkomst bedrag van de lening",
            "kredietfaciliteit tranche",
            "toezeggingen van de kredietgevers",
            "doorlopend krediet werkkapitaal",
            "maximaal bedrag van de tranche",
        ),
        "pt": (
            "contrato de crédito montante do empréstimo",
            "linha de crédito tranche",
            "compromissos dos mutuantes",
            "crédito renovável fundo de maneio",
            "montante máximo da tranche",
        ),
        "it": (
            "contratto di finanziamento importo del prestito",
            "linea di credito tranche",
            "impegni dei finanziatori",
            "credito rotativo capitale circolante",
            "importo massimo della tranche",
        ),
        "pl": (
            "umowa kredytu kwota kredytu",
            "linia kredytowa transza",
            "zobowiązania kredytodawców",
            "kredyt odnawialny kapitał obrotowy",
            "maksymalna kwota transzy",
        ),
    }
)

_FREQUENT: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "en": frozenset("the of and to in shall by this any under".split()),
        "es": frozenset("el los las del que por una con para se".split()),
        "fr": frozenset("le les des du et une dans pour sur est".split()),
        "de": frozenset("der die das und von den mit dem nicht auf".split()),
        "nl": frozenset("het een van en dat zijn voor niet aan worden".split()),
        "pt": frozenset("o os do da em um uma não ao pelo".split()),
        "it": frozenset("il gli di della che per nel una sono alla".split()),
        "pl": frozenset("w i na z do nie się jest oraz przez".split()),
    }
)
"""Words that are frequent in one of these languages and rare in most others."""
_WORD = re.compile(r"[^\W\d_]+")
_SAMPLE = 20_000


def language(text: str) -> str:
    """The language that the beginning of a text is most likely in, by its most frequent words; English where
    none tells."""
    counts = dict.fromkeys(_FREQUENT, 0)
    for word in _WORD.findall(text[:_SAMPLE].lower()):
        for name, frequent in _FREQUENT.items():
            counts[name] += word in frequent
    return max(counts, key=lambda name: counts[name])


def detection_queries(text: str) -> tuple[str, ...]:
    """Five English queries, and those of the text's language when it is one of seven others."""
    return _FACILITIES + _IN_LANGUAGE.get(language(text), ())


def group_query(group: Group) -> str:
    """The keywords of a group's fields, each once, and all words of the fields' names."""
    fields = [FIELDS[key] for key in group.fields]
    keywords = dict.fromkeys(keyword for field in fields for keyword in field.keywords)
    return " ".join((*keywords, *(field.name for field in fields)))


def field_queries(field: Field) -> tuple[str, ...]:
    """A field's deep extraction: by keywords, by name, by description, as far as it has them."""
    return tuple(query for query in (" ".join(field.keywords), field.name, field.description) if query)
