"""Building projects: the ELF, the host's frontend, and what goes wrong there."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.artifacts import Project
from birdnet_deploy.audio.frontend import features_of_pcm
from birdnet_deploy.errors import BuildError, ToolchainError, UsageError
from birdnet_deploy.project.open import open_project
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.toolchain import build as build_module
from birdnet_deploy.toolchain.build import build_project, first_error, open_firmware
from birdnet_deploy.toolchain.elf import read_sizes
from birdnet_deploy.toolchain.host import build_host_frontend
from tests.support.fault_processes import descendants, wait_until
from tests.support.script import script
from tests.support.tiny import CONFIG, WINDOW, make_project

BUILD = (
    "import sys, pathlib\n"
    "from birdnet_deploy.project.open import open_project\n"
    "from birdnet_deploy.toolchain.build import build_project\n"
    "build_project(open_project(pathlib.Path(sys.argv[1])))"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("built") / "fw")
    build_project(project)
    return project


@pytest.fixture
def project(built: Project, tmp_path: Path) -> Project:
    """A copy of a project that is built; files keep their times."""
    shutil.copytree(built.path, tmp_path / "fw")
    return open_project(tmp_path / "fw")


def test_a_compiler_without_its_c_library(project: Project, tmp_path: Path) -> None:
    answer = 'case "$1" in --version) echo "gcc (x) 12.2.1";; -dumpmachine) echo arm-none-eabi;; *) echo libc.a;; esac'
    gcc = script(tmp_path / "gcc", answer)
    with pytest.raises(ToolchainError, match="libnewlib-arm-none-eabi"):
        build_project(project, tools={"arm-none-eabi-gcc": gcc})


def test_a_compiler_for_another_machine(project: Project) -> None:
    with pytest.raises(ToolchainError, match="not arm-none-eabi"):
        build_project(project, tools={"arm-none-eabi-gcc": Path(shutil.which("gcc"))})


def test_f27_an_elf_has_the_same_bytes_from_any_folder(built: Project, tmp_path: Path) -> None:
    elsewhere = make_project(tmp_path / "it's another name, with (odd) & $PATH characters")
    firmware = build_project(elsewhere)
    assert firmware.sha256 == sha256_file(built.build_dir / "firmware.elf")
    assert firmware.elf == elsewhere.build_dir / "firmware.elf"
    assert firmware.text_bytes > 1000 and firmware.bss_bytes > 32_768
    assert str(tmp_path).encode() not in firmware.elf.read_bytes()


def test_sizes_are_those_of_binutils(project: Project) -> None:
    firmware = build_project(project)
    output = subprocess.run(["arm-none-eabi-size", firmware.elf], capture_output=True, text=True, check=True).stdout
    sizes = [firmware.text_bytes, firmware.data_bytes, firmware.bss_bytes]
    assert sizes == [int(number) for number in output.splitlines()[1].split()[:3]]
    assert open_firmware(project).sha256 == firmware.sha256 == sha256_file(firmware.elf)


def test_a_project_that_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="birdnet-deploy build"):
        open_firmware(make_project(tmp_path / "fw"))


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + b"\0" * 60, b"\x7fELF\x01\x01" + b"\xff" * 60]
)
def test_an_elf_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "firmware.elf").write_bytes(content)
    with pytest.raises(BuildError, match="not an ELF"):
        read_sizes(tmp_path / "firmware.elf")


def test_make_by_hand_gives_the_same_elf(project: Project) -> None:
    reference = sha256_file(project.build_dir / "firmware.elf")
    subprocess.run(["make", "-s", "clean"], cwd=project.path, check=True, timeout=60)
    assert not project.build_dir.exists()
    subprocess.run(["make", "-s", "-j2"], cwd=project.path, check=True, timeout=60)
    assert sha256_file(project.build_dir / "firmware.elf") == reference


def compiled(project: Project) -> list[str]:
    log = (project.build_dir / "build.log").read_text()
    return re.findall(r" -c (\S+\.c) -o ", log)


def test_an_unchanged_project_compiles_nothing_and_an_edited_weight_one_file(project: Project) -> None:
    before = build_project(project)
    assert compiled(project) == []
    weights = project.path / "generated/network_weights.c"
    weights.write_text(weights.read_text().replace("{1, ", "{2, "))
    after = build_project(project)
    assert compiled(project) == ["generated/network_weights.c"]
    assert after.sha256 != before.sha256


def test_an_edited_header_compiles_what_includes_it(project: Project) -> None:
    header = project.path / "generated/app_config.h"
    header.write_text(header.read_text().replace("APP_TOP_K 3", "APP_TOP_K 2"))
    build_project(project)
    assert "app/report.c" in compiled(project) and "core/wav.c" not in compiled(project)


def test_a_compile_error_leaves_no_elf_and_shows_its_first_line(project: Project) -> None:
    source = project.path / "generated/network.c"
    source.write_text(source.read_text() + "int wrong(void) { return nonsense; }\n")
    with pytest.raises(BuildError) as caught:
        build_project(project)
    assert re.search(r"generated/network.c:\d+:\d+: error: .nonsense. undeclared", caught.value.line)
    assert str(project.build_dir / "build.log") in caught.value.line
    assert not list(project.path.rglob("*.elf"))


def test_a_compile_error_of_make_by_hand_leaves_no_elf(project: Project) -> None:
    with (project.path / "app/app.c").open("a") as source:
        source.write("#error broken\n")
    done = subprocess.run(["make", "-s"], cwd=project.path, capture_output=True, check=False, timeout=60)
    assert done.returncode != 0
    assert not list(project.path.rglob("*.elf"))


@pytest.mark.parametrize(
    ("line", "region"),
    [
        ("const int8_t huge[9000000] = {1};", "QSPI"),
        ("int8_t huge[5000000];", "SRAM"),
        ("__attribute__((section(\".text.huge\"))) const int8_t huge[600000] = {1};", "ITCM"),
    ],
)  # fmt: skip
def test_f26_what_does_not_fit_names_the_region(project: Project, line: str, region: str) -> None:
    source = project.path / "generated/network.c"
    text = source.read_text().replace("input[0] == -128", "input[0] == -128 && huge[input[1]]")
    source.write_text(text.replace("static int8_t input", f"{line}\nstatic int8_t input"))
    with pytest.raises(BuildError) as caught:
        build_project(project)
    assert re.search(rf"region `{region}' overflowed by \d+ bytes", caught.value.line)
    assert not list(project.path.rglob("*.elf"))


def test_a_date_in_the_sources_is_refused(project: Project) -> None:
    with (project.path / "app/app.c").open("a") as source:
        source.write("const char *app_date = __DATE__;\n")
    with pytest.raises(BuildError, match="reproducible"):
        build_project(project)


def test_f28_a_make_that_says_nothing_and_makes_nothing(project: Project, tmp_path: Path) -> None:
    make = script(tmp_path / "make", "echo GNU Make 4.3")
    (project.build_dir / "firmware.elf").unlink()
    with pytest.raises(BuildError, match="without an ELF"):
        build_project(project, tools={"make": make})


def test_f28_a_hanging_make_leaves_no_elf(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = script(tmp_path / "make", '[ "$1" = --version ] && echo GNU Make 4.3 || sleep 60')
    monkeypatch.setattr(build_module, "_BUILD_TIMEOUT_S", 1.0)
    with pytest.raises(ToolchainError, match="still busy"):
        build_project(project, tools={"make": make})
    assert not list(project.path.rglob("*.elf"))


def test_missing_tools_are_told_before_anything_is_touched(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = sha256_file(project.build_dir / "firmware.elf")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ToolchainError, match="libnewlib-arm-none-eabi"):
        build_project(project)
    assert sha256_file(project.build_dir / "firmware.elf") == reference


def test_the_line_of_a_log_that_says_most(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("gcc -c a.c\na.c:1:2: warning: x\na.c:3:4: error: y\na.c:5:6: error: z\nmake: *** [a.o] Error 1\n")
    assert first_error(log) == "a.c:3:4: error: y"
    linking = "/usr/lib/bin/ld: a.o: in function `f':\na.c:1: undefined reference to `g'\n"
    log.write_text(linking + "collect2: error: ld returned 1 exit status\n")
    assert first_error(log) == "a.c:1: undefined reference to `g'"
    log.write_text("make: *** No rule to make target 'x'.  Stop.\n")
    assert first_error(log) == "make: *** No rule to make target 'x'.  Stop."
    log.write_text("")
    assert first_error(log) == "make failed and said nothing"


def features_in_c(library: Path, pcm: np.ndarray) -> np.ndarray:
    loaded = ctypes.CDLL(str(library))
    features = np.zeros(WINDOW, np.float32)
    loaded.frontend_run(pcm.ctypes.data_as(ctypes.c_void_p), features.ctypes.data_as(ctypes.c_void_p))
    return features


def test_the_hosts_frontend_is_the_projects(project: Project) -> None:
    library = build_host_frontend(project)
    assert library.parent == project.build_dir / "host"
    pcm = np.random.default_rng(3).integers(-20000, 20000, WINDOW, dtype=np.int16)
    assert features_in_c(library, pcm).tobytes() == features_of_pcm(pcm, CONFIG).tobytes()


def test_the_hosts_frontend_is_made_once_and_again_where_a_source_changed(project: Project) -> None:
    library = build_host_frontend(project)
    made = library.stat().st_mtime_ns
    assert build_host_frontend(project) == library and library.stat().st_mtime_ns == made
    source = project.path / "core/frontend_raw.c"
    source.write_text(source.read_text() + "\n/* changed */\n")
    assert build_host_frontend(project) != library
    assert [path.name for path in library.parent.iterdir() if "part" in path.name] == []


def test_a_broken_frontend_names_its_first_error(project: Project) -> None:
    source = project.path / "core/frontend_raw.c"
    source.write_text("#error broken\n" + source.read_text())
    with pytest.raises(BuildError, match=r"core/frontend_raw.c:1:2: error: #error broken"):
        build_host_frontend(project)


def test_a_projects_build_ignores_the_make_that_calls_it(project: Project) -> None:
    environment = {**os.environ, "MAKEFLAGS": "n"}
    (project.build_dir / "firmware.elf").unlink()
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", BUILD, project.path], env=environment, cwd=root, check=True, timeout=60)
    assert (project.build_dir / "firmware.elf").is_file()


def test_f23_a_build_that_was_killed_is_not_taken_for_a_whole_one(project: Project) -> None:
    """A linker that is killed leaves half an ELF that is newer than its objects: make alone would keep it."""
    reference = sha256_file(project.build_dir / "firmware.elf")
    source = project.path / "app/app.c"
    source.write_text(source.read_text() + "\n")
    for path in project.build_dir.rglob("*.o"):
        path.unlink()
    running = subprocess.Popen([sys.executable, "-c", BUILD, project.path], cwd=Path(__file__).parents[2])
    wait_until(lambda: len(list(project.build_dir.rglob("*.o"))) > 2)
    for pid in [running.pid, *descendants(running.pid)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    running.wait()
    with pytest.raises(UsageError, match="not built"):
        open_firmware(project)
    for path in [*project.build_dir.rglob("*.o"), project.build_dir / "firmware.elf"]:
        path.write_bytes(b"\x7fELF half")
    assert build_project(project).sha256 == reference
    assert open_firmware(project).sha256 == reference
