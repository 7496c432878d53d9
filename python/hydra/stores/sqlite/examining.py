"""What `hydra doctor` asks of a SQLite file. Reads only."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hydra.stores.findings import Finding, Severity
from hydra.stores.sqlite.database import Database

FREE_BYTES_MINIMUM = 1 << 30
FULL_BYTES = 1 << 20  # a commit or two
SHARED_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "glusterfs"})
MEMORY_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs"})


def examine(database: Database) -> list[Finding]:
    folder = database.directory()
    found = [
        judge_synchronous(database.synchronous),
        judge_file_system(file_system_of(folder)),
        judge_space(shutil.disk_usage(folder).free),
    ]
    if not os.path.exists(database.path):
        return found
    with database.reading() as reading:
        (journal_mode,) = reading.connection.execute("pragma journal_mode").fetchone()
        (damage,) = reading.connection.execute("pragma quick_check(1)").fetchone()
    return [*found, judge_journal(journal_mode), judge_damage(damage)]


def judge_synchronous(synchronous: str) -> Finding:
    if synchronous in ("full", "extra"):
        return Finding(Severity.OK, "durability", f"`synchronous={synchronous}`: what is accepted survives a power cut")
    sentence = f"`synchronous={synchronous}`: a power cut loses what was accepted last (G1); take it out of the URL"
    return Finding(Severity.DANGER, "durability", sentence)


def judge_file_system(name: str) -> Finding:
    subject = "file system"
    if name in SHARED_FILE_SYSTEMS:
        sentence = f"`{name}` does not lock reliably between hosts, so the file can be damaged; use a disk of this host"
        return Finding(Severity.DANGER, subject, sentence)
    if name in MEMORY_FILE_SYSTEMS:
        return Finding(Severity.DANGER, subject, f"`{name}` is memory: a power cut loses everything (G1); use a disk")
    return Finding(Severity.OK, subject, f"`{name}`")


def judge_space(free_bytes: int) -> Finding:
    free = f"{free_bytes / 2**30:.1f} GiB are free"
    if free_bytes < FULL_BYTES:
        sentence = "the disk is full: nothing is accepted, and no node can work; make room"
        return Finding(Severity.DANGER, "disk space", sentence)
    if free_bytes < FREE_BYTES_MINIMUM:
        return Finding(Severity.WARNING, "disk space", f"only {free}; a full disk refuses submissions")
    return Finding(Severity.OK, "disk space", free)


def judge_journal(mode: str) -> Finding:
    if mode == "wal":
        return Finding(Severity.OK, "journal", "`wal`: readers and the writer do not wait for each other")
    return Finding(Severity.WARNING, "journal", f"`{mode}`: `hydra start` or `hydra migrate` will change it to `wal`")


def judge_damage(damage: str) -> Finding:
    if damage == "ok":
        return Finding(Severity.OK, "integrity", "`quick_check` found no damage")
    return Finding(Severity.DANGER, "integrity", f"the file is damaged ({damage}); stop everything, restore a backup")


def file_system_of(folder: str) -> str:
    """The type of the innermost mount that holds a folder."""
    best, name = "", "unknown"
    place = os.path.realpath(folder)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        mount = before.split()[4].replace("\\040", " ")
        is_inside = place == mount or place.startswith(mount.rstrip("/") + "/")
        if is_inside and len(mount) >= len(best):
            best, name = mount, after.split()[0]
    return name
