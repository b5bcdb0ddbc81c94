"""The ring between application and interrupt, and the reader of commands, through ctypes; UB ends the process."""

from __future__ import annotations

import ctypes
import json
import subprocess
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from birdnet_deploy.readback.commands import encode
from birdnet_deploy.support.resources import firmware_dir

LINE_MAX, FIELDS_MAX = 1024, 12


class Ring(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_uint32),
        ("head", ctypes.c_uint32),
        ("tail", ctypes.c_uint32),
    ]


class Field(ctypes.Structure):
    _fields_ = [("key", ctypes.c_char_p), ("text", ctypes.c_char_p), ("number", ctypes.c_uint32)]


class Command(ctypes.Structure):
    _fields_ = [
        ("seq", ctypes.c_uint32),
        ("crc", ctypes.c_uint32),
        ("count", ctypes.c_uint),
        ("fields", Field * FIELDS_MAX),
    ]


class Reader(ctypes.Structure):
    _fields_ = [
        ("line", ctypes.c_char * (LINE_MAX + 1)),
        ("length", ctypes.c_size_t),
        ("too_long", ctypes.c_bool),
        ("bad", ctypes.c_uint32),
    ]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = tmp_path_factory.mktemp("core") / "core.so"
    folder = firmware_dir() / "core"
    command = [
        "cc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
        "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error", f"-I{folder}",
        *(folder / f"{name}.c" for name in ("ring", "command", "crc32")), "-o", library,
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=60)
    loaded = ctypes.CDLL(str(library))
    for name in ("ring_put", "ring_get", "command_take", "command_number"):
        getattr(loaded, name).restype = ctypes.c_bool
    loaded.ring_used.restype = ctypes.c_uint32
    loaded.command_text.restype = ctypes.c_char_p
    loaded.command_take.argtypes = [ctypes.c_void_p, ctypes.c_char, ctypes.c_void_p]
    return loaded


def takes(core: ctypes.CDLL, stream: bytes, reader: Reader | None = None) -> tuple[list[dict[str, Any]], int]:
    """Gives the commands that a stream holds, with their ``seq``, and how many lines came damaged."""
    reader, command, found = reader or Reader(), Command(), []
    for byte in stream:
        if core.command_take(ctypes.byref(reader), bytes([byte]), ctypes.byref(command)):
            fields = {
                field.key.decode(): field.number if field.text is None else field.text.decode()
                for field in command.fields[: command.count]
            }
            found.append({"seq": command.seq, **fields})
    return found, reader.bad


def line(seq: object, body: bytes, crc: str | None = None, length: int | None = None) -> bytes:
    counted = f"{seq} {len(body) if length is None else length} ".encode()
    return b"\n@BN1 " + counted + (crc or f"{zlib.crc32(counted + body):08x}").encode() + b" " + body + b"\n"


@settings(max_examples=60)
@given(
    size=st.sampled_from([1, 2, 8, 64]),
    begin=st.sampled_from([0, 5, 2**32 - 3]),
    steps=st.lists(st.one_of(st.binary(max_size=70), st.integers(1, 70)), max_size=60),
)
def test_a_ring_gives_what_went_in_whole_pieces_and_in_order(
    core: ctypes.CDLL, size: int, begin: int, steps: list[bytes | int]
) -> None:
    memory = ctypes.create_string_buffer(b"\xee" * (size + 16))
    ring = Ring(ctypes.addressof(memory) + 8, size, begin, begin)
    model = b""
    for step in steps:
        if isinstance(step, bytes):
            fits = len(step) <= size - len(model)
            assert core.ring_put(ctypes.byref(ring), step, ctypes.c_size_t(len(step))) is fits
            model += step if fits else b""
        else:
            for _ in range(step):
                byte = ctypes.c_uint8()
                there = core.ring_get(ctypes.byref(ring), ctypes.byref(byte))
                assert there is bool(model)
                if there:
                    assert byte.value == model[0]
                    model = model[1:]
        assert core.ring_used(ctypes.byref(ring)) == len(model)
    assert memory.raw[:8] == memory.raw[8 + size : 16 + size] == b"\xee" * 8, "written outside"


KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), min_size=1, max_size=9)
VALUES = st.one_of(KEYS, st.just(""), st.integers(0, 2**32 - 1))


@given(st.integers(0, 2**32 - 1), st.dictionaries(KEYS, VALUES, max_size=FIELDS_MAX - 1))
def test_what_the_host_encodes_is_what_the_board_reads(core: ctypes.CDLL, seq: int, fields: dict) -> None:
    body = {"t": "ping", **fields}
    assert takes(core, encode(seq, body)) == ([{"seq": seq, **body}], 0)


