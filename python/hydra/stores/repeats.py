"""What a submission gets whose id or key is known: what it stands for, or a conflict (R17, R18). Reads nothing."""

from __future__ import annotations

from typing import NamedTuple

from hydra.execution import Submission, Submitted


class Made(NamedTuple):
    """The execution that has the submission's id."""

    digest: bytes
    namespace: str
    workflow: str
    key: str | None


class Held(NamedTuple):
    """Who has the submission's key, and the arguments it was used with."""

    id: str
    digest: bytes
    is_purged: bool


def made_by(submission: Submission, namespace: str) -> Made:
    return Made(submission.digest, namespace, submission.workflow, submission.key)


def known_answer(s: Submission, namespace: str, made: Made | None, held: Held | None) -> Submitted | None:
    """None where neither its id nor its key is known. A known id is an earlier try's, whoever has the key by now, or
    that of another submission; only else the key says which execution it is."""
    if made is not None and _is_same_call(s, namespace, made) and is_same_key(s, made.key):
        return Submitted(s.id, False)
    if held is not None and (made is None or held.id == s.id):
        is_other = held.digest not in (s.digest, s.former_digest)
        return Submitted(held.id, False, is_other, held.digest if is_other else b"", held.is_purged)
    if made is None:
        return None
    return other_key(s, made.key) if _is_same_call(s, namespace, made) else Submitted(s.id, False, conflict=True)


def is_same_key(submission: Submission, key: str | None) -> bool:
    """Whether an execution with its id may be the one that it made before. Asked for without a key, it may have one."""
    # guard R17: an id takes no key that it was not made with
    return submission.key is None or submission.key == key


def other_key(submission: Submission, key: str | None) -> Submitted:
    """Its id is that of an execution under another key, or none. To answer with that would leave the key that was asked
    for to whoever submits with it next: two executions for one key."""
    return Submitted(submission.id, False, conflict=True, made_with=key or "")


def _is_same_call(s: Submission, namespace: str, made: Made) -> bool:
    return made[:3] in ((s.digest, namespace, s.workflow), (s.former_digest, namespace, s.workflow))
