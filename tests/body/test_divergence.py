"""What is a divergence, and what is none: a live replay, `hydra check` and `replay` decide it alike."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import hydra
import msgspec
import pydantic
import pytest
from hydra import codec
from hydra.checking import CheckingHub
from hydra.execution import DIVERGED, Ending, Record, RecordKind
from hydra.testing.replaying import run_to_rest
from hydra.workflow import registry

from tests.body.supervising import Stored, Supervisor

DAY = 86_400.0
effects: list[Any] = []


@hydra.step
def shift(item: Any) -> Any:
    effects.append(item)
    return item


@hydra.step
def take_in(item: Any) -> None:
    """For items that need a class of their own to come back."""


@hydra.step
async def move_later(item: Any) -> Any:
    effects.append(item)
    return item


@pytest.fixture(autouse=True)
def no_effects_yet() -> None:
    effects.clear()


def deploy(function: Callable[..., Any], **options: Any) -> Any:
    """What a restart with other code does: the name stands for another function from now on."""
    registry.workflows.pop("deal", None)
    return hydra.workflow(name="deal", **options)(function)


def begun(supervisor: Supervisor, old: Callable[..., Any], *args: Any, **options: Any) -> Stored:
    """An execution of this code, as far as it comes without time or messages."""
    execution = supervisor.submit(deploy(old, **options).bind(*args))
    supervisor.run()
    return execution


def crashed(stored: Stored, name: str, *args: Any, ordinal: int = 0, branch: str = "", kind: str = "crash") -> None:
    """As a supervisor writes it of a worker that died in this step."""
    seq, digest = len(stored.records) + 1, codec.encode_call(args, {})[1]
    payload, due_at = codec.encode("signal SIGKILL"), 1 if kind == "try" else 0  # a try without one was the last
    stored.records.append(Record(seq, kind, branch, name, ordinal, 1, digest, payload, 0, 0, due_at))


def judged(supervisor: Supervisor, stored: Stored) -> str:
    """What `hydra check`, a test's replay and then a live replay say of it: "" where the code goes on, else why not."""
    before = list(effects)
    claimed = msgspec.structs.replace(
        stored.claimed, records=list(stored.records), messages=list(stored.messages), attempt=stored.attempt
    )
    found = CheckingHub(registry, supervisor.lease.now(), "default").replay(claimed)
    rested = run_to_rest(claimed, registry.workflows["deal"], list(stored.records))
    assert effects == before, "neither has an effect"
    supervisor.finish()
    is_parked = stored.end.kind == Ending.PARKED and stored.end.cause == DIVERGED
    assert (found is not None) == is_parked
    assert (rested is not None and rested.end.cause == DIVERGED) == is_parked
    if found is None or rested is None:
        return ""
    assert effects == before, "nor has a live replay, where the code differs"
    assert codec.decode(stored.end.payload or b"") == found.reason
    return found.reason


# 12: what a step was called with counts from its first try on


def waits_for(item: Any) -> Callable[[], Any]:
    def body() -> Any:
        hydra.wait_event("go")
        return shift(item)

    return body


@pytest.mark.parametrize("kind", ["crash", "start", "try"])
def test_a_begun_step_called_with_other_arguments_is_a_divergence(supervisor: Supervisor, kind: str) -> None:
    execution = supervisor.submit(deploy(lambda: shift("a")).bind())
    crashed(execution, "shift", "a", kind=kind)
    deploy(lambda: shift("b"))
    assert "is called with other arguments" in judged(supervisor, execution)
    assert effects == []


def test_a_step_that_is_a_task_by_itself_is_told_of_with_the_line_that_made_it(supervisor: Supervisor) -> None:
    def code(item: str) -> Callable[[], Any]:
        async def body() -> None:
            await asyncio.create_task(move_later(item))
            await hydra.aio.sleep(DAY)

        return body

    execution = begun(supervisor, code("a"))
    deploy(code("b"))
    reason = judged(supervisor, execution)
    assert f"{__file__}:" in reason and "in `body`" in reason
    assert "asyncio" not in reason


@pytest.mark.parametrize("kind", ["crash", "try"])
def test_a_begun_step_called_with_its_arguments_runs_again(supervisor: Supervisor, kind: str) -> None:
    execution = supervisor.submit(deploy(lambda: shift("a")).bind())
    crashed(execution, "shift", "a", kind=kind)
    assert judged(supervisor, execution) == ""
    assert execution.result() == "a"