@pytest.mark.parametrize(
    "stream",
    [
        line(1, b'{"t":"ping"}')[1:],  # nothing before it
        line(1, b'{"t":"ping"}').replace(b"\n", b"\r\n"),
        b"boot noise @BN1 7 3 half" + line(1, b'{"t":"ping"}'),
        b"cut @BN1 9 12 00000000 {" + line(1, b'{"t":"ping"}')[1:],  # half a line, swallowed by the marker behind it
        b"\xff\0\x1b[2J\n" * 50 + line(1, b'{"t":"ping"}'),
        b"x" * 5000 + b"\n" + line(1, b'{"t":"ping"}'),
        line(1, b'{"t" : "ping" }', None),
    ],
)
def test_a_command_is_found_in_noise_of_which_nothing_is_counted(core: ctypes.CDLL, stream: bytes) -> None:
    assert takes(core, stream) == ([{"seq": 1, "t": "ping"}], 0)


@pytest.mark.parametrize(
    ("stream", "bad"),
    [
        (line(1, b'{"t":"ping"}', crc="00000000"), 1),
        (line(1, b'{"t":"ping"}', length=11), 1),
        (line(1, b'{"t":"ping"'), 1),
        (line(1, b'{"t":"ping"}x'), 1),
        (line(1, b'{"t":{}}'), 1),
        (line(1, b'{"t":"p\\u0069ng"}'), 1),
        (line(1, b'{"t":"ping","a":4294967296}'), 1),
        (line(1, b'{"t":"ping","a":-1}'), 1),
        (line(1, b'{"t":"ping","a":01}'), 1),
        (line(1, b'{"t":"ping","a":1.0}'), 1),
        (line(1, b"{" + b",".join(b'"k%d":1' % n for n in range(13)) + b"}"), 1),
        (b"\n@BN1 1 9 00000000 " + b"x" * LINE_MAX + b"\n", 1),
        (line("01", b'{"t":"ping"}'), 0),
        (line("4294967296", b'{"t":"ping"}'), 0),
        (line("-1", b'{"t":"ping"}'), 0),
        (line(1, b'{"t":"ping"}', crc="ABCDEF01"), 0),
        (line(1, b'{"t":"ping"}')[:-2] + b"\n", 1),
        (b"\n@BN1 \n@BN1\n@BN1 1\n", 0),
    ],
)
def test_a_damaged_command_is_counted_and_what_has_no_header_is_none(
    core: ctypes.CDLL, stream: bytes, bad: int
) -> None:
    assert takes(core, stream + line(2, b'{"t":"info"}')) == ([{"seq": 2, "t": "info"}], bad)


def test_the_longest_line_fits_and_a_longer_one_does_not(core: ctypes.CDLL) -> None:
    def long(size: int) -> bytes:
        body = json.dumps({"t": "window", "data": ""}, separators=(",", ":")).encode()
        empty = line(5, body)
        pad = size - (len(empty) - 2)
        made = line(5, body.replace(b'""', b'"' + b"0" * (pad - 1) + b'"'))
        return made if len(made) - 2 == size else line(5, body.replace(b'""', b'"' + b"0" * (pad - 2) + b'"'))

    fits, beyond = long(LINE_MAX), long(LINE_MAX + 1)
    assert (len(fits) - 2, len(beyond) - 2) == (LINE_MAX, LINE_MAX + 1)
    assert len(takes(core, fits)[0]) == 1
    assert takes(core, beyond) == ([], 1)


@settings(max_examples=100)
@given(st.lists(st.one_of(st.binary(max_size=40), st.just(b"@BN1 "), st.just(b"\n"), st.just(b"1 2 ")), max_size=60))
def test_no_bytes_make_a_command_that_nobody_sent(core: ctypes.CDLL, pieces: list[bytes]) -> None:
    reader = Reader()
    assert takes(core, b"".join(pieces), reader)[0] == []
    assert takes(core, b"\n" + line(3, b'{"t":"ping"}'), reader)[0] == [{"seq": 3, "t": "ping"}]


def test_fields_are_told_apart_by_their_type(core: ctypes.CDLL) -> None:
    reader, command, number = Reader(), Command(), ctypes.c_uint32(7)
    for byte in line(1, b'{"t":"run","file":"00001.WAV","on":1}'):
        core.command_take(ctypes.byref(reader), bytes([byte]), ctypes.byref(command))
    assert core.command_text(ctypes.byref(command), b"file") == b"00001.WAV"
    assert core.command_text(ctypes.byref(command), b"on") is None
    assert core.command_text(ctypes.byref(command), b"none") is None
    assert core.command_number(ctypes.byref(command), b"on", ctypes.byref(number)) and number.value == 1
    assert not core.command_number(ctypes.byref(command), b"file", ctypes.byref(number))
