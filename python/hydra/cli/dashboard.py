"""`hydra dashboard`: the page for people, and the HTTP API for programs."""

from __future__ import annotations

from contextlib import suppress

import click

from hydra.cli.options import database_options, open_engine
from hydra.cli.output import echo


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=9710, show_default=True, help="0: any that is free.")
@click.option(
    "--token-file",
    metavar="FILE",
    help="Who may come in: lines of a name, a role (view, operate, admin) and a token, or sha256: and its digest.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name under which a proxy asks for the page; needs --token-file. May be repeated.",
)
@database_options
def dashboard(
    host: str, port: int, token_file: str | None, hosts: tuple[str, ...], db: str | None, namespace: str | None
) -> None:
    """Serve a page that shows executions and takes orders, and an HTTP API under /api/v1, until Ctrl-C.

    Without tokens only this host may come in, and may do everything. Anywhere else a file of tokens is needed; put a
    proxy with TLS before it there. The file is read again when it changes, and then all sign in again.
    """
    from hydra.dashboard.server import serve  # most commands need none of it

    def announce(sentence: str) -> None:
        with suppress(OSError):
            echo(sentence, err=True)

    with open_engine(db, namespace) as engine:
        engine.session()  # a database that cannot be opened is told now
        serve(engine, host, port, token_file, hosts, announce)


COMMANDS = (dashboard,)
