"""Every fault has a test that names it, and each invariant of SECURITY.md one that holds it."""

from __future__ import annotations

import re
from types import SimpleNamespace

from birdnet_deploy.cli.main import COMMANDS
from tests.support.fault_table import FAULTS, TESTS, as_markdown, fault_of, named_tests, results

SECURITY = TESTS.parent / "SECURITY.md"


def test_every_fault_has_a_test_that_names_it() -> None:
    named = named_tests()
    assert set(named) == set(FAULTS) == {f"F{number:02d}" for number in range(1, 41)}
    without = [fault for fault, names in named.items() if not names]
    assert [fault for fault in without if FAULTS[fault].needs in (None, *COMMANDS)] == []


def test_faults_cite_the_invariants_that_are_written_down_and_each_is_cited() -> None:
    written = re.findall(r"^\*\*(S\d+)\*\*", SECURITY.read_text(encoding="utf-8"), re.MULTILINE)
    assert written == [f"S{number}" for number in range(1, len(written) + 1)]
    assert {invariant for fault in FAULTS.values() for invariant in fault.invariants} == set(written)


def test_the_table_of_a_run_tells_what_failed() -> None:
    assert fault_of("tests/faults/test_f01_f13.py::test_f07_x[nan]") == "F07"
    assert fault_of("tests/faults/test_f01_f13.py::test_other") is None
    reports = [SimpleNamespace(nodeid=f"a.py::test_f07_{n}", outcome=n) for n in ("passed", "failed", "passed")]
    (line,) = results(reports)
    assert line.startswith("F07") and line.endswith("2 passed, 1 FAILED")
    assert as_markdown().count("\n| F") == 40
