"""What ``stedgeai`` made of a network elsewhere, held against the model that a project is rendered for.

Inputs and outputs are told by ``network_c_info.json``, by the macros of ``stai_network.h`` (Core 3.0 and later) and by
the buffers of ``network.c``; what is there counts, and all of it has to agree with the model. One file may tell another
scale than the rest: a folder made by Core 3.0.0 has 1/255 in the one and 1/256 in the other for the same output.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import CheckFailed, UsageError
from birdnet_deploy.npu.stedgeai import is_stedgeai_output, read_bounded, read_stedgeai
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.tflite.model import Tensor, TfliteModel

SOURCE = "network.c"
WEIGHTS = "network_atonbuf.xSPI2.raw"
# What a build takes, and what tells of it.
_TAKEN = (
    SOURCE, "network.h", "network_ecblobs.h", "stai_network.c", "stai_network.h", WEIGHTS, "network_atonbuf.xSPI2.c",
    "network_c_info.json", "network_generate_report.txt",
)  # fmt: skip
_PLACES = (
    "", "st_ai_output", "network_output", "st_ai_ws/neural_art__network", "../st_ai_ws/neural_art__network",
    "neural_art__network",
)  # fmt: skip
_TOLERANCE = 1e-5  # of a scale: files print float32 in six digits or more
_FIX = "compile this project's model with stedgeai again"
_MACRO = re.compile(r"#define STAI_NETWORK_(IN|OUT)_1_(SIZE_BYTES|FORMAT) \((\w+)\)")
_MACRO_LIST = re.compile(r"#define STAI_NETWORK_(IN|OUT)_1_(SHAPE|SCALES|OFFSETS)\s*\\\s*\{\s*\\?\s*([^}]*?)\\?\s*\}")
_BUFFERS = re.compile(r"\*LL_ATON_(Input|Output)_Buffers_Info_\w+\(void\)\s*\{(.*?)^\}", re.DOTALL | re.MULTILINE)
_ENTRY = re.compile(r"\.(offset_start|offset_end|is_param|nbits|scale|offset|mem_shape) = (\w+),")
_ARRAY = r"{name}\[\] = \{{ ([^}}]*) \}}"


@dataclass(frozen=True)
class End:
    """One end of a compiled network as a file tells it; None where it does not."""

    told_by: str
    size: int | None = None
    shape: tuple[int, ...] | None = None
    scale: float | None = None
    zero_point: int | None = None
    bits: int | None = None


@dataclass(frozen=True)
class NetworkFiles:
    """The files of a compiled network, in the order of their names; ``weights_sha256`` is that of what is flashed."""

    files: tuple[Path, ...]
    weights_sha256: str | None


def check_network_folder(folder: Path, model: TfliteModel, model_md5: str) -> NetworkFiles:
    """Gives the files of a compiled network that stems from ``model``, whose file has the MD5 ``model_md5``.

    Raises: UsageError (exit 2) for a folder without a network.c; CheckFailed (exit 4) with both values where shapes,
    scales or hash are of another model; ModelError (exit 3) for files that cannot be read.
    """
    files = find_files(folder)
    if SOURCE not in files:
        raise UsageError(f"no {SOURCE} in it", where=folder, fix="name the folder that stedgeai generate wrote")
    ends = {"input": list(_ends(files, "input")), "output": list(_ends(files, "output"))}
    for name, tensor in (("input", model.inputs[0]), ("output", model.outputs[0])):
        if not ends[name]:
            raise CheckFailed(f"nothing tells what its {name} is", where=folder, fix=_FIX)
        agreed = any(_same_scale(end, model.tensors[tensor]) for end in ends[name])
        for end in ends[name]:
            _check_end(folder, name, replace(end, scale=None) if agreed else end, model.tensors[tensor])
    for told_by, signature in _signatures(files):
        if signature != model_md5:
            what = f"{told_by} is of a model with MD5 {signature}, this one has {model_md5}"
            raise CheckFailed(what, where=folder, fix=_FIX)
    weights = files.get(WEIGHTS)
    digest = sha256_file(weights) if weights else None
    return NetworkFiles(tuple(files[name] for name in sorted(files)), digest)


def find_files(folder: Path) -> Mapping[str, Path]:
    """Gives the files of a run of stedgeai by name: in the folder, or where its versions put them below and beside."""
    found: dict[str, Path] = {}
    for place in _PLACES:
        for name in _TAKEN:
            path = folder / place / name
            if name not in found and path.is_file():
                found[name] = path
    return found


def used_bytes(folder: Path, address: int, size: int) -> int:
    """Gives how many bytes of ``[address, address + size)`` the compiled network takes, as far as its files tell."""
    if not is_stedgeai_output(folder):
        return 0
    pools = read_stedgeai(folder).pools
    return sum(max(min(p.address + p.used_bytes, address + size) - max(p.address, address), 0) for p in pools)


def _same_scale(end: End, tensor: Tensor) -> bool:
    scale = tensor.quantization.scales[0] if tensor.quantization else None
    return end.scale is not None and scale is not None and math.isclose(end.scale, scale, rel_tol=_TOLERANCE)


def _check_end(folder: Path, name: str, end: End, tensor: Tensor) -> None:
    quantization = tensor.quantization
    assert quantization is not None  # the caller's model is full int8
    size = math.prod(tensor.shape)
    wrong: list[tuple[str, object, object]] = []
    if end.bits is not None and end.bits != 8:
        wrong.append(("type", f"{end.bits} bits", "int8"))
    if end.size is not None and end.size != size:
        wrong.append(("size", end.size, size))
    if end.shape is not None and _dimensions(end.shape) != _dimensions(tensor.shape):
        wrong.append(("shape", list(end.shape), list(tensor.shape)))
    scale, zero_point = quantization.scales[0], quantization.zero_points[0]
    if end.scale is not None and not _same_scale(end, tensor):
        wrong.append(("scale", f"{end.scale:.9g}", f"{scale:.9g}"))
    if end.zero_point is not None and end.zero_point != zero_point:
        wrong.append(("zero point", end.zero_point, zero_point))
    if wrong:
        what, there, here = wrong[0]
        text = f"not of this model: the {what} of its {name} is {there} ({end.told_by}), the model's is {here}"
        raise CheckFailed(text, where=folder, fix=_FIX)


def _dimensions(shape: Sequence[int]) -> list[int]:
    """Gives a shape without ones and without order: the compiler tells it with the channels first or last."""
    return sorted(size for size in shape if size != 1)


def _ends(files: Mapping[str, Path], name: str) -> Iterator[End]:
    if "network_c_info.json" in files:
        yield from _info_ends(_json(files["network_c_info.json"]), name)
    if "stai_network.h" in files:
        yield from _header_ends(read_bounded(files["stai_network.h"]).decode("utf-8", "replace"), name)
    yield from _source_ends(read_bounded(files[SOURCE]).decode("utf-8", "replace"), name)


def _json(path: Path) -> Any:
    try:
        return json.loads(read_bounded(path).decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}


def _info_ends(data: Any, name: str) -> Iterator[End]:
    try:
        graph = data["graphs"][0]
        buffers = {buffer["id"]: buffer for buffer in data["buffers"]}
        buffer = buffers[graph[f"{name}s"][0]]
        scales, offsets = buffer["intq"]["scales"], buffer["intq"]["offsets"]
        yield End(
            "network_c_info.json", int(buffer["size_bytes"]), tuple(int(size) for size in buffer["shape"]),
            float(scales[0]) if scales else None, int(offsets[0]) if offsets else None, int(buffer["nbits"]),
        )  # fmt: skip
    except (LookupError, TypeError, ValueError):  # of a validation, or of a version that tells it elsewhere
        return


def _header_ends(text: str, name: str) -> Iterator[End]:
    side = {"input": "IN", "output": "OUT"}[name]
    plain = {key: value for which, key, value in _MACRO.findall(text) if which == side}
    lists = {key: _numbers(value) for which, key, value in _MACRO_LIST.findall(text) if which == side}
    if plain.get("SIZE_BYTES", "").isdigit():
        shape = tuple(int(size) for size in lists["SHAPE"]) if lists.get("SHAPE") else None
        bits = {"STAI_FORMAT_S8": 8}.get(plain.get("FORMAT", ""), 0) if "FORMAT" in plain else None
        scale, offset = (next(iter(lists.get(key, [])), None) for key in ("SCALES", "OFFSETS"))
        zero_point = None if offset is None else int(offset)
        yield End("stai_network.h", int(plain["SIZE_BYTES"]), shape, scale, zero_point, bits)


def _source_ends(text: str, name: str) -> Iterator[End]:
    """Yields the first buffer of ``network.c`` that is no parameter."""
    for which, body in _BUFFERS.findall(text):
        if which.lower() != name:
            continue
        for entry in body.split(".name = ")[1:]:
            fields = dict(_ENTRY.findall(entry))
            if fields.get("is_param", "0") != "0" or not fields.get("offset_end", "").isdigit():
                continue
            start = fields.get("offset_start", "0")
            size = int(fields["offset_end"]) - (int(start) if start.isdigit() else 0)
            scales, offsets, shape = (_array(body, fields.get(key)) for key in ("scale", "offset", "mem_shape"))
            yield End(
                SOURCE, size, tuple(int(x) for x in shape) or None, scales[0] if scales else None,
                int(offsets[0]) if offsets else None, int(fields.get("nbits", "8")),
            )  # fmt: skip
            return


def _array(text: str, name: str | None) -> list[float]:
    found = re.search(_ARRAY.format(name=name), text) if name else None
    return _numbers(found[1]) if found else []


def _numbers(text: str) -> list[float]:
    words = re.findall(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", text[:4096])
    return [float(word) for word in words]


def _signatures(files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Yields the MD5 of the model that a run was given, where it is told."""
    if "network_c_info.json" not in files:
        return
    try:
        tools = _json(files["network_c_info.json"])["environment"]["tools"]
        models = [file for tool in tools for file in (tool.get("input_model") or {}).get("model_files", [])]
    except (LookupError, TypeError, AttributeError):
        return
    for model in models:
        signature = str(model.get("signature", "")).lower().removeprefix("0x") if isinstance(model, dict) else ""
        if re.fullmatch(r"[0-9a-f]{32}", signature) and str(model.get("name", "")).endswith(".tflite"):
            yield "network_c_info.json", signature
