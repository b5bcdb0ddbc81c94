"""The portable parts of the firmware, one by one, through ctypes; undefined behaviour ends the process."""

from __future__ import annotations

import ctypes
import json
import math
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from birdnet_deploy.support.resources import firmware_dir
from tests.support.bn1 import read_records

HERE = Path(__file__).parent
U32 = st.integers(0, 2**32 - 1)
ERANGE, EIO = -4, -1


class Text(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("length", ctypes.c_size_t),
        ("full", ctypes.c_bool),
    ]


class Json(ctypes.Structure):
    _fields_ = [("text", Text), ("first", ctypes.c_bool)]


class Record(ctypes.Structure):
    _fields_ = [("json", Json), ("buffer", ctypes.c_void_p)]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = tmp_path_factory.mktemp("core") / "core.so"
    stub = firmware_dir()
    names = ("text", "json", "crc32", "record", "log", "windows")
    sources = [stub / f"core/{name}.c" for name in names]
    command = [
        "cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
        "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error", f"-I{stub}/core", f"-I{stub}/port",
        f"-I{stub}/app", *sources, stub / "app/topk.c", HERE / "port_capture.c", "-o", library,
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=60)
    loaded = ctypes.CDLL(str(library))
    for name in ("crc32_update", "windows_count", "windows_start", "record_dropped"):
        getattr(loaded, name).restype = ctypes.c_uint32
    return loaded


def written(core: ctypes.CDLL, size: int, *calls: tuple) -> tuple[bytes, bool]:
    """Gives what a sequence of text functions leaves in a buffer of ``size`` bytes, and if it was full."""
    buffer = ctypes.create_string_buffer(b"\xee" * (size + 8))
    text = Text()
    core.text_init(ctypes.byref(text), buffer, ctypes.c_size_t(size))
    for name, *arguments in calls:
        getattr(core, name)(ctypes.byref(text), *arguments)
    assert buffer.raw[size : size + 8] == b"\xee" * 8, "written beyond the end"
    return buffer.raw[: text.length], text.full


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_crc32_is_zlibs(core: ctypes.CDLL, first: bytes, second: bytes) -> None:
    begun = core.crc32_update(0, first, ctypes.c_size_t(len(first)))
    assert begun == zlib.crc32(first)
    assert core.crc32_update(ctypes.c_uint32(begun), second, ctypes.c_size_t(len(second))) == zlib.crc32(first + second)


@given(st.integers(0, 2**64 - 1))
def test_unsigned_numbers(core: ctypes.CDLL, value: int) -> None:
    assert written(core, 20, ("text_uint", ctypes.c_uint64(value)))[0] == str(value).encode()


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_numbers(core: ctypes.CDLL, value: int) -> None:
    assert written(core, 20, ("text_int", ctypes.c_int64(value)))[0] == str(value).encode()


@pytest.mark.parametrize("value", [0, 2**64 - 1, 10**19, 9, 10])
def test_edge_numbers(core: ctypes.CDLL, value: int) -> None:
    assert written(core, 20, ("text_uint", ctypes.c_uint64(value)))[0] == str(value).encode()


@given(U32, st.integers(1, 8))
def test_hexadecimal_numbers(core: ctypes.CDLL, value: int, digits: int) -> None:
    text, _ = written(core, 8, ("text_hex", ctypes.c_uint32(value), ctypes.c_uint(digits)))
    assert text == f"{value % 16**digits:0{digits}x}".encode()


@given(st.lists(st.binary(min_size=1, max_size=9).filter(lambda b: 0 not in b), max_size=8), st.integers(0, 30))
def test_what_does_not_fit_is_left_out_with_all_that_follows(core: ctypes.CDLL, pieces: list, size: int) -> None:
    text, full = written(core, size, *(("text_string", piece) for piece in pieces))
    fitting = b""
    for piece in pieces:
        if len(fitting + piece) > size:
            break
        fitting += piece
    assert (text, full) == (fitting, fitting != b"".join(pieces))


@given(st.binary(max_size=60).filter(lambda b: 0 not in b), st.integers(-(2**63), 2**63 - 1), U32)
def test_json_reads_back(core: ctypes.CDLL, string: bytes, number: int, word: int) -> None:
    buffer = ctypes.create_string_buffer(2048)
    record = Json()
    at = ctypes.byref(record)
    core.json_begin(at, buffer, ctypes.c_size_t(2048))
    core.json_string(at, b"s", string)
    core.json_int(at, b"i", ctypes.c_int64(number))
    core.json_hex32(at, b"w", ctypes.c_uint32(word))
    core.json_object_begin(at, b"o")
    core.json_uint(at, b"u", ctypes.c_uint64(7))
    core.json_null(at, b"n")
    core.json_object_end(at)
    core.json_uint_array(at, b"a", (ctypes.c_uint16 * 3)(1, 65535, 0), ctypes.c_size_t(3))
    core.json_hex_bytes(at, b"h", (ctypes.c_int8 * 3)(-128, -1, 127), ctypes.c_size_t(3))
    core.json_number(at, b"f", b"0.125")
    length = core.json_end(at)
    assert buffer.raw[:length].isascii()
    assert json.loads(buffer.raw[:length]) == {
        "s": string.decode("latin-1"), "i": number, "w": f"{word:08x}", "o": {"u": 7, "n": None},
        "a": [1, 65535, 0], "h": "80ff7f", "f": 0.125,
    }  # fmt: skip


