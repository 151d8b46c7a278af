"""Both decision trees as a page: what results say for each problem, length and memory, and the guide's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from harness.detection.report.tree import BAND_UNKNOWN, GUIDE, GUIDE_TREE, TECHNIQUES, Step
from harness.detection.report.tree_leaves import (
    ANY_BUDGET,
    Evidence,
    Leaf,
    Option,
    Tree,
    found_for,
    worst_end,
)
from harness.measure.outcome import Finding
from harness.render import numbers
from harness.render.sections import Bullets, Lines, Page, Paragraph, Section
from harness.render.tables import Table

_HEAD = ("technique", "found", "effect", "before -> after", "verdict", "provenance", "where")
NOTHING = "nothing measured"


def tree_page(tree: Tree) -> Page:
    """The page; `harness.render.sections` writes it."""
    known = [leaf for leaf in tree.leaves if not leaf.is_empty]
    lede = (
        f"{len(known)} of {len(tree.leaves)} leaves rest on results of "
        f"{numbers.several(len(tree.runs), 'run')}; the others say so. Effects are optimized / baseline, "
        "each against its own baseline: they do not multiply."
    )
    sections = [
        Section("The tree from results", (Lines(tuple(derived_lines(tree))),)),
        *(Section(_title(leaf), tuple(_blocks(leaf))) for leaf in known),
        Section("What excludes what", (_excluded(tree),)),
        Section("The guide's tree, quoted", (Paragraph(GUIDE), Lines(tuple(guide_lines())))),
        Section("Where the figures come from", (Bullets(tuple(_origin(tree))),)),
    ]
    return Page("Which technique helps", lede, tuple(sections), "Decision tree")


def guide_lines() -> Iterator[str]:
    """The guide's tree as it is written, without its drawing characters."""
    yield "Start: Need to optimize?"
    for branch in GUIDE_TREE:
        yield f"|- {branch.quote}"
        yield from (f"|  |- {step.quote}" for step in branch.steps)


def derived_lines(tree: Tree) -> Iterator[str]:
    """The derived tree in text: problem, lengths and what the guide says there, memory and what was found."""
    for problem, of_problem in groupby(tree.leaves, lambda leaf: leaf.problem):
        yield problem.capitalize()
        for band, of_band in groupby(of_problem, lambda leaf: leaf.band):
            leaves = list(of_band)
            yield f"|- {band.text if leaves[0].budget != ANY_BUDGET else 'any length'}"
            yield from (f"|  |  guide: {_joined(step.quoted, step.remark)}" for step in leaves[0].guide)
            silent: dict[str, list[str]] = {}
            for leaf in leaves:
                below = [told for step in leaf.guide if (told := _told(leaf, step))]
                if leaf.is_empty and not below:
                    silent.setdefault(_banned(leaf), []).append(_memory(leaf))
                    continue
                yield f"|  |- {_joined(f'{_memory(leaf)}: {decision(leaf)}', _banned(leaf))}"
                yield from (f"|  |  |  {_joined(*told)}" for told in below)
            yield from (
                f"|  |- {_joined(f'{_joined(*memory)}: {NOTHING}', banned)}"
                for banned, memory in silent.items()
            )


def _memory(leaf: Leaf) -> str:
    return leaf.budget.text if leaf.budget != ANY_BUDGET else "any memory"


def _banned(leaf: Leaf) -> str:
    names = ", ".join(each.text for each, _ in leaf.excluded)
    return f"excluded: {names}" if names else ""


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def decision(leaf: Leaf) -> str:
    """What to do there, in one line."""
    if leaf.is_empty:
        return NOTHING
    if leaf.chosen:
        return "; ".join(f"{option.title}: {option_text(option)}" for option in leaf.chosen)
    depends = [option for option in leaf.options if option.state == "depends"]
    if depends:
        return "it depends: " + "; ".join(f"{option.title}: {option_text(option)}" for option in depends)
    return "nothing is shown to help: " + ", ".join(
        dict.fromkeys(f"{option.title} {option.state}" for option in leaf.options)
    )


def option_text(option: Option) -> str:
    """What it does, by how much at least, and how that is known; where it depends, on what."""
    if option.state == "depends":
        told = [f"{_effect(each)} {each.state}{_under(each, option)}" for each in _one_of_each(option)]
        shown = ", ".join(told) + (", ..." if len(told) < len(option.evidence) else "")
    else:
        weakest = max(option.evidence, key=lambda each: worst_end(each.finding))
        several = f" at the least of {len(option.evidence)} cells:" if len(option.evidence) > 1 else ""
        shown = f"{_effect(weakest)}{several} {option.state}"
    return f"{option.evidence[0].finding.metric} {shown}, {option.provenance}"


