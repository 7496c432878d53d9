"""Errors as answers: one sentence each, for programs as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from hydra.client.plain_json import encode_json
from hydra.errors import (
    ConfigError,
    HydraError,
    IdempotencyConflict,
    IllegalMove,
    NotFound,
    PayloadError,
    PayloadTooLarge,
    QueueFull,
    SchemaError,
    StoreUnavailable,
)

PROBLEM = "application/problem+json"
CODES: tuple[tuple[type[HydraError], int], ...] = (  # the first that fits
    (NotFound, 404),
    (IdempotencyConflict, 409),
    (IllegalMove, 409),
    (PayloadTooLarge, 413),
    (SchemaError, 503),
    (ConfigError, 422),
    (PayloadError, 422),
    (QueueFull, 429),
    (StoreUnavailable, 503),
    (HydraError, 409),
)


class Problem(Exception):
    """What a client did wrong, with the status to answer."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


def code_of(error: HydraError) -> int:
    return next(code for kind, code in CODES if isinstance(error, kind))


def problem_answer(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    said = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": sentence}
    return Response(encode_json(said), status, headers, media_type=PROBLEM)
