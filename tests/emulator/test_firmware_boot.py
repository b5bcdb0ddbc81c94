"""The port to QEMU's mps3-an547: boot, card, clock, float mode, faults, exit; around a tiny network."""

from __future__ import annotations

import re
import shutil
import subprocess
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.support.resources import firmware_dir
from birdnet_deploy.toolchain.build import build_project
from tests.support.bn1 import read_records, signed
from tests.support.tiny import WINDOW, compile_host_app, expected_outputs, make_project
from tests.support.wav import data, fmt, riff, wav

MACHINE = ("-M", "mps3-an547", "-display", "none", "-monitor", "none", "-serial", "stdio")
pytestmark = pytest.mark.emulator
COUNTING = ("-icount", "shift=5,sleep=off", "-semihosting-config", "enable=on,target=native,arg=icount")
PLAIN = ("-semihosting-config", "enable=on,target=native")
Build = Callable[[str], Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Builds the tiny firmware with other code in place of the network's first check; gives the ELF."""

    def with_code(code: str) -> Path:
        project = make_project(tmp_path / "fw")
        source = project.path / "generated/network.c"
        text = source.read_text()
        source.write_text(text.replace("if (input[0] == -128) {\n        return BN_ENETWORK;\n    }", code))
        assert code in source.read_text()
        return build_project(project).elf

    return with_code


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_project(make_project(tmp_path_factory.mktemp("boot") / "fw")).elf


def boot(elf: Path, card: Path, files: Mapping[str, bytes], options: tuple[str, ...] = PLAIN) -> tuple[int, bytes]:
    """Gives QEMU's exit status and what came over the serial line."""
    card.mkdir(exist_ok=True)
    for name, content in files.items():
        (card / name).write_bytes(content)
    done = subprocess.run(
        ["qemu-system-arm", *MACHINE, *options, "-kernel", str(elf)],
        cwd=card,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    return done.returncode, done.stdout


def some_sound(samples: int, seed: int) -> np.ndarray:
    pcm = np.random.default_rng(seed).integers(-20000, 20000, samples, dtype=np.int16)
    pcm[0] = 1
    return pcm


def test_the_card_is_read_in_order_and_every_window_comes_back(elf: Path, tmp_path: Path) -> None:
    sounds = {f"{number:05d}.WAV": some_sound(samples, number) for number, samples in enumerate((64, 10, 200, 65), 1)}
    files = {name: wav(pcm) for name, pcm in sounds.items()}
    files |= {
        "00005.WAV": b"",
        "00006.WAV": riff(fmt(channels=2), data(some_sound(64, 9))),
        "00008.WAV": files["00001.WAV"],
    }
    status, output = boot(elf, tmp_path / "card", files)
    records = read_records(output)
    assert status == 0
    assert [record["t"] for record in records] == ["hello", *["inf"] * 10, "err", "err", "bye"]
    for record in records[1:11]:
        pcm = np.concatenate([sounds[record["file"]], np.zeros(WINDOW, np.int16)])
        assert signed(record["out"]) == expected_outputs(pcm[record["start"] : record["start"] + WINDOW])
        assert record["us"] is None
    assert [record["reason"] for record in records[11:13]] == ["is not a WAV file", "is not mono"]
    assert records[-1] == {"t": "bye", "windows": 10, "dropped": 0}


def test_the_same_application_says_the_same_on_the_host(elf: Path, tmp_path: Path) -> None:
    files = {"00001.WAV": wav(some_sound(500, 1)), "00002.WAV": b"no wav"}
    board = read_records(boot(elf, tmp_path / "card", files)[1])
    app = compile_host_app(make_project(tmp_path / "fw"), firmware_dir() / "port/host", tmp_path / "app")
    host = read_records(subprocess.run([app], cwd=tmp_path / "card", capture_output=True, check=True).stdout)
    for record in (*board, *host):
        record.pop("us", None)
        record.pop("boot", None)
    assert board == host


def test_an_empty_card_ends_at_once(elf: Path, tmp_path: Path) -> None:
    status, output = boot(elf, tmp_path / "card", {})
    assert status == 0
    assert [record["t"] for record in read_records(output)] == ["hello", "bye"]


def test_two_boots_have_two_ids(elf: Path, tmp_path: Path) -> None:
    ids = {read_records(boot(elf, tmp_path / "card", {})[1])[0]["boot"] for _ in range(3)}
    assert len(ids) == 3


def test_times_count_instructions_and_repeat_exactly(elf: Path, tmp_path: Path) -> None:
    files = {"00001.WAV": wav(some_sound(200, 3))}
    runs = [read_records(boot(elf, tmp_path / "card", files, COUNTING)[1])[1:] for _ in range(2)]
    assert runs[0] == runs[1]
    assert all(record["us"]["fe"] > 0 and record["us"]["nn"] > 0 for record in runs[0][:-1])


def test_an_elf_whose_folder_is_called_icount_has_no_clock(elf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "icount"
    folder.mkdir()
    shutil.copy(elf, folder / "firmware.elf")
    records = read_records(boot(folder / "firmware.elf", tmp_path / "card", {"00001.WAV": wav(some_sound(64, 1))})[1])
    assert records[1]["us"] is None


def test_the_clock_counts_on_beyond_the_timers_wrap(build: Build, tmp_path: Path) -> None:
    """SysTick wraps after 2^24 ticks, 524,288 us; with shift=5 QEMU gives an instruction 32 ns."""
    rounds = 40_000_000
    count = f"movw r0, #{rounds & 0xFFFF}\\n movt r0, #{rounds >> 16}\\n1: subs r0, #1\\n bne 1b"
    loop = f'__asm__ volatile("{count}" ::: "r0", "cc");'
    status, output = boot(build(loop), tmp_path / "card", {"00001.WAV": wav(some_sound(64, 1))}, COUNTING)
    assert status == 0
    expected = 2 * rounds * 0.032
    assert expected > 4 * 524_288
    assert read_records(output)[1]["us"]["nn"] == pytest.approx(expected, rel=1e-4)


def test_denormals_are_zero_in_scalar_and_vector_code(build: Build, tmp_path: Path) -> None:
    code = """
    volatile float small = 1e-30f, smaller = 1e-10f, denormal = 1e-40f;
    if (small * smaller != 0.0f || denormal * 1e10f != 0.0f) {
        return BN_ENETWORK;
    }"""
    records = read_records(boot(build(code), tmp_path / "card", {"00001.WAV": wav(some_sound(64, 1))})[1])
    assert [record["t"] for record in records] == ["hello", "inf", "bye"]


def test_the_commands_of_the_projects_readme_work(tmp_path: Path) -> None:
    project = make_project(tmp_path / "fw")
    blocks = re.findall(r"(?:^    .+\n)+", (project.path / "README.md").read_text(), re.MULTILINE)
    commands = [textwrap.dedent(block) for block in blocks]
    assert [command.split()[0] for command in commands] == ["make", "cd"]
    (project.path / "card").mkdir()
    (project.path / "card/00001.WAV").write_bytes(wav(some_sound(64, 1)))
    for command in commands:
        done = subprocess.run(["sh", "-ec", command], cwd=project.path, capture_output=True, check=True, timeout=60)
    assert [record["t"] for record in read_records(done.stdout)] == ["hello", "inf", "bye"]


FAULTS = {
    "an undefined instruction": ("__asm__ volatile(\"udf #1\");", "cfsr", 1 << 16),
    "a read from nowhere": ("output[0] = *(volatile int8_t *)0x0F000000;", "cfsr", 1 << 9),
    "a stack overflow": ("__asm__ volatile(\"1: push {r0-r7}\\n b 1b\" ::: \"memory\");", "cfsr", 1 << 20),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_f36_a_fault_ends_the_run_with_a_record_of_the_registers(build: Build, tmp_path: Path, name: str) -> None:
    code, register, bit = FAULTS[name]
    elf = build(code)
    status, output = boot(elf, tmp_path / "card", {"00001.WAV": wav(some_sound(64, 1))})
    records = read_records(output)
    assert status == 70
    assert [record["t"] for record in records] == ["hello", "fault"]
    fault = records[1]
    assert fault["kind"] == "hardfault"
    assert int(fault[register], 16) & bit
    if bit != 1 << 20:  # an overflow leaves no frame
        where = subprocess.run(
            ["arm-none-eabi-addr2line", "-f", "-e", elf, fault["pc"]],
            capture_output=True,
            text=True,
            check=True,
        )
        assert where.stdout.startswith("network_run\n")
        assert "generated/network.c" in where.stdout
