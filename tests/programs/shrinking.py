"""Makes a failing program small: leaves out whatever it fails without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.programs.grammar import Block, Node, Part, Program

MAX_TRIES = 400


def shrink(program: Program, fails: Callable[[Program], bool]) -> Program:
    """`fails` must hold of the program; it holds of what comes back."""
    try_count = 0
    has_shrunk = True
    while has_shrunk:
        has_shrunk = False
        for smaller in candidates(program):
            try_count += 1
            if try_count > MAX_TRIES:
                return program
            if fails(smaller):
                program, has_shrunk = smaller, True
                break
    return program


def candidates(program: Program) -> Iterator[Program]:
    """Large cuts first."""
    for index in range(len(program.outside)):
        kept = program.outside[:index] + program.outside[index + 1 :]
        is_cancelled = any(name == "cancel" for _, name, _ in kept)
        yield replace(program, outside=kept, is_ended_by_cancel=is_cancelled)
    for index, part in enumerate(program.parts):
        for block in smaller_blocks(part.block):
            parts = (*program.parts[:index], Part(part.is_async, block), *program.parts[index + 1 :])
            yield replace(program, parts=parts)


def smaller_blocks(block: Block) -> Iterator[Block]:
    for half in (block[: len(block) // 2], block[len(block) // 2 :]):
        if half and len(half) < len(block) and len(block) > 2:
            yield half
    for index in range(len(block)):
        if len(block) > 1:
            yield block[:index] + block[index + 1 :]
    for index, node in enumerate(block):
        for inner in node.blocks:  # what is within it, in its place
            if inner:
                yield block[:index] + inner + block[index + 1 :]
        for smaller in smaller_nodes(node):
            yield (*block[:index], smaller, *block[index + 1 :])


def smaller_nodes(node: Node) -> Iterator[Node]:
    if "fails" in node.options:
        yield replace(node, options={name: value for name, value in node.options.items() if name != "fails"})
    for index, inner in enumerate(node.blocks):
        if len(node.blocks) > 2:
            yield node.with_blocks(node.blocks[:index] + node.blocks[index + 1 :])
        for smaller in smaller_blocks(inner):
            yield node.with_blocks((*node.blocks[:index], smaller, *node.blocks[index + 1 :]))
