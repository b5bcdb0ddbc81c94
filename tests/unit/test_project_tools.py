"""Finding external tools, asking and running them."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest

from birdnet_deploy.errors import ToolchainError
from birdnet_deploy.toolchain.find import TOOLS, find_tool, find_tools
from birdnet_deploy.toolchain.run import run_tool
from tests.support.script import script


@pytest.mark.parametrize("name", TOOLS)
def test_the_tools_of_this_machine_are_found(name: str) -> None:
    tool = find_tool(name)
    assert tool.path.is_absolute() and re.fullmatch(r"\d+(\.\d+)+", tool.version)


@pytest.mark.parametrize("name", TOOLS)
def test_a_missing_tool_says_where_it_was_looked_for_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError) as caught:
        find_tool(name)
    assert caught.value.exit_code == 6
    for part in (name, str(tmp_path), "apt install", TOOLS[name].variable, "[tools]"):
        assert part in caught.value.line


def test_all_missing_tools_are_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError) as caught:
        find_tools(["make", "qemu-system-arm"])
    for part in (
        "make: not found",
        "qemu-system-arm: not found",
        "apt install make",
        "apt install qemu-system-arm",
    ):
        assert part in caught.value.line


def test_settings_come_before_the_environment_and_that_before_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = script(tmp_path / "one/make", "echo GNU Make 4.1")
    two = script(tmp_path / "two/make", "echo GNU Make 4.2")
    monkeypatch.setenv("BIRDNET_MAKE", str(two))
    assert find_tool("make", {"make": one}).path == one
    assert find_tool("make").version == "4.2"
    monkeypatch.delenv("BIRDNET_MAKE")
    assert find_tool("make").path == Path(shutil.which("make"))


def test_a_named_tool_that_is_not_there_is_not_replaced_by_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ToolchainError, match=r"no/make \(birdnet-deploy.toml\)"):
        find_tool("make", {"make": tmp_path / "no/make"})
    monkeypatch.setenv("BIRDNET_MAKE", "/no/make")
    with pytest.raises(ToolchainError, match=r"/no/make \(BIRDNET_MAKE\)"):
        find_tool("make")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("echo 'arm-none-eabi-gcc (15:9.2.1) 9.2.1 20191025'", "9.2.1, older than 10.0"),
        ("echo hello", "does not answer like"),
        ("exit 3", "--version ended with 3"),
        ("kill -SEGV $$", "died of SIGSEGV"),
    ],
)
def test_f25_a_compiler_that_is_none(tmp_path: Path, body: str, told: str) -> None:
    gcc = script(tmp_path / "gcc", body)
    with pytest.raises(ToolchainError, match=re.escape(told)):
        find_tool("arm-none-eabi-gcc", {"arm-none-eabi-gcc": gcc})


def test_f28_a_tool_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    hanging = script(tmp_path / "hang", f"sleep 60 &\necho $! > {tmp_path}/child\nwait")
    begun = time.monotonic()
    with pytest.raises(ToolchainError, match="still busy after 5 s"):
        run_tool([str(hanging)], name="hang", log=tmp_path / "log", timeout_s=5.0)
    assert time.monotonic() - begun < 50
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_a_tool_that_cannot_be_started(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    with pytest.raises(ToolchainError, match="cannot be started"):
        run_tool([str(tmp_path / "text")], name="text", log=tmp_path / "log", timeout_s=1.0)
