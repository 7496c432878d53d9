"""Limits of workflows and steps, as code declares them: how many of a key may run at once, or begin in a while.

    @hydra.workflow(limits=[hydra.Concurrency(4, key="tenant"), hydra.Rate(100, per=1.0, key="provider")])

`limit_calls` works out whose keys a call has, `limit_keys` is what a key's text says. Reads no database.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from hydra.clock import seconds_of
from hydra.errors import ConfigError, PayloadError
from hydra.execution import RESERVED_PREFIX
from hydra.limit_keys import (
    CONCURRENCY,
    FAIR,
    OF_LIMIT,
    OF_WORKFLOW,
    PENDING,
    PLAIN,
    RATE,
    TAG_PREFIX,
    WEIGHT_UNIT,
    find_value,
    text_of,
    told_owner,
)
from hydra.values.classes import is_object_class
from hydra.values.fields import Fields
from hydra.values.secret import names_secret
from hydra.written import written

LIMITS = "limits"  # of what a node registers of a workflow's signature
WINDOW = 8  # of a Fair's value that are let go and have not begun, at least
MIN_WEIGHT, MAX_WEIGHT = 0.01, 100
MAX_WEIGHTS = 1000  # of one `Fair`
MAX_PENDING = 1_000_000_000
MAX_COUNT = 1_000_000
MAX_NAME_LENGTH = 100
MAX_LIMITS = 8  # of one workflow
BURST_SHARE = 10  # a rate's burst is a tenth of its count where none is given

Key = str | Callable[..., Any] | None


class LimitSpec(msgspec.Struct, frozen=True):
    """A limit as the database knows it: enough to keep it without anybody's code.

    `key` is what it is told apart by: a parameter, a dotted field or `tag:…`; "" for everything, None for a function
    and, registered, for what only the code can read.
    """

    kind: str
    name: str
    count: int
    per_us: int = 0  # of a Fair: how many of a value may wait for their turn; 0: any number
    burst: int = 0
    key: str | None = ""
    default: str | None = None  # the key's text where the parameter is left out
    weights: dict[str, int] = {}  # of a Fair, by the key's text, in thousandths
    form: str = ""  # of the texts of a dotted field, such as `uuid`; "": they stand for themselves

    def is_same_limit(self, other: LimitSpec) -> bool:
        """Whether both may stand under one name."""
        numbers = (self.kind, self.count, self.per_us, self.burst, self.weights)
        return numbers == (other.kind, other.count, other.per_us, other.burst, other.weights)


class Limit:
    """What Concurrency, Rate and Fair have in common. Workflows whose limits have one name share it."""

    kind = ""
    suffix = ""  # of its name

    def __init__(self, count: int, key: Key, name: str | None, max_pending: int | None = None) -> None:
        what = f"`hydra.{type(self).__name__}`"
        if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= MAX_COUNT:
            raise ConfigError(f"{what} needs a whole number from 1 to {MAX_COUNT}, not {written(count)}")
        if key is not None and not callable(key) and (not isinstance(key, str) or not key):
            raise ConfigError(f"`key` of {what} must name a parameter, or be a function of them, not {written(key)}")
        self.count = count
        self.key = key
        self.name = None if name is None else check_limit_name(name)
        self.per_us = 0
        self.burst = 0
        self.weights: dict[str, int] = {}
        self.max_pending = None if max_pending is None else check_max_pending(max_pending)

    def name_at(self, workflow: str) -> str:
        """Its own name, or else one made of the workflow's and the key's; a rate's ends in `.rate`, a Fair's
        in `.fair`."""
        if self.name is not None:
            return self.name
        if self.key is None:
            part = ""
        else:
            part = "." + (self.key if isinstance(self.key, str) else getattr(self.key, "__name__", "key"))
        made = f"{workflow.removeprefix(RESERVED_PREFIX)}{part}".replace(":", ".").replace("<lambda>", "key")
        return made[: MAX_NAME_LENGTH - len(self.suffix)] + self.suffix

    def spec_at(self, workflow: str, default: str | None = None) -> LimitSpec:
        """As the database keeps it; `default` is the key's text where its parameter is left out."""
        key = "" if self.key is None else self.key if isinstance(self.key, str) else None
        name = self.name_at(workflow)
        return LimitSpec(self.kind, name, self.count, self.per_us, self.burst, key, default, self.weights)


