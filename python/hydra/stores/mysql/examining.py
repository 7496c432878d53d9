"""What `hydra doctor` asks of a MySQL or MariaDB server. Reads only; the judging is pure."""

from __future__ import annotations

from collections.abc import Mapping

from hydra.stores import engines
from hydra.stores.findings import Finding, Severity
from hydra.stores.mysql.database import Database
from hydra.stores.mysql.probing import several_writers
from hydra.stores.mysql.statements import STATEMENTS

PACKET_BYTES_MINIMUM = 34 << 20  # a payload of 16 MiB in hexadecimal, and what goes with it
MAX_CONNECTIONS_SHARE = 0.8
READ_ONLY_SETTINGS = ("read_only", "super_read_only", "innodb_read_only", "tx_read_only", "transaction_read_only")


def examine(database: Database) -> list[Finding]:
    settings = _settings(database)
    modes: dict[str, str] = dict(database.rows_of(STATEMENTS["cluster_mode"]))
    engine = engines.judge_mysql(settings | modes)
    if engines.cannot_carry(engine):
        return [engine]
    state = {name.lower(): int(value) for name, value in database.rows_of(STATEMENTS["server_state"])}
    writers = judge_writers(modes, has_one_writer=database.address.has_one_writer)
    return [engine, *judge(settings, state), *writers]


def durability(database: Database) -> Finding:
    return _judge_durability(_settings(database))


def _settings(database: Database) -> dict[str, str]:
    return {name.lower(): value for name, value in database.rows_of(STATEMENTS["settings"])}


def judge(settings: Mapping[str, str], state: Mapping[str, int]) -> list[Finding]:
    return [
        Finding(Severity.OK, "server", settings["version"]),
        _judge_durability(settings),
        _judge_replication(settings, state),
        _judge_role(settings),
        _judge_packet(int(settings["max_allowed_packet"])),
        _judge_connections(int(settings["max_connections"]), state.get("threads_connected", 0)),
    ]


def judge_writers(modes: Mapping[str, str], *, has_one_writer: bool) -> list[Finding]:
    """Of a cluster whose members can all write."""
    kind = several_writers(modes)
    if not kind:
        return []
    if has_one_writer:
        return [Finding(Severity.OK, "writers", f"{kind}; the URL says that a proxy sends everybody to one member")]
    sentence = (
        f"{kind}: with several members written to, a commit that was confirmed may be lost (G1, G3, G5), and hydra "
        "does not start; send everybody to one member by a proxy, and add `?writer=single` to the URL"
    )
    return [Finding(Severity.DANGER, "writers", sentence)]


def _judge_durability(settings: Mapping[str, str]) -> Finding:
    wanted = {"innodb_flush_log_at_trx_commit": "1", "innodb_doublewrite": "ON"}
    if settings["log_bin"] == "ON":
        wanted["sync_binlog"] = "1"
    weak = {name: value for name, value in wanted.items() if settings[name] != value}
    if not weak:
        return Finding(Severity.OK, "durability", "what is accepted survives a power cut of the server")
    told = ", ".join(f"`{name} = {settings[name]}` (should be `{value}`)" for name, value in weak.items())
    sentence = f"{told}: a crash of the server loses what was accepted or recorded (G1, G3, G5)"
    return Finding(Severity.DANGER, "durability", sentence)


def _judge_replication(settings: Mapping[str, str], state: Mapping[str, int]) -> Finding:
    subject = "replication"
    waiting = max(state.get(f"rpl_semi_sync_{role}_clients", 0) for role in ("master", "source"))
    is_waited_for = any(settings.get(f"rpl_semi_sync_{role}_enabled") == "ON" for role in ("master", "source"))
    if is_waited_for and waiting:
        return Finding(Severity.OK, subject, f"{waiting} semi-synchronous: a failover loses nothing that was answered")
    if settings["log_bin"] == "ON":
        sentence = "the server writes a binary log, and no replica is waited for: a failover may lose what was recorded"
        return Finding(Severity.WARNING, subject, f"{sentence} (G1, G3, G5); use semi-synchronous replication")
    return Finding(Severity.OK, subject, "no replica can be connected: there is no binary log")


def _judge_role(settings: Mapping[str, str]) -> Finding:
    closed = [name for name in READ_ONLY_SETTINGS if settings.get(name, "OFF") in ("ON", "1")]
    if closed:
        return Finding(
            Severity.DANGER, "role", f"`{closed[0]} = ON`: nothing can be written; name the primary in the URL"
        )
    return Finding(Severity.OK, "role", "takes writes")


def _judge_packet(bytes_maximum: int) -> Finding:
    told = f"`max_allowed_packet` is {bytes_maximum >> 20} MiB"
    if bytes_maximum < PACKET_BYTES_MINIMUM:
        return Finding(Severity.WARNING, "packet", f"{told}: payloads near 16 MiB are refused; set it to 64M")
    return Finding(Severity.OK, "packet", told)


def _judge_connections(maximum: int, count: int) -> Finding:
    told = f"{count} of {maximum} connections are in use"
    if count > maximum * MAX_CONNECTIONS_SHARE:
        return Finding(Severity.WARNING, "connections", f"{told}; a node needs five, raise `max_connections`")
    return Finding(Severity.OK, "connections", told)
