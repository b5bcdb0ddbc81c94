"""What a rendered project says of itself: which model and lock its headers, its ELF and its description belong to."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.artifacts import PROJECT_FILE
from birdnet_deploy.errors import DeployError
from birdnet_deploy.npu.contract import read_object
from birdnet_deploy.support.inputs import open_input

ELF = Path("build/firmware.elf")
SIGNATURE_BYTES = 0x400  # header of a signed image (nine of ST's images)
CONFIG_HEADER = "generated/app_config.h"
_SOURCES = (".c", ".h", ".S", ".s")
_MOST_BYTES = 64 << 20
_BANNER = re.compile(r"^ \* (model|lock) +([0-9a-f]{64})$", re.MULTILINE)
_DEFINE = re.compile(r"^#define (APP_\w+) (?:\"([^\"]*)\"|\(?(-?\d+)\)?)$", re.MULTILINE)
_FUSE_CALL = re.compile(r"\b(fuse_vddio|HAL_BSEC_OTP_Program)\s*\(")
_FUSE_DEFINE = re.compile(r"^\s*#define\s+(APP_\w*(?:FUSE|OTP)\w*|\w*FUSE_VDDIO\w*)\s+\(?[1-9]\d*[uUlL]*\)?\s*$", re.M)
_FUSE_KEY = re.compile(r"fuse|otp", re.IGNORECASE)
_VENDOR = "hal_bsec"  # defines what burns, and burns nothing
_BUILD_FILES = ("Makefile", "CMakeLists.txt", "CMakePresets.json")
_CONDITIONAL = re.compile(r"^#ifdef (\w+)\n((?:(?!#if|#else|#elif).*\n)*?)#endif", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_ELF_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SEGMENT = struct.Struct("<IIIIIIII")
_LOAD = 1


@dataclass(frozen=True)
class Rendered:
    """One project folder. ``defines`` are those of ``app_config.h``, ``banners`` the model and lock that each
    generated file names, ``elf`` the firmware (empty where it is not built), ``fuses`` the places that burn OTP words.
    """

    folder: Path
    description: Mapping[str, object]
    defines: Mapping[str, str]
    banners: Mapping[str, Mapping[str, str]]
    elf: bytes
    fuses: tuple[tuple[str, str], ...]

    @property
    def target(self) -> str | None:
        """The board that it was rendered for."""
        name = self.description.get("target")
        return name if isinstance(name, str) else None

    @property
    def images(self) -> tuple[tuple[str, int], ...]:
        """The names and flash bytes of what was built: signed images, else the ELF with the header of a signature."""
        signed = [(path.relative_to(self.folder).as_posix(), path.stat().st_size) for path in self._signed()]
        size = _image_bytes(self.elf)
        return tuple(signed) or (((ELF.as_posix(), size + SIGNATURE_BYTES),) if size else ())

    @property
    def signed(self) -> tuple[tuple[str, bytes], ...]:
        """The signed images with the head of their bytes: signature header and vectors."""
        return tuple(
            (path.relative_to(self.folder).as_posix(), _bytes(path, 2 * SIGNATURE_BYTES)) for path in self._signed()
        )  # fmt: skip

    def _signed(self) -> list[Path]:
        return sorted(path for path in (self.folder / "build").glob("*_sign.bin") if path.is_file())


def is_project(folder: Path) -> bool:
    """Says whether a folder is a rendered project."""
    return (folder / PROJECT_FILE).is_file()


def read_rendered(folder: Path) -> Rendered:
    """Gives what a project folder says; what cannot be read is empty."""
    try:
        description = read_object(folder / PROJECT_FILE)
    except DeployError:
        description = {}
    texts = dict(_sources(folder))
    built_by = [_bytes(folder / name).decode("utf-8", "replace") for name in _BUILD_FILES]
    return Rendered(
        folder=folder,
        description=description,
        defines={name: text or number for name, text, number in _DEFINE.findall(texts.get(CONFIG_HEADER, ""))},
        banners={name: dict(found) for name, text in texts.items() if (found := _BANNER.findall(text[:2000]))},
        elf=_bytes(folder / ELF),
        fuses=(
            *((PROJECT_FILE, key) for key in _fuse_keys(description)),
            *(
                (name, call)
                for name, text in texts.items()
                if _VENDOR not in name
                for call in _fuse_calls(_compiled(text, [*texts.values(), *built_by]))
            ),
        ),
    )


def _sources(folder: Path) -> Iterator[tuple[str, str]]:
    """Yields the C texts of a project by relative path, the bulky weights excepted."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix in _SOURCES and path.is_file() and not name.startswith("build/"):
            head = 4096 if path.stem.endswith(("_weights", "_tables")) else _MOST_BYTES
            yield name, _bytes(path, head).decode("utf-8", "replace")


def _bytes(path: Path, most: int = _MOST_BYTES) -> bytes:
    try:
        with open_input(path) as file:
            return file.read(most)
    except OSError:
        return b""


def _compiled(text: str, texts: Sequence[str]) -> str:
    """Gives a C text without the blocks of #ifdef whose name nothing in the project defines."""

    def kept(block: re.Match[str]) -> str:
        wanted = re.compile(rf"(?:#define\s+|-D\s*){block[1]}\b")
        return block[0] if any(wanted.search(other) for other in texts) else ""

    return _CONDITIONAL.sub(kept, text) if "#ifdef" in text and ("OTP" in text or "use" in text) else text


def _fuse_calls(text: str) -> Iterator[str]:
    if "use" not in text and "OTP" not in text:
        return
    code = _COMMENT.sub(" ", text)
    yield from dict.fromkeys((*_FUSE_CALL.findall(code), *_FUSE_DEFINE.findall(code)))


def _fuse_keys(description: Mapping[str, object]) -> Iterator[str]:
    """Yields the options of a project's description that ask for a fuse."""
    for key, value in description.items():
        if isinstance(value, Mapping):
            yield from _fuse_keys(value)
        elif _FUSE_KEY.search(key) and value is True:
            yield key


def _image_bytes(elf: bytes) -> int:
    """Gives the file bytes of all loaded segments of a 32-bit little-endian ELF. Source: System V ABI."""
    try:
        header = _ELF_HEADER.unpack_from(elf)
        start, entry_bytes, count = header[5], header[9], header[10]
        if not header[0].startswith(b"\x7fELF\x01\x01") or entry_bytes != _SEGMENT.size:
            return 0
        segments = [_SEGMENT.unpack_from(elf, start + i * entry_bytes) for i in range(count)]
    except struct.error:
        return 0
    return sum(segment[4] for segment in segments if segment[0] == _LOAD)
