"""The secret that keys digests, encrypted with each key that payloads of the namespace were encrypted with."""

from __future__ import annotations

import msgspec

from hydra.stores.mysql.statements import row
from hydra.stores.mysql.transaction import Reading, Transaction
from hydra.stores.wrapped_secret import WrappedSecret


def read_secrets(reading: Reading) -> list[WrappedSecret]:
    return [WrappedSecret(*each) for each in reading.select("wrapped_secrets")]


def add_secret(transaction: Transaction, secret: WrappedSecret) -> None:
    values = row(*msgspec.structs.astuple(secret))[1:-1]
    transaction.execute("add_wrapped_secret", values=values)
