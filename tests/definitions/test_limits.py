"""What `limits=` takes and refuses, and whose key a call is."""

from __future__ import annotations

import enum
import inspect
import uuid
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import hydra
import pytest
from hydra.codec import json_schema
from hydra.errors import ConfigError, PayloadError
from hydra.limit_calls import keys_of_specs
from hydra.limits import lacks_field, specs_of


class Region(enum.Enum):
    EAST = "east"


@dataclass
class Customer:
    tenant: str


@dataclass
class Invoice:
    customer: Customer


def workflow(*limits: Any, name: str) -> Any:
    @hydra.workflow(name=name, limits=list(limits))
    def billed(tenant: str, invoice: Invoice | None = None, *more: str, region: Any = Region.EAST) -> None: ...

    return billed


def keys(flow: Any, *args: Any, tags: dict[str, str] | None = None, **kwargs: Any) -> tuple[str, ...]:
    found = flow.terms(args, kwargs, tags).limit_keys
    assert found is not None
    return tuple(found)


def test_a_workflow_without_limits_has_no_keys() -> None:
    assert workflow(name="unlimited").terms(("a",), {}).limit_keys is None


def test_a_key_is_a_parameter_a_dotted_field_a_tag_a_function_or_nothing() -> None:
    flow = workflow(
        hydra.Concurrency(4, key="tenant"),
        hydra.Concurrency(2, key="invoice.customer.tenant"),
        hydra.Concurrency(3, key="tag:desk"),
        hydra.Concurrency(9, key=lambda tenant, *_, **__: tenant[:1], name="initial"),
        hydra.Rate(100),
        name="keyed",
    )
    assert keys(flow, "acme", Invoice(Customer("blue")), tags={"desk": "7"}) == (
        "concurrency:initial:a",
        "concurrency:keyed.invoice.customer.tenant:blue",
        "concurrency:keyed.tag.desk:7",
        "concurrency:keyed.tenant:acme",
        "rate:keyed.rate:",
    )


def test_rates_come_after_slots_so_that_no_token_grows_old_while_it_waits_for_a_slot() -> None:
    flow = workflow(hydra.Rate(1, name="a"), hydra.Concurrency(1, name="z"), name="ordered")
    assert keys(flow, "x") == ("concurrency:z:", "rate:a:")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("acme", "acme"),
        (7, "7"),
        (Decimal("1.50"), "1.50"),
        (date(2026, 11, 29), "2026-11-29"),
        (uuid.UUID(int=1), str(uuid.UUID(int=1))),
        (Region.EAST, "east"),
        (None, ""),
    ],
)
def test_values_that_are_written_alike_share_a_key(value: Any, text: str) -> None:
    flow = workflow(hydra.Concurrency(1, key="region", name="region"), name="valued")
    assert keys(flow, "x", region=value) == (f"concurrency:region:{text}",)


def test_what_has_no_key_shares_one() -> None:
    flow = workflow(
        hydra.Concurrency(1, key="invoice.customer", name="deep"),
        hydra.Concurrency(1, key="tag:desk", name="tag"),
        name="keyless",
    )
    assert keys(flow, "x") == ("concurrency:deep:", "concurrency:tag:")


def test_a_default_counts_like_an_argument_and_a_program_without_the_code_knows_it() -> None:
    flow = workflow(hydra.Concurrency(1, key="region", name="region"), hydra.Rate(5, key="tenant"), name="recorded")
    specs = specs_of(flow.limits, flow.name, flow.signature)
    parameters = json_schema(flow.function)["parameters"]
    expected = ("concurrency:region:east", "rate:recorded.tenant.rate:acme")
    assert keys(flow, "acme") == keys_of_specs(specs, "recorded", parameters, ["acme"], {}, None) == expected
    assert keys_of_specs(specs, "recorded", parameters, [], {"tenant": "acme", "region": "east"}, None) == expected


def test_a_program_without_the_code_is_refused_where_the_key_is_a_function() -> None:
    flow = workflow(hydra.Concurrency(1, key=lambda *_: 1, name="by_code"), name="functional")
    specs = specs_of(flow.limits, flow.name, flow.signature)
    with pytest.raises(
        ConfigError, match=r"the key of limit `by_code` is a function.*submit workflow `functional` where"
    ):
        keys_of_specs(specs, "functional", [], ["acme"], {}, None)


def test_a_burst_is_a_tenth_of_the_rate_where_none_is_given() -> None:
    assert [hydra.Rate(count).burst for count in (1, 9, 100)] == [1, 1, 10]
    assert hydra.Rate(100, per=60, burst=3).burst == 3


