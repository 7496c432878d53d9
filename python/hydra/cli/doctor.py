"""`hydra doctor`: looks at this installation and at the database, and says which promises they cannot keep."""

from __future__ import annotations

import platform
import sys
import time

import click
from msgspec.structs import replace

import hydra
from hydra import _core
from hydra.cli.options import database_options, each_url, json_option, map_given
from hydra.cli.output import print_json, print_table
from hydra.config import namespace_name, offload
from hydra.database_map import DatabaseMap, database_map
from hydra.errors import ConfigError, HydraError, SchemaError
from hydra.stores import absolute, open_store, without_password
from hydra.stores.findings import Finding, Severity
from hydra.stores.moved import moved_to, why_incomplete
from hydra.stores.stats import Stats
from hydra.stores.store import Store

DISTRIBUTION = "hydra-engine"
MAX_CLOCK_SECONDS = 5


@click.command()
@database_options
@json_option
def doctor(db: str | None, namespace: str | None, as_json: bool) -> None:
    """Look for what would break a promise: durability settings, replication, damage, clashing packages.

    With --db-map and without --namespace it looks at all databases of the map, and for namespaces in the wrong one.
    Changes nothing. Exit code 1 when something is a danger.
    """
    offload(None)  # what it says where it cannot be
    found = examine_installation()
    urls = each_url(db, namespace)
    for url in urls:
        try:
            own = look_at(url, namespace_name(namespace))
        except ConfigError as error:
            if len(urls) == 1:
                raise
            own = [Finding(Severity.DANGER, "database", str(error))]
        found += (
            own
            if len(urls) == 1
            else [replace(each, subject=f"{each.subject} of {without_password(url)}") for each in own]
        )
    if (file := map_given(db)) is not None:
        found += judge_places(database_map(file))
    if as_json:
        print_json(found)
    else:
        print_table(("", "what", "finding"), [(each.severity, each.subject, each.sentence) for each in found], empty="")
    sys.exit(1 if any(each.severity == Severity.DANGER for each in found) else 0)


def examine_installation() -> list[Finding]:
    from importlib.metadata import packages_distributions

    return [
        Finding(Severity.OK, "hydra", f"{hydra.__version__} on Python {platform.python_version()}"),
        judge_build(_core.build_profile()),
        judge_packages(packages_distributions().get("hydra", [])),
    ]


def look_at(url: str, namespace: str) -> list[Finding]:
    store = open_store(url, namespace)
    try:
        return [*examine_database(store), *judge_move(store)]
    finally:
        store.close()


def examine_database(store: Store) -> list[Finding]:
    """What its server or file says of itself, as far as it answers."""
    try:
        found = store.examine()
        found.append(judge_clock(store.now() / 1e6 - time.time()))
    except HydraError as error:
        return [Finding(Severity.DANGER, "database", str(error))]
    try:
        store.open(migrate=False)
    except SchemaError as error:
        found.append(Finding(Severity.WARNING, "tables", str(error)))
    except HydraError as error:
        found.append(Finding(Severity.DANGER, "database", str(error)))
    else:
        found.append(Finding(Severity.OK, "tables", "are of this version"))
        found += judge_serving(store.stats(store.now()))
    return found


def judge_move(store: Store) -> list[Finding]:
    """A source of `hydra move` takes nothing more."""
    try:
        lines = store.move_lines()
    except HydraError:  # said by `examine_database`
        return []
    if (incomplete := why_incomplete(lines, store.namespace, store.url)) is not None:
        return [Finding(Severity.WARNING, "move", str(incomplete))]
    if (other := moved_to(lines)) is None:
        return []
    return [
        Finding(Severity.WARNING, "move", f"namespace `{store.namespace}` was moved to `{other}`; use that database")
    ]


