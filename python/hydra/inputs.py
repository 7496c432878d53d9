"""A bound workflow as the input of an execution, with the digest of its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.codec import MAX_PAYLOAD_BYTES, digest_of_call, encode_calls, encode_input
from hydra.definitions import BoundWorkflow
from hydra.errors import LocalClass


def encode_bound(bound: BoundWorkflow[Any], max_bytes: int = MAX_PAYLOAD_BYTES) -> tuple[bytes, bytes]:
    """The input and the digest of a call. The digest is that of the arguments as given, before defaults and before
    they become what their annotations name: so it stays the same, whatever the code says."""
    if bound.workflow is None:
        return encode_input(None, bound.args, bound.kwargs, max_bytes)
    fitted = bound.workflow.fit_call(bound.args, bound.kwargs)
    if is_same_call(fitted, (bound.args, bound.kwargs)):
        return encode_input(bound.function, bound.args, bound.kwargs, max_bytes)
    digest = digest_of_call(bound.args, bound.kwargs, max_bytes)[0]
    return encode_input(bound.function, *fitted, max_bytes)[0], digest


def encode_all_bound(
    bounds: Sequence[BoundWorkflow[Any]], max_bytes: int = MAX_PAYLOAD_BYTES
) -> list[tuple[bytes, bytes]]:
    """`encode_bound` of each, encoded together."""
    try:
        return _encode_together(bounds, max_bytes)
    except LocalClass:  # which one's annotations may name
        return [encode_bound(bound, max_bytes) for bound in bounds]


def _encode_together(bounds: Sequence[BoundWorkflow[Any]], max_bytes: int) -> list[tuple[bytes, bytes]]:
    changed: dict[int, tuple[tuple[Any, ...], dict[str, Any]]] = {}  # by place, as its annotations have it
    for place, bound in enumerate(bounds):
        if bound.workflow is not None:
            given, fitted = (bound.args, bound.kwargs), bound.workflow.fit_call(bound.args, bound.kwargs)
            if not is_same_call(fitted, given):
                changed[place] = fitted
    calls = encode_calls(((bound.args, bound.kwargs) for bound in bounds), max_bytes)
    for place, (input, _) in zip(changed, encode_calls(changed.values(), max_bytes), strict=True):
        calls[place] = (input, calls[place][1])
    return calls


def is_same_call(one: tuple[tuple[Any, ...], dict[str, Any]], other: tuple[tuple[Any, ...], dict[str, Any]]) -> bool:
    """The very same objects."""
    (args, kwargs), (other_args, other_kwargs) = one, other
    if args is other_args and kwargs is other_kwargs:
        return True
    if args is not other_args and not all(a is b for a, b in zip(args, other_args, strict=True)):
        return False
    return kwargs is other_kwargs or all(value is other_kwargs[name] for name, value in kwargs.items())
