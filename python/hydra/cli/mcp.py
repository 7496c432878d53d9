"""`hydra mcp`: an MCP server that only looks, for assistants."""

from __future__ import annotations

from contextlib import suppress

import click

from hydra.cli.options import database_options, open_engine
from hydra.cli.output import echo


@click.command("mcp")
@click.option("--http", metavar="HOST:PORT", default="", help="Over HTTP, at /mcp there, in place of stdio.")
@click.option("--token-file", metavar="FILE", help="Who may come to --http, as for `hydra dashboard`, in any role.")
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="A name under which a proxy asks; needs --token-file."
)
@database_options
def serve_mcp(http: str, token_file: str | None, hosts: tuple[str, ...], db: str | None, namespace: str | None) -> None:
    """Serve list, show, why, errors and stats by the Model Context Protocol: over stdio, until its input ends.

    It changes nothing. Whoever starts it over stdio sees what whoever may read the database sees, payloads included.
    """
    if not http and (token_file or hosts):
        raise click.UsageError("`--token-file` and `--allow-host` are for `--http`; say where it is")
    from hydra.dashboard.mcp_tools import serve_http, server_of  # most commands need none of it
    from hydra.observability.http import parse_address

    with open_engine(db, namespace) as engine:
        server = server_of(engine)
        engine.session()  # a database that cannot be opened is told now
        if not http:
            server.run("stdio")
            return

        def announce(sentence: str) -> None:
            with suppress(OSError):
                echo(sentence, err=True)

        host, port = parse_address(http)
        serve_http(engine, host, port, token_file, hosts, announce)


COMMANDS = (serve_mcp,)