def judge_places(db_map: DatabaseMap) -> list[Finding]:
    """A namespace that lies elsewhere than the map says begins again where it says: its keys are unknown there."""
    from hydra.move import namespaces_of  # with the drivers of all stores: not for every command

    found = []
    databases: dict[str, dict[str, str | None]] = {}
    for url in db_map.urls:
        try:
            databases[absolute(url)] = namespaces_of(url)
        except HydraError as error:
            told = f"the namespaces of `{without_password(url)}` are not known: {error}"
            found.append(Finding(Severity.WARNING, "map", told))
    misplaced: set[str] = set()
    for url, names in databases.items():
        for name, other in names.items():
            told_of = judge_place(name, url, other, db_map, databases)
            found += told_of
            misplaced |= {name} if told_of else set()
    for name in db_map.namespaces:
        if name not in misplaced:
            found += judge_new(name, absolute(db_map.url_of(name)), databases)
    return found or [Finding(Severity.OK, "map", f"each namespace lies where {db_map.name} says")]


def judge_place(
    name: str, url: str, other: str | None, db_map: DatabaseMap, databases: dict[str, dict[str, str | None]]
) -> list[Finding]:
    """Of a namespace that lies in this database of the map's, or did before it was moved."""
    place = without_password(url)
    try:
        mapped = absolute(db_map.url_of(name))
    except ConfigError as error:
        told = f"`{place}` has namespace `{name}`: {error}"
        return [Finding(Severity.WARNING, "map", told)] if other is None else []
    said = f"{db_map.name} says `{without_password(mapped)}`"
    if other is None:
        told = f"namespace `{name}` lies in `{place}`, and {said}; move it (`hydra move`) or mend the map"
        is_wrong = mapped != url
        if is_wrong and databases.get(mapped, {}).get(name, place) is None:
            told = (
                f"namespace `{name}` is open in `{place}`, too, and {said}: keys are taken in both; if a backup from "
                f"before a move was put back in `{place}`, close it there"
            )
    else:
        told = f"namespace `{name}` was moved to `{other}`, and {said}; mend the map"
        is_absent = mapped in databases and name not in databases[mapped]
        is_wrong = mapped == url or (is_absent and without_password(mapped) != other)
    return [Finding(Severity.DANGER, "map", told)] if is_wrong else []


def judge_new(name: str, url: str, databases: dict[str, dict[str, str | None]]) -> list[Finding]:
    """A new tenant and one whose line was changed look alike where no database of the map has anything of either."""
    if name in databases.get(url, {name: None}):
        return []
    told = f"namespace `{name}` is new in `{without_password(url)}`"
    told += ": if it lay elsewhere before, its line was changed without a move"
    return [Finding(Severity.WARNING, "map", told)]


def judge_serving(stats: Stats) -> list[Finding]:
    """Due work that nobody takes."""
    found = [
        f"{count} executions of workflow `{workflow}` are due, which no living node serves; start one with its code"
        for workflow, count in stats.unclaimed.items()
    ]
    found += [
        f"{count} due executions need label `{label}`, which no living node has; start one with `--labels {label}`"
        for label, count in stats.unserved_labels.items()
    ]
    return [Finding(Severity.WARNING, "work", sentence) for sentence in found]


def judge_build(profile: str) -> Finding:
    if profile == "release":
        return Finding(Severity.OK, "build", "release")
    return Finding(Severity.WARNING, "build", f"`{profile}`: several times slower; build with `--release`")


def judge_packages(distributions: list[str]) -> Finding:
    """hydra-core and others install a package `hydra` as well: whichever came last has overwritten files."""
    others = sorted(set(distributions) - {DISTRIBUTION})
    if others:
        told = ", ".join(f"`{name}`" for name in others)
        sentence = (
            f"{told} also installs a package `hydra`, and the files mix; uninstall it and reinstall `{DISTRIBUTION}`"
        )
        return Finding(Severity.DANGER, "packages", sentence)
    return Finding(Severity.OK, "packages", "no other package is named `hydra`")


def judge_clock(difference_seconds: float) -> Finding:
    side = "ahead of" if difference_seconds > 0 else "behind"
    told = f"the database's is {abs(difference_seconds):.1f} s {side} this host's"
    if abs(difference_seconds) > MAX_CLOCK_SECONDS:
        sentence = f"{told}: timers go by the database's, and only times in logs will disagree"
        return Finding(Severity.WARNING, "clock", sentence)
    return Finding(Severity.OK, "clock", told)


COMMANDS = (doctor,)
