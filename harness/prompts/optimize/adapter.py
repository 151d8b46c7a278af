"""Our side of gepa (0.1.4): its duck types, over `Model.answers`.

gepa lists what one iteration needs: all parents' minibatches, all reflections, all children's minibatches,
all accepted children's validation. Each list goes to the model as one batch, so as many calls are open as the
model has threads. Nothing here knows about time or threads, so the course is the same for any number of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.calls.model import Model
from harness.engines.protocol import Request
from harness.prompts.evaluate import judge_answers
from harness.prompts.examples import Example, ExampleSet
from harness.prompts.metric import feedback
from harness.prompts.optimize.budget import children_validated, proposals_left
from harness.prompts.optimize.ledger import Ledger, Rejected
from harness.prompts.optimize.reflection import Reply, plain, read_reply, reflection_prompt
from harness.prompts.optimize.settings import Settings
from harness.prompts.optimize.stopping import SAME_SCORE
from harness.prompts.optimize.through import carried
from harness.prompts.packages import package
from harness.prompts.program import AnswerFormat, Program

COMPONENT = "instruction"
"""gepa evolves named texts; ours is one."""

Texts = Mapping[str, str]
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tried:
    """One example answered: what reflection reads of it."""

    example: Example
    answer: str
    feedback: str


class Adapter:
    """gepa's `GEPAAdapter`: scores are F1 by example, and an engine's failure is raised, never a score."""

    propose_new_texts = None

    def __init__(
        self, form: AnswerFormat, examples: ExampleSet, task: Model, settings: Settings, ledger: Ledger
    ) -> None:
        self._form = form
        self._types = examples.types
        self._task = task
        self._settings = settings
        self._ledger = ledger
        self._batch_of = package("gepa.core.adapter").EvaluationBatch

    def evaluate(self, batch: Sequence[Example], candidate: Texts, capture_traces: bool = False) -> Any:
        """The `EvaluationBatch` of one instruction on some examples."""
        return self.batch_evaluate([(candidate, batch)])[0]

    def batch_evaluate(self, items: Sequence[tuple[Texts, Sequence[Example]]]) -> list[Any]:
        """The same of several, all their calls in one batch."""
        with carried():
            trials = [
                (Program(texts[COMPONENT], self._form), ExampleSet(self._types, tuple(batch)))
                for texts, batch in items
            ]
            requests = [program.requests(batch, self._settings.sampling) for program, batch in trials]
            answers = iter(self._ledger.ask(self._task, [each for some in requests for each in some]))
            return [self._judged(*trial, [next(answers) for _ in trial[1].examples]) for trial in trials]

    def make_reflective_dataset(
        self, candidate: Texts, eval_batch: Any, components_to_update: Sequence[str]
    ) -> dict[str, list[Record]]:
        """What reflection reads: input, answer and feedback of each example."""
        with carried():
            records: list[Record] = [
                {"Inputs": each.example.text, "Generated Outputs": each.answer, "Feedback": each.feedback}
                for each in eval_batch.trajectories
            ]
            return dict.fromkeys(components_to_update, records)

    def _judged(self, program: Program, batch: ExampleSet, answers: list[Any]) -> Any:
        judged = judge_answers(program, batch, answers)
        self._ledger.unreadable += judged.unreadable
        tried = [
            Tried(example, answer.text, feedback(found, example, self._types, reveal=self._settings.reveal))
            for example, answer, found in zip(batch.examples, answers, judged.found, strict=True)
        ]
        scores = [each.f1 for each in judged.scores]
        return self._batch_of(outputs=list(judged.found), scores=scores, trajectories=tried)


class Reflector:
    """gepa's `BatchReflectionLM`: all reflections of an iteration are one batch.

    A reply that is no instruction, or one that is a candidate already, makes no proposal; nor does a job for
    whose child the budget has no calls left. gepa then evaluates no child.
    """

    def __init__(
        self, reflection: Model, settings: Settings, ledger: Ledger, fits: Callable[[str], bool]
    ) -> None:
        self._reflection = reflection
        self._settings = settings
        self._ledger = ledger
        self._fits = fits
        self._proposal_of = package("gepa.proposer.reflective_mutation.reflection_lm").ReflectionProposal

    def reflect(self, candidate: Texts, reflective_dataset: Any, components_to_update: Any) -> Any:
        """One reflection."""
        return self.reflect_many([(candidate, reflective_dataset, components_to_update)])[0]

    def reflect_many(self, jobs: Sequence[tuple[Texts, Mapping[str, Sequence[Record]], Any]]) -> list[Any]:
        """(proposal, the next reflector: this one) of each job."""
        with carried():
            left = self._settings.metric_calls - self._ledger.calls("task")
            paid = jobs[: proposals_left(left, self._settings.minibatch, len(jobs))]
            requests = [
                Request(
                    reflection_prompt(texts[COMPONENT], records[COMPONENT]),
                    self._settings.reflection_sampling,
                )
                for texts, records, _ in paid
            ]
            answers = self._ledger.ask(self._reflection, requests)
            new_texts: list[dict[str, str]] = [{} for _ in jobs]
            for number, (answer, (texts, _, _)) in enumerate(zip(answers, paid, strict=True)):
                reply = self._read(answer.text, texts[COMPONENT])
                self._ledger.replied(reply)
                if not reply.unusable:
                    new_texts[number] = {COMPONENT: reply.instruction}
            return [(self._proposal_of(new_texts=each), self) for each in new_texts]

    def _read(self, text: str, current: str) -> Reply:
        reply = read_reply(text, current, self._settings.most_characters)
        if reply.unusable:
            return reply
        if plain(reply.instruction) in self._ledger.known:
            return Reply(reply.instruction, "known")
        return reply if self._fits(reply.instruction) else Reply(reply.instruction, "too long")


class Minibatches:
    """gepa's `BatchSampler`: shuffled passes over the examples, one minibatch after the other.

    gepa's own moves on by one minibatch an iteration however many it gave out, so with proposals side by side
    it gives most of them out again. No minibatch holds an example twice.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._random = random.Random(f"minibatches {seed}")
        self._waiting: list[int] = []

    def next_minibatch_ids(self, loader: Any, state: Any) -> list[int]:
        """Ids of the next minibatch; `size` is at most the number of examples."""
        chosen: list[int] = []
        while len(chosen) < self._size:
            if not self._waiting:
                self._waiting = list(loader.all_ids())
                self._random.shuffle(self._waiting)
            place = next(place for place, each in enumerate(self._waiting) if each not in chosen)
            chosen.append(self._waiting.pop(place))
        return chosen