def _one_of_each(option: Option) -> list[Evidence]:
    """The weakest evidence of each state: what it depends on shows in their parameters."""
    found: dict[str, Evidence] = {}
    for each in sorted(option.evidence, key=lambda each: worst_end(each.finding)):
        found[each.state] = each
    return list(found.values())


def _effect(each: Evidence) -> str:
    effect = each.finding.effect
    if effect is None:
        return _before_and_after(each.finding)
    if effect.confidence == 0.0:
        return f"{numbers.ratio(effect.ratio)} without an interval"
    return numbers.ratio_with_interval(effect.ratio, effect.low, effect.high)


def _under(each: Evidence, option: Option) -> str:
    """What tells this evidence from the option's other: parameters, and the row where there are several."""
    told = [
        f"{key}={value}" for key, value in sorted(each.cell.params.items()) if key != option.technique.choice
    ]
    if len({other.cell.hardware for other in option.evidence}) > 1:
        told.append(each.cell.hardware)
    return f" [{', '.join(told)}]" if told else ""


def _told(leaf: Leaf, step: Step) -> list[str]:
    """What became of the guide's advice at a leaf; the first of each technique's options is its best."""
    best: dict[str, Option] = {}
    for option in found_for(leaf, step):
        best.setdefault(option.technique.text, option)
    told = [f"{option.title}: {option_text(option)}" for option in best.values()]
    told += [
        each.text
        for each in leaf.not_run
        if set(each.technique.names) & set(step.names)
        and (each.is_too_large or each.technique.text not in best)
    ]
    return told


def _advice(leaf: Leaf, step: Step) -> str:
    """The quote, what was found of it here, and what is known of it anyway."""
    banned = [f"{each.text} is excluded" for each, _ in leaf.excluded if set(each.names) & set(step.names)]
    told = [*_told(leaf, step), *banned] or ([f"{NOTHING} here"] if step.names else [])
    return _joined(step.quoted, *told, step.remark)


def _title(leaf: Leaf) -> str:
    where = [leaf.band.text] if leaf.band != BAND_UNKNOWN else []
    where += [leaf.budget.text] if leaf.budget != ANY_BUDGET else []
    return ": ".join([leaf.problem.capitalize(), ", ".join(where)] if where else [leaf.problem.capitalize()])


def _blocks(leaf: Leaf) -> Iterator[Paragraph | Table | Bullets]:
    yield Paragraph(f"Decision: {decision(leaf)}.")
    yield Table(_HEAD, tuple(_rows(leaf.options)), frozenset(range(len(_HEAD))))
    notes = [f"The guide says {_advice(leaf, step)}." for step in leaf.guide]
    notes += [
        f"Not together: {pair.first} and {pair.second}: {pair.reason}; instead: {pair.instead}."
        for pair in leaf.apart
    ]
    reasons: dict[str, list[str]] = {}
    for each in leaf.not_run:
        reasons.setdefault(each.reason, []).append(f"{each.technique.text} on {each.hardware}")
    notes += [f"Not run, {reason}: {', '.join(dict.fromkeys(of))}" for reason, of in reasons.items()]
    yield Bullets(tuple(notes))


def _rows(options: Sequence[Option]) -> Iterator[tuple[str, ...]]:
    for option in options:
        for each in option.evidence:
            found = each.finding
            yield (
                option.title,
                f"{found.metric}{_under(each, option)}",
                _effect(each),
                _before_and_after(found),
                each.state if each.state != "undecided" else f"undecided: {found.reason or found.verdict}",
                found.provenance,
                f"{each.cell.hardware}, {each.run}",
            )


def _before_and_after(finding: Finding) -> str:
    before, after = (numbers.quantity(value, finding.unit) for value in (finding.baseline, finding.optimized))
    return f"{before} -> {after}"


def _excluded(tree: Tree) -> Table:
    rows: dict[tuple[str, ...], None] = {}
    for leaf in tree.leaves:
        for technique, pair in leaf.excluded:
            where = "on the host" if "CPU" in (pair.first, pair.second) else "everywhere"
            rows[technique.text, where, pair.reason, pair.instead] = None
    return Table(("technique", "where", "why", "instead"), tuple(rows), frozenset(range(4)))


def _origin(tree: Tree) -> Iterator[str]:
    yield f"runs: {', '.join(tree.runs) or 'none'}"
    if tree.ignored:
        yield f"benchmarks of these runs that are no technique of the guide: {', '.join(tree.ignored)}"
    seen = {name for leaf in tree.leaves for option in leaf.options for name in option.technique.names}
    missing = [each.text for each in TECHNIQUES if not seen & set(each.names)]
    if missing:
        yield f"without a result: {', '.join(missing)}"
    yield "techniques are ranked by the end of the interval that promises least, measured and modelled apart"
    yield "of equal names the latest run counts; a measured cell is not replaced by a modelled one"
