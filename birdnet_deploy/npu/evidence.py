"""What a bundle says of how it was made: report, calibration, and the golden windows, read without numpy."""

from __future__ import annotations

import ast
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy.artifacts import GOLDEN_FILE, REPORT_FILE
from birdnet_deploy.errors import DeployError
from birdnet_deploy.npu.contract import read_object
from birdnet_deploy.support.inputs import open_input

_MAX_MEMBER_BYTES = 64 << 20
_MAX_HEADER_BYTES = 4096
_GOLDEN = ("input", "npu_input", "output")
_NPY = b"\x93NUMPY"
_HEADER_AT = {1: (8, 2), 2: (8, 4)}  # npy version -> where the header's length stands, its bytes


@dataclass(frozen=True)
class Evidence:
    """``report`` is that of ``convert`` (empty where unreadable), ``calibration`` the lock's manifest or word.

    ``golden`` has the bytes of the int8 arrays ``input``, ``output`` and, behind a prologue, ``npu_input``, as far as
    they can be read.
    """

    report: Mapping[str, Any]
    calibration: Mapping[str, Any] | str | None
    golden: Mapping[str, bytes]

    @property
    def synthetic(self) -> bool:
        """Whether made-up sound calibrated the model."""
        told = self.report.get("calibration")
        return any(isinstance(part, Mapping) and part.get("synthetic") is True for part in (self.calibration, told))

    def files(self, role: str) -> dict[str, str]:
        """Gives the recordings of a role (``calibration``, ``evaluation``): name -> SHA-256, "" where unsaid."""
        parts = (
            (self.calibration, "calibration"), (self.report.get("calibration"), "calibration"),
            (self.report.get("evaluation"), "evaluation"),
        )  # fmt: skip
        return {
            str(entry.get("file")): str(entry.get("sha256") or "")
            for part, usual in parts
            for entry in _entries(part)
            if entry.get("role", usual) == role
        }

    @property
    def worst_file(self) -> str | None:
        """The recording of the evaluation's worst window."""
        window = _mapping(_mapping(self.report.get("fidelity")).get("worst_window"))
        return str(window["file"]) if "file" in window else None


def read_evidence(folder: Path, lock: Mapping[str, Any]) -> Evidence:
    """Gives what a bundle folder says; what is damaged is empty here, as the lock tells of it."""
    try:
        report = read_object(folder / REPORT_FILE)
    except DeployError:
        report = {}
    return Evidence(report, lock.get("calibration"), _read_golden(folder / GOLDEN_FILE))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _entries(part: object) -> Iterator[Mapping[str, Any]]:
    files = _mapping(part).get("files")
    if isinstance(files, list):
        yield from (entry for entry in files if isinstance(entry, Mapping))


def _read_golden(path: Path) -> dict[str, bytes]:
    try:
        with open_input(path) as file, zipfile.ZipFile(file) as archive:
            return {name: data for name in _GOLDEN if (data := _int8_array(archive, f"{name}.npy"))}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError):
        return {}


def _int8_array(archive: zipfile.ZipFile, member: str) -> bytes:
    """Gives the values of an int8 array, empty where the member is none. Source: numpy's npy format 1.0 and 2.0."""
    if member not in archive.namelist() or archive.getinfo(member).file_size > _MAX_MEMBER_BYTES:
        return b""
    data = archive.read(member)
    if not data.startswith(_NPY) or data[6] not in _HEADER_AT:
        return b""
    at, width = _HEADER_AT[data[6]]
    start = at + width
    stop = start + int.from_bytes(data[at:start], "little")
    if stop - start > _MAX_HEADER_BYTES:
        return b""
    try:
        header = ast.literal_eval(data[start:stop].decode("latin-1").strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return b""
    return data[stop:] if isinstance(header, dict) and header.get("descr") == "|i1" else b""
