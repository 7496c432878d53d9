"""What the HTTP API is, as OpenAPI 3.1: for programs that make a client of it. `api.py` does what it says."""

from __future__ import annotations

from typing import Any

from hydra.config import MAX_COUNT
from hydra.execution import KeyReuse, Status

TEXT = {"type": "string"}
WAIT = {"type": "string", "pattern": r"^(\d{1,4}ms|[12]?\d(\.\d{1,3})?s)$"}
NAME = {"type": "string", "minLength": 1, "maxLength": 200}
OPTIONAL_TEXT = {"type": ["string", "null"]}
INSTANT = {"type": "string", "format": "date-time"}
OPTIONAL_INSTANT = {"type": ["string", "null"], "format": "date-time"}
COUNT = {"type": "integer", "minimum": 0}
STATUS = {"type": "string", "enum": [str(status) for status in Status]}
ANY: dict[str, Any] = {"description": "Any JSON. Decimals, dates and bytes are texts."}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Of the execution."}

EXECUTION = {
    "type": "object",
    "required": ["id", "workflow", "key", "status", "attempt", "reason", "tags", "submitted_at", "run_at"],
    "properties": {
        "id": TEXT,
        "workflow": TEXT,
        "key": OPTIONAL_TEXT,
        "status": STATUS,
        "priority": {"type": "integer"},
        "attempt": COUNT,
        "node": OPTIONAL_TEXT,
        "cancel_requested": {"type": "boolean"},
        "reason": {**TEXT, "description": "Why it failed or is parked."},
        "tags": {"type": "object", "additionalProperties": TEXT},
        "submitted_at": INSTANT,
        "run_at": INSTANT,
        "started_at": OPTIONAL_INSTANT,
        "finished_at": OPTIONAL_INSTANT,
        "wake_at": OPTIONAL_INSTANT,
        "timeout_at": OPTIONAL_INSTANT,
        "record_count": COUNT,
        "death_count": COUNT,
        "limits": {"type": "array", "items": TEXT},
        "waits_for": OPTIONAL_TEXT,
        "attributes": {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
            "description": "What it is found by; instants are texts.",
        },
    },
}
ALWAYS = ("400", "401", "403", "405", "414", "421", "422", "429", "500", "503")  # problems of every operation
PROBLEM = {
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {"type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT},
}
SUBMISSION = {
    "type": "object",
    "required": ["workflow"],
    "additionalProperties": False,
    "properties": {
        "workflow": NAME,
        "arguments": {
            "type": ["object", "array"],
            "description": "An object is keyword arguments, an array positional ones.",
        },
        "key": {"type": ["string", "null"], "description": "At most one execution of a workflow has it."},
        "key_reuse": {"type": "string", "enum": [str(each) for each in KeyReuse]},
        "delay": {"type": ["string", "number", "null"], "description": "`5m`, or seconds."},
        "run_at": OPTIONAL_INSTANT,
        "priority": {"type": "integer", "minimum": -MAX_COUNT, "maximum": MAX_COUNT},
        "tags": {"type": "object", "propertyNames": {"pattern": "^[^=]+$"}, "additionalProperties": TEXT},
        "allow_unknown": {"type": "boolean", "description": "Also a workflow that no node has served yet."},
    },
}
SIGNAL = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": NAME,
        "value": ANY,
        "id": {
            "type": ["string", "null"],
            "description": "With it the signal may be repeated, after the end, too, and arrives once.",
        },
    },
}
CANCEL = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"undo": {"type": "boolean", "description": "False, by an admin: end it without its undo steps."}},
}
DECISION = {
    "type": "object",
    "required": ["approve"],
    "additionalProperties": False,
    "properties": {"approve": {"type": "boolean", "description": "False: refuse it."}, "reason": TEXT},
}
APPROVALS = {
    "type": "object",
    "required": ["approvals"],
    "properties": {
        "approvals": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "act", "sentence", "state", "asked_at", "asked_by", "expires_at", "execution_ids"],
                "properties": {
                    "id": TEXT,
                    "act": TEXT,
                    "sentence": TEXT,
                    "state": {"type": "string", "enum": ["open", "expired", "approved", "refused"]},
                    "asked_at": INSTANT,
                    "asked_by": TEXT,
                    "reason": TEXT,
                    "expires_at": INSTANT,
                    "decided_at": OPTIONAL_INSTANT,
                    "decided_by": OPTIONAL_TEXT,
                    "decided_reason": TEXT,
                    "execution_ids": {"type": "array", "items": TEXT},
                    "value": ANY,
                },
            },
        }
    },
}
ACTED = {
    "type": "object",
    "required": ["done", "refused"],
    "properties": {
        "done": {"type": "object", "additionalProperties": TEXT},
        "refused": {"type": "object", "additionalProperties": TEXT, "description": "Why, by execution."},
    },
}
COMPLETION = {
    "type": "object",
    "required": ["token"],
    "additionalProperties": False,
    "properties": {
        "token": TEXT,
        "value": ANY,
        "failure": {
            "type": ["string", "null"],
            "description": "In place of a value: complete it with a failure, for this reason.",
        },
    },
}
ENDED = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {"id": TEXT, "status": STATUS, "result": ANY, "error": TEXT},
}
IDENTIFIED = {"type": "object", "required": ["id"], "properties": {"id": TEXT}}
STANDING = {"type": "object", "required": ["id", "status"], "properties": {"id": TEXT, "status": STATUS}}
LIST = {
    "type": "object",
    "required": ["executions", "cursor"],
    "properties": {
        "executions": {"type": "array", "items": {"$ref": "#/components/schemas/Execution"}},
        "cursor": {**OPTIONAL_TEXT, "description": "For the next page; null on the last one."},
    },
}


