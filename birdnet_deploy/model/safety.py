"""What a ``.keras`` file may hold before anything of it is loaded: members of the zip, classes of the config.

Only the standard library looks at the file here. Keras's ``safe_mode`` is no sandbox: what is not on the
lists below is refused, and no module that a file names is ever imported.
"""

from __future__ import annotations

import json
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from birdnet_deploy.errors import ModelError, UsageError
from birdnet_deploy.model.published import OLD_FORMAT, OLD_FORMAT_FIX

CONFIG_MEMBER = "config.json"
METADATA_MEMBER = "metadata.json"
WEIGHTS_MEMBER = "model.weights.h5"
MAX_ARCHIVE_BYTES = 1 << 30
_MAX_DIRECTORY_BYTES = 1 << 16
_MAX_MEMBER_BYTES = {METADATA_MEMBER: 1 << 20, CONFIG_MEMBER: 32 << 20, WEIGHTS_MEMBER: 512 << 20}

_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)

OWN_CLASSES = frozenset({"AudioFrontendLayer", "MagnitudeScalingLayer", "AttentionPooling"})
_OWN_MODULES = ("birdnet_deploy.model.", "birdnet_stm32.models.")
_ACTIVATIONS = frozenset({
    "linear", "relu", "relu6", "sigmoid", "softmax", "tanh", "silu", "swish", "gelu", "elu", "selu",
    "softplus", "softsign", "hard_sigmoid", "hard_silu", "hard_swish", "leaky_relu", "exponential",
})  # fmt: skip
_CLASSES: Mapping[str, frozenset[str]] = {
    "layers": frozenset({
        "InputLayer", "Conv2D", "DepthwiseConv2D", "Dense", "BatchNormalization", "ReLU", "Activation",
        "Softmax", "Add", "Multiply", "Concatenate", "Dropout", "SpatialDropout2D",
        "GlobalAveragePooling2D", "GlobalMaxPooling2D", "AveragePooling2D", "MaxPooling2D",
        "ZeroPadding2D", "Cropping2D", "Reshape", "Flatten", "Permute", "Rescaling",
    }),
    "initializers": frozenset({
        "Zeros", "Ones", "Constant", "GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal",
        "LecunUniform", "LecunNormal", "RandomNormal", "RandomUniform", "TruncatedNormal",
        "VarianceScaling", "Orthogonal", "Identity",
    }),
    "regularizers": frozenset({"L1", "L2", "L1L2"}),
    "constraints": frozenset({"NonNeg", "MaxNorm", "MinMaxNorm", "UnitNorm"}),
    "": frozenset({"DTypePolicy"}),
    "dtype_policies": frozenset({"DTypePolicy"}),
    "models": frozenset({"Functional"}),
    "models.functional": frozenset({"Functional"}),
}  # fmt: skip


