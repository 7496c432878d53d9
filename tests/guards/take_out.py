"""Takes guards out of the product, one at a time, and demands that the tests named beside each notice.

    python -m tests.guards.take_out                all of them, on servers of its own: the better part of an hour
    python -m tests.guards.take_out R6 R14 G5      those of these rules
    python -m tests.guards.take_out --quick        the few that CI takes out in every run
    python -m tests.guards.take_out --on sqlite    those of one store (sqlite, postgres, mysql; none: no store's)
    python -m tests.guards.take_out --every 20     each twentieth of them
    python -m tests.guards.take_out --list         says what is known, and takes nothing out

Each `*.toml` beside this file names the guards of one store (`nodes.toml`: of no store's) by their marks in the
sources, `# guard R6: a claim takes the fence`, wherever those stand. It says what becomes of what is marked
(`marks.Edit`; nothing said: it goes), and which tests must fail then, by an assertion or by the error given. A mark
that stands in several files (`places`) is taken out of one at a time. All named tests must pass before. The sources
are copied to a scratch folder, which is changed there; a mark that is not found is an error. The exit code is 1 when a
mutation survives.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from tests.guards.marks import SOURCES, Edit, Mark, mutated, read_marks

HERE = Path(__file__).parent
TESTS = HERE.parent
TEST_SECONDS = 60  # of a test of a product without a guard, which may wait for ever
ASSERTIONS = ("assert", "AssertionError", "Failed: DID NOT RAISE")
LINES_SHOWN = 40


class Mutation(NamedTuple):
    guard: str  # the words of its mark
    store: str  # whose statements or code it is in; `none` where it is no store's
    edits: tuple[tuple[str, Edit], ...]  # each with its file below `python/hydra`
    tests: tuple[str, ...]  # below `tests`, as pytest names them
    error: str = ""  # how those fail that do not by an assertion; a part of the message
    is_quick: bool = False

    @property
    def rule(self) -> str:
        return self.guard.partition(":")[0]

    @property
    def title(self) -> str:
        return f"{self.guard} ({self.edits[0][0]})"


def read_mutations() -> list[Mutation]:
    """All, in the order of their files."""
    return [
        mutation
        for path in sorted(HERE.glob("*.toml"))
        for entry in tomllib.loads(path.read_text("utf-8"))["mutation"]
        for mutation in _expanded("none" if path.stem == "nodes" else path.stem, entry)
    ]


def _expanded(store: str, entry: dict[str, Any]) -> Iterator[Mutation]:
    """One for each place of its mark."""
    for place in range(entry.get("places", 1)):
        edits = tuple(
            (_file(store, part, entry.get("places", 1), place), _edit(part)) for part in entry.get("edits", [entry])
        )
        tests = tuple(entry["tests"])
        yield Mutation(entry["guard"], store, edits, tests, entry.get("error", ""), entry.get("quick", False))


def _file(store: str, part: dict[str, Any], places: int, place: int) -> str:
    """The one that has the mark."""
    words = _words(part)
    files = read_marks().get(Mark(store, words), [])
    if len(files) != places:
        raise SystemExit(f"the mark `{words}` ({store}) stands {len(files)} times, not {places}: {files}")
    return files[place]


def _words(part: dict[str, Any]) -> str:
    words: str = part.get("mark") or part["guard"]
    return words


def _edit(part: dict[str, Any]) -> Edit:
    return Edit(_words(part), part.get("take", ""), part.get("give"), part.get("value", ""), part.get("operand", 0))


def _installed() -> Path:
    """The package as the tests import it; it is not imported here."""
    found = find_spec("hydra")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent


class Scratch:
    """A copy of the sources, and how tests run on it: in a fork of this process each, which has imported what
    takes long and nothing of hydra.
    """

    def __init__(self, folder: Path) -> None:
        self._package = folder / "hydra"
        self._report = folder / "report.xml"
        shutil.copytree(SOURCES, self._package, ignore=shutil.ignore_patterns("__pycache__"))
        for native in _installed().glob("_core*.so"):
            shutil.copy(native, self._package)
        self._output = folder / "output.txt"
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment = {"PYTHONPATH": os.pathsep.join(paths)}
        for plugin in entry_points(group="pytest11"):
            if plugin.name != "hydra":
                plugin.load()

    def lend_servers(self, stores: set[str], stack: ExitStack) -> None:
        """One server each for all runs."""
        from tests.servers import mysql, postgres  # needs the drivers, which a run on SQLite does without

        if "postgres" in stores and "HYDRA_TEST_POSTGRES_URL" not in os.environ:
            server = postgres.PostgresServer().start()
            stack.callback(server.destroy)
            self._environment["HYDRA_TEST_POSTGRES_URL"] = server.url()
        if "mysql" in stores and "HYDRA_TEST_MYSQL_URL" not in os.environ:
            other = mysql.MysqlServer().start()
            stack.callback(other.destroy)
            self._environment["HYDRA_TEST_MYSQL_URL"] = other.url()

    def passes(self, tests: Sequence[str]) -> str:
        """Empty, or what the tests say that fail without any change."""
        return _tail(self._output) if self._run(tests, 2 * TEST_SECONDS) else ""

    def survives(self, mutation: Mutation) -> str:
        """Empty if every test named notices; else which did not, or failed otherwise."""
        originals = {file: (self._package / file).read_text("utf-8") for file, _ in mutation.edits}
        texts = dict(originals)
        for file, edit in mutation.edits:
            texts[file] = mutated(file, texts[file], edit)
        try:
            self._write(texts)
            self._run(mutation.tests, TEST_SECONDS)
            return self._judged(mutation)
        finally:
            self._write(originals)

    def _write(self, texts: dict[str, str]) -> None:
        for file, text in texts.items():
            path = self._package / file
            path.write_text(text, "utf-8")
            for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):  # which goes by size and second
                compiled.unlink()

    def _run(self, tests: Sequence[str], seconds: int) -> int:
        """pytest's exit code."""
        self._report.unlink(missing_ok=True)
        if pid := os.fork():
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with self._output.open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.environ.update(self._environment)
        sys.path.insert(0, str(self._package.parent))
        os.chdir(TESTS.parent)
        options = ["-q", "-p", "no:cacheprovider", "--timeout", str(seconds), f"--junitxml={self._report}"]
        code = 3
        try:
            code = int(pytest.main([*options, *(str(TESTS / test) for test in tests)]))
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _judged(self, mutation: Mutation) -> str:
        cases = list(ElementTree.parse(self._report).iter("testcase")) if self._report.exists() else []
        if not cases:
            return _tail(self._output)
        wanted = (*ASSERTIONS, *filter(None, [mutation.error]))
        for case in cases:
            told = [fault.get("message", "") for fault in case if fault.tag in ("failure", "error")]
            if not told:
                return f"`{case.get('name')}` passes"
            if not any(word in message for message in told for word in wanted):
                return f"`{case.get('name')}` fails otherwise: {told[0][:300]}"
        return ""


