"""``monitor`` on a board that misbehaves: every fault's count, what is saved, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from birdnet_deploy.cli.monitor_view import PlainView
from birdnet_deploy.errors import ProtocolError
from birdnet_deploy.monitoring import MonitorRequest, monitor, result_json
from birdnet_deploy.readback.ports import Port
from birdnet_deploy.readback.watch import Limits
from birdnet_deploy.report.outputs import Wanted
from tests.support.field import ENV, ROOT, Monitor, field_device, objects
from tests.support.field_device import EXPECTED

REPLAY = ROOT / "tests/faults/streams"


def watched(scenario: str, folder: Path, *arguments: object, **changes: object) -> tuple[int, dict, list[dict], str]:
    """Exit code, JSON summary, saved objects and stderr of a monitor on a board."""
    save = folder / "f.jsonl"
    with field_device(scenario, folder, **changes) as board:
        monitor = Monitor(
            "--port", board.port, "--save", save, "--until", "bye", "--for", "30s", "--output-format", "json",
            *arguments,
        ).ready()  # fmt: skip
        board.go()
        code, out, err = monitor.end()
    return code, json.loads(out) if out else {}, objects(save) if save.exists() else [], err


FAULTS = {
    "f33": ("clean", "noise", "ansi", "half_lines", "bit_flips", "flips_repeated"),
    "f34": ("flood",),
    "f35": ("drops", "duplicates"),
    "f36": ("reset", "boot_loop"),
    "f37": ("replug", "replug_with_loss", "replug_with_reset", "unplugged"),
    "f38": ("silence",),
}


def counted(scenario: str, tmp_path: Path) -> None:
    """Every injected fault is counted, nothing is invented, and what is saved says whether it is all."""
    extra = {"silence": ["--silence", "1s"], "unplugged": ["--reconnect", "1s"]}.get(scenario, [])
    code, told, saved, err = watched(scenario, tmp_path, *extra)
    expected = dict(EXPECTED[scenario])
    assert code == expected.pop("exit"), err
    assert {key: told[key] for key in expected} == expected
    assert len(saved) == expected["windows"]
    assert len({(window["boot"], window["seq"]) for window in saved}) == len(saved)
    assert all(window.get("incomplete", False) == (code != 0) for window in saved)
    assert told["complete"] == told["readback"]["complete"] == (code == 0)
    assert told["readback"].items() <= told.items()
    lines = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(lines) == (code != 0) and all(" -> " in line for line in lines), err


def test_every_board_of_the_field_belongs_to_a_fault() -> None:
    assert sorted(name for names in FAULTS.values() for name in names) == sorted(EXPECTED)


@pytest.mark.parametrize("scenario", FAULTS["f33"])
def test_f33_noise_is_counted_and_good_records_are_exact(scenario: str, tmp_path: Path) -> None:
    counted(scenario, tmp_path)


@pytest.mark.parametrize("scenario", FAULTS["f34"])
def test_f34_a_flood_without_a_newline_costs_nothing(scenario: str, tmp_path: Path) -> None:
    counted(scenario, tmp_path)


@pytest.mark.parametrize("scenario", FAULTS["f35"])
def test_f35_gaps_are_listed_and_doubles_counted(scenario: str, tmp_path: Path) -> None:
    counted(scenario, tmp_path)


@pytest.mark.parametrize("scenario", FAULTS["f36"])
def test_f36_a_board_that_resets_is_told_apart(scenario: str, tmp_path: Path) -> None:
    counted(scenario, tmp_path)


@pytest.mark.parametrize("scenario", FAULTS["f37"])
def test_f37_a_board_that_goes_and_comes(scenario: str, tmp_path: Path) -> None:
    counted(scenario, tmp_path)


@pytest.mark.parametrize("scenario", FAULTS["f38"])
def test_f38_a_board_that_falls_silent(scenario: str, tmp_path: Path) -> None:
    counted(scenario, tmp_path)


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ("drops", "records 4, 9-11 are missing"),
        ("reset", "restarted once"),
        ("boot_loop", "restarted 40 times"),
        ("silence", "the last words"),
        ("unplugged", "did not come back within 1 s"),
    ],
)
def test_the_error_says_what_was_lost(scenario: str, says: str, tmp_path: Path) -> None:
    _, _, _, err = watched(scenario, tmp_path, "--silence", "3s", "--reconnect", "1s")
    assert says in err.splitlines()[-1]


def test_for_ends_a_board_that_never_says_bye(tmp_path: Path) -> None:
    started = time.monotonic()
    code, told, saved, err = watched("slow", tmp_path, "--for", "1s")
    assert time.monotonic() - started < 10
    assert (code, told["missing"]) == (8, 0)
    assert len(saved) == told["windows"] > 5
    assert "no bye: 1 s are over" in err


def test_the_form_of_scripts_with_the_bundle(tmp_path: Path, small_bundle: Path) -> None:
    config = json.loads((small_bundle / "model_config.json").read_text())
    identity = identity_in(small_bundle)
    code, told, saved, err = watched("duplicates", tmp_path, "--bundle", small_bundle, **identity)
    assert (code, told["duplicate"], len(saved)) == (0, 8, 20), err
    for win, window in enumerate(saved):
        assert {"file", "win", "start_s", "outputs", "scores", "seq"} <= set(window)
        assert (window["file"], window["win"], window["seq"]) == ("00001.WAV", win, win + 1)
        assert window["start_s"] == 4000 * win / config["sample_rate"]
        assert window["outputs"] == [win] + [127] * (identity["classes"] - 1)
        assert len(window["scores"]) == identity["classes"]


def identity_in(bundle: Path) -> dict:
    """What a board with a bundle's firmware says, by the command's own way into it."""
    from birdnet_deploy.bundle import open_bundle
    from birdnet_deploy.readback.identity import identity_of

    identity = identity_of(open_bundle(bundle))
    return {
        "model": identity.model_sha256, "lock": identity.lock_sha256, "classes": identity.classes,
        "scale": identity.scale, "zp": identity.zp, "act": identity.act,
    }  # fmt: skip


@pytest.mark.parametrize(("what", "value"), [("model", "ab" * 32), ("lock", "cd" * 32), ("zp", 77), ("proto", 9)])
def test_f32_another_model_lock_or_protocol_is_refused_and_old_files_stay(
    what: str, value: object, tmp_path: Path, small_bundle: Path
) -> None:
    save = tmp_path / "f.jsonl"
    save.write_text('{"old": 1}\n')
    changes = {**identity_in(small_bundle), what: value}
    code, _, saved, err = watched("clean", tmp_path, "--bundle", small_bundle, **changes)
    assert code == (8 if what == "proto" else 7)
    assert {"model": "another model", "lock": "another lock", "zp": "zp 77", "proto": "protocol 9"}[what] in err
    assert saved == [{"old": 1}]


def test_f30_two_processes_on_one_port(tmp_path: Path) -> None:
    with field_device("slow", tmp_path) as board:
        first = Monitor("--port", board.port, "--until", "bye").ready()
        board.go()
        started = time.monotonic()
        code, _, err = Monitor("--port", board.port).end()
        assert time.monotonic() - started < 5
        assert code == 7
        assert f"process {first.process.pid}" in err and "in use by" in err
        first.process.send_signal(signal.SIGINT)
        assert first.end()[0] == 130
        again = Monitor("--port", board.port, "--for", "1s")
        assert again.ready().end()[0] == 8  # the port was released; the middle of a run is incomplete


def test_f40_ctrl_c_keeps_what_came_and_shows_the_summary(tmp_path: Path) -> None:
    save = tmp_path / "f.jsonl"
    with field_device("slow", tmp_path) as board:
        monitor = Monitor("--port", board.port, "--save", save).ready()
        board.go()
        wait_for(lambda: save.exists() and save.stat().st_size > 500)
        monitor.process.send_signal(signal.SIGINT)
        code, out, _ = monitor.end()
    saved = objects(save)
    assert code == 130
    assert f"{len(saved)} windows saved to {save}" in out and "0 missing" in out
    assert saved and all(window["incomplete"] for window in saved)


def test_f23_a_killed_monitor_leaves_whole_lines(tmp_path: Path) -> None:
    save = tmp_path / "f.jsonl"
    with field_device("slow", tmp_path) as board:
        monitor = Monitor("--port", board.port, "--save", save).ready()
        board.go()
        wait_for(lambda: save.exists() and save.stat().st_size > 500)
        monitor.process.kill()
        monitor.end()
        assert [window["win"] for window in objects(save)][:2] == [0, 1]
        code, _, _ = Monitor("--port", board.port, "--for", "1s").ready().end()  # the lock of the dead holds nobody
        assert code == 8


def wait_for(condition: object, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_f40_a_closed_stdout_ends_it_quietly_or_lets_it_save(tmp_path: Path) -> None:
    for arguments, expected in (([], 0), (["--save", str(tmp_path / "f.jsonl")], 0)):
        command = [sys.executable, "-m", "birdnet_deploy", "monitor", "--replay", str(REPLAY / "clean.bin"), *arguments]
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(command, env=ENV, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
        os.close(writer)
        assert done.returncode == expected
        assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert len(objects(tmp_path / "f.jsonl")) == 3


@pytest.mark.parametrize("name", sorted(path.stem for path in REPLAY.glob("*.bin")))
def test_recorded_streams_give_what_was_written_down(name: str, tmp_path: Path) -> None:
    wanted = json.loads((REPLAY / f"{name}.json").read_text())
    save = tmp_path / "f.jsonl"
    request = MonitorRequest(
        replay=(str(REPLAY / f"{name}.bin"),), wanted=Wanted(save=save), limits=Limits(until_bye=True)
    )  # fmt: skip
    view = PlainView(taken=True, log_filter=None, stamped=False, saving=True)
    if "protocol" in wanted["says"]:
        with pytest.raises(ProtocolError, match="protocol 2"):
            monitor(request, view)
        return
    result = monitor(request, view)
    if wanted["exit"] == 7:  # without a bundle any model is welcome
        assert result.session.hello is not None and result.windows == 1
        return
    assert (result.failure.exit_code if result.failure else 0) == wanted["exit"]
    assert wanted["says"] in (result.failure.line if result.failure else "")
    told = result_json(result)
    assert {key: told[key] for key in wanted["counts"]} == wanted["counts"]
    assert [window["win"] for window in objects(save)] == wanted["wins"]


@pytest.mark.parametrize("arguments", [["--replay", "-"], ["--port", "-"]])
@pytest.mark.parametrize(("name", "code"), [("clean", 0), ("gap", 8)])
def test_stdin_is_read_as_a_file_is(arguments: list[str], name: str, code: int) -> None:
    with (REPLAY / f"{name}.bin").open("rb") as stream:
        assert Monitor(*arguments, stdin=stream).end()[0] == code


def test_f34_a_flood_of_100_mb_takes_bounded_memory(tmp_path: Path) -> None:
    """Peak memory of the same command on 1 MB and on 100 MB without a newline."""
    peaks = {}
    script = (
        "import resource, sys\nfrom birdnet_deploy.cli.main import entry\n"
        "try:\n    entry(['monitor', '--port', '-', '--output-format', 'json'])\n"
        "finally:\n    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    clean = (REPLAY / "clean.bin").read_bytes()
    for size in (1_000_000, 100_000_000):
        process = subprocess.Popen(
            [sys.executable, "-c", script], env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        block = b"\x55" * 1_000_000
        for _ in range(size // len(block)):
            process.stdin.write(block)
        out, err = process.communicate(clean)
        assert process.returncode == 0, err
        told = json.loads(out)
        assert (told["noise_bytes"], told["windows"]) == (size, 3)
        peaks[size] = int(err.split()[-1])
    assert peaks[100_000_000] - peaks[1_000_000] < 40_000, peaks  # kilobytes


@pytest.mark.shared
def test_real_logs_of_boards_are_noise(shared: Path, tmp_path: Path) -> None:
    clean = (REPLAY / "clean.bin").read_bytes()
    for log in sorted((shared / "st-examples/uart-logs").glob("*.log")):
        data = log.read_bytes()
        (tmp_path / "log.bin").write_bytes(data + b"\n" + clean)
        code, out, _ = Monitor("--replay", tmp_path / "log.bin", "--output-format", "json").end()
        told = json.loads(out)
        assert (code, told["windows"], told["corrupt"]) == (0, 3, 0)
        lines = data.replace(b"\r\n", b"\n").split(b"\n")
        assert abs(told["noise_bytes"] - sum(map(len, lines))) <= data.count(b"\r")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--port", "/dev/ttyNOBODY"], 7, "no such port"),
        (["--port", "auto"], 7, "no board found"),
        (["--port", "0483:*"], 7, "no board found"),
        (["--port", str(REPLAY / "clean.bin")], 7, "--replay"),
        (["--port", "socket://127.0.0.1:1"], 7, "start the other side first"),
        (["--port", "nonsense://x"], 7, "cannot be reached"),
        (["--replay", "/nowhere"], 2, "cannot be read"),
        (["--replay", "."], 2, "a folder without files"),
        (["--port", "-", "--bundle", "/nowhere"], 2, "no such bundle"),
        (["--port", "-", "--manifest", "/nowhere"], 2, "not the manifest"),
        (["--port", "-", "--save", "/nowhere/f"], 2, "no such folder"),
        (["--port", "-", "--raven", "f.txt"], 2, "--bundle"),
        (["--port", "-", "--csv", "--raw"], 2, "stdout"),
        (["--port", "-", "--csv", "--output-format", "json"], 2, "stdout"),
        (["--port", "-", "--for", "soon"], 2, "no duration"),
        (["--port", "-", "--log-filter", "("], 2, "regular expression"),
        (["--port", "-", "--threshold", "nan"], 2, "no number"),
    ],
)
def test_f29_what_cannot_be_done_ends_with_one_line(arguments: list[str], code: int, says: str, tmp_path: Path) -> None:
    done = Monitor(*arguments, stdin=subprocess.DEVNULL, cwd=tmp_path).end()
    assert done[0] == code, done
    assert says in done[2]
    assert not list(tmp_path.iterdir())


def test_a_terminal_of_somebody_else_is_not_taken_for_the_board(tmp_path: Path) -> None:
    """The system gives the number of a closed pseudo terminal to the next who asks."""
    from birdnet_deploy.readback.sources import LineOptions, LineSource

    link = tmp_path / "ttyBOARD"
    master, terminal = os.openpty()
    name = os.ttyname(terminal)
    link.symlink_to(name)
    source = LineSource(Port(str(link)), LineOptions())
    os.close(terminal)
    os.close(master)
    others = []
    while not others or os.ttyname(others[-1][1]) != name:  # until the number is given away
        others.append(os.openpty())
        source.close()
        assert len(others) < 50
    assert source.reopened(time.monotonic() + 0.5, lambda: False) is None
    link.unlink()
    link.symlink_to(name)  # now somebody says that this is the board
    again = source.reopened(time.monotonic() + 5, lambda: False)
    assert again is not None
    again.close()
    for ends in others:
        os.close(ends[0])
        os.close(ends[1])


def test_f37_a_board_is_found_again_by_its_serial_number(tmp_path: Path) -> None:
    """The same port of USB serial number SN1 under another name; enumeration is told by a file here."""
    from birdnet_deploy.readback.sources import LineOptions, LineSource

    def port(name: str, number: str = "SN1") -> Port:
        return Port(str(tmp_path / name), 0x0483, 0x374E, number, "STLINK-V3", "1-1:1.2")

    masters = {}
    for name in ("ttyACM0", "ttyACM1", "ttyACM2"):
        masters[name], terminal = os.openpty()
        (tmp_path / name).symlink_to(os.ttyname(terminal))
    here = [port("ttyACM0")]
    source = LineSource(here[0], LineOptions(), find=lambda: here)
    os.close(masters.pop("ttyACM0"))
    here[:] = [port("ttyACM1", "SN2"), port("ttyACM2")]
    again = source.reopened(time.monotonic() + 5, lambda: False)
    assert again is not None and again.name.endswith("ttyACM2")
    os.write(masters["ttyACM2"], b"hello")
    assert again.read() == b"hello"
    here[:] = [port("ttyACM1", "SN2")]
    assert again.reopened(time.monotonic() + 0.3, lambda: False) is None
    again.close()
    for master in masters.values():
        os.close(master)