class SideBySide:
    """gepa's `SamplingStrategy`: several proposals an iteration, each with a parent and minibatch of its own.

    Fewer where the budget ends, so that it is not overspent by a whole iteration. A proposal takes a
    minibatch for the parent and one for the child; the parent's alone where that is perfect, as it is
    expected to be when the last iteration's all were.
    """

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._reflected = 0
        self._task_of = package("gepa.strategies.proposal_sampling").ProposalTask

    def sample_tasks(self, state: Any, candidate_selector: Any, batch_sampler: Any, trainset: Any) -> Any:
        """The parents and minibatches of one iteration."""
        with carried():
            remaining = self._settings.metric_calls - state.total_num_evals
            reflected = self._ledger.calls("reflection")
            perfect = self._ledger.sampled > 0 and reflected == self._reflected
            self._reflected = reflected
            per_proposal = self._settings.minibatch * (1 if perfect else 2)
            count = proposals_left(remaining, per_proposal, self._settings.proposals or 1)
            self._ledger.sampled += count
            tasks = []
            for _ in range(count):
                parent = candidate_selector.select_candidate_idx(state)
                ids = batch_sampler.next_minibatch_ids(trainset, state)
                tasks.append(
                    self._task_of(parent, state.program_candidates[parent], ids, trainset.fetch(ids))
                )
            return tasks


class WorthValidating:
    """gepa's `SelectionStrategy`: children with a higher sum on the minibatch than their parent's.

    Of these the most improved, as many as `children_validated` says; the earlier ones of equals.
    """

    def __init__(self, settings: Settings, ledger: Ledger, validation: int) -> None:
        self._settings = settings
        self._ledger = ledger
        self._validation = validation

    def select(self, proposals: list[Any], state: Any, acceptance_criterion: Any) -> list[Any]:
        """gepa asks once for each iteration. Keeps the others in the ledger."""
        with carried():
            gains = [
                sum(each.subsample_scores_after) - sum(each.subsample_scores_before) for each in proposals
            ]
            better = [number for number, gain in enumerate(gains) if gain > SAME_SCORE]
            most = children_validated(len(proposals), self._settings.minibatch, self._validation)
            chosen = sorted(sorted(better, key=lambda number: -gains[number])[:most])
            for number, each in enumerate(proposals):
                if number in chosen:
                    self._ledger.known.add(plain(each.candidate[COMPONENT]))
                else:
                    self._ledger.rejected.append(_rejected(each))
            return [proposals[number] for number in chosen]


def _rejected(proposal: Any) -> Rejected:
    before, after = proposal.subsample_scores_before, proposal.subsample_scores_after
    parent = proposal.parent_program_ids[0]
    return Rejected(proposal.candidate[COMPONENT], parent, sum(before) / len(before), sum(after) / len(after))