def test_json_that_does_not_fit_is_no_json(core: ctypes.CDLL) -> None:
    for size in range(9):
        record = Json()
        core.json_begin(ctypes.byref(record), ctypes.create_string_buffer(16), ctypes.c_size_t(size))
        core.json_uint(ctypes.byref(record), b"abc", ctypes.c_uint64(1))
        assert core.json_end(ctypes.byref(record)) == (ERANGE if size < len('{"abc":1}') else 9)


def reference_starts(samples: int, window: int, hop: int) -> list[int]:
    """The words of the input contract, as a loop."""
    starts, start = [], 0
    while start + window <= samples:
        starts.append(start)
        start += hop
    if not starts:
        return [0]
    return starts if starts[-1] + window == samples else [*starts, samples - window]


@given(st.integers(1, 3000), st.integers(1, 200), st.integers(1, 100))
def test_window_starts(core: ctypes.CDLL, samples: int, window: int, hop: int) -> None:
    count = core.windows_count(samples, window, hop)
    assert [core.windows_start(i, samples, window, hop) for i in range(count)] == reference_starts(samples, window, hop)


def test_window_starts_of_the_longest_file(core: ctypes.CDLL) -> None:
    samples, window, hop = 2**31 - 1, 66150, 33075
    count = core.windows_count(samples, window, hop)
    assert count == math.ceil((samples - window) / hop) + 1
    assert core.windows_start(count - 1, samples, window, hop) == samples - window
    assert core.windows_start(count - 2, samples, window, hop) == (count - 2) * hop


class TopkFilter(ctypes.Structure):
    _fields_ = (("mask", ctypes.POINTER(ctypes.c_uint8)), ("lowest", ctypes.c_int16))


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=40), st.data())
def test_topk(core: ctypes.CDLL, values: list[int], draw: st.DataObject) -> None:
    k = draw.draw(st.integers(1, len(values)))
    indices = (ctypes.c_uint16 * k)()
    chosen = draw.draw(st.sets(st.integers(0, len(values) - 1)))
    lowest = draw.draw(st.integers(-128, 128))
    mask = sum(1 << i for i in chosen).to_bytes(5, "little")
    topk_filter = TopkFilter((ctypes.c_uint8 * 5)(*mask), lowest)
    values_c = (ctypes.c_int8 * len(values))(*values)
    core.topk.restype = ctypes.c_uint16
    found = core.topk(values_c, ctypes.c_uint16(len(values)), ctypes.byref(topk_filter), indices, ctypes.c_uint16(k))
    best = sorted((i for i in chosen if values[i] >= lowest), key=lambda i: (-values[i], i))[:k]
    assert list(indices)[:found] == best


class Uart:
    """What the firmware wrote since this began."""

    def __init__(self, core: ctypes.CDLL) -> None:
        self.core = core
        self.length = ctypes.c_size_t.in_dll(core, "captured_length")
        self.length.value = 0

    def fails(self, fails: bool) -> None:
        ctypes.c_int.in_dll(self.core, "capture_fails").value = fails

    @property
    def bytes(self) -> bytes:
        return (ctypes.c_char * (1 << 20)).in_dll(self.core, "captured").raw[: self.length.value]


def send(core: ctypes.CDLL, size: int, value: bytes = b"x") -> int:
    record = Record()
    buffer = ctypes.create_string_buffer(b"\xee" * (size + 8))
    core.record_begin(ctypes.byref(record), buffer, ctypes.c_size_t(size), b"test")
    core.json_string(ctypes.byref(record.json), b"v", value)
    status = core.record_send(ctypes.byref(record))
    assert buffer.raw[size : size + 8] == b"\xee" * 8, "written beyond the end"
    return status


def test_records_are_exact_whatever_their_size_and_lost_ones_leave_a_gap(core: ctypes.CDLL) -> None:
    uart = Uart(core)
    lengths = [1, 2, 50, 300, 5000, 32768 - 32 - len('{"t":"test","v":""}')]
    for length in lengths:
        json_bytes = len('{"t":"test","v":""}') + length
        assert send(core, 32 + json_bytes + 1, b"x" * length) == 0
    assert [len(record["v"]) for record in read_records(uart.bytes)] == lengths
    assert core.record_dropped() == 0

    assert send(core, 32 + len('{"t":"test","v":"x"}'), b"x") == ERANGE
    assert send(core, 60000, b"x" * 32768) == ERANGE
    uart.fails(True)
    assert send(core, 100) == EIO
    uart.fails(False)
    assert core.record_dropped() == 3
    uart = Uart(core)
    assert send(core, 100) == 0
    assert uart.bytes.startswith(b"\n@BN1 %d " % (len(lengths) + 3))
    assert uart.bytes.endswith(b"}\n")


def test_log_lines_end_with_a_newline_however_long(core: ctypes.CDLL) -> None:
    uart = Uart(core)
    core.log_line(b"info", b"short")
    core.log_line(b"warn", b"x" * 152)
    core.log_line(b"warn", b"x" * 153)
    assert uart.bytes == b"[info] short\n[warn] " + b"x" * 152 + b"\n[warn] \n"


def test_foreign_text_in_a_log_line_is_cut_and_tamed(core: ctypes.CDLL) -> None:
    uart = Uart(core)
    line, text = ctypes.create_string_buffer(160), Text()
    core.log_begin(ctypes.byref(text), line, b"info")
    core.log_foreign(ctypes.byref(text), "a\n@BN1\x7f é".encode() + b"z" * 300)
    core.log_end(ctypes.byref(text))
    assert uart.bytes.startswith("[info] a??BN1? é".encode() + b"zzz")
    assert len(uart.bytes) == 160
    assert uart.bytes.endswith(b"z\n")
