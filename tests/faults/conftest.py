"""A bad network between programs and each server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import pytest

from tests.support.bad_network import BadNetwork


class Place(NamedTuple):
    """One database: `url` as it is, `far_url` over the network."""

    url: str
    far_url: str
    network: BadNetwork


@pytest.fixture(params=["postgres", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    url = request.getfixturevalue(f"{request.param}_url")
    parts = urlsplit(url)
    if request.param == "mysql":
        near = request.getfixturevalue("mysql_server").socket
        far = tmp_path / "far"
        query = f"unix_socket={quote(str(far), safe='')}"
    else:
        server = request.getfixturevalue("postgres_server")
        name = f".s.PGSQL.{server.port}"
        (tmp_path / "far").mkdir()
        near, far = server.socket_folder / name, tmp_path / "far" / name
        query = f"host={quote(str(tmp_path / 'far'), safe='')}"
    with BadNetwork(far, Path(near)) as network:
        yield Place(url, parts._replace(query=query).geturl(), network)
