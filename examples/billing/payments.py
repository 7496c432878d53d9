"""The client of the payment provider: one request, one answer or an exception. The step retries, it never does."""

from __future__ import annotations

import http.client
import json
from decimal import Decimal
from urllib.parse import urlsplit

ANSWER_TIMEOUT_SECONDS = 5.0


class ProviderUnavailable(ConnectionError):
    """The provider answered 5xx: the payment may be tried again with the same key."""


class PaymentRefused(Exception):
    """The provider answered that it will not do this; trying again would not help."""


def pay(url: str, key: str, kind: str, invoice: str, customer_id: str, amount: Decimal) -> str:
    """The payment's id. The same `key` gives the first payment again, however often it is asked."""
    body = json.dumps({"key": key, "kind": kind, "invoice": invoice, "customer_id": customer_id, "amount": str(amount)})
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=ANSWER_TIMEOUT_SECONDS)
    try:
        connection.request("POST", "/payments", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status >= 500:
        raise ProviderUnavailable(f"the payment provider answered {response.status} for invoice `{invoice}`")
    if response.status != 200:
        raise PaymentRefused(f"the payment provider refused invoice `{invoice}`: {answer.decode(errors='replace')}")
    return str(json.loads(answer)["payment_id"])
