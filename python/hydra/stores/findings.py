"""What is wrong: with the promises, as an audit finds it; with the database's set-up, as `hydra doctor` does."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """A promise that the database shows to be broken: which, where, and the rows in words."""

    promise: str
    execution_id: str
    detail: str


class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"  # it works, and may surprise
    DANGER = "danger"  # a promise does not hold


class Finding(msgspec.Struct, frozen=True):
    """One thing `hydra doctor` looked at."""

    severity: Severity
    subject: str
    sentence: str
