"""Payload keys by themselves: the file, the envelope, digests."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import _core, config
from hydra.errors import ConfigError, PayloadError
from hydra.payload_keys import DIGEST_BYTES, DigestKey, PayloadKeys, encrypted_with

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()


def test_what_is_encrypted_opens_with_its_key_whichever_encrypts_now() -> None:
    before = PayloadKeys({"k1": KEY}, "k1").encrypt(b"pin 4711")
    assert encrypted_with(before) == "k1" and b"4711" not in before
    after = PayloadKeys({"k1": KEY, "k2": os.urandom(32)}, "k2")
    assert after.decrypt(before) == b"pin 4711"
    assert encrypted_with(after.encrypt(b"")) == "k2" and after.decrypt(after.encrypt(b"")) == b""
    assert after.encrypt(before) == before  # not twice


def test_no_two_encryptions_are_the_same_not_even_after_a_fork() -> None:
    keys = PayloadKeys({"k1": KEY}, "k1")
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(writer, keys.encrypt(b"pin"))
        os._exit(0)
    os.waitpid(pid, 0)
    assert len({os.read(reader, 4096), *(keys.encrypt(b"pin") for _ in range(1000))}) == 1001


def test_any_changed_byte_is_noticed() -> None:
    keys = PayloadKeys({"k1": KEY}, "k1")
    payload = keys.encrypt(b"pin 4711")
    for at in range(4, len(payload)):
        changed = bytearray(payload)
        changed[at] ^= 1
        with pytest.raises(PayloadError, match="does not open with the key `k1`"):
            keys.decrypt(bytes(changed))
    for length in range(4, len(payload)):
        with pytest.raises(PayloadError):
            keys.decrypt(payload[:length])


def test_a_plain_payload_and_one_of_an_unknown_key_go_through_and_decoding_names_the_key() -> None:
    keys, others = PayloadKeys({"k1": KEY}, "k1"), PayloadKeys({"k2": KEY})
    plain = _core.encode("pin")
    assert keys.decrypt(plain) == plain and others.encrypt(plain) == plain
    payload = keys.encrypt(plain)
    assert others.decrypt(payload) == payload
    with pytest.raises(PayloadError, match="encrypted with the payload key `k1` and does not open here"):
        _core.decode(payload)


def test_keyed_digests_are_equal_where_plain_ones_are_and_can_be_undone() -> None:
    one, other = DigestKey(os.urandom(32)), DigestKey(os.urandom(32))
    digest = os.urandom(DIGEST_BYTES)
    assert one.key(digest) == one.key(digest) != other.key(digest)
    assert one.unkey(one.key(digest)) == one.unkey(digest) == digest
    assert one.key(b"") == b""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no payload key"),
        ("k1", "line 1 of `.*` must be an id, a key in base64"),
        (f"k1 {TEXT} now", "must be an id, a key in base64 and perhaps the word `current`"),
        (f"k1 {TEXT}\nk1 {TEXT}", "line 2 of `.*` gives the key `k1` a second time"),
        ("k1 ???", "the key in line 1 of `.*` is not base64"),
        ("k1 cGlu", "the payload key `k1` is not 32 bytes"),
        (f"k/1 {TEXT}", "`k/1` is no id of a payload key"),
        (f"k1 {TEXT} current\nk2 {TEXT} current", "line 2 of `.*` names a second current key"),
        ("kü " + TEXT, "cannot be read"),
        (f"\ufeffk1 {TEXT}", "begins with a byte order mark; save it as plain ASCII"),
    ],
)
def test_a_file_that_is_none_is_one_sentence_without_a_key(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(ConfigError, match=sentence) as caught:
        PayloadKeys.from_file(str(path))
    assert TEXT not in str(caught.value)


def test_a_file_of_keys_is_read_and_its_repr_shows_none(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# rotated in November\nk1 {TEXT}\n\nk2 {TEXT} current\n")
    keys = PayloadKeys.from_file(str(path))
    assert (keys.ids, keys.current) == ({"k1", "k2"}, "k2")
    assert repr(keys) == "PayloadKeys(k1, k2; current=k2)"
    with pytest.raises(TypeError, match="not pickled"):
        __import__("pickle").dumps(keys)
    with pytest.raises(ConfigError, match="cannot be read"):
        PayloadKeys.from_file(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: PayloadKeys(None), "the payload keys are NoneType; give a dict"),  # type: ignore[arg-type]
        (lambda: PayloadKeys.from_file(None), "`None` is no file of payload keys"),  # type: ignore[arg-type]
        (lambda: PayloadKeys({"k1": bytearray(KEY)}), "the payload key `k1` is bytearray; give it as bytes"),  # type: ignore[dict-item]
    ],
)
def test_what_is_no_keys_at_all_is_one_sentence(make: Callable[[], PayloadKeys], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make()


def test_an_empty_variable_is_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_PAYLOAD_KEYS", "")
    with pytest.raises(ConfigError, match="HYDRA_PAYLOAD_KEYS is empty; set it to a file"):
        config.payload_keys(None)
    given = PayloadKeys({"k1": KEY})
    assert config.payload_keys(given) is given
