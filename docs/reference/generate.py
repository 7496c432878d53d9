"""Makes the reference pages that the code itself knows: command line, settings, metrics. A hook of mkdocs.

Nothing is checked in: each build reads click's own tree and the series of `hydra.observability.metrics`. Links from the
pages to files outside `docs/` lead to nothing on the site, so they are given as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click
from hydra.cli import main
from hydra.observability.metrics import Counter, Gauge, Metrics
from mkdocs.structure.files import File, Files

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./((?!guides/|reference/)[^)#]*)\)")


def on_files(files: Files, config: Any) -> Files:
    for name, text in (("cli", cli_page()), ("settings", settings_page()), ("metrics", metrics_page())):
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Names files that are not pages, such as `benches/README.md`, without a link."""
    if "/" in page.file.src_uri:
        return markdown
    return OUTSIDE.sub(lambda found: f"{found[1]}" if found[1] == found[2] else f"{found[1]} (`{found[2]}`)", markdown)


def cli_page() -> str:
    lines = [
        "# Command line",
        "",
        "Data goes to standard output, the rest to standard error. Exit codes: 0 done, 1 found or failed, 2 usage.",
        "Durations are written `500ms`, `10s`, `5m`, `2h`, `30d`.",
        "",
    ]
    for path, command in commands(main, "hydra"):
        lines += [f"## {path}", "", *help_of(path, command), ""]
    return "\n".join(lines)


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command with its path, such as `hydra schedules pause`, in alphabetical order."""
    for name, command in sorted(group.commands.items()):
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def help_of(path: str, command: click.Command) -> list[str]:
    context = click.Context(command, info_name=path)
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = ["```text", *usage.splitlines(), "```", "", *paragraphs(command.help or "")]
    options = list(options_of(command))
    return [*lines, "", *(option_line(option) for option in options)] if options else lines


def paragraphs(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\b", "").strip().splitlines()]


def options_of(command: click.Command) -> Iterator[click.Option]:
    return (each for each in command.params if isinstance(each, click.Option) and not each.hidden)


def option_line(option: click.Option) -> str:
    """One line of a list: how it is written, what it says, its default."""
    metavar = "" if option.is_flag else " " + option.make_metavar(click.Context(main))
    notes = [option.help.rstrip(".") if option.help else ""]
    if option.required:
        notes.append("Required")
    if option.show_default and option.default not in (None, "", False, ()):
        shown = option.show_default if isinstance(option.show_default, str) else option.default
        notes.append(f"Default: {shown}")
    if option.multiple and "repeated" not in notes[0]:
        notes.append("May be repeated")
    said = ". ".join(note for note in notes if note)
    return f"- `{', '.join(option.opts)}{metavar}`" + (f": {said}." if said else "")


def settings_page() -> str:
    lines = [
        "# Settings",
        "",
        "Each option of `hydra start` can be given by an environment variable. An option outweighs its variable.",
        "`HYDRA_DB`, `HYDRA_DB_MAP` and `HYDRA_NAMESPACE` are read by every command, the first two by `hydra.Engine`.",
        "",
        "| variable | option of `hydra start` | default |",
        "| --- | --- | --- |",
    ]
    for variable, option in sorted(variables().items()):
        lines.append(f"| `{variable}` | `{option.opts[0]}` | {default_of(option)} |")
    lines += ["", "## What they mean", ""]
    lines += [f"- `{variable}`: {option.help}" for variable, option in sorted(variables().items()) if option.help]
    lines.append("- `HYDRA_LISTEN_URL`: a direct address of PostgreSQL to listen at, past a pooler. It has no option.")
    lines += ["", "Options in the URL of a database are in the guide on [databases](../guides/databases.md)."]
    return "\n".join(lines)


def variables() -> dict[str, click.Option]:
    """Every environment variable of the command line."""
    found = {}
    for _, command in commands(main, "hydra"):
        for option in options_of(command):
            if isinstance(option.envvar, str):
                found.setdefault(option.envvar, option)
    return found


def default_of(option: click.Option) -> str:
    given = {"HYDRA_DB": "`sqlite:///hydra.db`", "HYDRA_NAMESPACE": "`default`", "HYDRA_WORKERS": "as many as cores"}
    if option.envvar in given:
        return given[option.envvar]
    return "off" if option.is_flag or option.default in (None, "", ()) or option.multiple else f"`{option.default}`"


def metrics_page() -> str:
    lines = [
        "# Metrics",
        "",
        "`hydra start MODULE --http 127.0.0.1:9090` serves these at `/metrics`, in Prometheus's text format. All have",
        "the label `namespace`. A tag given by `--metric-tag NAME` is a label `tag_NAME` of the series on executions.",
        "Nothing is served unless asked for. `HYDRA_METRICS_TOKEN` makes `/metrics` ask for a bearer token, which goes",
        "in the clear: let only your monitoring reach it.",
        "",
        "No node counts what a program submits, or cancels before a node has begun it: `hydra_executions_kept` counts",
        "what the database has. `hydra purge` says its count itself.",
        "",
    ]
    for series in Metrics("default")._series():
        kind = "gauge" if isinstance(series, Gauge) else "counter" if isinstance(series, Counter) else "histogram"
        labels = f"; labels {', '.join(f'`{label}`' for label in series.labels)}" if series.labels else ""
        lines.append(f"- `{series.name}` ({kind}{labels}): {series.help}")
    return "\n".join(lines)
