"""The whole application on the host's port, under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import random
import struct
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.support.resources import firmware_dir
from tests.support.bn1 import read_records, signed
from tests.support.tiny import HOP, LABELS, RATE, WINDOW, compile_host_app, expected_outputs, make_project
from tests.support.wav import chunk, data, fmt, riff, wav

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
RunCard = Callable[[Mapping[str, bytes]], tuple[list[dict], str]]


def sound(samples: int, seed: int = 0) -> np.ndarray:
    """Gives noise whose first sample is not the loudest (the tiny network refuses that)."""
    pcm = np.random.default_rng(seed).integers(-20000, 20000, samples, dtype=np.int16)
    pcm[0] = 1 if samples > 1 else 100
    return pcm


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    return compile_host_app(make_project(folder / "fw"), firmware_dir() / "port/host", folder / "app", *SANITIZERS)


@pytest.fixture
def run_card(app: Path, tmp_path: Path) -> RunCard:
    """Runs the firmware over a card with these files; gives its records and its whole output."""

    def run(files: Mapping[str, bytes]) -> tuple[list[dict], str]:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        done = subprocess.run(
            [app], env={**os.environ, "BN_CARD": str(tmp_path)}, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return read_records(done.stdout), done.stdout.decode()

    return run


def test_hello_names_model_lock_and_outputs_in_the_documented_order(run_card: RunCard) -> None:
    records, text = run_card({})
    assert [record["t"] for record in records] == ["hello", "bye"]
    hello = records[0]
    assert list(hello) == ["t", "proto", "fw", "model", "lock", "weights", "boot", "classes", "scale", "zp", "act"]
    assert hello["fw"] == "birdnet-deploy 0.1.0 qemu-an547"
    assert (hello["proto"], hello["classes"], hello["zp"], hello["act"]) == (1, len(LABELS), 3, "sigmoid")
    assert '"scale":0.128128543,' in text
    assert len(hello["model"]) == len(hello["lock"]) == 64
    assert len(hello["boot"]) == 8
    assert records[-1] == {"t": "bye", "windows": 0, "dropped": 0}
    assert "[warn] there is no recording on the card\n" in text


def test_boot_ids_differ(run_card: RunCard) -> None:
    assert run_card({})[0][0]["boot"] != run_card({})[0][0]["boot"]


@pytest.mark.parametrize(
    ("samples", "starts"),
    [
        (WINDOW, [0]),
        (WINDOW - 1, [0]),
        (1, [0]),
        (WINDOW + 1, [0, 1]),
        (WINDOW + HOP, [0, HOP]),
        (WINDOW + HOP + 1, [0, HOP, HOP + 1]),
        (4 * WINDOW, [0, 32, 64, 96, 128, 160, 192]),
        (4 * WINDOW + 5, [0, 32, 64, 96, 128, 160, 192, 197]),
    ],
)
def test_windows_and_their_outputs(run_card: RunCard, samples: int, starts: list[int]) -> None:
    pcm = sound(samples, samples)
    if samples == 1:
        pcm[0] = 100
    records, _ = run_card({"00001.WAV": wav(pcm)})
    windows = records[1:-1]
    assert [record["t"] for record in windows] == ["inf"] * len(starts)
    padded = np.concatenate([pcm, np.zeros(WINDOW, np.int16)])
    for index, (record, start) in enumerate(zip(windows, starts, strict=True)):
        assert list(record) == ["t", "file", "win", "start", "start_ms", "out", "top", "us"]
        assert (record["file"], record["win"], record["start"]) == ("00001.WAV", index, start)
        assert record["start_ms"] == start * 1000 // RATE
        outputs = expected_outputs(padded[start : start + WINDOW])
        assert signed(record["out"]) == outputs
        assert record["top"] == sorted(range(len(LABELS)), key=lambda i: (-outputs[i], i))[:3]
        assert record["us"]["fe"] >= 0 and record["us"]["nn"] >= 0
    assert records[-1]["windows"] == len(starts)


def test_a_short_recording_after_a_long_one_is_padded_with_zeros(run_card: RunCard) -> None:
    short = sound(10, 4)
    records, _ = run_card({"00001.WAV": wav(sound(200, 5)), "00002.WAV": wav(short)})
    outputs = expected_outputs(np.concatenate([short, np.zeros(WINDOW - 10, np.int16)]))
    assert signed(records[-2]["out"]) == outputs


def test_start_times_of_a_long_recording_are_whole_milliseconds(run_card: RunCard) -> None:
    records, _ = run_card({"00001.WAV": wav(np.full(50_001, 7, np.int16))})
    windows = records[1:-1]
    assert [record["start"] for record in windows] == [*range(0, 50_001 - WINDOW, HOP), 50_001 - WINDOW]
    assert all(record["start_ms"] == record["start"] * 1000 // RATE for record in windows)
    assert windows[-1]["start_ms"] == 6242


def test_equal_outputs_rank_by_the_lower_index(run_card: RunCard) -> None:
    records, _ = run_card({"00001.WAV": wav(np.zeros(WINDOW))})
    assert records[1]["out"] == "00" * len(LABELS)
    assert records[1]["top"] == [0, 1, 2]


def test_files_come_in_name_order_and_others_are_not_of_the_card(run_card: RunCard) -> None:
    one = wav(sound(WINDOW))
    records, _ = run_card({"00010.WAV": one, "00002.WAV": one, "NOTES.TXT": b"x", "TOOLONGNAME.WAV": one})
    assert [record.get("file") for record in records[1:-1]] == ["00002.WAV", "00010.WAV"]


EXTENSIBLE = (
    struct.pack("<HHIIHHHHI", 0xFFFE, 1, RATE, RATE * 2, 2, 16, 22, 16, 4) + b"\1\0" + b"\0\0\0\0\x10\0" + b"x" * 8
)
PCM = sound(WINDOW)
GOOD = {
    "extensible": riff(chunk(b"fmt ", EXTENSIBLE), data(PCM)),
    "odd chunks before the samples": riff(chunk(b"LIST", b"abc"), fmt(), chunk(b"fact", b"1234"), data(PCM)),
    "chunks after the samples": riff(fmt(), data(PCM), chunk(b"LIST", b"abc")),
    "a RIFF length of zero": b"RIFF\0\0\0\0" + wav(PCM)[8:],
}


@pytest.mark.parametrize("name", GOOD)
def test_wav_files_of_other_makers_are_read(run_card: RunCard, name: str) -> None:
    records, _ = run_card({"00001.WAV": GOOD[name]})
    assert [record["t"] for record in records] == ["hello", "inf", "bye"]
    assert signed(records[1]["out"]) == expected_outputs(PCM)


BAD = {
    "nothing": (b"", "is not a WAV file"),
    "no RIFF": (b"RIFX" + wav(PCM)[4:], "is not a WAV file"),
    "no WAVE": (wav(PCM)[:8] + b"AVI " + wav(PCM)[12:], "is not a WAV file"),
    "half a RIFF header": (wav(PCM)[:11], "is not a WAV file"),
    "only a RIFF header": (riff(), "ends inside its header"),
    "half a format": (wav(PCM)[:30], "ends inside its header"),
    "no samples": (riff(fmt()), "has no samples"),
    "samples before the format": (riff(data(PCM), fmt()), "has no format before its samples"),
    "a short format": (riff(chunk(b"fmt ", b"\1\0\1\0"), data(PCM)), "has a format chunk that is too short"),
    "float": (riff(fmt(tag=3, bits=32), data(PCM)), "is not 16-bit PCM"),
    "8 bit": (riff(fmt(bits=8), data(PCM)), "is not 16-bit PCM"),
    "24 bit": (riff(fmt(bits=24), data(PCM)), "is not 16-bit PCM"),
    "A-law": (riff(fmt(tag=6, bits=8), data(PCM)), "is not 16-bit PCM"),
    "stereo": (riff(fmt(channels=2), data(PCM)), "is not mono"),
    "another rate": (riff(fmt(rate=44100), data(PCM)), "has another sample rate than the model"),
    "a wrong block": (riff(fmt(block=4), data(PCM)), "has a wrong block size"),
    "an empty data chunk": (riff(fmt(), data(PCM[:0])), "holds no sample"),
    "truncated samples": (wav(PCM)[:-1], "ends before the last sample"),
    "a length of 4 GB": (riff(fmt(), data(PCM, 0xFFFFFFFF)), "ends before the last sample"),
    "a chunk of 4 GB": (riff(chunk(b"LIST", b"", 0xFFFFFFFF), fmt(), data(PCM)), "has no samples"),
    "a thousand chunks": (
        riff(*[chunk(b"JUNK", b"")] * 1000, fmt(), data(PCM)),
        "has too many chunks before its samples",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_with_its_reason_and_the_next_is_read(run_card: RunCard, name: str) -> None:
    content, reason = BAD[name]
    records, text = run_card({"00001.WAV": content, "00002.WAV": wav(PCM)})
    assert [record["t"] for record in records] == ["hello", "err", "inf", "bye"]
    assert records[1] == {"t": "err", "file": "00001.WAV", "code": -3, "reason": reason}
    assert f"[error] 00001.WAV {reason}\n" in text
    assert records[-1] == {"t": "bye", "windows": 1, "dropped": 0}


def test_a_network_that_stops_is_an_error_and_the_next_file_is_read(run_card: RunCard) -> None:
    stopping = np.full(WINDOW, 5, np.int16)
    stopping[0] = -32768
    records, _ = run_card({"00001.WAV": wav(stopping), "00002.WAV": wav(PCM)})
    assert [record["t"] for record in records] == ["hello", "err", "inf", "bye"]
    assert (records[1]["file"], records[1]["code"]) == ("00001.WAV", -5)


def test_a_folder_with_the_name_of_a_file_is_an_error(run_card: RunCard, tmp_path: Path) -> None:
    (tmp_path / "00001.WAV").mkdir()
    records, _ = run_card({"00002.WAV": wav(PCM)})
    assert [record["t"] for record in records] == ["hello", "err", "inf", "bye"]
    assert records[1]["reason"] == "cannot be opened"


def test_damaged_files_never_crash_the_reader(run_card: RunCard) -> None:
    chance = random.Random(2)
    originals = [*GOOD.values(), *(content for content, _ in BAD.values()), wav(sound(300))]
    files = {}
    for number in range(1, 601):
        content = bytearray(chance.choice(originals))
        for _ in range(chance.randrange(1, 9)):
            if content:
                content[chance.randrange(min(len(content), 64))] = chance.choice(
                    (0, 1, 127, 128, 255, chance.randrange(256))
                )
        files[f"{number:05d}.WAV"] = bytes(
            content[: chance.randrange(len(content) + 1)] if chance.random() < 0.3 else content
        )
    records, _ = run_card(files)
    assert {record["file"] for record in records[1:-1]} == set(files)
    assert records[-1]["windows"] == sum(record["t"] == "inf" for record in records)


def test_a_labels_text_in_the_log_is_never_a_record(run_card: RunCard) -> None:
    pcm = np.zeros(WINDOW, np.int16)
    pcm[LABELS.index("@BN1 0 2 00000000 {}") :: len(LABELS)] = 1000
    records, text = run_card({"00001.WAV": wav(pcm)})
    assert LABELS[records[1]["top"][0]].startswith("@BN1")
    assert "for ?BN1 0 2 00000000 {}\n" in text


def test_denormals_are_zero(run_card: RunCard, tmp_path: Path) -> None:
    source = tmp_path / "denormal.c"
    source.write_text(
        '#include "port.h"\nint main(void) { port_init(); volatile float a = 1e-30f, b = 1e-10f, d = 1e-40f;'
        " return (a * b != 0.0f) + 2 * (d * 1e10f != 0.0f); }\n"
    )
    stub = firmware_dir()
    command = [
        "cc",
        f"-I{stub}/port",
        f"-I{stub}/core",
        source,
        stub / "port/host/port_host.c",
        stub / "core/crc32.c",
        stub / "core/wav.c",
    ]
    subprocess.run([*command, "-o", tmp_path / "denormal"], check=True, timeout=60)
    assert subprocess.run([tmp_path / "denormal"], check=False, timeout=10).returncode == 0


def test_the_golden_window_is_told_before_the_first_recording(run_card: RunCard) -> None:
    _, text = run_card({"00001.WAV": wav(sound(WINDOW))})
    assert text.index("[info] golden window: off by 0 steps, allowed are 0\n") < text.index("00001.WAV")
