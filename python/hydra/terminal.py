"""What others wrote, so that it cannot act on the terminal or pass for a line of ours. Nothing else."""

from __future__ import annotations

# What a terminal obeys and does not show: C0 without line feed and tab, DEL, C1, line and paragraph separators, and
# what turns the direction of text.
_OBEYED = (*range(9), *range(11, 32), *range(127, 160), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F))
_CODES = (*_OBEYED, *range(0x2066, 0x206A))
SHOWN = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _CODES}
SHOWN_IN_CELL = {**SHOWN, 9: "\\t", 10: "\\n"}
SHOWN_IN_JSON = {code: f"\\u{code:04x}" for code in _CODES if code >= 127}  # within texts; the value stays the same
