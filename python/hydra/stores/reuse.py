"""The order in which submissions meet the keys of others: those that may take a used key over come last.

    submissions ─► others: as ever ─► after_end: free the keys of what has ended (`hydra_former_key`) ─► as ever

All of it in one transaction. Whoever frees a key holds its row and that of the execution that had it until the end, so
that of many submitters one takes it. What had it is remembered and never retried: two of one key would run. Writes
nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hydra.execution import KeyReuse, Submission, Submitted

Submit = Callable[[Sequence[Submission]], list[Submitted]]
Free = Callable[[Sequence[Submission]], object]


def submit_in_turn(submissions: Sequence[Submission], submit: Submit, free: Free) -> list[Submitted]:
    """`free` frees keys; it is called only where a submission asks for it."""
    last = [place for place, each in enumerate(submissions) if is_reusing(each)]
    if not last:
        return submit(submissions)
    first = [place for place, each in enumerate(submissions) if not is_reusing(each)]
    answers: dict[int, Submitted] = {}
    if first:
        answers.update(zip(first, submit([submissions[place] for place in first]), strict=True))
    reusing = [submissions[place] for place in last]
    free(reusing)
    answers.update(zip(last, submit(reusing), strict=True))
    return [answers[place] for place in range(len(submissions))]


def is_reusing(submission: Submission) -> bool:
    return submission.key is not None and submission.key_reuse is KeyReuse.AFTER_END