class Concurrency(Limit):
    """At most `count` executions of a key hold a place at once, over all nodes.

        @hydra.workflow(limits=[hydra.Concurrency(4, key="tenant")])
        def bill(tenant: str, invoice: str) -> str: ...

    A place is held from the moment an execution may run until it ends, sleeps, waits or is parked. With a count of 1
    they begin strictly by priority, and in the order of their submission within it.

    Args:
        count: how many.
        key: what tells them apart: a parameter, a dotted field of one (`"invoice.customer"`), a tag (`"tag:region"`) or
            a function of the arguments. None: all share the limit.
        name: to share the limit with other workflows, and to change it by; None: made of the workflow's and the key.
        max_pending: how many of a key may wait at it before `submit` raises QueueFull; None: no limit.

    Raises:
        ConfigError: for a count that is not from 1 to 1,000,000.
    """

    kind = CONCURRENCY

    def __init__(self, count: int, *, key: Key = None, name: str | None = None, max_pending: int | None = None) -> None:
        super().__init__(count, key, name, max_pending)

    def __repr__(self) -> str:
        return f"hydra.Concurrency({self.count}, key={self.key!r}, name={self.name!r})"


class Rate(Limit):
    """At most `count` executions of a key begin in each `per`, and `burst` more at once after a lull.

        @hydra.workflow(limits=[hydra.Rate(100, per=1.0, key="provider")])
        def notify(provider: str, text: str) -> None: ...

    An execution takes a token each time it begins, and again when it goes on after a sleep or a wait.

    Args:
        count: how many.
        per: in how many seconds, or a timedelta.
        burst: how many may begin at once when none did for a while; None: a tenth of `count`, and one at least. Within
            any span of time no more than its share of `count` and `burst` begin.
        key: what tells them apart, as of Concurrency.
        name: as of Concurrency.
        max_pending: as of Concurrency.

    Raises:
        ConfigError: for a count that is not from 1 to 1,000,000, or a `per` of 0 seconds.
    """

    kind = RATE
    suffix = ".rate"

    def __init__(
        self,
        count: int,
        *,
        per: timedelta | float = 1.0,
        burst: int | None = None,
        key: Key = None,
        name: str | None = None,
        max_pending: int | None = None,
    ) -> None:
        super().__init__(count, key, name, max_pending)
        self.per_us, self.burst = check_rate(count, per, burst)

    def __repr__(self) -> str:
        seconds = self.per_us / 1e6
        return f"hydra.Rate({self.count}, per={seconds:g}, burst={self.burst}, key={self.key!r}, name={self.name!r})"


class Fair(Limit):
    """Turns between the values of a key: who has a million executions pending delays nobody by more than its share.

        @hydra.workflow(limits=[hydra.Fair("tenant", weight={"acme": 3}), hydra.Concurrency(10)])
        def bill(tenant: str, invoice: str) -> str: ...

    Each value has a queue of its own, by priority; each eighth of its turns goes to who waits longest there, whatever
    its priority. To other values, and to other workflows, it is of priority 0.

    Args:
        key: what tells them apart, as of Concurrency.
        weight: how many turns a value gets beside others, by its text; 1 where it is not named. 0.01 to 100.
        max_pending: how many of a value may wait for their turn before `submit` raises QueueFull; None: no limit.
        name: as of Concurrency, to change weights by.

    Raises:
        ConfigError: without a key, or for a weight that is not from 0.01 to 100.
    """

    kind = FAIR
    suffix = ".fair"

    def __init__(
        self,
        key: str | Callable[..., Any],
        *,
        weight: Mapping[str, float] | None = None,
        max_pending: int | None = None,
        name: str | None = None,
    ) -> None:
        if key is None:
            raise ConfigError("`hydra.Fair` needs a key, whose values take turns; name a parameter, such as `tenant`")
        super().__init__(WINDOW, key, name)
        self.weights = check_weights({} if weight is None else weight)
        self.per_us = 0 if max_pending is None else check_max_pending(max_pending)  # where Fairs keep it

    def __repr__(self) -> str:
        weight = {value: count / WEIGHT_UNIT for value, count in self.weights.items()}
        most = self.per_us or None
        return f"hydra.Fair({self.key!r}, weight={weight!r}, max_pending={most!r}, name={self.name!r})"


