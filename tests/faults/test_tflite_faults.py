"""F14: malformed and hostile ``.tflite`` files give ModelError, or a model that every rule can take."""

from __future__ import annotations

import random
import struct
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from birdnet_deploy.errors import ModelError
from birdnet_deploy.npu.check import check_subject
from birdnet_deploy.npu.data import DEFAULT_TARGET, read_target
from birdnet_deploy.npu.subject import Subject
from birdnet_deploy.tflite.reader import read_model
from tests.support.command import fail
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]
WILD = (0, 1, 3, 4, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC, 1 << 20)


def outcome(data: bytes) -> str:
    """Reads and checks; says how it ended. Any error but ModelError from the reader fails the test."""
    try:
        model = read_model(data)
    except ModelError as error:
        assert "\n" not in error.line
        return "refused"
    check_subject(Subject(Path("fuzzed.tflite"), model, read_target(DEFAULT_TARGET), None))
    return "read"


def flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwritten(data: bytes, rng: random.Random) -> bytes:
    """Puts wild 32-bit values where offsets, lengths and counts are."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        struct.pack_into("<I", changed, rng.randrange(0, len(changed) - 4) & ~3, rng.choice(WILD))
    return bytes(changed)


def spliced(data: bytes, rng: random.Random) -> bytes:
    start, stop = sorted(rng.randrange(len(data)) for _ in range(2))
    at = rng.randrange(len(data))
    return data[:at] + data[start:stop] + data[at:]


def mutations(data: bytes, seed: int, count: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    for _ in range(count):
        yield rng.choice((flipped, flipped, overwritten, spliced))(data, rng)


def count_outcomes(files: Iterator[bytes]) -> Counter[str]:
    started = time.monotonic()
    counts = Counter(outcome(data) for data in files)
    assert time.monotonic() - started < 60
    return counts


@pytest.mark.parametrize("name", ["good", "hybrid", "attention", "float_io"])
def test_mutated_files_are_refused_or_read(tflite_models: Path, name: str) -> None:
    counts = count_outcomes(mutations((tflite_models / f"{name}.tflite").read_bytes(), 20, 2000))
    assert counts["refused"] > 400
    assert counts["read"] > 200  # else the mutations no longer reach what comes behind the first checks


@pytest.mark.shared
def test_mutations_of_the_real_models(shared: Path) -> None:
    for name in ("anchor_int8.tflite", "birdnet_stm32n6_100.tflite"):
        counts = count_outcomes(mutations((shared / "models" / name).read_bytes(), 21, 150))
        assert counts["read"] > 20


def test_every_truncation_is_refused_or_read(tflite_models: Path) -> None:
    data = (tflite_models / "good.tflite").read_bytes()
    counts = Counter(outcome(data[:length]) for length in range(0, len(data), 3))
    assert counts["refused"] > len(data) // 3 - 20


def test_every_32_bit_word_set_to_a_wild_offset(tflite_models: Path) -> None:
    data = (tflite_models / "good.tflite").read_bytes()
    for at in range(0, len(data) - 4, 4):
        for value in (0xFFFFFFFF, 0x7FFFFFFF, len(data) - at):
            outcome(data[:at] + struct.pack("<I", value) + data[at + 4 :])


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_bytes_behind_the_identifier(tail: bytes) -> None:
    assert outcome(b"\x10\0\0\0TFL3" + tail) == "refused"


def test_f14_malformed_files_at_the_command_line(tflite_models: Path, tmp_path: Path) -> None:
    data = (tflite_models / "good.tflite").read_bytes()
    files = {
        "empty": b"",
        "eight bytes": b"\x08\0\0\0TFL3",
        "wild root": b"\xff\xff\xff\x7fTFL3" + bytes(64),
        "half": data[: len(data) // 2],
        "another format": b"PK\x03\x04" + bytes(1000),
    }
    for name, content in files.items():
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(content)
        error = fail(3, "validate", path, timeout=10)
        assert str(path) in error
        assert error.count("\n") == 1


def test_f02_paths_that_are_not_there(tmp_path: Path) -> None:
    assert "absent.tflite" in fail(2, "validate", tmp_path / "absent.tflite")
    assert "birdnet-deploy validate" in fail(2, "validate", tmp_path)
    assert "birdnet-deploy validate" in fail(2, "validate", cwd=tmp_path)
    keras = tmp_path / "model.keras"
    keras.write_bytes(b"")
    assert "not a readable .keras archive (empty)" in fail(3, "validate", keras)