def test_turns_are_taken_before_all_other_places() -> None:
    flow = workflow(hydra.Rate(5), hydra.Concurrency(1, key="tenant"), hydra.Fair("tenant"), name="ordered")
    assert keys(flow, "acme") == (
        "by_turns:ordered.tenant.fair:acme",
        "concurrency:ordered.tenant:acme",
        "rate:ordered.rate:",
    )


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "a maximum of 0": (lambda: hydra.Concurrency(0), "needs a whole number from 1 to 1000000, not 0"),
    "a boolean": (lambda: hydra.Concurrency(True), "needs a whole number"),
    "a rate of none": (lambda: hydra.Rate(0), "`hydra.Rate` needs a whole number"),
    "a rate per 0 s": (lambda: hydra.Rate(1, per=0), "`per` of `hydra.Rate` must be more than 0 seconds"),
    "a rate per less than 0 s": (lambda: hydra.Rate(1, per=-1), "`per` of `hydra.Rate` must be between 0 seconds"),
    "a burst of 0": (lambda: hydra.Rate(1, burst=0), "`burst` of `hydra.Rate` must be a whole number"),
    "a key of no name": (lambda: hydra.Concurrency(1, key=""), "`key` of `hydra.Concurrency` must name a parameter"),
    "a key of no kind": (lambda: hydra.Rate(1, key=7), "`key` of `hydra.Rate` must name a parameter"),  # type: ignore[arg-type]
    "a name with a colon": (lambda: hydra.Rate(1, name="a:b"), "the name of a limit must be .* without a colon"),
    "a key that is no parameter": (
        lambda: workflow(hydra.Concurrency(1, key="tennant"), name="bad1"),
        "the key `tennant` of a limit is no parameter of workflow `bad1`",
    ),
    "a tag without a name": (
        lambda: workflow(hydra.Rate(1, key="tag:"), name="bad6"),
        "the key `tag:` .* names no tag",
    ),
    "a field without a name": (
        lambda: workflow(hydra.Concurrency(1, key="tenant."), name="bad7"),
        "the key `tenant.` .* names no field of parameter `tenant`",
    ),
    "a key of many": (
        lambda: workflow(hydra.Concurrency(1, key="more"), name="bad2"),
        "the key `more` of a limit is no parameter",
    ),
    "no limits": (
        lambda: workflow(5, name="bad3"),
        "`limits` of workflow `bad3` must be a list of `hydra.Concurrency`",
    ),
    "two of one name": (
        lambda: workflow(hydra.Concurrency(1), hydra.Concurrency(2), name="bad4"),
        "two limits of workflow `bad4` are named `bad4`",
    ),
    "turns without a key": (lambda: hydra.Fair(None), "`hydra.Fair` needs a key, whose values take turns"),  # type: ignore[arg-type]
    "a weight below 0": (
        lambda: hydra.Fair("tenant", weight={"acme": -1}),
        "the weight of 'acme' must be from 0.01 to 100, not -1",
    ),
    "a weight that is no number": (
        lambda: hydra.Fair("tenant", weight={"acme": "much"}),  # type: ignore[dict-item]
        "the weight of 'acme' must be from 0.01 to 100, not 'much'",
    ),
    "a weight of nobody": (
        lambda: hydra.Fair("tenant", weight=3),  # type: ignore[arg-type]
        "`weight` of `hydra.Fair` must give weights by the key's value, not 3",
    ),
    "a weight of no value": (
        lambda: hydra.Fair("tenant", weight={1.5: 2}),  # type: ignore[dict-item]
        "^the value 1.5 cannot have a weight: the key of a weight is a `float`; it must be a text",
    ),
    "too many weights": (
        lambda: hydra.Fair("tenant", weight={str(number): 1 for number in range(1001)}),
        "`weight` of `hydra.Fair` names 1001 values, and may name 1000",
    ),
    "a queue of nobody": (
        lambda: hydra.Fair("tenant", max_pending=0),
        "`max_pending` of a limit must be a whole number from 1 to 1000000000, not 0",
    ),
    "turns by what is no parameter": (
        lambda: workflow(hydra.Fair("tennant"), name="bad8"),
        "the key `tennant` of a limit is no parameter of workflow `bad8`",
    ),
    "two kinds of turns": (
        lambda: workflow(hydra.Fair("tenant"), hydra.Fair("region"), name="bad9"),
        "workflow `bad9` has two `hydra.Fair`, and may have one",
    ),
    "too many": (
        lambda: workflow(*[hydra.Concurrency(1, name=str(n)) for n in range(9)], name="bad5"),
        "workflow `bad5` has 9 limits, and may have 8",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_limits_are_refused_in_one_sentence_where_they_are_written(what: str) -> None:
    make, sentence = BAD[what]
    with pytest.raises(ConfigError, match=sentence) as refused:
        make()
    assert not str(refused.value).endswith(".")


def test_a_field_that_the_class_of_a_parameter_does_not_have_is_refused() -> None:
    class Plain:
        """Its fields may come with its `__init__`."""

    Row = make_dataclass("Row", ["customer"])
    assert [lacks_field(Row, name) for name in ("customer", "custommer")] == [False, True]
    assert lacks_field(str, "id") and not lacks_field(date, "year")
    assert not lacks_field(Plain, "id") and not lacks_field("Row", "id") and not lacks_field(dict, "id")


def test_two_workflows_may_share_a_limit_that_is_the_same_and_no_other() -> None:
    workflow(hydra.Concurrency(2, name="shared", key="tenant"), name="first_of_two")
    workflow(hydra.Concurrency(2, name="shared", key="region"), name="second_of_two")
    message = "the limit `shared` of workflow `third_of_two` differs from that of workflow `first_of_two`"
    with pytest.raises(ConfigError, match=message):
        workflow(hydra.Concurrency(3, name="shared", key="tenant"), name="third_of_two")


@pytest.mark.parametrize("value", [1.5, b"x", ["a"], object(), "x" * 201, "a\nb"])
def test_a_value_that_is_no_key_is_refused(value: Any) -> None:
    flow = workflow(hydra.Concurrency(1, key="region", name="region"), name="unvalued")
    with pytest.raises(PayloadError, match="of limit `region`"):
        keys(flow, "x", region=value)


def test_a_key_that_cannot_be_worked_out_says_of_which_limit() -> None:
    flow = workflow(hydra.Concurrency(1, key=lambda *_, **__: 1 // 0, name="broken"), name="unworked")
    with pytest.raises(PayloadError, match=r"the key of limit `broken` could not be worked out: ZeroDivisionError"):
        keys(flow, "x")
    deep = workflow(hydra.Concurrency(1, key="tenant.id", name="deeper"), name="fieldless")
    with pytest.raises(PayloadError, match=r"the key `tenant.id` of limit `deeper` has no field `id` here"):
        keys(deep, "x")


def test_the_decorator_names_its_option() -> None:
    assert "limits" in inspect.signature(hydra.workflow).parameters


def test_a_steps_limits_are_checked_and_named_like_a_workflows() -> None:
    @hydra.step(name="placed_step", limits=[hydra.Concurrency(4, key="tenant"), hydra.Rate(100)])
    def charge(tenant: str) -> None: ...

    assert charge.placed_as == "hydra.step:placed_step"
    names = [limit.name_at(charge.placed_as) for limit in charge.limits]
    assert names == ["step.placed_step.tenant", "step.placed_step.rate"]
    charge("acme")  # outside an execution it is a plain call


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"limits": [hydra.Concurrency(1, key="other")]}, "the key `other` of a limit is no parameter of step `odd`"),
        ({"limits": [hydra.Rate(1), hydra.Rate(2)]}, "two limits of step `odd` are named `step.odd.rate`"),
        ({"limits": 3}, "`limits` of step `odd` must be a list"),
        ({"labels": "gpu"}, "`labels` of step `odd` must be a list of texts"),
        ({"name": "n" * 190, "labels": ["gpu"]}, "its name may have at most 189 characters"),
    ],
)
def test_limits_and_labels_of_a_step_that_cannot_be_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        hydra.step(**{"name": "odd", **options})(lambda tenant: None)
    assert sentence in str(refused.value)


def test_a_limited_step_is_bound_to_no_items_and_a_transaction_takes_no_limits() -> None:
    limited = hydra.step(name="limited_item", limits=[hydra.Concurrency(1)])(lambda item: None)
    with pytest.raises(
        hydra.HydraError, match="step `limited_item` has limits or labels, so each call is an execution"
    ):
        limited.bind_each([1, 2])
    with pytest.raises(ConfigError, match=r"`@hydra\.transaction` has no option `limits`"):
        hydra.transaction(limits=[hydra.Concurrency(1)])  # type: ignore[call-overload]