def check_max_pending(count: object, of: str = "a limit") -> int:
    if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= MAX_PENDING:
        raise ConfigError(f"`max_pending` of {of} must be a whole number from 1 to {MAX_PENDING}, not {written(count)}")
    return count


def check_weights(weights: object) -> dict[str, int]:
    """In thousandths, by the key's text."""
    if not isinstance(weights, Mapping):
        message = f"`weight` of `hydra.Fair` must give weights by the key's value, not {written(weights)}"
        raise ConfigError(f'{message}; write `weight={{"acme": 3}}`')
    if len(weights) > MAX_WEIGHTS:
        raise ConfigError(f"`weight` of `hydra.Fair` names {len(weights)} values, and may name {MAX_WEIGHTS}")
    return {check_value(value): check_weight(weight, value) for value, weight in weights.items()}


def check_value(value: object) -> str:
    """A value of a key, as its text."""
    try:
        return text_of(value, "a weight")
    except PayloadError as error:
        raise ConfigError(f"the value {written(value)} cannot have a weight: {error}") from error


def check_weight(weight: object, value: object) -> int:
    """In thousandths."""
    is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not is_number or not MIN_WEIGHT <= weight <= MAX_WEIGHT:  # type: ignore[operator]
        raise ConfigError(
            f"the weight of {written(value)} must be from {MIN_WEIGHT} to {MAX_WEIGHT}, not {written(weight)}"
        )
    return round(weight * WEIGHT_UNIT)  # type: ignore[operator]