def test_a_crash_recorded_without_a_digest_says_nothing_of_the_arguments(supervisor: Supervisor) -> None:
    execution = supervisor.submit(deploy(lambda: shift("b")).bind())
    execution.records.append(Record(1, RecordKind.CRASH, "", "shift", 0, 1, b"", codec.encode("it died"), 0, 0))
    assert judged(supervisor, execution) == ""
    assert execution.result() == "b"


# 13: a field with a default is no other argument


@dataclasses.dataclass
class Line:
    article: str
    count: int = 1


@dataclasses.dataclass
class GrownLine:
    article: str
    count: int = 1
    discount: float = 0.0
    notes: list[str] = dataclasses.field(default_factory=list)


class Parcel(msgspec.Struct):
    address: str


class GrownParcel(msgspec.Struct):
    address: str
    insured: bool = False
    labels: dict[str, str] = {}


class Invoice(pydantic.BaseModel):
    number: int


class GrownInvoice(pydantic.BaseModel):
    number: int
    currency: str = "EUR"
    tags: set[str] = pydantic.Field(default_factory=set)


@dataclasses.dataclass(frozen=True)
class Tag:
    name: str


@dataclasses.dataclass(frozen=True)
class GrownTag:
    name: str
    colour: str = "red"


class Place(NamedTuple):
    street: str
    number: int = 1


class GrownPlace(NamedTuple):
    street: str
    number: int = 1
    floor: int | None = None


@dataclasses.dataclass
class Order:
    lines: list[Any]
    parcel: Any
    tags: set[Any]


SHAPES: dict[str, tuple[Any, Any]] = {
    "dataclass": (Line("a", 2), GrownLine("a", 2)),
    "struct": (Parcel("home"), GrownParcel("home")),
    "pydantic": (Invoice(number=1), GrownInvoice(number=1)),
    "named tuple": (Place("a"), GrownPlace("a")),
    "in a named tuple": (Place("a", Line("x")), GrownPlace("a", GrownLine("x"))),  # type: ignore[arg-type]
    "in a list": ([Line("a"), Line("b", 3)], [GrownLine("a"), GrownLine("b", 3)]),
    "in a dict": ({"x": Line("a")}, {"x": GrownLine("a")}),
    "nested": (
        Order([Line("a")], Parcel("home"), {Tag("t")}),
        Order([GrownLine("a")], GrownParcel("home"), {GrownTag("t")}),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("how", ["recorded", "crashed", "spawned", "undone", "mapped"])
def test_arguments_whose_class_gains_a_field_with_a_default_are_the_same(
    supervisor: Supervisor, shape: str, how: str
) -> None:
    argument, grown = SHAPES[shape]
    hydra.workflow(name="settle")(lambda item: None)

    def body() -> Any:
        match how:
            case "spawned":
                hydra.spawn(hydra.named("settle").bind(argument))
            case "undone":
                hydra.on_failure(take_in.bind(argument))
            case "mapped":
                hydra.map(take_in.bind_each([argument, argument]), chunk=1)
            case "recorded":
                take_in(argument)
        hydra.sleep(DAY)
        take_in(argument)

    execution = begun(supervisor, body)
    if how == "crashed":
        supervisor.advance(round(DAY * 1e6))
        crashed(execution, "take_in", argument)
    argument = grown
    assert judged(supervisor, execution) == ""
    assert execution.end.kind == Ending.COMPLETED


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (Line("a", 1), GrownLine("a", 2)),
        (Line("a", 1), GrownLine("b", 1)),
        (Line("a", 1), GrownLine("a", 1, discount=0.5)),
        (Line("a", 1), GrownLine("a", 1, notes=["mind"])),
        (GrownLine("a"), Line("a")),
        ([Line("a"), Line("b")], [GrownLine("a"), GrownLine("b", discount=1.0)]),
        (Parcel("home"), GrownParcel("home", insured=True)),
        (Invoice(number=1), GrownInvoice(number=1, currency="USD")),
        ({"a": 1}, {"a": 1, "b": None}),
        (Place("a"), GrownPlace("a", 1, 2)),
        (Place("a"), GrownPlace("b")),
        (("a", 1), ("a", 1, None)),
        (GrownLine("a", 1, 0.0), GrownLine("a", 1, 0)),
    ],
)
def test_any_other_change_of_arguments_is_a_divergence(supervisor: Supervisor, was: Any, becomes: Any) -> None:
    argument = was

    def body() -> None:
        shift(argument)
        hydra.sleep(DAY)

    execution = begun(supervisor, body)
    argument = becomes
    assert "is called with other arguments" in judged(supervisor, execution)


