"""Looks for anything in the database that breaks a promise. Each question is a SQL file in `audits`."""

from __future__ import annotations

import time

from hydra.stores.findings import Violation
from hydra.stores.sqlite.statements import audits
from hydra.stores.sqlite.transaction import Reading

ROW_LIMIT = 100  # rows shown for each question
PAUSE_SHARE, MAX_PAUSE_SECONDS = 0.25, 1.0  # of the time that a question took


def audit(reading: Reading) -> list[Violation]:
    """Each question on a snapshot of its own, since each promise holds after every commit. Empty is the proof.

    While a question reads, what others write gathers beside the file; it can be moved there, and its place used again,
    when nobody reads: so there is a pause after each that took long.
    """
    found: list[Violation] = []
    for _, question in sorted(audits().items()):
        began = time.monotonic()
        with reading.showing_all():
            rows = reading.connection.execute(question, {"namespace": reading.namespace}).fetchmany(ROW_LIMIT)
        found += [Violation(promise, id, detail) for promise, id, detail in rows]
        time.sleep(min(MAX_PAUSE_SECONDS, PAUSE_SHARE * (time.monotonic() - began)))
    return found
