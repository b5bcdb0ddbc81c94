"""What tests share, and a plain statement of which tests ran on which data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


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
    """Names the tests by the data that they ran on."""
    passed = terminalreporter.stats.get("passed", [])
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
