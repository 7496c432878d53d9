"""A store whose payloads are encrypted on their way to the database, and opened on their way back. Decides nothing.

    programs, nodes, bodies ── plain ──► EncryptingStore ── encrypted, digests keyed ──► the store ──► database

What was written plain is read as it is. Where the database compares payloads (a message that is repeated), who repeats
it is answered here.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

import msgspec

from hydra.errors import ConfigError, PayloadError
from hydra.execution import (
    Claimed,
    CommitAnswer,
    ExecutionCommit,
    Message,
    NodeRef,
    Progress,
    Record,
    RecordKind,
    Snapshot,
    Status,
    Submission,
    Submitted,
)
from hydra.payload_keys import NO_KEYS, DigestKey, PayloadKeys, is_keyed, why_closed
from hydra.records.callbacks import CallbackNames
from hydra.records.forks import Fork
from hydra.records.wait_notes import message_in, refuse_unreadable
from hydra.schedules import ScheduleChange
from hydra.stores.approvals import Approval
from hydra.stores.around import StoreAround
from hydra.stores.clash import Clash
from hydra.stores.encryption import Encryption
from hydra.stores.failed_end import FailedEnd
from hydra.stores.filter import Filter
from hydra.stores.node_states import NOBODY, Advanced, Beat
from hydra.stores.rescheduling import Reschedule, Rescheduled
from hydra.stores.step_connection import StepConnection
from hydra.stores.store import Store
from hydra.stores.wrapped_secret import WrappedSecret

SECRET_BYTES = 32
MAX_AGREE_COUNT = 16  # tries to add a key's row while others add theirs

Told = Status | Clash | None  # the answer to a message

replace = msgspec.structs.replace


class EncryptingStore(StoreAround):
    """Called like the store that it stands around. Without keys it reads what is plain, and writes no payload."""

    def __init__(self, store: Store, keys: PayloadKeys) -> None:
        super().__init__(store)
        self._keys = keys
        self._digest_key: DigestKey | None = None
        self._encryption = Encryption(keys, self._encrypt, self._known_digest_key)

    def open(self, *, migrate: bool = True) -> None:
        """ConfigError where a key is missing that payloads of the namespace are encrypted with, or is another."""
        self._store.open(migrate=migrate)
        if self._keys.ids:
            self.agree()

    def agree(self) -> None:
        """Read the namespace's secret, or make it; and write that the current key encrypts from now on."""
        for _ in range(MAX_AGREE_COUNT):
            known = self._store.wrapped_secrets()
            refuse_missing(known, self._keys.ids, self._store.namespace)
            secret = self._unwrap(known)
            current = self._keys.current
            if secret is not None:
                self._digest_key = DigestKey(secret)
            if current is None or any(each.key_id == current for each in known):
                return
            number = 1 + max((each.number for each in known), default=0)
            wrapped = self._keys.encrypt(secret or os.urandom(SECRET_BYTES))
            self._store.add_wrapped_secret(WrappedSecret(number, current, wrapped, self._store.now()))
        raise ConfigError(f"the payload key `{self._keys.current}` cannot be made known to the database; try it again")

    def _unwrap(self, known: Sequence[WrappedSecret]) -> bytes | None:
        secrets = {self._keys.decrypt(each.wrapped) for each in known}
        return secrets.pop() if secrets else None

    # programs

    def submit(self, submissions: Sequence[Submission], now: int) -> builtins.list[Submitted]:
        return self._answers(self._store.submit([self._encryption.submission(each) for each in submissions], now))

    def submit_in(self, connection: object, submissions: Sequence[Submission], now: int) -> builtins.list[Submitted]:
        sealed = [self._encryption.submission(each) for each in submissions]
        return self._answers(self._store.submit_in(connection, sealed, now))

    def fork(self, fork: Fork, now: int) -> Submitted:
        return self._answers(
            [self._store.fork(replace(fork, submission=self._encryption.submission(fork.submission)), now)]
        )[0]

    def signal(self, messages: Sequence[Message], now: int) -> builtins.list[Told]:
        return self._told(messages, self._store.signal([self._encryption.message(each) for each in messages], now))

    def signal_in(self, connection: object, messages: Sequence[Message], now: int) -> builtins.list[Told]:
        sealed = [self._encryption.message(each) for each in messages]
        return self._told(messages, self._store.signal_in(connection, sealed, now))

    def resolve(self, resolutions: Sequence[tuple[str, Record]], now: int) -> builtins.list[Status | None]:
        return self._store.resolve([(id, self._encryption.record(record)) for id, record in resolutions], now)

    def approvals(self) -> builtins.list[Approval]:
        return [replace(each, payload=self._encryption.open(each.payload)) for each in self._store.approvals()]

    def add_approval(self, approval: Approval) -> None:
        if approval.payload:
            approval = replace(approval, payload=self._encrypt(approval.payload))
        self._store.add_approval(approval)

    def reschedule(self, order: Reschedule, now: int) -> Rescheduled | None:
        if (new := order.replacement) is not None:
            new = replace(new, input=self._encrypt(new.input), digest=self._encryption.key(new.digest))
        return self._store.reschedule(replace(order, replacement=new), now)

    def change_schedules(self, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        return self._store.change_schedules([self._encryption.change(each) for each in changes], now)

    def get(self, ids: Sequence[str]) -> builtins.list[Snapshot | None]:
        return [each and self._encryption.opened_snapshot(each) for each in self._store.get(ids)]

    def find(self, workflow: str, key: str) -> Snapshot | None:
        found = self._store.find(workflow, key)
        return found and self._encryption.opened_snapshot(found)

    def list(self, filter: Filter) -> builtins.list[Snapshot]:
        return [self._encryption.opened_snapshot(each) for each in self._store.list(filter)]

    def outcomes(self, ids: Sequence[str]) -> builtins.list[tuple[Status, bytes | None, str] | None]:
        return [each and (each[0], self._encryption.open(each[1]), each[2]) for each in self._store.outcomes(ids)]

    def failures(self, ids: Sequence[str]) -> dict[str, FailedEnd]:
        found = self._store.failures(ids)
        return {id: replace(end, payload=self._encryption.open(end.payload)) for id, end in found.items()}

    def input(self, id: str) -> bytes:
        return self._encryption.open(self._store.input(id))

    def records(self, id: str) -> builtins.list[Record]:
        return self._encryption.opened_all(self._store.records(id))

    def histories(self, ids: Sequence[str]) -> dict[str, tuple[bytes, builtins.list[Record]]]:
        found = self._store.histories(ids)
        return {
            id: (self._encryption.open(input), self._encryption.opened_all(log)) for id, (input, log) in found.items()
        }

    def messages(self, id: str, name: str | None = None) -> builtins.list[Message]:
        return [self._encryption.opened_message(each) for each in self._store.messages(id, name)]

    def waits(self, id: str) -> builtins.list[Record]:
        return self._encryption.opened_all(self._store.waits(id))

    def callback_records(self, id: str, names: CallbackNames, token: bytes) -> builtins.list[Record]:
        """All records are read: the database cannot find one by a token that it has encrypted. PayloadError where one
        that cannot be read may be it, or says what it was completed with."""
        found = []
        records = self.records(id)
        asked = [each for each in records if each.kind == RecordKind.VALUE or each.name in names]
        if reason := why_closed(each.payload for each in asked if each.name != names.aside):
            raise PayloadError(f"what execution `{id}` knows of this callback cannot be read: {reason}")
        for record in records:
            if record.name in names:
                found.append(replace(record, payload=None) if record.name == names.aside else record)
            elif record.kind == RecordKind.VALUE and record.payload == token:
                found.append(record)
        return found

    def progress(self, id: str) -> builtins.list[Progress]:
        return [replace(each, payload=self._encryption.open(each.payload)) for each in self._store.progress(id)]

    # nodes

    def heartbeat_node(
        self, node: NodeRef, now: int, *, listening: Mapping[str, int] = NOBODY, is_last: bool = False
    ) -> Beat:
        beat = self._store.heartbeat_node(node, now, listening=listening, is_last=is_last)
        if not beat.messages:
            return beat
        return replace(beat, messages=[self._encryption.opened_message(each) for each in beat.messages])

    def report_progress(self, node: NodeRef, reports: Sequence[Progress], now: int) -> None:
        self._store.report_progress(node, [self._encryption.message(each) for each in reports], now)

    def claim(
        self, node: NodeRef, workflows: Sequence[str], slots: int, now: int, *, is_last: bool = False
    ) -> builtins.list[Claimed]:
        return [
            self._encryption.opened_claim(each)
            for each in self._store.claim(node, workflows, slots, now, is_last=is_last)
        ]

    def recover(self, node: NodeRef, ids: Sequence[str]) -> builtins.list[Claimed]:
        return [self._encryption.opened_claim(each) for each in self._store.recover(node, ids)]

    def commit(
        self, node: NodeRef, commits: Sequence[ExecutionCommit], now: int, *, is_last: bool = False
    ) -> builtins.list[CommitAnswer]:
        sealed = [self._encryption.commit(each) for each in commits]
        answers = self._store.commit(node, sealed, now, is_last=is_last)
        for item, written in zip(commits, sealed, strict=True):
            item.arrived = self._encryption.opened_all(written.arrived)
        return answers

    def record_crashes(self, node_id: str, commits: Sequence[ExecutionCommit], now: int) -> builtins.list[bool]:
        return self._store.record_crashes(node_id, [self._encryption.commit(each) for each in commits], now)

    def park(
        self, node_id: str, advanced: Sequence[Advanced], cause: str, reason: bytes, now: int
    ) -> builtins.list[str]:
        return self._store.park(node_id, advanced, cause, self._encrypt(reason), now)

    def fire_schedules(self, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        return self._store.fire_schedules(node, [self._encryption.change(each) for each in changes], now)

    def step_connection(self) -> StepConnection:
        return cast(StepConnection, EncryptingConnection(self._store.step_connection(), self._encryption.commit))

    # inside

    def _encrypt(self, payload: bytes) -> bytes:
        if not self._keys.ids:
            refuse_without_keys(self._store)
        return self._keys.encrypt(payload)

    def _known_digest_key(self, digest: bytes) -> DigestKey | None:
        """Where others have begun to encrypt since this was opened, the first keyed digest tells."""
        if self._digest_key is None and is_keyed(digest) and self._keys.ids:
            self.agree()
        return self._digest_key

    def _answers(self, answers: Sequence[Submitted]) -> builtins.list[Submitted]:
        return [replace(each, digest=self._encryption.unkey(each.digest)) if each.digest else each for each in answers]

    def _told(self, messages: Sequence[Message], answers: Sequence[Told]) -> builtins.list[Told]:
        """No two encryptions are the same, so what is put a second time looks like another to the database."""
        told = list(answers)
        for place, message in enumerate(messages):
            if told[place] is Clash.MESSAGE and self._is_known(message):
                found = self._store.get([message.execution_id])[0]
                told[place] = None if found is None else found.status
        return told

    def _is_known(self, message: Message) -> bool:
        for waiting in self.messages(message.execution_id):
            if waiting.id == message.id:
                return _says_the_same(message, waiting.name, waiting.payload)
        for record in self.records(message.execution_id):
            if record.kind == RecordKind.EVENT and record.digest == UUID(message.id).bytes:
                return _says_the_same(message, *message_in(record.name, record.payload or b""))
        return False


def _says_the_same(message: Message, name: str, payload: bytes) -> bool:
    if message.name == name:
        refuse_unreadable(message.id, message.execution_id, [payload])
    return (message.name, message.payload) == (name, payload)


class EncryptingConnection:
    """A step's connection that writes its record encrypted."""

    def __init__(self, connection: StepConnection, commit_of: Callable[[ExecutionCommit], ExecutionCommit]) -> None:
        self._connection = connection
        self._commit_of = commit_of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self, node: NodeRef, item: ExecutionCommit, now: int) -> CommitAnswer:
        return self._connection.commit(node, self._commit_of(item), now)


def encrypting(store: Store) -> EncryptingStore | None:
    """The one that stands around this store, or within what does."""
    while isinstance(store, StoreAround) and not isinstance(store, EncryptingStore):
        store = store._store
    return store if isinstance(store, EncryptingStore) else None


def reading_only(store: Store) -> Store:
    """The open store of a program without keys. Where payloads are encrypted it shows all that is not, and puts in
    nothing that is plain."""
    return EncryptingStore(store, NO_KEYS).as_store() if store.wrapped_secrets() else store


def refuse_without_keys(store: Store) -> None:
    """ConfigError for a node without keys, on an open store whose payloads are encrypted: it could run nothing."""
    refuse_missing(store.wrapped_secrets(), NO_KEYS.ids, store.namespace)


def refuse_keyed(store: Store, answers: Sequence[Submitted]) -> None:
    """ConfigError where a key clashes and the digest it was used with says nothing here: the arguments may be the same.
    Keys have become known to the namespace since the store was opened."""
    if any(each.conflict and (is_keyed(each.digest) or not each.digest) for each in answers):
        around = encrypting(store)
        keys = NO_KEYS if around is None else around._keys
        refuse_missing(store.wrapped_secrets(), keys.ids, store.namespace)


def refuse_missing(known: Sequence[WrappedSecret], ids: frozenset[str], namespace: str) -> None:
    """ConfigError where payloads are encrypted with a key that is not among these."""
    missing = next((each.key_id for each in known if each.key_id not in ids), None)
    if missing is not None:
        raise ConfigError(
            f"payloads of namespace `{namespace}` are encrypted with the key `{missing}`, which is not given here; add "
            "it to the file of payload keys, and name that with `--payload-keys` or HYDRA_PAYLOAD_KEYS"
        )