def take_out(mutations: Sequence[Mutation]) -> int:
    """How many survive."""
    survived = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hydra-guards-")))
        scratch = Scratch(folder)
        named = sorted({test for mutation in mutations for test in mutation.tests})
        used = {store for test in named for store in ("postgres", "mysql") if store in test}
        if used:
            scratch.lend_servers(used, stack)
        if told := scratch.passes(named):
            print(f"these tests fail although every guard is in its place:\n{told}", file=sys.stderr)
            return len(mutations)
        for mutation in mutations:
            why = scratch.survives(mutation)
            survived += bool(why)
            print(f"{'SURVIVES' if why else 'noticed '}  {mutation.title}", flush=True)
            if why:
                print(f"          {why}", flush=True)
    return survived


def _tail(output: Path) -> str:
    return "\n".join(output.read_text("utf-8").splitlines()[-LINES_SHOWN:])


def main() -> int:
    parser = argparse.ArgumentParser(description="Take guards out of the product and demand that tests notice.")
    parser.add_argument("rules", nargs="*", help="such as R6 or G5; all of them if none is given")
    parser.add_argument("--quick", action="store_true", help="only those that CI takes out")
    parser.add_argument("--on", help="only those of one store, or `none`")
    parser.add_argument("--every", type=int, default=1, help="only each so-many-th of them")
    parser.add_argument("--list", action="store_true", help="say what is known and take nothing out")
    options = parser.parse_args()
    chosen = [
        mutation
        for mutation in read_mutations()
        if (not options.rules or mutation.rule in options.rules)
        and (not options.quick or mutation.is_quick)
        and (not options.on or mutation.store == options.on)
    ][:: options.every]
    if not chosen:
        parser.error("no guard is of these rules and of this store; `--list` says which there are")
    if options.list:
        for mutation in chosen:
            print(f"{mutation.store:9} {mutation.title}")
        return 0
    survived = take_out(chosen)
    print(f"{len(chosen) - survived} of {len(chosen)} were noticed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
