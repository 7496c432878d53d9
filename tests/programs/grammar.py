"""A program as data: a tree of statements that prints itself as the Python source that runs.

    Program ── main and children (Part) ── blocks of Node ── source(): `async def main(w): …`, or `def main(w): …`

`w` is whom the source talks to (`bodies.py`): hydra's steps, sleeps, events and children, each call under its site's
name. The same source runs on hydra and on the reference loop; of a sync part the reference awaits each call.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

INDENT = "    "


@dataclass(frozen=True)
class Node:
    """One statement. What it means is in `PRINTERS`; `blocks` are those within it."""

    kind: str
    site: str
    options: dict[str, Any] = field(default_factory=dict)
    blocks: tuple[tuple[Node, ...], ...] = ()

    def with_blocks(self, blocks: tuple[tuple[Node, ...], ...]) -> Node:
        return replace(self, blocks=blocks)


Block = tuple[Node, ...]


@dataclass(frozen=True)
class Part:
    """One workflow: the program's own, or a child's."""

    is_async: bool
    block: Block


@dataclass(frozen=True)
class Program:
    """`parts[0]` is submitted, the others are its children. `outside`: at which second a signal comes, by its name and
    value, or a cancel."""

    parts: tuple[Part, ...]
    outside: tuple[tuple[float, str, str], ...] = ()
    is_ended_by_cancel: bool = False

    def source(self, is_reference: bool = False) -> str:
        parts = [print_part(index, part, is_reference) for index, part in enumerate(self.parts)]
        return "\n\n".join(parts)

    def size(self) -> int:
        return len(self.outside) + sum(count(part.block) for part in self.parts)


def count(block: Block) -> int:
    return sum(1 + sum(count(inner) for inner in node.blocks) for node in block)


def print_part(index: int, part: Part, is_reference: bool) -> str:
    printer = Printer(part.is_async, is_reference)
    head = f"{'async ' if part.is_async or is_reference else ''}def part_{index}(w):"
    return "\n".join([head, *indented(printer.block(part.block)), f"{INDENT}return list(w.seen)"])


def indented(lines: list[str]) -> list[str]:
    return [INDENT + line for line in lines]


class Printer:
    def __init__(self, is_async: bool, is_reference: bool) -> None:
        self.wait = "await " if is_async or is_reference else ""

    def block(self, block: Block) -> list[str]:
        lines = [line for node in block for line in self.node(node)]
        return lines or ["pass"]

    def node(self, node: Node) -> list[str]:
        say: Any = getattr(self, node.kind)
        lines: list[str] = say(node.site, node.options, node.blocks)
        return lines

    def functions(self, site: str, blocks: tuple[Block, ...]) -> tuple[list[str], list[str]]:
        """Each block as a coroutine function of its own; the lines, and the names."""
        lines, names = [], []
        for index, block in enumerate(blocks):
            names.append(f"{site}_{index}")
            lines += [f"async def {names[-1]}():", *indented([*self.block(block), f"return {names[-1]!r}"])]
        return lines, names

    def tasks(self, site: str, blocks: tuple[Block, ...]) -> list[str]:
        lines, names = self.functions(site, blocks)
        made = ", ".join(f"asyncio.create_task({name}(), name={name!r})" for name in names)
        return [*lines, f"{site} = [{made}]"]

    # what both kinds of bodies have

    def act(self, site: str, options: Any, blocks: Any) -> list[str]:
        return [f"{self.wait}w.act({site!r}{keywords(options)})"]

    def sleep(self, site: str, options: Any, blocks: Any) -> list[str]:
        return [f"{self.wait}w.sleep({site!r}{keywords(options)})"]

    def event(self, site: str, options: Any, blocks: Any) -> list[str]:
        return [f"{self.wait}w.event({site!r}{keywords(options)})"]

    def callback(self, site: str, options: Any, blocks: Any) -> list[str]:
        return [f"{self.wait}w.callback({site!r}{keywords(options)})"]

    def undo(self, site: str, options: Any, blocks: Any) -> list[str]:
        return [f"{self.wait}w.undo({site!r}{keywords(options)})"]

    def spawn(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        """The child begins, the block runs, and then it is waited for."""
        return [
            f"{site} = {self.wait}w.spawn({site!r}{keywords(options)})",
            *(self.block(blocks[0]) if blocks[0] else []),
            f"{self.wait}w.result({site!r}, {site})",
        ]

    def fail(self, site: str, options: Any, blocks: Any) -> list[str]:
        return [f"raise {options['error']}({site!r})"]

    def branch(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        first, second = blocks
        return ["if w.is_odd():", *indented(self.block(first)), "else:", *indented(self.block(second))]

    def loop(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        return [f"for _ in range({options['count']}):", *indented(self.block(blocks[0]))]

    def attempt(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        """`try` round the first block; the second is what is done about it."""
        block, handler = blocks
        return [
            "try:",
            *indented(self.block(block)),
            f"except {options['errors']} as error:",
            *indented([f"w.got({site!r}, error)", *self.block(handler)]),
        ]

    # sync bodies

    def gather_steps(self, site: str, options: Any, blocks: Any) -> list[str]:
        return [f"{self.wait}w.gather({site!r}{keywords(options)})"]

    def map_steps(self, site: str, options: Any, blocks: Any) -> list[str]:
        return [f"{self.wait}w.map({site!r}{keywords(options)})"]

    def first(self, site: str, options: Any, blocks: Any) -> list[str]:
        return [f"{self.wait}w.first({site!r}{keywords(options)})"]

    # async bodies

    def begin(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        """A step under way, called in the task that goes on with the block meanwhile."""
        return [
            f"{site} = w.begin({site!r}{keywords(options)})",
            *(self.block(blocks[0]) if blocks[0] else []),
            f"await w.finish({site!r}, {site})",
        ]

    def nap(self, site: str, options: Any, blocks: Any) -> list[str]:
        return [f"await asyncio.sleep({options['seconds']})", f"w.got({site!r}, 'slept')"]

    def gather(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        lines, names = self.functions(site, blocks)
        calls = ", ".join(f"{name}()" for name in names)
        return [*lines, f"w.got({site!r}, await asyncio.gather({calls}{keywords(options)}))"]

    def wait_tasks(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        when = f"return_when=asyncio.{options['when']}, timeout={options['timeout']}"
        return [
            *self.tasks(site, blocks),
            f"done, left = await asyncio.wait({site}, {when})",
            f"w.got({site!r}, [task.get_name() for task in {site} if task in done])",
            *self.then(site, options["then"]),
        ]

    def as_completed(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        return [
            *self.tasks(site, blocks),
            f"for next in itertools.islice(asyncio.as_completed({site}), {options['count']}):",
            *indented(self.caught(site, "await next")),
            *self.then(site, options["then"]),
        ]

    def then(self, site: str, then: str) -> list[str]:
        """What becomes of the tasks of a race that are left."""
        match then:
            case "cancel":
                return [f"for task in {site}:", f"{INDENT}task.cancel()"]
            case "gather":
                return [f"w.got({site!r}, await asyncio.gather(*{site}, return_exceptions=True))"]
            case "cancel and gather":
                return [*self.then(site, "cancel"), *self.then(site, "gather")]
            case _:
                return []

    def caught(self, site: str, expression: str) -> list[str]:
        return [
            "try:",
            f"{INDENT}w.got({site!r}, {expression})",
            "except Exception as error:",
            f"{INDENT}w.got({site!r}, error)",
        ]

    def wait_for(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        lines, names = self.functions(site, blocks[:1])
        return [
            *lines,
            "try:",
            f"{INDENT}w.got({site!r}, await asyncio.wait_for({names[0]}(), {options['seconds']}))",
            "except TimeoutError as error:",
            *indented([f"w.got({site!r}, error)", *self.block(blocks[1])]),
        ]

    def timeout(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        return [
            "try:",
            f"{INDENT}async with asyncio.timeout({options['seconds']}):",
            *indented(indented(self.block(blocks[0]))),
            "except TimeoutError as error:",
            *indented([f"w.got({site!r}, error)", *self.block(blocks[1])]),
        ]

    def shield(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        lines, names = self.functions(site, blocks[:1])
        waits = self.caught(site, f"await {site}") if options["is_awaited"] else []
        return [
            *lines,
            f"{site} = asyncio.create_task({names[0]}())",
            "try:",
            f"{INDENT}w.got({site!r}, await asyncio.wait_for(asyncio.shield({site}), {options['seconds']}))",
            "except TimeoutError as error:",
            *indented([f"w.got({site!r}, error)", *self.block(blocks[1]), *waits]),
        ]

    def group(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        lines, names = self.functions(site, blocks[1:])
        made = [f"{site}.create_task({name}())" for name in names]
        return [
            *lines,
            "try:",
            *indented([f"async with asyncio.TaskGroup() as {site}:", *indented([*made, *self.block(blocks[0])])]),
            "except* Exception as error:",
            f"{INDENT}w.got({site!r}, error)",
        ]

    def cancel(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        """The first block as a task, which is cancelled when the second is over."""
        lines, names = self.functions(site, blocks[:1])
        waits = [
            "try:",
            f"{INDENT}w.got({site!r}, await {site})",
            "except (Exception, asyncio.CancelledError) as error:",
            f"{INDENT}w.got({site!r}, error)",
        ]
        return [
            *lines,
            f"{site} = asyncio.create_task({names[0]}())",
            *self.block(blocks[1]),
            f"{site}.cancel()",
            *(waits if options["is_awaited"] else []),
        ]

    def locked(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        return [f"async with w.{options['lock']}:", *indented(self.block(blocks[0]))]

    def put(self, site: str, options: Any, blocks: Any) -> list[str]:
        return [f"w.queue.put_nowait({site!r})"]

    def get(self, site: str, options: Any, blocks: Any) -> list[str]:
        return self.caught(site, f"await asyncio.wait_for(w.queue.get(), {options['seconds']})")

    def set_flag(self, site: str, options: Any, blocks: Any) -> list[str]:
        return ["w.flag.set()"]

    def wait_flag(self, site: str, options: Any, blocks: Any) -> list[str]:
        return self.caught(site, f"await asyncio.wait_for(w.flag.wait(), {options['seconds']})")

    def hop(self, site: str, options: Any, blocks: Any) -> list[str]:
        return ["await asyncio.sleep(0)"]

    def generator(self, site: str, options: Any, blocks: tuple[Block, ...]) -> list[str]:
        """All blocks but the last are what it does before each yield; the last is done for each item."""
        produced = [
            line
            for index, block in enumerate(blocks[:-1])
            for line in [*self.block(block), f"yield {f'{site}_{index}'!r}"]
        ]
        stops = [f"if item == {f'{site}_0'!r}:", f"{INDENT}break"] if options["stops"] else []
        return [
            f"async def {site}():",
            *indented(produced),
            f"async with contextlib.aclosing({site}()) as items:",
            *indented(
                ["async for item in items:", *indented([f"w.got({site!r}, item)", *self.block(blocks[-1]), *stops])]
            ),
        ]


def keywords(options: dict[str, Any]) -> str:
    return "".join(f", {name}={value!r}" for name, value in options.items())
