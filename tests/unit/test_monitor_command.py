"""What ``monitor`` shows and writes beside the counts: names, tables, raw bytes, filters, the live view."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from birdnet_deploy.artifacts import NPU_MODEL_FILE, PROLOGUE_FILE
from birdnet_deploy.support.hashes import sha256_file
from tests.support.bn1_streams import bye, hello, run, sent, streams, window
from tests.support.field import ENV, ROOT, Monitor, objects
from tests.support.prologue_bundles import with_prologue

CLEAN = ROOT / "tests/faults/streams/clean.bin"


def replay(data: bytes, tmp_path: Path, *arguments: object) -> tuple[int, str, str]:
    (tmp_path / "in.bin").write_bytes(data)
    return Monitor("--replay", tmp_path / "in.bin", *arguments).end()


def test_text_shows_the_board_the_detections_and_the_summary(tmp_path: Path) -> None:
    code, out, _ = replay(CLEAN.read_bytes(), tmp_path, "--top-k", "1")
    assert code == 0
    assert "hello from birdnet-deploy 0.1.0 test, model 111111111111, boot 0000b001" in out
    assert "00001.WAV 0.50 s  class 1  1.000" in out
    assert "records: 5 intact, 0 corrupt, 0 missing, 0 duplicate, 0 rejected; 0 restarts; 0 noise bytes" in out
    assert out.count("class") == 3


def test_log_lines_pass_through_cleaned_and_filtered(tmp_path: Path) -> None:
    log = (
        b"\x1b[31merror: card\x1b[0m \x07gone\r\n"
        + sent(5, {"t": "log", "level": "warn", "text": "hot"})
        + b"info: x\n"
    )
    first, *rest = run()
    data = first + log + b"".join(rest)
    data = data.replace(sent(5, {"t": "log", "level": "warn", "text": "hot"}), b"") + b""
    assert replay(data, tmp_path)[1].count("error: card .gone") == 1
    shown = replay(data, tmp_path, "--log-filter", "^error")[1]
    assert "error: card" in shown and "info: x" not in shown and "hello from" in shown
    hidden = replay(data, tmp_path, "--log-filter", "!^error")[1]
    assert "error: card" not in hidden and "info: x" in hidden


def test_log_err_and_fault_records_are_shown(tmp_path: Path) -> None:
    bodies = [
        hello(), {"t": "log", "level": "warn", "text": "hot"}, {"t": "err", "file": "00002.WAV", "code": -3},
        {"t": "stat", "up_ms": 1000, "dropped": 0}, {"t": "fault", "kind": "hardfault", "cfsr": "02000000"},
    ]  # fmt: skip
    data = b"".join(sent(seq, body) for seq, body in enumerate(bodies))
    code, out, err = replay(data, tmp_path)
    assert code == 8
    assert "warn: hot" in out and "error: file=00002.WAV code=-3" in out and "division by zero" in out
    assert "the firmware crashed" in err


def test_what_is_lost_is_said_when_it_happens(tmp_path: Path) -> None:
    first, *windows, last = run(6)
    second = [sent(0, hello(boot="0000b002")), sent(2, window(1)), sent(3, window(2, top=[9]))]
    flips = windows[1][:60] + b"#" + windows[1][61:]
    data = first + windows[0] + flips + windows[2] + windows[5] + b"".join(second) + sent(9, bye(6))
    err = replay(data, tmp_path)[2]
    notes = [line for line in err.splitlines() if line.startswith("-- ")][1:]
    expected = [
        "corrupt record 2 (wrong CRC): @BN1 2 ", "records 2 are missing", "records 4-5 are missing",
        "the board has restarted", "records 1 are missing", "rejected record 3, top is [9]", "records 4-8 are missing",
    ]  # fmt: skip
    assert len(notes) == len(expected)
    assert [note[3:].startswith(wanted) for note, wanted in zip(notes, expected, strict=True)] == [True] * 7


def test_lines_of_a_live_source_have_timestamps() -> None:
    with CLEAN.open("rb") as stream:
        out = Monitor("--port", "-", stdin=stream).end()[1]
    assert re.search(r"^\d\d:\d\d:\d\d\.\d\d\d hello from", out, re.MULTILINE)


def test_csv_and_raw_go_to_stdout_alone_or_to_files(tmp_path: Path) -> None:
    code, out, err = replay(CLEAN.read_bytes(), tmp_path, "--csv", "--threshold", "0.9")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0 and [row["win"] for row in rows] == ["0", "1", "2"]
    assert "records: 5 intact" in err
    done = subprocess.run(
        [sys.executable, "-m", "birdnet_deploy", "monitor", "--replay", str(CLEAN), "--raw"],
        env=ENV, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == CLEAN.read_bytes()
    noisy = streams()["boot_noise_and_half_lines"][0]
    replay(noisy, tmp_path, "--raw", tmp_path / "raw.bin", "--csv", tmp_path / "d.csv")
    assert (tmp_path / "raw.bin").read_bytes() == noisy
    assert (tmp_path / "d.csv").read_text().startswith('"file","win"')
    assert Monitor("--replay", tmp_path / "raw.bin").end()[0] == 0


def test_a_card_with_rotated_logs_is_read_as_one_stream(tmp_path: Path) -> None:
    """The cut between two files may go through a record."""
    data, folder = b"".join(run(20)), tmp_path / "logs"
    folder.mkdir()
    for number in range(4):
        (folder / f"BN1_{number:04d}.LOG").write_bytes(data[number * 900 : (number + 1) * 900 if number < 3 else None])
    code, out, _ = Monitor("--replay", folder, "--output-format", "json").end()
    assert (code, json.loads(out)["intact"]) == (0, 22)
    names = sorted(folder.iterdir())
    code, out, _ = Monitor("--replay", names[0], "--replay", names[1], "--output-format", "json").end()
    assert (code, json.loads(out)["corrupt"]) == (8, 1)


def test_a_manifest_names_the_originals(tmp_path: Path) -> None:
    manifest = {"schema_version": 1, "sample_rate": 2000, "files": [{"name": "00001.WAV", "original": "a/é.wav"}]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    save = tmp_path / "f.jsonl"
    assert replay(CLEAN.read_bytes(), tmp_path, "--manifest", tmp_path / "manifest.json", "--save", save)[0] == 0
    assert {(window["file"], window["start_s"]) for window in objects(save)} == {
        ("a/é.wav", 0.0), ("a/é.wav", 2.0), ("a/é.wav", 4.0),
    }  # fmt: skip


def test_tables_of_others_need_the_bundle_and_have_its_labels(tmp_path: Path, small_bundle: Path) -> None:
    from birdnet_deploy.bundle import open_bundle
    from birdnet_deploy.readback.identity import identity_of

    bundle = open_bundle(small_bundle)
    identity = identity_of(bundle)
    said = hello(
        model=identity.model_sha256, lock=identity.lock_sha256, classes=identity.classes, scale=identity.scale,
        zp=identity.zp, act=identity.act,
    )  # fmt: skip
    out = "7f" + "80" * (identity.classes - 1)
    data = sent(0, said) + sent(1, window(0, out=out, top=[0])) + sent(2, bye(1))
    code, shown, err = replay(
        data, tmp_path, "--bundle", small_bundle, "--raven", tmp_path / "r.txt", "--birdnet", tmp_path / "b.csv"
    )
    assert code == 0, err
    assert bundle.labels[0] in shown
    raven = (tmp_path / "r.txt").read_text().splitlines()
    seconds = bundle.config.window_samples / bundle.config.sample_rate
    cells = raven[1].split("\t")
    assert cells[3:7] == ["0", f"{seconds:g}", "0", str(bundle.config.sample_rate // 2)]
    assert cells[7:9] == [bundle.labels[0].split("_")[1], bundle.labels[0]]
    assert cells[7] in (tmp_path / "b.csv").read_text().splitlines()[1]


def test_a_board_with_a_prologue_is_that_of_its_bundle(tmp_path: Path, small_bundle: Path) -> None:
    from birdnet_deploy.bundle import open_bundle
    from birdnet_deploy.readback.identity import identity_of

    folder = with_prologue(small_bundle, tmp_path / "bundle")
    identity = identity_of(open_bundle(folder))
    said = hello(
        model=identity.model_sha256, lock=identity.lock_sha256, classes=identity.classes, scale=identity.scale,
        zp=identity.zp, act=identity.act,
    )  # fmt: skip
    both = {"npu": sha256_file(folder / NPU_MODEL_FILE), "prologue": sha256_file(folder / PROLOGUE_FILE)}
    for more, wanted in ((both, 0), ({}, 7), ({**both, "prologue": "0" * 64}, 7)):
        data = sent(0, {**said, **more}) + sent(1, bye(0))
        code, _, err = replay(data, tmp_path, "--bundle", folder)
        assert code == wanted, err


def test_a_socket_is_read_and_its_reconnection(tmp_path: Path) -> None:
    records = run()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            for part in (b"".join(records[:2]), b"".join(records[2:])):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(part)
                    time.sleep(0.3)

        thread = threading.Thread(target=serve)
        thread.start()
        code, out, err = Monitor(
            "--port", f"socket://127.0.0.1:{port}", "--until", "bye", "--for", "20s", "--output-format", "json"
        ).end()
        thread.join()
    assert code == 0, err
    assert json.loads(out)["intact"] == 5
    assert "is gone, waiting for it" in err and "is back" in err


def test_several_boards_are_asked_for_on_a_terminal(tmp_path: Path) -> None:
    """The menu, with an enumeration that a file tells: two boards whose ports are terminals of this test."""
    masters, names = [], []
    for _ in range(2):
        master, terminal = os.openpty()
        masters.append(master)
        names.append(os.ttyname(terminal))
    code = f"""
