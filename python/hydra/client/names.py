"""Whether two names are of one person, as far as names tell."""

from __future__ import annotations

import re
import unicodedata

PREFIXES = ("token:", "program:", "execution:")  # what a name may begin with, for whoever bears it
# Default_Ignorable_Code_Point of Unicode 16.0, DerivedCoreProperties.txt: they show nothing. NFKC_Casefold drops them,
# but `unicodedata` does not tell which they are.
DEFAULT_IGNORABLE = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
_IGNORABLE = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in DEFAULT_IGNORABLE) + "]")
_SHOWS_NOTHING = ("Cc", "Cf", "Zs", "Zl", "Zp")


def is_one_person(name: str, other: str) -> bool:
    """`ana@laptop`, `ana@desk` and `token:ana` are one."""
    return bare_name(name) == bare_name(other)


def bare_name(name: str) -> str:
    """Without what says only from where, and as Unicode takes for the same text; "" where nothing is left."""
    bare = _folded(_folded(name))  # what one dropped may have kept two apart that are one letter
    while True:
        before, bare = bare, bare.lstrip("@")
        for prefix in PREFIXES:
            bare = bare.removeprefix(prefix)
        if bare == before:
            return bare.partition("@")[0]


def _folded(name: str) -> str:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    text = _IGNORABLE.sub("", text)
    return "".join(each for each in text if unicodedata.category(each) not in _SHOWS_NOTHING and not each.isspace())