@pytest.mark.parametrize(
    ("was", "becomes", "reason"),
    [
        (Line("a"), GrownLine("a", discount=0.5), "but for `GrownLine.discount`, `GrownLine.notes`"),
        ([Parcel("x")], [GrownParcel("x", True)], "but for `GrownParcel.insured`, `GrownParcel.labels`"),
        (Place("a"), GrownPlace("a", 1, 2), "but for `GrownPlace.floor`, which the record lacks"),
        (Line("a", 1), Line("a", 2), "a value differs, or a class has lost or renamed a field"),
        (GrownLine("a"), Line("a"), "a value differs, or a class has lost or renamed a field"),
    ],
)
def test_where_only_the_digest_differs_the_reason_says_why(
    supervisor: Supervisor, was: Any, becomes: Any, reason: str
) -> None:
    argument = was

    def body() -> None:
        shift(argument)
        hydra.sleep(DAY)

    execution = begun(supervisor, body)
    argument = becomes
    assert reason in judged(supervisor, execution)


@dataclasses.dataclass
class Before:
    article: str
    count: int = 1


@dataclasses.dataclass
class After:
    article: str
    count: int = 5


def test_a_default_that_changes_is_a_change_of_arguments(supervisor: Supervisor) -> None:
    argument: Any = Before("a")

    def body() -> None:
        shift(argument)
        hydra.sleep(DAY)

    execution = begun(supervisor, body)
    argument = After("a")
    assert "is called with other arguments" in judged(supervisor, execution)


# 14: no item's key goes to another item


def test_a_map_killed_before_its_first_chunk_parks_with_other_items(supervisor: Supervisor) -> None:
    items = ["a", "b"]
    execution = supervisor.submit(deploy(lambda: len(hydra.map(shift.bind_each(list(items))))).bind())
    supervisor.lose_after(1)
    supervisor.run()
    assert execution.kinds() == ["value"], "that it began; what it did is lost"
    effects.clear()
    items.reverse()
    assert "with other items than the record has" in judged(supervisor, execution)


def test_a_map_killed_before_its_first_chunk_runs_the_same_items_again(supervisor: Supervisor) -> None:
    execution = supervisor.submit(deploy(lambda: len(hydra.map(shift.bind_each(["a", "b"])))).bind())
    supervisor.lose_after(1)
    supervisor.run()
    assert judged(supervisor, execution) == ""
    assert (execution.result(), sorted(effects)) == (2, ["a", "a", "b", "b"]), "both ran at once, so in any order"


def test_a_map_begun_by_an_older_hydra_goes_by_its_chunks(supervisor: Supervisor) -> None:
    items = ["a", "b", "c", "d"]

    def body() -> int:
        hydra.map(shift.bind_each(list(items)), chunk=2)
        hydra.sleep(DAY)
        return len(effects)

    def chunk_digest(names: list[str]) -> bytes:
        return codec.encode_with_digest([names, [], {}])[1]

    execution = begun(supervisor, body)
    for place, names in ((0, None), (1, ["a", "b"]), (2, ["c", "d"])):
        record = execution.records[place]
        old = {"payload": codec.encode({"step": "shift", "count": 4})} if names is None else {}
        digest = record.digest if names is None else chunk_digest(names)
        execution.records[place] = msgspec.structs.replace(record, digest=digest, **old)
    supervisor.advance(1)
    assert (
        CheckingHub(registry, supervisor.lease.now(), "default").replay(
            msgspec.structs.replace(execution.claimed, records=list(execution.records))
        )
        is None
    )
    items.reverse()
    assert "with other items than the record has" in judged(supervisor, execution)


# 11: an end of any kind with records left over


def old_sync() -> str:
    shift("first")
    hydra.gather(shift.bind("a"), shift.bind("b"))
    hydra.sleep(DAY)
    return str(shift("last"))


async def old_async() -> str:
    await move_later("first")
    await hydra.aio.gather(move_later.bind("a"), move_later.bind("b"))
    await hydra.aio.sleep(DAY)
    return str(await move_later("last"))


def raises_at_once() -> None:
    raise ValueError("no invoice")


def misspelt() -> None:
    mvoe("first")  # type: ignore[name-defined]  # noqa: F821


def returns_at_once() -> str:
    return "done"


def waits_at_once() -> None:
    hydra.wait_event("never")


def raises_later() -> None:
    shift("first")
    raise ValueError("no invoice")


def returns_later() -> str:
    return str(shift("first"))


def waits_without_the_gather() -> None:
    shift("first")
    hydra.sleep(DAY)


def begins_anew() -> None:
    shift("first")
    hydra.continue_as_new()


