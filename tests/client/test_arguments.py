"""Arguments: converted to what the annotations name, or refused, where they enter; never a str in a Decimal's place."""

from __future__ import annotations

import enum
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import hydra
import msgspec
import pydantic
import pytest
from hydra import codec
from hydra.node.local import LocalWorker
from hydra.testing import Harness
from hydra.workflow import Registry

WAIT_SECONDS = 60


class Color(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    SMALL = 1


@dataclass(frozen=True)
class Line:
    sku: str
    price: Decimal


class Model(pydantic.BaseModel):
    number: str
    until: date


class Order(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    amount: Annotated[Decimal, pydantic.Field(gt=0)]
    color: Color = Color.RED
    cards: list[Model] = []


@dataclass
class Limited:
    count: Annotated[int, msgspec.Meta(ge=1)]


class Struct(msgspec.Struct, rename="camel", frozen=True):
    unit_price: Decimal


class Point(NamedTuple):
    x: int
    y: int


class Address(TypedDict):
    street: str


class Unknown:
    pass


LINE, DICT = Line("a", Decimal("1.10")), {"sku": "a", "price": "1.10"}
MODEL = Model(number="1", until=date(2026, 11, 23))

# annotation, what is given, what the body gets
CONVERTED: list[tuple[Any, Any, Any]] = [
    (Decimal, "12.50", Decimal("12.50")),
    (Decimal, 5, Decimal(5)),
    (date, "2026-11-23", date(2026, 11, 23)),
    (datetime | None, "2026-11-23T10:00:00+00:00", datetime.fromisoformat("2026-11-23T10:00:00+00:00")),
    (timedelta, "P1D", timedelta(days=1)),
    (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
    (bytes, "aGk=", b"hi"),
    (Color, "red", Color.RED),
    (Size, 1, Size.SMALL),
    (tuple[int, ...], [1, 2], (1, 2)),
    (set[str], ["a"], {"a"}),
    (dict[int, Decimal], {"1": "2.5"}, {1: Decimal("2.5")}),
    (Line, DICT, LINE),
    (list[Line], [DICT, DICT], [LINE, LINE]),
    (list[Line] | None, [DICT], [LINE]),
    (Model, {"number": "1", "until": "2026-11-23"}, MODEL),
    (Struct, {"unitPrice": "1.10"}, Struct(unit_price=Decimal("1.10"))),
]
KEPT: list[tuple[Any, Any]] = [
    (float, 1),
    (int, 10**40),
    (str, "7"),
    (Any, "7"),
    (object, 7),
    (Unknown, "anything: hydra has no rule for the class"),
    (Decimal, Decimal("1.10")),
    (datetime | date, date(2026, 11, 23)),
    (Line, LINE),
    (Model, MODEL),
    (Struct, Struct(unit_price=Decimal(1))),
    (Sequence[int], (1, 2)),
    (tuple[int, str], (1, "a")),
    (Literal["a", 1], "a"),
    (Address, {"street": "x"}),
    (Point, Point(1, 2)),
    (dict[str, Any], {"a": object}),
    (bool, True),
]
REFUSED: list[tuple[Any, Any, str]] = [
    (int, "seven", 'must be an integer, not "seven"'),
    (int, "7", 'must be an integer, not "7"'),
    (int, 7.5, "must be an integer, not 7.5"),
    (int, True, "must be an integer, not true"),
    (str, 7, "must be a string, not 7"),
    (Decimal, 12.5, r"must be a string \(decimal\), not 12.5"),
    (Decimal, "much", r"must be a string \(decimal\)"),
    (bool, 1, "must be a boolean, not 1"),
    (date, "soon", r"must be a string \(date\)"),
    (Color, "blue", 'must be one of "red"'),
    (Literal["a"], "b", 'must be one of "a"'),
    (Line, {"sku": "a"}, "lacks `price`"),
    (Line, 5, "must be an object"),
    (int, LINE, "must be an integer, not an object of a class"),
    (list[Line], [DICT, {"sku": "a", "price": "x"}], r"`value\[1\].price` must be"),
    (Model, {"number": "1"}, "does not fit `Model`|until"),
    (Model, {"number": "1", "until": "soon"}, "until"),
    (tuple[int, str], [1], "elements"),
    (Address, {"street": 5}, "must be a string"),
    (Order, {"amount": "much"}, r"`value\.amount` must be a decimal, not \"much\""),
    (Order, {"amount": "0"}, r"`value\.amount` must be greater than 0"),
    (Order, {"amount": 1, "color": "blue"}, r"`value\.color` must be one of \"red\""),
    (Order, {"amount": 1, "cards": [{"number": "1"}]}, r"`value\.cards\[0\]` lacks `until`"),
    (Order, {"amount": 1, "colour": "red"}, "`value` has no `colour`"),
    (list[Order] | None, [{}], r"`value\[0\]` lacks `amount`"),
    (Limited, {"count": 0}, r"`value\.count` must be at least 1"),
    (None, 5, "must be a null|must be"),
    (int | None, "x", "must be"),
]


def workflow_of(annotation: Any) -> hydra.definitions.Workflow[..., Any]:
    def take(value: Any) -> Any:
        return seen.append(value)

    take.__annotations__["value"] = annotation
    return hydra.workflow(name="take")(take)


seen: list[Any] = []


def same(one: Any, other: Any) -> bool:
    return bool(one == other) and type(one) is type(other)


@pytest.mark.parametrize(("annotation", "given", "wanted"), CONVERTED)
def test_the_json_form_of_a_type_becomes_it(annotation: Any, given: Any, wanted: Any) -> None:
    flow = workflow_of(annotation)
    for bound in (flow.bind(given), flow.bind(value=given), hydra.named("take").bind(given)):
        seen.clear()
        with Harness() as harness:
            harness.submit(bound)
            harness.run_until_idle()
        assert len(seen) == 1 and same(seen[0], wanted), seen


@pytest.mark.parametrize(("annotation", "given"), KEPT)
def test_what_is_of_its_type_stays_as_it_is(annotation: Any, given: Any) -> None:
    flow = workflow_of(annotation)
    args, kwargs = flow.fit_call((given,), {})
    assert args[0] is given and kwargs == {}


@pytest.mark.parametrize(("annotation", "given", "sentence"), REFUSED)
def test_what_cannot_be_its_type_is_refused_in_submit(annotation: Any, given: Any, sentence: str) -> None:
    flow = workflow_of(annotation)
    with Harness() as harness:
        for bound in (flow.bind(given), flow.bind(value=given)):
            with pytest.raises(hydra.PayloadError, match=sentence) as caught:
                harness.submit(bound)
            assert "workflow `take`" in str(caught.value) and "`value" in str(caught.value)
        assert harness.engine.executions() == []


@pytest.mark.parametrize(("annotation", "given", "sentence"), REFUSED)
def test_a_program_without_the_code_refuses_the_same_and_uses_up_no_key(
    annotation: Any, given: Any, sentence: str
) -> None:
    flow = workflow_of(annotation)
    with Harness() as harness:
        harness.run_until_idle()  # the node tells of the signature
        for bound in (hydra.named("take").bind(given), hydra.named("take").bind(value=given)):
            with pytest.raises(hydra.PayloadError, match=sentence) as caught:
                harness.submit(bound, key="inv-1")
            with pytest.raises(hydra.PayloadError) as by_code:
                harness.submit(flow.bind(given))
            assert str(caught.value) == str(by_code.value)
        assert harness.engine.executions() == []


@pytest.mark.parametrize(
    "given",
    [{"amount": 12.5}, {"amount": "1e3", "cards": [{"number": "1", "until": 0}]}, {"amount": 7, "color": "red"}],
)
def test_what_pydantic_reads_generously_is_left_to_it(given: Any) -> None:
    workflow_of(Order)
    seen.clear()
    with Harness() as harness:
        harness.run_until_idle()
        handle = harness.submit(hydra.named("take").bind(given))
        harness.run_until_idle()
        assert handle.status() == "completed" and seen == [Order.model_validate(given)]


def test_a_spawn_by_name_is_refused_in_the_body_where_its_worker_has_the_code() -> None:
    with Harness() as harness:
        parent = harness.submit(spawn_keyed.bind("much"))
        harness.run_until_idle()
        assert "refused: the arguments do not fit workflow `pay`: `amount` must be" in parent.result()
        assert [each.workflow for each in harness.engine.executions()] == ["spawn_keyed"], "no key is used up"


@pytest.mark.parametrize(("annotation", "given", "sentence"), REFUSED)
def test_what_got_past_fails_with_a_reason_before_the_body_runs(annotation: Any, given: Any, sentence: str) -> None:
    workflow_of(annotation)
    seen.clear()
    with Harness() as harness:
        # As of a program that submitted before any node had registered the workflow.
        harness.engine.session().signatures.check = lambda bounds: None  # type: ignore[method-assign]
        handle = harness.submit(hydra.named("take").bind(given))
        harness.run_until_idle()
        with pytest.raises(hydra.WorkflowFailed, match="does not fit workflow `take`"):
            handle.result()
        assert seen == [] and handle.steps() == []


def test_a_default_may_be_given_though_its_annotation_does_not_admit_it() -> None:
    def take(value: int | None = None) -> Any:
        return value

    take.__annotations__["value"] = int  # as `value: int = None`
    assert codec.fitter_of(take).fit((None,), {}) == ((None,), {})


def test_the_digest_of_a_key_is_of_the_arguments_as_given() -> None:
    flow = workflow_of(Line)
    with Harness() as harness:
        first = harness.submit(flow.bind(DICT), key="a")
        assert harness.submit(flow.bind(dict(DICT)), key="a").id == first.id
        assert harness.submit(hydra.named("take").bind(dict(DICT)), key="a").id == first.id


def test_submit_many_refuses_before_anything_is_submitted() -> None:
    flow = workflow_of(Decimal)
    with Harness() as harness:
        with pytest.raises(hydra.PayloadError, match="must be a string"):
            harness.engine.submit_many([flow.bind("1.10"), flow.bind("much")])
        assert harness.engine.executions() == []
        handles = harness.engine.submit_many([flow.bind("1.10"), flow.bind(Decimal("1.20"))])
        seen.clear()
        harness.run_until_idle()
        assert [handle.status() for handle in handles] == ["completed", "completed"]
        assert sorted(seen) == [Decimal("1.10"), Decimal("1.20")] and all(type(each) is Decimal for each in seen)


@hydra.workflow
def pay(amount: Decimal, note: str = "") -> Any:
    return type(amount).__name__, amount, note


@hydra.workflow
def spawn_pay(amount: Any, by_name: bool) -> Any:
    bound: Any = hydra.named("pay").bind(amount=amount) if by_name else pay.bind(amount)
    return hydra.spawn(bound).result()


@hydra.workflow
def spawn_keyed(amount: Any) -> str:
    try:
        hydra.spawn(hydra.named("pay").bind(amount=amount), key="inv-1")
    except hydra.PayloadError as error:
        return f"refused: {error}"
    return "spawned"


@hydra.workflow
def pay_again(amount: Decimal, rounds: int = 0) -> Any:
    if rounds == 0:
        hydra.continue_as_new("2.50", 1)
    return type(amount).__name__, amount


def test_spawn_and_continue_as_new_go_by_the_same_rule() -> None:
    with Harness() as harness:
        for by_name in (False, True):
            good = harness.submit(spawn_pay.bind("1.10", by_name))
            bad = harness.submit(spawn_pay.bind("much", by_name))
            harness.run_until_idle()
            assert good.result() == ["Decimal", Decimal("1.10"), ""] or good.result()[0] == "Decimal"
            with pytest.raises(hydra.WorkflowFailed, match="must be a string"):
                bad.result()
        again = harness.submit(pay_again.bind(Decimal(1)))
        harness.run_until_idle()
        assert list(again.result()) == ["Decimal", Decimal("2.50")]


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def any_url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/arguments.db"
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


def test_a_program_without_the_code_goes_by_the_databases_copy_of_the_signature(any_url: str) -> None:
    with hydra.Engine(any_url) as engine:
        early = engine.submit(hydra.named("pay").bind(amount="much"))  # no node has told of it yet
        with engine.worker():
            with pytest.raises(hydra.WorkflowFailed, match="does not fit workflow `pay`"):
                early.result(timeout=WAIT_SECONDS)
            handle = engine.submit(hydra.named("pay").bind(amount="12.50"))
            assert list(handle.result(timeout=WAIT_SECONDS)) == ["Decimal", Decimal("12.50"), ""]
        wrong: list[tuple[Any, str]] = [
            (hydra.named("pay").bind(amount="much"), r"`amount` must be a string \(decimal\)"),
            (hydra.named("pay").bind(), "argument `amount` is missing"),
            (hydra.named("pay").bind("1", amount="1"), "given twice"),
            (hydra.named("pay").bind("1", other="1"), "argument `other` is unknown"),
            (hydra.named("pay").bind("1", "note", "more"), "3 arguments given"),
        ]
        for bound, sentence in wrong:
            with pytest.raises(hydra.PayloadError, match=sentence):
                engine.submit(bound)
            with pytest.raises(hydra.PayloadError, match=sentence):
                engine.submit_many([bound])
        assert engine.submit(hydra.named("pay").bind("1", note="by name")).status() == "pending"


def test_a_signature_that_has_changed_meanwhile_refuses_nothing(any_url: str) -> None:
    def pay_one(amount: Decimal) -> Any:
        return amount

    def pay_one_by_words(words: list[str]) -> Any:
        return words

    with hydra.Engine(any_url) as engine:
        for function, argument in ((pay_one, Decimal(1)), (pay_one_by_words, ["a"])):
            app = Registry()
            app.add_workflow(hydra.definitions.Workflow(function, name="pay_one"))
            with LocalWorker(any_url, app=app):
                while not any(word in str(engine.workflows()) for word in list(function.__annotations__)[:1]):
                    pass
                handle = engine.submit(hydra.named("pay_one").bind(argument))
                assert handle.result(timeout=WAIT_SECONDS) == argument


def test_the_command_line_refuses_with_the_same_sentence(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/cli.db"
    with hydra.Engine(url) as engine, engine.worker():
        engine.submit(hydra.named("pay").bind("1")).result(timeout=WAIT_SECONDS)
        for given in ("much", 12.5, [], {}):
            with pytest.raises(hydra.PayloadError) as caught:
                engine.submit(pay.bind(given))  # type: ignore[arg-type]
            with pytest.raises(hydra.PayloadError) as by_name:
                engine.submit(hydra.named("pay").bind(given))
            command = [sys.executable, "-m", "hydra.cli", "submit", "pay", json.dumps([given]), "--db", url]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert str(caught.value) == str(by_name.value)
            assert done.returncode == 2 and str(caught.value) in done.stderr, done.stderr


def test_a_fitted_call_costs_little() -> None:
    """As counted in calls, not in time: what is of its type is not copied, and no schema is made of it."""
    flow = workflow_of(list[int])
    numbers = list(range(10))
    assert flow.fit_call((numbers,), {})[0][0] is numbers
    assert codec.fit(numbers, list[int], "$") is numbers
