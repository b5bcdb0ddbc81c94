"""What boards gave: how many windows, how long each took, and, with the recordings, how far they are from the host."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from birdnet_deploy.boardtest.judge import CompareRequest, compare_readback, target_of
from birdnet_deploy.boardtest.saved import read_saved
from birdnet_deploy.errors import UsageError
from birdnet_deploy.readback.identity import identity_of
from birdnet_deploy.report.tables import EMULATED
from birdnet_deploy.showing.sources import Sources
from birdnet_deploy.support.inputs import read_input_text
from birdnet_deploy.support.progress import Progress

if TYPE_CHECKING:
    from birdnet_deploy.boardtest.run import BoardTestResult
    from birdnet_deploy.device_run import RunResult

_SAVED = "predictions.jsonl"  # in the folder of board-test
_REPORT = "report.json"
_EMULATED = frozenset({"qemu-an547", "host"})
UNKNOWN = "a board that the readback does not name"
_NAMELESS = "Saved lines do not name their board; a log of the line (monitor --raw) and board-test's folder do."
_NOT_JUDGED = "not held against the host: name the recordings by --audio"


def read_device(sources: Sources, progress: Progress) -> list[dict[str, Any]]:
    """Gives the facts of each readback; windows are held against the host where recordings are named.

    Raises: UsageError (exit 2) without a bundle, or as ``compare_readback``.
    """
    return [_read(path, sources, progress) for path in sources.readbacks]


def _read(path: Path, sources: Sources, progress: Progress) -> dict[str, Any]:
    bundle = sources.bundle
    if bundle is None:
        raise UsageError("a readback is of a bundle or project", where=path, fix="name that too")
    told = _board_test(path)
    lines = path / _SAVED if told is not None else path
    readback = read_saved(lines, identity_of(bundle), bundle.config.sample_rate)
    times = _times(_json_lines(lines)) if lines.suffix == ".jsonl" else {}
    asked = sources.said or (sources.project.target if sources.project else UNKNOWN)
    facts = _facts(path.name, heard_from(readback.fw, asked), len(readback.windows), times, readback.problems)
    if told is not None:
        if told.get("lock") != bundle.lock_sha256:
            raise UsageError("a test of another bundle", where=path, fix="name the bundle that was tested")
        facts = _facts(path.name, _tested(told), len(readback.windows), times, readback.problems)
        return {**facts, **_from_board_test(told)}
    if sources.audio is None:
        return facts
    judged = compare_readback(CompareRequest(sources.path, lines, sources.audio, target=sources.said), progress)
    error = None if judged.failure is None else judged.failure.line
    facts = _facts(path.name, heard_from(readback.fw, judged.target), len(readback.windows), times, judged.problems)
    return {
        **facts, **_judged(judged.verdict.to_json(), judged.verdict.lines(), error),
    }  # fmt: skip


def heard_from(fw: str | None, asked: str) -> str:
    """Gives which board a readback is of: the one that it names, else an emulated one that was asked for.

    What does not name its board is never taken for a real one, whatever it is judged for: it may come from QEMU.
    """
    return target_of(fw) or (asked if asked in _EMULATED else UNKNOWN)


def of_run(result: RunResult) -> dict[str, Any]:
    """Gives the facts of what ``run`` has just done."""
    found = result.comparison
    times = _times({"us": None if p.us is None else dict(p.us)} for p in result.predictions)
    facts = _facts("run", result.target, len(result.predictions), times, result.session.problems)
    differences = [
        {"file": d.file, "win": d.win, "start": d.start, "values": d.values, "max_lsb": d.max_lsb}
        for d in found.differences
    ]  # fmt: skip
    verdict = {
        "verdict": "agrees" if result.failure is None else "differs",
        "windows": {
            "expected": found.expected, "came": len(result.predictions), "exact": found.exact,
            "beyond_tolerance": len(found.differences), "max_lsb": found.max_lsb,
            "missing": [list(key) for key in found.missing], "unexpected": [list(key) for key in found.unexpected],
        },
        "differences": differences,
        "tolerance": {"lsb": 0, "why": "bit-exact, as the generated engine is"},
    }  # fmt: skip
    lines = [found.line, *([] if result.stages is None else [result.stages.line])]
    return {**facts, **_judged(verdict, lines, None if result.failure is None else result.failure.line)}


def of_board_test(result: BoardTestResult) -> dict[str, Any]:
    """Gives the facts of what ``board-test`` has just done."""
    from birdnet_deploy.boardtest.run import result_json

    copies = (found for windows in result.heard.windows.values() for found in windows[:1])
    times = _times({"us": None if found.us is None else dict(found.us)} for found in copies)
    told = result_json(result)
    facts = _facts("board-test", _tested(told), len(result.heard.windows), times, result.problems)
    return {**facts, **_from_board_test(told)}


def _tested(told: Mapping[str, Any]) -> str:
    """Gives which board a board test was of: what its hello said goes before what somebody said it was."""
    firmware = told.get("firmware")
    return heard_from(firmware if isinstance(firmware, str) else None, str(told["target"]))


def _board_test(path: Path) -> dict[str, Any] | None:
    """Gives the report of a board test where ``path`` is its folder."""
    if not path.is_dir() or not (path / _SAVED).is_file():
        return None
    try:
        told = json.loads(read_input_text(path / _REPORT))
        told["target"] = str(told["target"])
        _from_board_test(told)  # what is edited shows here, not in the middle of a page
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError("no report of a board test", where=path, fix=f"name its {_SAVED}") from error
    return dict(told)


def _from_board_test(told: Mapping[str, Any]) -> dict[str, Any]:
    comparison = told.get("comparison")
    if not isinstance(comparison, Mapping):
        return {"error": told.get("error") or "interrupted before it was judged"}
    windows = comparison["windows"]
    lines = [f"windows bit-exact {windows['exact']}/{windows['expected']}"]
    return _judged(comparison, lines, told.get("error"))


def _facts(source: str, target: str, windows: int, times: Mapping[str, Any], problems: Sequence[str]) -> dict[str, Any]:
    return {
        "source": source, "target": target, "emulated": target in _EMULATED, "windows": windows, "times": dict(times),
        "problems": list(problems), "verdict": None, "lines": [_NOT_JUDGED], "error": None,
        "note": EMULATED if target in _EMULATED else _NAMELESS if target == UNKNOWN else "",
    }  # fmt: skip


def _judged(verdict: Mapping[str, Any], lines: Sequence[str], error: str | None) -> dict[str, Any]:
    counts: dict[int, int] = {}
    for found in verdict.get("differences", ()):
        counts[int(found["max_lsb"])] = counts.get(int(found["max_lsb"]), 0) + 1
    exact = int(verdict["windows"]["exact"])
    return {
        "verdict": {
            "agrees": verdict["verdict"] == "agrees" and error is None,
            "windows": verdict["windows"],
            "tolerance": verdict.get("tolerance"),
            "by_lsb": [[0, exact], *([lsb, counts[lsb]] for lsb in sorted(counts))],
            "differences": sorted(
                verdict.get("differences", ()), key=lambda d: (-d["max_lsb"], d["file"], d["win"])
            )[:20],
        },
        "lines": list(lines),
        "error": error,
    }  # fmt: skip


def _json_lines(path: Path) -> Iterable[Mapping[str, Any]]:
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.strip():
            data = json.loads(line)  # read_saved has looked at every line
            yield data


def _times(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Gives median, 95th percentile and maximum in ms of each of the device's own times, by name."""
    taken: dict[str, list[int]] = {}
    for record in records:
        us = record.get("us")
        for key, value in us.items() if isinstance(us, Mapping) else ():
            if type(value) is int and value >= 0:
                taken.setdefault(str(key), []).append(value)
    return {key: _spread(sorted(values)) for key, values in sorted(taken.items())}


def _spread(values: Sequence[int]) -> dict[str, Any]:
    last = len(values) - 1
    return {
        "windows": len(values), "median_ms": values[len(values) // 2] / 1000,
        "p95_ms": values[round(0.95 * last)] / 1000, "max_ms": values[-1] / 1000,
    }  # fmt: skip