async def raises_at_once_async() -> None:
    raise ValueError("no invoice")


async def misspelt_async() -> None:
    await mvoe("first")  # type: ignore[name-defined]  # noqa: F821


async def returns_at_once_async() -> str:
    return "done"


async def raises_later_async() -> None:
    await move_later("first")
    raise ValueError("no invoice")


ENDS: list[tuple[Callable[..., Any], Callable[..., Any], str]] = [
    (old_sync, raises_at_once, "the code raised ValueError: no invoice, and never asked for `shift` number 1"),
    (old_sync, misspelt, "the code raised NameError"),
    (old_sync, returns_at_once, "the code returned, and never asked for `shift` number 1"),
    (old_sync, waits_at_once, "the code asks for `hydra.event:never` number 1, the record has `shift` number 1"),
    (old_sync, raises_later, "and never asked for `shift` number 1 in branch `/0."),
    (old_sync, returns_later, "the code returned, and never asked for `shift` number 1 in branch `/0."),
    (old_sync, waits_without_the_gather, "the code waits, and never asked for `shift` number 1 in branch `/0."),
    (old_sync, begins_anew, "the code begins again, and never asked for `shift` number 1 in branch `/0."),
    (old_async, raises_at_once_async, "the code raised ValueError: no invoice, and never asked for `move_later`"),
    (old_async, misspelt_async, "the code raised NameError"),
    (old_async, returns_at_once_async, "the code returned, and never asked for `move_later` number 1"),
    (old_async, raises_later_async, "the code raised ValueError"),
]


@pytest.mark.parametrize(("old", "new", "words"), ENDS, ids=[new.__name__ for _, new, _ in ENDS])
def test_an_end_with_records_left_over_is_a_divergence(
    supervisor: Supervisor, old: Callable[..., Any], new: Callable[..., Any], words: str
) -> None:
    execution = begun(supervisor, old)
    deploy(new)
    sentence = judged(supervisor, execution)
    assert words in sentence
    assert f"in `{new.__name__}`" in sentence, "with the line"


@pytest.mark.parametrize("new", [raises_at_once, returns_at_once, waits_without_the_gather])
@pytest.mark.parametrize("why", ["cancelled", "timeout"])
def test_what_is_to_be_undone_is_not_undone_by_code_that_leaves_records_over(
    supervisor: Supervisor, new: Callable[..., Any], why: str
) -> None:
    def old() -> None:
        hydra.on_failure(shift.bind("undo"))
        old_sync()

    execution = begun(supervisor, old)
    deploy(lambda: (hydra.on_failure(shift.bind("undo")), new()))
    before = list(effects)
    if why == "cancelled":
        execution.cancel_requested = True
    else:
        execution.claimed = msgspec.structs.replace(execution.claimed, timeout_at=1)
    supervisor.finish()
    assert (execution.end.kind, execution.end.cause, effects) == (Ending.PARKED, DIVERGED, before)
    assert "what it did is not undone yet" in codec.decode(execution.end.payload or b"")


def test_another_undo_step_than_the_recorded_one_is_a_divergence(supervisor: Supervisor) -> None:
    undo = shift

    def body() -> None:
        hydra.on_failure(undo.bind("a"))
        hydra.sleep(DAY)

    execution = begun(supervisor, body)
    undo = take_in
    assert "registers `take_in`, and the record has `shift`" in judged(supervisor, execution)


@pytest.mark.parametrize("kind", ["crash", "try", "start", "wait"])
def test_what_began_and_is_never_asked_for_again_is_left_over_too(supervisor: Supervisor, kind: str) -> None:
    execution = supervisor.submit(deploy(lambda: shift("a")).bind())
    crashed(execution, "shift", "a", kind=kind)
    deploy(lambda: None)
    assert "the code returned, and never asked for `shift` number 1" in judged(supervisor, execution)


def test_a_result_that_cannot_be_read_any_more_is_a_divergence(supervisor: Supervisor) -> None:
    @dataclasses.dataclass
    class Receipt:
        number: int

    def pay() -> Any:
        return Receipt(1)

    def paid(result: Any) -> Any:
        registry.steps.pop("pay", None)
        pay.__annotations__["return"] = result
        codec._signature_of.cache_clear()
        return hydra.step(name="pay")(pay)

    step = paid(Receipt)

    def body() -> None:
        step()
        hydra.sleep(DAY)

    execution = begun(supervisor, body)

    @dataclasses.dataclass
    class Receipt2:
        number: int
        currency: str

    Receipt2.__qualname__ = Receipt.__qualname__
    step = paid(Receipt2)
    assert "`pay` number 1 has a result that the code cannot read any more" in judged(supervisor, execution)


