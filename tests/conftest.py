"""What tests share, and a plain statement of which tests ran on which data."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import family_table, fault_table
from tests.support.command import succeed
from tests.support.once import made_once

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def _has_shared() -> bool:
    return (SHARED / "models" / "birdnet_stm32n6_100.keras").is_file()


def pytest_report_header() -> str:
    """Says at the top of a run whether the real checkpoint and recordings take part."""
    if _has_shared():
        return "data: ../shared is here: tests marked `shared` run on the real checkpoint and recordings"
    return "data: no ../shared: tests marked `shared` are skipped, all others run on models and sounds made here"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs ../shared where it is not there."""
    if _has_shared():
        return
    skip = pytest.mark.skip(reason="needs ../shared (the real checkpoint and recordings)")
    for item in items:
        if "shared" in item.keywords:
            item.add_marker(skip)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a run in which something that should have run was skipped (CI sets BIRDNET_FAIL_ON_SKIP)."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("BIRDNET_FAIL_ON_SKIP") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows the table of the family, and names the tests by the data that they ran on."""
    passed = terminalreporter.stats.get("passed", [])
    if rows := family_table.rows_of([*passed, *terminalreporter.stats.get("failed", [])]):
        terminalreporter.section("the family on the emulated Cortex-M55")
        for line in family_table.table(rows):
            terminalreporter.write_line(line)
    failed = [*terminalreporter.stats.get("failed", []), *terminalreporter.stats.get("error", [])]
    if lines := fault_table.results([*passed, *failed]):
        terminalreporter.section("faults (SECURITY.md): tests that name them")
        for line in lines:
            terminalreporter.write_line(line)
    real = sum("shared" in report.keywords for report in passed)
    emulated = sum("emulator" in report.keywords for report in passed)
    terminalreporter.write_line(
        f"passed on ../shared: {real}; on models and sounds made here: {len(passed) - real}; in QEMU: {emulated}"
    )
    if os.environ.get("BIRDNET_FAIL_ON_SKIP") and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("error: tests were skipped, and BIRDNET_FAIL_ON_SKIP is set", red=True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of the real checkpoint and recordings."""
    return SHARED


def _make_small_model(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.support.make_small_model", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small.keras, its config and labels, and recordings/ in a folder a label."""
    return made_once(tmp_path_factory, "small_model", _make_small_model)


def _make_prologue_prefixes(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.support.make_prologue_models", str(folder)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=env)


@pytest.fixture(scope="session")
def prologue_prefixes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the float ``.tflite`` of the first layers of each member in ``make_prologue_models``."""
    return made_once(tmp_path_factory, "prologue_prefixes", _make_prologue_prefixes)


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Path:
    """The small model's bundle; read it, never write into it."""

    def make(folder: Path) -> None:
        recordings = small_model / "recordings"
        succeed("convert", small_model / "small.keras", "--calibration", recordings, "-o", folder)

    return made_once(tmp_path_factory, "small_bundle", make)


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Path:
    """The small model's project for qemu-an547, built; copy it before changing it."""

    def make(folder: Path) -> None:
        succeed("generate", small_bundle, "--target", "qemu-an547", "-o", folder)
        succeed("build", folder)

    return made_once(tmp_path_factory, "small_project", make)
