"""What CI and a first run lean on: skips are not overlooked, missing tools are told, `make` lists its targets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
BASIC = ("bash", "env", "dirname", "id", "mktemp", "rm", "tail", "apt-get", "python3")
NOBODY = 65534


def pytest_on(tests: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-n", "2", str(tests)]
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "BIRDNET"))}
    return subprocess.run(command, cwd=ROOT, env={**env, **environment}, capture_output=True, text=True, check=False)


@pytest.fixture
def some_skipped(tmp_path: Path) -> Path:
    path = tmp_path / "test_some.py"
    path.write_text("import pytest\ndef test_one():\n    pass\ndef test_two():\n    pytest.skip('no reason')\n")
    return path


def test_a_skip_is_a_failure_where_ci_says_so(some_skipped: Path) -> None:
    done = pytest_on(some_skipped, BIRDNET_FAIL_ON_SKIP="1")
    assert done.returncode == 1, done.stdout
    assert "1 passed, 1 skipped" in done.stdout
    assert "tests were skipped" in done.stdout


def test_a_skip_is_no_failure_elsewhere(some_skipped: Path) -> None:
    done = pytest_on(some_skipped)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 skipped" in done.stdout


@pytest.fixture
def bare() -> Iterator[Path]:
    """A folder for PATH with the scripts, the basic tools and apt-get; no compiler, emulator or sudo.

    It lies outside pytest's own folder, which only its owner may enter.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for script in SCRIPTS.glob("*.sh"):
            shutil.copy(script, folder)
        for tool in BASIC:
            found = shutil.which(tool, path="/usr/local/bin:/usr/bin:/bin")
            if found:
                (folder / tool).symlink_to(found)
        yield folder


def test_missing_tools_end_in_one_line_with_the_command_to_type(bare: Path) -> None:
    done = subprocess.run(
        ["bash", str(bare / "setup-debian.sh"), "chromium"], env={"PATH": str(bare)}, cwd="/",
        user=NOBODY if os.getuid() == 0 else None, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 6, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    for package in ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "qemu-system-arm", "chromium"):
        assert package in line
    if (bare / "apt-get").exists():
        assert "sudo apt-get install -y" in line
        assert "apt-get update" in line


def test_nothing_is_said_or_done_where_the_tools_are() -> None:
    path = os.pathsep.join([*os.environ["PATH"].split(os.pathsep), "/usr/local/bin", "/usr/bin", "/bin"])
    done = subprocess.run(
        [str(SCRIPTS / "setup-debian.sh")],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_make_alone_lists_the_targets() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, env=plain_environment(), capture_output=True, text=True, check=True)
    for target in ("demo", "test", "soak", "check", "clean"):
        assert f"make {target} " in listed.stdout


def plain_environment() -> dict[str, str]:
    """The environment without what a surrounding make passes down."""
    return {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


def test_ci_runs_the_readmes_test_command() -> None:
    assert "make test" in (ROOT / ".ci/run").read_text()
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")