def check_rate(count: int, per: timedelta | float, burst: int | None) -> tuple[int, int]:
    """The span in microseconds, and the burst."""
    per_us = round(seconds_of(per, "`per` of `hydra.Rate`") * 1e6)
    if per_us < 1:
        raise ConfigError("`per` of `hydra.Rate` must be more than 0 seconds")
    if burst is None:
        return per_us, max(1, count // BURST_SHARE)
    if isinstance(burst, bool) or not isinstance(burst, int) or not 0 < burst <= MAX_COUNT:
        raise ConfigError(f"`burst` of `hydra.Rate` must be a whole number from 1 to {MAX_COUNT}, not {written(burst)}")
    return per_us, burst


def check_limit_name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable() or ":" in name:
        raise ConfigError(
            f"the name of a limit must be 1 to {MAX_NAME_LENGTH} printable characters without a colon, "
            f"not {written(name)}"
        )
    return name


def check_limits(limits: object, name: str, signature: inspect.Signature, kind: str = "workflow") -> tuple[Limit, ...]:
    """The limits of a workflow or a step, as its decorator was given them."""
    owner, base = f"{kind} `{name}`", name if kind == "workflow" else f"{kind}:{name}"
    if not isinstance(limits, Sequence) or not all(isinstance(each, Limit) for each in limits):
        raise ConfigError(
            f"`limits` of {owner} must be a list of `hydra.Concurrency`, `hydra.Rate` and `hydra.Fair`, "
            f"not {written(limits)}"
        )
    if len(limits) > MAX_LIMITS:
        raise ConfigError(f"{owner} has {len(limits)} limits, and may have {MAX_LIMITS}")
    if sum(limit.kind == FAIR for limit in limits) > 1:
        raise ConfigError(f"{owner} has two `hydra.Fair`, and may have one; make one key of both")
    names = set()
    for limit in limits:
        own_name = limit.name_at(base)
        if own_name in names:
            message = f"two limits of {owner} are named `{own_name}`"
            raise ConfigError(f"{message}; give one of them another name by `name=`")
        names.add(own_name)
        if limit.max_pending is not None and kind == "step":
            raise ConfigError(f"a limit of {owner} has `max_pending`, which bounds submissions; leave it out")
        if limit.key == TAG_PREFIX:
            raise ConfigError(f"the key `{TAG_PREFIX}` of a limit of {owner} names no tag")
        if isinstance(limit.key, str) and not limit.key.startswith(TAG_PREFIX):
            first, *path = limit.key.split(".")
            parameter = signature.parameters.get(first)
            if parameter is None or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise ConfigError(
                    f"the key `{limit.key}` of a limit is no parameter of {owner}; name one of them, "
                    f"a tag (`{TAG_PREFIX}…`), or give a function"
                )
            if not path and names_secret(parameter.annotation):
                message = f"the key `{limit.key}` of a limit of {owner} is a Secret, and keys are shown"
                raise ConfigError(f"{message}; name another parameter")
            if path and (not all(path) or lacks_field(parameter.annotation, path[0])):
                raise ConfigError(f"the key `{limit.key}` of a limit of {owner} names no field of parameter `{first}`")
    return tuple(limits)


def lacks_field(annotation: object, name: str) -> bool:
    """Whether the class is one whose fields are known, and this is none of them."""
    if not isinstance(annotation, type) or hasattr(annotation, name):
        return False
    if issubclass(annotation, PLAIN):
        return True
    fields = Fields(annotation).names if is_object_class(annotation) else getattr(annotation, "_fields", None)
    return fields is not None and name not in fields


class LimitNames:
    """Every limit by its name: two that stand under one name are one, and must not differ."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[LimitSpec, str, int | None]] = {}

    def add(self, workflow: str, limits: Sequence[Limit]) -> None:
        for limit in limits:
            spec = limit.spec_at(workflow)
            known, owner, most = self._known.get(spec.name, (spec, workflow, limit.max_pending))
            if owner != workflow and not (known.is_same_limit(spec) and most == limit.max_pending):
                own, other = told_owner(workflow), told_owner(owner)
                message = f"the limit `{spec.name}` of {own} differs from that of {other}"
                raise ConfigError(f"{message}; make them equal, or give one of them another name")
            self._known[spec.name] = spec, owner, limit.max_pending


def specs_of(limits: Sequence[Limit], workflow: str, signature: inspect.Signature) -> list[LimitSpec]:
    """What programs without the code need to know of them."""
    return [limit.spec_at(workflow, _default_text(limit, signature)) for limit in limits]


def bounds_of(limits: Sequence[Limit], workflow: str, max_pending: int | None) -> list[LimitSpec]:
    """How many may be pending of a workflow, and of each key of its limits, as the database knows it."""
    bounds = [] if max_pending is None else [LimitSpec(PENDING, OF_WORKFLOW + workflow, max_pending)]
    bounded = [limit for limit in limits if limit.max_pending is not None]
    return bounds + [LimitSpec(PENDING, OF_LIMIT + each.name_at(workflow), each.max_pending or 0) for each in bounded]


def _default_text(limit: Limit, signature: inspect.Signature) -> str | None:
    if not isinstance(limit.key, str) or limit.key.startswith(TAG_PREFIX):
        return None
    first = limit.key.partition(".")[0]
    default = signature.parameters[first].default
    if default is inspect.Parameter.empty:
        return None
    return text_of(find_value(limit.key, {first: default}, None, limit.key), f"limit `{limit.key}`")
