"""Which tags an execution may have: what users give, and what hooks add to that."""

from __future__ import annotations

from hydra.errors import ConfigError, HydraError, PayloadError
from hydra.keys import is_unicode
from hydra.middleware import SubmitCall, tell
from hydra.written import written

MAX_TAG_COUNT = 50
MAX_TAG_LENGTH = 500


def check_tags(tags: object) -> dict[str, str]:
    if not isinstance(tags, dict) or len(tags) > MAX_TAG_COUNT:
        raise ConfigError(f"`tags` must be a dict of at most {MAX_TAG_COUNT} texts by name")
    for name, text in tags.items():
        if not isinstance(name, str) or not isinstance(text, str) or not is_unicode(name + text):
            raise ConfigError(f"the tag `{written(name)}` is not a text by name; give both as str")
        if "\0" in name + text:
            raise PayloadError(f"the tag {written(name)} holds a NUL character; leave it out")
        if len(name) + len(text) > MAX_TAG_LENGTH:
            raise ConfigError(f"the tag `{name:.80}` is longer than {MAX_TAG_LENGTH} characters")
    return tags


def tags_of(call: SubmitCall, given: dict[str, str] | None) -> dict[str, str] | None:
    """Those of a submission once its hooks were entered. What they made of them and cannot be is left out."""
    if call.tags == (given or {}):
        return given
    try:
        return dict(check_tags(call.tags))
    except HydraError as error:
        tell("a hook of submissions", f"with the tags of {call!r}, which keeps its own", error)
        return given