def open_archive(path: Path) -> BinaryIO:
    """Gives the open file of a local ``.keras`` path.

    Raises: UsageError (exit 2) for a path that is missing, a folder or a URL; ModelError (exit 3) for a file
    of another kind.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        raise UsageError("a URL, not a file", where=path, fix="download the .keras file and name it")
    if path.is_dir():
        raise UsageError("a folder, not a .keras file", where=path, fix="save a SavedModel as a .keras file")
    if not path.is_file():
        raise UsageError("no such file", where=path, fix="name a .keras file")
    try:
        return path.open("rb")
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=path, fix="mend its permissions") from error


def read_members(path: Path) -> dict[str, bytes]:
    """Gives the bytes of ``config.json`` and ``metadata.json`` of an archive whose members are all harmless.

    Raises: UsageError (exit 2), ModelError (exit 3) naming the member or what the file is.
    """
    with open_archive(path) as file:
        _check_directory(file, path)
        try:
            with zipfile.ZipFile(file) as archive:
                _check_members(archive, path)
                return {name: archive.read(name) for name in (CONFIG_MEMBER, METADATA_MEMBER)}
        except _ZIP_ERRORS as error:
            raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, why: str) -> ModelError:
    return ModelError(f"not a readable .keras archive ({why})", where=path, fix="save or copy the model again")


def _check_directory(file: BinaryIO, path: Path) -> None:
    """Refuses what is no zip, and a list of members too long to be read into memory."""
    head = file.read(8)
    size = file.seek(0, 2)
    if head == b"\x89HDF\r\n\x1a\n" or path.suffix in (".h5", ".hdf5"):
        raise ModelError(OLD_FORMAT, where=path, fix=OLD_FORMAT_FIX)
    if head[4:] == b"TFL3":
        raise ModelError("a .tflite, converted already", where=path, fix="validate, generate and run take it")
    if size > MAX_ARCHIVE_BYTES:
        raise ModelError(f"larger than {MAX_ARCHIVE_BYTES} bytes", where=path, fix="no board takes such a model")
    file.seek(max(0, size - 65557))  # the longest comment and the record itself
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if not head.startswith(b"PK") or at < 0 or len(tail) - at < 22:
        raise _unreadable(path, "empty" if size == 0 else "no whole zip file")
    if path.suffix != ".keras":
        raise ModelError("not named .keras", where=path, fix="save the model with model.save('name.keras')")
    zip64 = tail[max(0, at - 20) : at].startswith(b"PK\x06\x07")
    # its size, not its count of members: zipfile reads the first and ignores the second
    if zip64 or int.from_bytes(tail[at + 12 : at + 16], "little") > _MAX_DIRECTORY_BYTES:
        raise ModelError("the archive has too many members", where=path, fix="save the model again")
    file.seek(0)


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    seen: set[str] = set()
    for member in archive.infolist():
        problem = _member_problem(member, seen)
        if problem:
            raise ModelError(f"member {member.filename!r} {problem}", where=path, fix="do not trust this file")
        seen.add(member.filename)
    for name in _MAX_MEMBER_BYTES:
        if name not in seen:
            raise ModelError(f"not a readable .keras archive (no {name})", where=path, fix="save the model again")


def _member_problem(member: zipfile.ZipInfo, seen: set[str]) -> str | None:
    name = member.filename
    path = PurePosixPath(name)
    most = _MAX_MEMBER_BYTES.get(name, 0)
    leads_out = path.is_absolute() or ".." in path.parts or any(c in name for c in "\\:")
    problems = (
        (leads_out or name != member.orig_filename, "leads out of the archive"),
        (stat.S_ISLNK(member.external_attr >> 16), "is a symbolic link"),
        (name in seen, "is there twice"),
        (bool(member.flag_bits & 0x1), "is encrypted"),
        (name not in _MAX_MEMBER_BYTES, "belongs to no model of this family"),
        (member.file_size > most, f"holds {member.file_size} bytes, more than {most}"),
    )
    return next((text for found, text in problems if found), None)


def parse_json(data: bytes, member: str, path: Path) -> dict[str, Any]:
    """Gives the object of a JSON member.

    Raises: ModelError (exit 3) naming the member.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{member} is not readable JSON ({error})", where=path, fix="save the model again") from error
    if not isinstance(value, dict):
        raise ModelError(f"{member} is not a JSON object", where=path, fix="save the model again")
    return value


def check_config(config: Mapping[str, Any], path: Path) -> None:
    """Refuses a model config that names a class, module or function outside the lists above.

    Raises: ModelError (exit 3) naming it; nothing was imported or run.
    """
    for node in _nodes(config):
        problem = _node_problem(node)
        if problem:
            fix = "only plain layers of the DS-CNN family are loaded; do not trust this file"
            raise ModelError(f"{problem} in {CONFIG_MEMBER}", where=path, fix=fix)


def _nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yields every JSON object of a config, at any depth, without recursion."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _node_problem(node: Mapping[str, Any]) -> str | None:
    for key, value in node.items():
        if key.endswith("activation") and isinstance(value, str) and value not in _ACTIVATIONS:
            return f"the activation {value!r}"
    if node.keys().isdisjoint(("class_name", "module", "registered_name")) or _is_listed(node):
        return None
    registered = node.get("registered_name")
    alias = f" registered as {registered!r}" if registered not in (None, node.get("class_name")) else ""
    return f"class {node.get('class_name')!r} of module {node.get('module')!r}{alias}"


def _is_listed(node: Mapping[str, Any]) -> bool:
    name, module, registered = (node.get(key) for key in ("class_name", "module", "registered_name"))
    if not isinstance(name, str) or not isinstance(node.get("config"), dict) or registered not in (None, name):
        return False
    if module is None:
        return name in OWN_CLASSES or (name == "__keras_tensor__" and registered is None)
    if not isinstance(module, str):
        return False
    if name in OWN_CLASSES:
        return module.startswith(_OWN_MODULES)
    return name in _CLASSES.get(_keras_package(module), ())


def _keras_package(module: str) -> str:
    """Gives ``layers`` of ``keras.layers`` or ``keras.src.layers``, no known name for another module."""
    for prefix in ("keras.src.", "keras."):
        if module.startswith(prefix):
            return module.removeprefix(prefix)
    return "" if module == "keras" else f"foreign {module}"
