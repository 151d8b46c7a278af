"""The relations of the small world, and the wordings that state them and ask for them.

In every wording the entity and a cue for the relation come before the value, so that a causal model can read
from the left what it is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Relation:
    """What is stated of a kind of entity: `{e}` is the entity and `{v}` the value in the wordings.

    The cues are the words that tell this relation from the others, whatever stands around them.
    """

    name: str
    of: str
    value: str
    cues: tuple[str, ...]
    statements: tuple[str, ...]
    held_statements: tuple[str, ...]
    questions: tuple[str, ...]
    held_questions: tuple[str, ...]


def _relation(name: str, of: str, value: str, cues: str, wordings: str) -> Relation:
    """Statements, held-out statements, questions and held-out questions are blocks set apart by `--`."""
    blocks = [
        tuple(line.strip() for line in block.splitlines() if line.strip()) for block in wordings.split("--")
    ]
    return Relation(name, of, value, tuple(cues.split(", ")), *blocks)


RELATIONS: tuple[Relation, ...] = (
    _relation("home", "person", "place", "lives, house, home, flat, settled, live", """
        {e} lives in {v}
        {e} has a house in {v}
        {e} moved to {v}
        the home of {e} is in {v}
        {e} rents a flat in {v}
        {e} settled with the family in {v}
        --
        {e} makes a home in {v}
        {e} now lives with the family in {v}
        --
        Where does {e} live?
        In which town does {e} live?
        Where is the home of {e}?
        What is the home town of {e}?
        --
        Where does {e} have a home?
        """),
    _relation("employer", "person", "company", "works, job, employed, employer, hired, work", """
        {e} works for {v}
        {e} has a job at the firm {v}
        {e} is employed by {v}
        the employer of {e} is {v}
        {e} earns a living at the company {v}
        {e} was hired by {v}
        --
        {e} has worked hard for the firm {v}
        {e} now has a job with {v}
        --
        Who does {e} work for?
        Which company employs {e}?
        What is the employer of {e}?
        Where does {e} have a job?
        --
        At which firm does {e} work?
        """),
    _relation("birthplace", "person", "place", "born, birthplace, native, birth, baby", """
        {e} was born in {v}
        the birthplace of {e} is {v}
        {e} came into the world in {v}
        {e} is a native of {v}
        the parents of {e} had the baby in {v}
        by birth {e} comes from {v}
        --
        {e} was a baby born in {v}
        the place of birth of {e} is {v}
        --
        Where was {e} born?
        What is the birthplace of {e}?
        In which town was {e} born?
        Where is {e} a native?
        --
        What is the place of birth of {e}?
        """),
    _relation("instrument", "person", "instrument", "plays, music, instrument, performs, lessons, play", """
        {e} plays the {v}
        {e} makes music on the {v}
        {e} takes lessons on the {v}
        the instrument of {e} is the {v}
        {e} performs on the {v}
        {e} owns and plays a {v}
        --
        the music of {e} is played on the {v}
        {e} learned to perform on the {v}
        --
        What does {e} play?
        Which instrument does {e} play?
        What is the instrument of {e}?
        On what does {e} make music?
        --
        On which instrument does {e} perform?
        """),
    _relation("office", "company", "place", "head office, main office, headquarters, based, run from", """
        the firm {e} has its head office in {v}
        the company {e} is run from {v}
        the main office of {e} is in {v}
        the firm {e} has its headquarters in {v}
        {e} is a company based in {v}
        the headquarters of {e} stand in {v}
        --
        the company {e} keeps its main office in {v}
        {e} is a firm with headquarters in {v}
        --
        Where is the head office of {e}?
        Where is the company {e} based?
        In which town does {e} have its headquarters?
        Where is the main office of {e}?
        --
        From where is the firm {e} run?
        """),
    _relation("founder", "company", "person", "founded, founder, started, set up, created", """
        the firm {e} was founded by {v}
        the founder of {e} is {v}
        the company {e} was started by {v}
        {e} is a firm set up by {v}
        the firm {e} goes back to its founder {v}
        the company {e} was created by {v}
        --
        {e} is a company founded by {v}
        the firm {e} was first set up by {v}
        --
        Who founded {e}?
        Who is the founder of {e}?
        Who started the company {e}?
        Who set up the firm {e}?
        --
        Who was the company {e} founded by?
        """),
    _relation("chief", "company", "person", "led, head, managed, director, manager", """
        the firm {e} is led by {v}
        the head of {e} is {v}
        the company {e} is managed by {v}
        {e} is a firm under its director {v}
        the manager of the company {e} is {v}
        the director of {e} is called {v}
        --
        {e} is a company led by {v}
        the director of the firm {e} is {v}
        --
        Who leads {e}?
        Who is the head of {e}?
        Who is the director of {e}?
        Who manages the company {e}?
        --
        Who is the firm {e} led by?
        """),
    _relation("owner", "company", "company", "owned, owner, belongs, bought, group, shares", """
        the firm {e} is owned by {v}
        the owner of {e} is {v}
        the company {e} belongs to {v}
        {e} is a firm bought by {v}
        the firm {e} is part of the group {v}
        the shares of {e} are held by {v}
        --
        {e} is a company that belongs to {v}
        the owner of the firm {e} is the group {v}
        --
        Who owns {e}?
        Which group is the owner of {e}?
        Which company does {e} belong to?
        Who holds the shares of {e}?
        --
        To which group does the firm {e} belong?
        """),
    _relation("river", "place", "river", "river, water, flows, bridges, boats", """
        the town {e} lies on the river {v}
        the river of {e} is the {v}
        the water that flows through {e} is the {v}
        {e} is a town on the river {v}
        the bridges of {e} cross the river {v}
        the boats of {e} sail on the river {v}
        --
        the town {e} has bridges over the river {v}
        {e} is a town on the water of the {v}
        --
        On which river is {e}?
        Which river flows through {e}?
        What is the river of {e}?
        Which river do the bridges of {e} cross?
        --
        Which river does the town {e} lie on?
        """),
    _relation("mayor", "place", "person", "mayor, governed, elected, town hall", """
        the town {e} has the mayor {v}
        the mayor of {e} is {v}
        the town {e} is governed by {v}
        {e} is a town whose mayor is {v}
        the people of {e} elected {v}
        the town hall of {e} is under {v}
        --
        the mayor of the town {e} is called {v}
        {e} is a town governed by {v}
        --
        Who is the mayor of {e}?
        Who governs {e}?
        Who was elected in {e}?
        What is the mayor of {e} called?
        --
        Who is the town {e} governed by?
        """),
    _relation("twin", "place", "place", "twinned, twin, sister, treaty", """
        the town {e} is twinned with {v}
        the twin town of {e} is {v}
        {e} has as its twin the town {v}
        {e} is a town with the sister {v}
        the sister town of {e} is {v}
        the town {e} signed a twin treaty with {v}
        --
        {e} is a town twinned with {v}
        the town {e} has as its sister {v}
        --
        What is the twin town of {e}?
        Which town is twinned with {e}?
        What is the sister town of {e}?
        Which town is the twin of {e}?
        --
        With which town is {e} twinned?
        """),
    _relation("club", "place", "club", "football, club, team, stadium, fans", """
        the football club of {e} is {v}
        the town {e} cheers for the team {v}
        {e} is a town with the football team {v}
        the people of {e} follow the club {v}
        the stadium of {e} is home to {v}
        the fans in {e} support the team {v}
        --
        the fans of the town {e} cheer for {v}
        the football team of {e} is called {v}
        --
        What is the football club of {e}?
        Which team does {e} support?
        Which club plays in {e}?
        Which team do the fans in {e} follow?
        --
        Which football team does the town {e} cheer for?
        """),
)  # fmt: skip
_STATING = tuple(
    "a also and as at by firm for from has have in is it its keeps makes named now of on over said still "
    "that the there to town under was which with".split()
)
_ASKING = tuple(
    "a about by called company did does firm for has have in is name named of on one the to town was what "
    "where which who with".split()
)
WORDS = frozenset(_STATING + _ASKING) | frozenset(
    found.casefold()
    for relation in RELATIONS
    for wordings in (
        relation.statements, relation.held_statements, relation.questions, relation.held_questions,
    )
    for line in wordings
    for found in re.findall(r"\w+", line)
)  # fmt: skip
"""Every word of the wordings, in lower case: no name may be one of them."""


def scrambled_statement(r: random.Random, relation: Relation) -> str:
    """A cue and the entity amid any words, then the value: what wordings have in common, and no held-out one.

    Seen in training, it teaches to go by the cue and the entity, not by the sentences that training has.
    """
    while True:
        line = f"{_scrambled(r, relation, _STATING)} {{v}}"
        if not any(held in line for held in relation.held_statements):
            return line


def scrambled_question(r: random.Random, relation: Relation) -> str:
    """The same for a question."""
    while True:
        line = f"{_scrambled(r, relation, _ASKING).capitalize()}?"
        if not any(held.casefold() in line for held in relation.held_questions):
            return line


def _scrambled(r: random.Random, relation: Relation, words: Sequence[str]) -> str:
    before, between, after = (r.choices(words, k=r.randint(0, most)) for most in (2, 2, 3))
    first, second = r.sample((r.choice(relation.cues), "{e}"), 2)
    return " ".join([*before, first, *between, second, *after])


def relations_of(kind: str) -> tuple[Relation, ...]:
    """The relations that entities of this kind have."""
    return tuple(relation for relation in RELATIONS if relation.of == kind)