def document(root: str = "") -> dict[str, Any]:
    """The whole of it; `root` is where the app is mounted."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hydra",
            "version": "1",
            "description": "Submit executions of durable workflows, read them, and order what concerns them.",
        },
        "servers": [{"url": root or "/"}],
        "security": [{"token": []}],
        "paths": PATHS,
        "components": {
            "schemas": {"Execution": EXECUTION, "Problem": PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _parameter(name: str, description: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema or TEXT}


def _operation(
    operation_id: str,
    summary: str,
    answers: dict[str, dict[str, Any]],
    *,
    body: dict[str, Any] | None = None,
    parameters: list[dict[str, Any]] | None = None,
    problems: tuple[str, ...] = (),
) -> dict[str, Any]:
    said = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    codes = {*ALWAYS, *problems, *(("413", "415") if body is not None else ())}
    responses: dict[str, Any] = {
        code: {"description": "Done.", "content": {"application/json": {"schema": schema}}}
        for code, schema in answers.items()
    }
    responses |= {code: {"description": "A sentence that says why not.", "content": said} for code in sorted(codes)}
    found: dict[str, Any] = {"operationId": operation_id, "summary": summary, "responses": responses}
    if parameters:
        found["parameters"] = parameters
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


FILTER = [
    _parameter("status", "The state that it is in.", STATUS),
    _parameter("workflow", "Its name."),
    _parameter("key", "Its idempotency key."),
    {
        **_parameter("tag", "`name=value`; may be repeated, all must match.", {"type": "array", "items": TEXT}),
        "style": "form",
        "explode": True,
    },
    {
        **_parameter(
            "attribute",
            "`customer=c-17` or `amount>=1000`; may be repeated, all must match.",
            {"type": "array", "items": TEXT},
        ),
        "style": "form",
        "explode": True,
    },
    _parameter("since", "Submitted then or later: `2h` (ago), or `2026-11-29T14:00` (UTC)."),
    _parameter("until", "Submitted before then; as of `since`."),
    _parameter("reason", "A part of why it failed or is parked."),
    _parameter("error", "A fingerprint of `hydra errors`, or an exception's class."),
    _parameter("order", "Which come first.", {"type": "string", "enum": ["newest", "oldest"]}),
    _parameter("limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": 1000}),
    _parameter("cursor", "Of the page before, with the same filter and order."),
]
PATHS: dict[str, Any] = {
    "/api/v1/executions": {
        "get": _operation("list", "List executions, newest first.", {"200": LIST}, parameters=FILTER),
        "post": _operation(
            "submit",
            "Submit an execution; when it answers, it is durable.",
            {"201": IDENTIFIED},
            body=SUBMISSION,
            problems=("404", "409"),
        ),
    },
    "/api/v1/executions/{id}": {
        "parameters": [ID],
        "get": _operation(
            "show",
            "What an execution's row says.",
            {"200": {"$ref": "#/components/schemas/Execution"}},
            problems=("404",),
        ),
    },
    "/api/v1/executions/{id}/result": {
        "parameters": [ID],
        "get": _operation(
            "result",
            "How it ended; 202 while it goes on, or is parked.",
            {"200": ENDED, "202": ENDED},
            parameters=[
                _parameter("wait", "How long to wait for the end: `10s`, at most 30s. 429 where too many wait.", WAIT)
            ],
            problems=("404",),
        ),
    },
    "/api/v1/executions/{id}/signals": {
        "parameters": [ID],
        "post": _operation(
            "signal", "Put an event before it.", {"200": STANDING}, body=SIGNAL, problems=("404", "409")
        ),
    },
    "/api/v1/executions/{id}/cancel": {
        "parameters": [ID],
        "post": _operation("cancel", "Ask for its end.", {"200": STANDING}, body=CANCEL, problems=("404", "409")),
    },
    "/api/v1/approvals": {
        "get": _operation("approvals", "What takes a second person, newest first.", {"200": APPROVALS}),
    },
    "/api/v1/approvals/{id}": {
        "parameters": [{**ID, "description": "Of the approval."}],
        "post": _operation(
            "decide",
            "Do what somebody else has asked for, or refuse it.",
            {"200": ACTED},
            body=DECISION,
            problems=("404", "409"),
        ),
    },
    "/api/v1/callbacks": {
        "post": _operation(
            "complete",
            "Complete a callback token, once.",
            {"200": IDENTIFIED},
            body=COMPLETION,
            problems=("404", "409"),
        ),
    },
}
