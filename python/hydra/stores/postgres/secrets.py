"""The secret that keys digests, encrypted with each key that payloads of the namespace were encrypted with."""

from __future__ import annotations

import msgspec

from hydra.stores.postgres.transaction import Reading, Transaction
from hydra.stores.wrapped_secret import WrappedSecret


def read_secrets(reading: Reading) -> list[WrappedSecret]:
    return [WrappedSecret(*row) for row in reading.select("wrapped_secrets")]


def add_secret(transaction: Transaction, secret: WrappedSecret) -> None:
    transaction.execute("add_wrapped_secret", **msgspec.structs.asdict(secret))
