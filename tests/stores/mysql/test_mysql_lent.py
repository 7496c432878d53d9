"""The connection that a transaction's function is lent, where it is one over TCP."""

from __future__ import annotations

import ssl

from hydra.stores.mysql.lent_connection import LentConnection


def test_g6_settings_are_put_back_on_a_connection_with_a_context_of_ssl() -> None:
    connection = LentConnection(defer_connect=True)
    connection.ctx = context = ssl.create_default_context()  # as over TCP; it cannot be copied
    connection.remember()
    converters = dict(connection.encoders)
    connection.encoders.clear()
    connection.own = 1
    connection.restore()
    assert connection.ctx is context and connection.encoders == converters and not hasattr(connection, "own")