import sys
from serial.tools import list_ports, list_ports_common
def port(name, number):
    info = list_ports_common.ListPortInfo(name)
    info.vid, info.pid, info.serial_number, info.product = 0x0483, 0x374e, number, "STLINK-V3"
    return info
list_ports.comports = lambda: [port({names[0]!r}, "AAAA"), port({names[1]!r}, "BBBB")]
from birdnet_deploy.cli.main import entry
entry(["monitor", "--until", "bye", "--for", "20s"])
"""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-c", code], {**ENV, "TERM": "dumb"})
    said = until(terminal, b"which board")
    assert b"AAAA" in said and b"BBBB" in said
    os.write(terminal, b"2\n")
    until(terminal, b"reading")
    os.write(masters[1], b"".join(run()))
    until(terminal, b"5 intact")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENV, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 7 and b"2 boards fit" in done.stderr


def until(terminal: int, wanted: bytes) -> bytes:
    said, deadline = b"", time.monotonic() + 20
    while wanted not in said:
        assert time.monotonic() < deadline, said
        if select.select([terminal], [], [], 0.1)[0]:
            said += os.read(terminal, 65536)
    return said


def test_a_live_view_without_a_source_ends_with_one_line() -> None:
    child, terminal = pty.fork()
    if child == 0:
        environment = {key: value for key, value in ENV.items() if key != "NO_COLOR"}
        words = ["-m", "birdnet_deploy", "monitor", "--port", "/dev/ttyNOBODY"]
        os.execve(sys.executable, [sys.executable, *words], {**environment, "TERM": "xterm"})
    said = until(terminal, b"cable and name")
    assert b"Traceback" not in said and said.startswith(b"error: /dev/ttyNOBODY")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_the_live_view_shows_the_board_bars_and_counts(tmp_path: Path) -> None:
    board, far = os.openpty()
    child, terminal = pty.fork()
    if child == 0:
        words = ["monitor", "--port", os.ttyname(far), "--until", "bye", "--for", "20s"]
        environment = {key: value for key, value in ENV.items() if key != "NO_COLOR"}
        os.execve(sys.executable, [sys.executable, "-m", "birdnet_deploy", *words], {**environment, "TERM": "xterm"})
    until(terminal, b"waiting for the board")
    records = run()
    os.write(board, records[0] + sent(1, {"t": "stat", "up_ms": 3_725_000, "dropped": 2, "temp_mc": 41_500}))
    os.write(board, b"info: [bold]markup[/bold]\n" + records[2])
    said = until(terminal, b"dropped by the board")
    for wanted in ("birdnet-deploy 0.1.0 test", "up 1:02:05", "41.5 °C", "█" * 24, "class 1", "3 intact"):
        assert wanted.encode() in said, wanted
    assert b"[bold]markup[/bold]" in said
    os.write(board, sent(3, {"t": "bye", "windows": 1, "dropped": 0}))
    until(terminal, b"4 intact")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("60s", 60), ("10m", 600), ("1h30m", 5400), ("500ms", 0.5)])
def test_durations_are_read(text: str, seconds: float) -> None:
    from birdnet_deploy.cli.monitor import Duration

    assert Duration().convert(text, None, None) == seconds


def test_what_is_read_is_never_written(tmp_path: Path) -> None:
    recorded = tmp_path / "in.bin"
    link = tmp_path / "link"
    link.symlink_to(recorded)
    for option in ("--save", "--raw", "--csv"):
        code, _, err = replay(CLEAN.read_bytes(), tmp_path, option, link)
        assert code == 2 and "is what is read" in err
        assert recorded.read_bytes() == CLEAN.read_bytes()
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "BN000001.LOG").write_bytes(CLEAN.read_bytes())
    assert Monitor("--replay", logs, "--save", logs / "f.jsonl").end()[0] == 2
    assert [file.name for file in logs.iterdir()] == ["BN000001.LOG"]


def test_two_options_never_write_one_file(tmp_path: Path) -> None:
    code, _, err = replay(CLEAN.read_bytes(), tmp_path, "--save", tmp_path / "f", "--csv", tmp_path / "f")
    assert code == 2 and "two options" in err
    assert not (tmp_path / "f").exists()
    assert replay(CLEAN.read_bytes(), tmp_path, "--save", os.devnull, "--csv", os.devnull)[0] == 0


@pytest.mark.parametrize("option", ["--csv", "--raw"])
def test_a_table_is_written_on_where_nobody_reads_stdout(tmp_path: Path, option: str) -> None:
    windows = 4000
    bodies = [hello(), *(window(win, out="007f80ff") for win in range(windows)), bye(windows)]
    data = b"".join(sent(seq, body) for seq, body in enumerate(bodies))
    (tmp_path / "in.bin").write_bytes(data)
    monitor = Monitor("--replay", tmp_path / "in.bin", option, tmp_path / "f", "--top-k", "1")
    assert monitor.process.stdout is not None and monitor.process.stdout.readline()
    monitor.process.stdout.close()
    assert monitor.process.wait(60) == 0
    saved = (tmp_path / "f").read_bytes()
    assert saved == data if option == "--raw" else saved.count(b"\n") == windows + 1


@pytest.mark.parametrize(
    "manifest",
    [
        {"files": [], "sample_rate": -8000},
        {"files": [{"name": "00001.WAV", "original": ["a"]}], "sample_rate": 8000},
        {"files": [{"name": "00001.WAV", "original": name} for name in "ab"], "sample_rate": 8000},
    ],
)
def test_a_manifest_that_would_give_wrong_names_or_times_is_refused(tmp_path: Path, manifest: object) -> None:
    (tmp_path / "m.json").write_text(json.dumps(manifest), encoding="utf-8")
    code, _, err = replay(CLEAN.read_bytes(), tmp_path, "--manifest", tmp_path / "m.json")
    assert code == 2 and "not the manifest of a card" in err