# 10: a recorded failure whose class is gone


class CardDeclined(Exception):
    """What tests take away."""


@hydra.step
def decline_card(card: str) -> None:
    raise CardDeclined(card)


@hydra.step
def decline_group(card: str) -> None:
    raise ExceptionGroup("cards", [CardDeclined(card), ValueError(card)])


@hydra.step
def refuse_locally(card: str) -> None:
    class Local(Exception):
        """It never could be imported."""

    raise Local(card)


def pays(step: Any) -> Callable[[], str]:
    def body() -> str:
        hydra.on_failure(shift.bind("undo"))
        shift("ship")
        try:
            step("4242")
        except (CardDeclined, ExceptionGroup, hydra.StepFailed):
            shift("ask for another card")
        hydra.sleep(DAY)
        return "asked"

    return body


@pytest.mark.parametrize("step", [decline_card, decline_group])
def test_a_recorded_failure_whose_class_is_gone_is_a_divergence_that_names_it(
    supervisor: Supervisor, step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = begun(supervisor, pays(step))
    before = list(effects)
    monkeypatch.delitem(globals(), "CardDeclined")
    monkeypatch.setitem(globals(), "CardRefused", renamed := type("CardRefused", (Exception,), {}))
    deploy(pays_renamed(step, renamed))
    sentence = judged(supervisor, execution)
    assert f"`{step.name}` number 1 failed with `{__name__}:CardDeclined`, and the code has no such class" in sentence
    assert effects == before, "and nothing that was shipped is undone"


def pays_renamed(step: Any, renamed: type[Exception]) -> Callable[[], str]:
    def body() -> str:
        hydra.on_failure(shift.bind("undo"))
        shift("ship")
        try:
            step("4242")
        except renamed:
            shift("ask for another card")
        hydra.sleep(DAY)
        return "asked"

    return body


def test_a_class_that_was_moved_and_left_a_name_behind_is_found(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = begun(supervisor, pays(decline_card))
    moved = type("Moved", (Exception,), {"__module__": "elsewhere"})
    monkeypatch.setitem(globals(), "CardDeclined", moved)
    assert judged(supervisor, execution) == ""
    assert execution.result() == "asked"


def test_a_class_that_never_could_be_imported_is_a_stepfailed_then_and_now(supervisor: Supervisor) -> None:
    execution = begun(supervisor, pays(refuse_locally))
    assert judged(supervisor, execution) == ""
    assert execution.result() == "asked"


def test_a_failed_item_of_a_map_whose_class_is_gone_is_a_divergence(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body() -> int:
        failed = hydra.map(decline_card.bind_each(["a", "b"])).failed_count
        hydra.sleep(DAY)
        return failed

    execution = begun(supervisor, body)
    monkeypatch.delitem(globals(), "CardDeclined")
    assert f"failed with `{__name__}:CardDeclined`, and the code has no such class" in judged(supervisor, execution)


def test_g3_a_record_of_the_caught_path_stands_when_a_new_attempt_asks_with_other_arguments(
    supervisor: Supervisor,
) -> None:
    """Its old result would be another call's, and a second run under its key another effect: a person looks."""
    noted: list[str] = []

    @hydra.step(inline=True)
    def check() -> None:
        if not noted:
            raise LookupError("no")

    @hydra.step(inline=True)
    def note(said: str) -> None:
        noted.append(said)

    @hydra.workflow(max_attempts=2, backoff=hydra.Backoff(initial=0.1))
    def body() -> None:
        said = "fine"
        try:
            check()
        except LookupError:
            said = "bad"
            raise
        finally:
            note(said)

    stored = supervisor.submit(body.bind())
    supervisor.finish()
    assert stored.end.kind == Ending.PARKED
    assert noted == ["bad"]


def test_a_new_attempt_that_calls_a_step_with_other_arguments_is_told_why_it_parks(supervisor: Supervisor) -> None:
    paths = iter(["first", "second"])

    @hydra.step
    def ship(path: str) -> None: ...

    @hydra.workflow(max_attempts=2, backoff=hydra.Backoff(initial=0.0, jitter=0.0))
    def deliver() -> None:
        ship(next(paths))
        raise ConnectionError

    execution = supervisor.submit(deliver.bind())
    supervisor.finish()
    reason = str(codec.decode(execution.end.payload))
    assert "`ship` number 1 is called with other arguments" in reason
    assert "its new attempt takes another path" in reason
    assert "run the code it began with" not in reason
