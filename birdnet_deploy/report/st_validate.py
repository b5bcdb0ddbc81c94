"""ST's ``network_validate_report.txt``: how long the network took on the board, and how far its outputs are off.

Read from real reports of ST Edge AI Core 2.2 (``stedgeai validate --mode target``). A line that is not understood is
passed over; a number that should be there and is not is None, never 0.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import CheckFailed, ModelError, UsageError
from birdnet_deploy.support.inputs import open_input

MAX_BYTES = 64 << 20
METRICS = ("acc", "rmse", "mae", "l2r", "mean", "std", "nse", "cos")
MIN_COSINE = 0.99  # the gates that ST's model zoo and birdnet-stm32 use
MAX_MAE = 1 / 256
_NUMBER = r"[-+]?(?:\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?|nan|inf|n\.a\.)%?"
_COUNT = r"(\d[\d,]{0,20})"
_TOOL = re.compile(r"ST Edge AI Core v(\S+)")
_DURATION = re.compile(rf"duration\s*:\s*({_NUMBER}) ms by sample \(({_NUMBER})/({_NUMBER})/({_NUMBER})\)")
_CYCLES = re.compile(r"CPU cycles\s*:\s*\[\s*(\d[\d,]{0,20})\s+(\d[\d,]{0,20})\s+(\d[\d,]{0,20})\s*\]")
_SAMPLES = re.compile(r"nb sample\(s\)\s*:\s*(\d[\d,]{0,20})")
_NODE = re.compile(
    rf"\s*(\d{{1,9}})\s+(\S+)\s+(\S.*?)\s+({_NUMBER})\s+({_NUMBER})\s+({_NUMBER})"
    rf"\s+\[\s*{_COUNT}\s+{_COUNT}\s+{_COUNT}\s*\]\s+(\S.*)"
)
_OUTPUT = re.compile(rf"(\S.*?#\d+)\s+({_NUMBER}(?:\s+{_NUMBER}){{{len(METRICS) - 1}}})\s+(\S.*)")
_FIELD = re.compile(r"\s*(tools|runtime lib|device\.desc|device\.attrs|compile_datetime|n_nodes)\s*:\s*(\S.*)")
_MODEL = re.compile(r"Model name - (\S.*)")
_MACC = re.compile(r"model: macc=(\d[\d,]{0,20}) weights=(\d[\d,]{0,20})")


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one inference over all samples, and CPU cycles before, in and after the accelerator."""

    samples: int | None
    mean_ms: float
    min_ms: float | None
    max_ms: float | None
    std_ms: float | None
    cycles: tuple[int, int, int] | None


@dataclass(frozen=True)
class Node:
    """One epoch or layer as the board ran it: its share of the time is in percent."""

    c_id: int
    m_id: str
    kind: str
    ms: float | None
    percent: float | None
    cycles: tuple[int, int, int]
    name: str


@dataclass(frozen=True)
class OutputMetrics:
    """How far one output is from the reference: ``acc`` in percent; what the tool did not compute is None."""

    output: str
    tensor: str
    acc: float | None
    rmse: float | None
    mae: float | None
    l2r: float | None
    mean: float | None
    std: float | None
    nse: float | None
    cos: float | None


@dataclass(frozen=True)
class StValidateReport:
    """A whole report; ``fields`` are what it says of tools and device."""

    tool: str
    model: str | None
    macs: int | None
    weight_bytes: int | None
    latency: Latency | None
    nodes: tuple[Node, ...]
    outputs: tuple[OutputMetrics, ...]
    fields: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Gives the report as an object."""
        return {"schema_version": 1, **asdict(self)}

    def check(self, *, min_cosine: float = MIN_COSINE, max_mae: float = MAX_MAE, where: object = None) -> None:
        """Holds every output to the gates.

        Raises: CheckFailed (exit 4) naming the first output that fails, or where nothing was measured.
        """
        if not self.outputs:
            raise CheckFailed("no output was compared", where=where, fix="run stedgeai validate --mode target again")
        for output in self.outputs:
            for name, value, bad in (
                ("cos", output.cos, output.cos is None or not output.cos >= min_cosine),
                ("mae", output.mae, output.mae is None or not output.mae <= max_mae),
            ):
                if bad:
                    limit = f"at least {min_cosine:g}" if name == "cos" else f"at most {max_mae:g}"
                    what = f"{output.output}: {name} is {'not given' if value is None else f'{value:g}'}, not {limit}"
                    raise CheckFailed(what, where=where, fix="compare the stages; see the worst layer")


def read_report(path: Path) -> StValidateReport:
    """Gives the report of a file.

    Raises: UsageError (exit 2) where it cannot be read, ModelError (exit 3) where it is no validate report.
    """
    try:
        with open_input(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=path, fix="name the report") from error
    if len(data) > MAX_BYTES:
        raise ModelError("too big for a report", where=path, fix="name network_validate_report.txt")
    return parse_report(data.decode("utf-8", "replace"), where=path)


def parse_report(text: str, *, where: object = "report") -> StValidateReport:
    """Gives what a report says.

    Raises: ModelError (exit 3) where it is no validate report.
    """
    tool, latency = _TOOL.search(text), _latency(text)
    lines = text.splitlines()
    outputs = tuple(output for line in lines if (output := _output(line)) is not None)
    if tool is None or (latency is None and not outputs):
        raise ModelError("not a validate report of ST Edge AI", where=where, fix="name network_validate_report.txt")
    model, macs = _MODEL.search(text), _MACC.search(text)
    return StValidateReport(
        tool=tool[1],
        model=model[1].strip() if model else None,
        macs=_integer(macs[1]) if macs else None,
        weight_bytes=_integer(macs[2]) if macs else None,
        latency=latency,
        nodes=tuple(node for line in lines if (node := _node(line)) is not None),
        outputs=outputs,
        fields={match[1]: match[2].strip() for line in lines if (match := _FIELD.fullmatch(line))},
    )


def _latency(text: str) -> Latency | None:
    duration = _DURATION.search(text)
    mean_ms = _number(duration[1]) if duration else None
    if duration is None or mean_ms is None:
        return None
    samples, cycles = _SAMPLES.search(text), _CYCLES.search(text)
    least, most, std = (_number(duration[number]) for number in (2, 3, 4))
    return Latency(
        samples=_integer(samples[1]) if samples else None,
        mean_ms=mean_ms,
        min_ms=least,
        max_ms=most,
        std_ms=std,
        cycles=_cycles(cycles[1], cycles[2], cycles[3]) if cycles else None,
    )


def _node(line: str) -> Node | None:
    match = _NODE.fullmatch(line)
    if match is None:
        return None
    cycles = _cycles(match[7], match[8], match[9])
    kind, name = match[3].strip(), match[10].strip()
    return Node(int(match[1]), match[2], kind, _number(match[4]), _number(match[5]), cycles, name)


def _output(line: str) -> OutputMetrics | None:
    match = _OUTPUT.fullmatch(line.strip())
    if match is None:
        return None
    values = dict(zip(METRICS, map(_number, match[2].split()), strict=True))
    return OutputMetrics(output=match[1], tensor=match[3].strip(), **values)


def _number(text: str) -> float | None:
    text = text.rstrip("%").replace(",", "")
    if text == "n.a.":
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _integer(text: str) -> int:
    return int(text.replace(",", ""))


def _cycles(before: str, inside: str, after: str) -> tuple[int, int, int]:
    return _integer(before), _integer(inside), _integer(after)
