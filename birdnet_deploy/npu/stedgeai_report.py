"""``network_{generate,analyze,validate}_report.txt`` of ``stedgeai``: the lines that matter, whatever stands between.

Sizes in the table of pools are rounded to a thousandth of a kB or MB; ``network_c_info.json`` has them exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from birdnet_deploy.errors import ModelError
from birdnet_deploy.npu.stedgeai import Epoch, PoolUse, StedgeaiRun, counted

_LONGEST_LINE = 20_000
_UNITS = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3}
_SIZE = r"([0-9]{1,12}(?:\.[0-9]{1,6})?) +([kMG]?B)"
_POOL = re.compile(
    rf"^\s*(\w{{1,64}}) +\[0x([0-9A-Fa-f]{{1,16}}) - 0x([0-9A-Fa-f]{{1,16}})\]: +{_SIZE} / +{_SIZE} "
    rf"+\([^)]{{0,40}}\) -- weights: +{_SIZE} +\([^)]{{0,40}}\) +activations: +{_SIZE} "
)
_EPOCH = re.compile(r"^epoch ([0-9]{1,9}) +-?(\w{2,8})-? *(?:\( *([^)]{0,200}?) *\))?\s*$")
_EPOCH_ROW = re.compile(r"^\| *epoch_([0-9]{1,9}) *\| *([\w/+-]{2,12}) *\| *([^|]{0,200}?) *\|\s*$")
_COUNT = re.compile(r"^Total number of epochs:? +([0-9]{1,9})(?: of which ([0-9]{1,9}) implemented in software)?\s*$")
_COUNT_SOFTWARE = re.compile(r"^>> pure software \(SW\) epochs +([0-9]{1,9})\b")
_COUNT_HYBRID = re.compile(r"^>> hybrid epochs .{0,80}? ([0-9]{1,9})\s*$")
_MODEL = re.compile(r"^model: macc=([0-9,]{1,20}) ")
_SECTION_ROW = re.compile(
    r"^ (weights|activations) +([0-9,]{1,20}) +([0-9,]{1,20}) +([0-9,]{1,20}) +([0-9,]{1,20})\s*$"
)
_RUNTIME = re.compile(r"\bNetworkRuntime([0-9]{1,8})_")
_DURATION = re.compile(r"^ *duration +: +([0-9]{1,9}(?:\.[0-9]{1,9})?) ms by sample")
_COSINE = re.compile(r"^ *acc=.{0,400} cos=(-?[01](?:\.[0-9]{1,12})?)\s*$")
_KINDS = {"HW": "hw", "SW": "sw", "EC": "ec", "HYBRID": "hybrid"}
_FIRST = "ST Edge AI Core v"


def parse_report(data: bytes, run: StedgeaiRun) -> StedgeaiRun:
    """Gives ``run`` with what a report tells.

    Raises: ModelError (exit 3) for a file that does not begin as these reports do, or that ends before its numbers.
    """
    text = data.decode("utf-8", errors="replace")
    if _FIRST not in text[:4096]:
        raise ModelError("not a report of stedgeai", where=run.path, fix="name the output folder of stedgeai")
    report = _Report(run)
    for line in text.splitlines():
        if len(line) <= _LONGEST_LINE:
            report.read(line)
    if report.run.macs is None:
        raise ModelError("the report ends before its table of layers does", where=run.path, fix="run stedgeai again")
    return report.finished()


class _Report:
    """What the lines told so far."""

    def __init__(self, run: StedgeaiRun) -> None:
        self.run = run
        self.pools: dict[str, PoolUse] = {}
        self.epochs: dict[int, Epoch] = {}

    def read(self, line: str) -> None:
        """Takes in one line; the first line of a kind counts."""
        for name, value in _facts(line):
            if getattr(self.run, name) is None:
                self.run = replace(self.run, **{name: value})
        if (pool := _pool(line)) is not None:
            self.pools.setdefault(pool.name, pool)
        if (found := _EPOCH.match(line) or _EPOCH_ROW.match(line)) is not None:
            number, kind, operation = found.groups()
            software = _KINDS.get(kind.upper()) or ("hybrid" if "SW" in kind.upper() else "unknown")
            text = operation or ""
            self.epochs.setdefault(int(number), Epoch(int(number), software, text if software != "hw" else ""))

    def finished(self) -> StedgeaiRun:
        """Gives the run with pools and epochs."""
        epochs = tuple(self.epochs[number] for number in sorted(self.epochs))
        run = replace(self.run, pools=tuple(self.pools.values()), epochs=epochs)
        if epochs and run.hybrid_epochs is None:
            run = replace(run, hybrid_epochs=counted(epochs, "hybrid"))
        return run


def _facts(line: str) -> Iterator[tuple[str, Any]]:
    """Yields the fields of a run that a line sets."""
    if line.startswith(_FIRST):
        yield "tool_version", line.removeprefix(_FIRST).split(" ")[0].strip()
    for start, name in _STARTS.items():
        if line.startswith(start) and (text := line.partition(":" if ":" in start else "-")[2].strip()):
            yield name, text
    for pattern, names, convert in _PATTERNS:
        if (found := pattern.search(line)) is not None:
            yield from ((name, convert(text)) for name, text in zip(names, found.groups(), strict=True) if text)
    if (row := _SECTION_ROW.match(line)) is not None:
        sizes = [_number(size) for size in row.groups()[1:]]
        yield ("weight_bytes" if row.group(1) == "weights" else "activation_bytes"), sum(sizes)


def _pool(line: str) -> PoolUse | None:
    found = _POOL.match(line)
    if found is None:
        return None
    name, start, end, *sizes = found.groups()
    used, _, weights, activations = (_bytes(sizes[i], sizes[i + 1]) for i in range(0, 8, 2))
    return PoolUse(name, int(start, 16), max(int(end, 16) - int(start, 16), 0), used, weights, activations)


def _bytes(number: str, unit: str) -> int:
    return round(float(number) * _UNITS[unit])


def _number(text: str) -> int:
    return int(text.replace(",", "") or 0)


_STARTS = {
    "Model name -": "model_name", "Parameters            :": "command", "Compiler version:": "compiler_version",
    "Compiler arguments:": "options", "  device.desc                 :": "device",
}  # fmt: skip
_PATTERNS: tuple[tuple[re.Pattern[str], tuple[str, ...], Callable[[str], Any]], ...] = (
    (_MODEL, ("macs",), _number),
    (_COUNT, ("epoch_count", "software_epochs"), _number),
    (_COUNT_SOFTWARE, ("software_epochs",), _number),
    (_COUNT_HYBRID, ("hybrid_epochs",), _number),
    (_RUNTIME, ("runtime",), str),
    (_DURATION, ("latency_ms",), float),
    (_COSINE, ("cosine",), float),
)
