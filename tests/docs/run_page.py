"""Runs the code blocks of one Markdown page, in order, in a folder of its own, as a reader would. Not a test itself.

    python run_page.py PAGE FOLDER

| block                     | what happens                                                                        |
| ------------------------- | ----------------------------------------------------------------------------------- |
| python with a title       | written to that file; a module that no command names is imported at the end         |
| python                    | run; the blocks of a page share their names                                         |
| text titled `prints`      | compared to what the block before it printed                                        |
| console                   | what follows `$ ` is run, one line after the other; the lines after it are compared |
| text, sh, sql, ini        | left alone; `sh` is for what sets a machine up                                      |

In what is compared `…` stands for anything, and ids stand for those that this run has made.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

COMMAND_SECONDS = 60.0
SERVES = "app `"  # in the line that a supervisor writes when it serves
LEFT_ALONE = ("text", "sh", "sql", "ini", "json")
ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Block(NamedTuple):
    language: str
    title: str
    text: str
    line: int


class PageError(AssertionError):
    """A block of the page does not do what it shows."""


def blocks_of(markdown: str) -> list[Block]:
    found = []
    for token in MarkdownIt().parse(markdown):
        if token.type == "fence":
            language, _, rest = token.info.strip().partition(" ")
            title = re.search(r'title="([^"]*)"', rest)
            found.append(Block(language, title[1] if title else "", token.content, (token.map or [0])[0] + 1))
    return found


class Page:
    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._names = types.ModuleType("page")
        sys.modules["page"] = self._names
        self._ids: dict[str, str] = {}
        self._files: list[str] = []
        self._commands: list[str] = []
        self._printed = ""
        self._servers: list[subprocess.Popen[str]] = []

    def run(self) -> None:
        try:
            for block in blocks_of(self._path.read_text("utf-8")):
                try:
                    self._run_block(block)
                except Exception as error:
                    raise PageError(f"{self._path.name}, block in line {block.line}: {error}") from error
            self._import_files()
        finally:
            self._stop_servers()

    def _run_block(self, block: Block) -> None:
        if block.title == "prints":
            self._compare(block.text, self._printed)
        elif block.title:
            file = self._folder / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, "utf-8")
            self._files.append(block.title)
        elif block.language == "python":
            self._run_python(block)
        elif block.language == "console":
            self._run_console(block.text)
        elif block.language not in LEFT_ALONE:
            raise PageError(f"`{block.language}` is no language of a block; see tests/docs/run_page.py")

    def _run_python(self, block: Block) -> None:
        file = self._folder / f"block_{block.line}.py"
        file.write_text(block.text, "utf-8")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.text, str(file), "exec"), self._names.__dict__)
        self._printed = printed.getvalue()

    # commands

    def _run_console(self, text: str) -> None:
        for command, expected in commands_of(text):
            self._commands.append(command)
            for shown, real in self._ids.items():
                command = command.replace(shown, real)
            if command.endswith("&"):
                self._start(command.removesuffix("&").strip())
            elif command.startswith("pkill "):
                self._kill(command.split()[-1])
            else:
                self._compare(expected, self._output_of(command, fails="error: " in expected), command)

    def _output_of(self, command: str, fails: bool) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if (done.returncode != 0) is not fails:
            raise PageError(f"`{command}` ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def _start(self, command: str) -> None:
        """In the background, until it serves."""
        server = subprocess.Popen(
            shlex.split(command), cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._servers.append(server)
        assert server.stdout is not None
        said = ""
        for line in server.stdout:
            said += line
            if SERVES in line:
                return
        raise PageError(f"`{command}` ended with {server.wait()}:\n{said}")

    def _kill(self, name: str) -> None:
        """Only what this page has started: others may run the same on this machine."""
        found = [pid for pid, comm in descendants(os.getpid()) if comm.startswith(name)]
        if not found:
            raise PageError(f"no process `{name}` runs")
        for pid in found:
            os.kill(pid, signal.SIGKILL)

    def _stop_servers(self) -> None:
        for server in self._servers:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=COMMAND_SECONDS)

    # what is compared

    def _compare(self, expected: str, found: str, command: str = "") -> None:
        if not expected.strip():
            return
        pattern = self._pattern_of(expected.strip())
        match = re.fullmatch(pattern, found.strip(), re.DOTALL)
        if match is None:
            raise PageError(f"`{command}` shows\n{found}\nand not\n{expected}")
        for name, value in match.groupdict().items():
            self._ids[bytes.fromhex(name.removeprefix("id_")).decode()] = value

    def _pattern_of(self, expected: str) -> str:
        pattern = ""
        for part in re.split(rf"({ID}|…|\s+)", expected):
            if part == "…":
                pattern += ".*"
            elif part.isspace():
                pattern += r"\s+"
            elif re.fullmatch(ID, part):
                pattern += self._id_pattern(part, pattern)
            else:
                pattern += re.escape(part)
        return pattern

    def _id_pattern(self, shown: str, before: str) -> str:
        """The id that stands for it here; one that is new is remembered."""
        if shown in self._ids:
            return self._ids[shown]
        name = f"id_{shown.encode().hex()}"
        return f"(?P={name})" if f"<{name}>" in before else f"(?P<{name}>{ID})"

    def _import_files(self) -> None:
        named = "\n".join(self._commands)
        for file in self._files:
            module = file.removesuffix(".py").replace("/", ".")
            if file.endswith(".py") and module not in named and module not in sys.modules:
                self._output_of(f"{sys.executable} -c 'import {module}'", fails=False)


def commands_of(text: str) -> Iterator[tuple[str, str]]:
    """Each command and what is shown of its output."""
    command, shown = "", ""
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:].strip(), ""
        else:
            shown += line + "\n"
    if command:
        yield command, shown


def descendants(root: int) -> Iterator[tuple[int, str]]:
    """The processes below one, with their names."""
    parents: dict[int, list[tuple[int, str]]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                comm, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
                parents.setdefault(int(rest.split()[1]), []).append((int(folder.name), comm))
    waiting = [root]
    while waiting:
        children = parents.get(waiting.pop(), [])
        yield from children
        waiting += [pid for pid, _ in children]


def main() -> None:
    page, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    os.chdir(folder)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["COLUMNS"] = "200"
    for name in [name for name in os.environ if name.startswith("HYDRA_")]:
        del os.environ[name]
    sys.path.insert(0, str(folder))
    try:
        Page(page, folder).run()
    except PageError as error:
        if error.__cause__ is not None and not isinstance(error.__cause__, PageError):
            traceback.print_exception(error.__cause__)
        sys.exit(str(error))


if __name__ == "__main__":
    main()
