"""BD4xx and BD5xx: what ST's tools made of the model, which versions belong together, and what burns the board."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from birdnet_deploy.npu.data import Version, source, versions
from birdnet_deploy.npu.rules.rule import Hit, Rules
from birdnet_deploy.npu.subject import Subject

_RULES = Rules("run")
_ON_CHIP_END = 0x38000000  # behind AXISRAM: AHB, XSPI and others are slower or off chip
_OWN_MACRO = re.compile(r"LL_ATON_VERSION_(MAJOR|MINOR|MICRO|DEV)\s*!=\s*\(?(\d+)")
_DEFINED = re.compile(r"#define\s+LL_ATON_VERSION_(MAJOR|MINOR|MICRO|DEV)\s+\(?(\d+)")
_RUNTIME = re.compile(r"NetworkRuntime(\d+)_CM55_GCC\.a$")
_HEAD_BYTES = 1 << 16


@_RULES.add(
    "BD405", "activations-off-chip", "warning", source=source("st-pools"),
    fix="set the size of hyperRAM to 0 in the .mpool, so that the compiler fails rather than spills",
    bad="hyperRAM used by activations", good="activations in cpuRAM2 and npuRAM3 to npuRAM6",
)  # fmt: skip
def activations_off_chip(subject: Subject) -> Iterator[Hit]:
    """The compiled network keeps its activations on chip.

    In external PSRAM they are 5 to 20 times slower, even where every epoch runs in hardware.
    """
    for pool in subject.run.pools if subject.run else ():
        if pool.activation_bytes > 0 and pool.address >= _ON_CHIP_END:
            yield Hit(f"pool {pool.name}", f"{pool.activation_bytes} bytes of activations off chip")


@_RULES.add(
    "BD406", "pool-overfull", "error", source=source("st-pools"),
    fix="make the model smaller, or the pool of the .mpool as large as the memory",
    bad="459000 of 458752 bytes used", good="147456 of 458752 bytes used",
)  # fmt: skip
def pool_overfull(subject: Subject) -> Iterator[Hit]:
    """No memory pool of the compiled network holds more than its size.

    What lies behind it is overwritten while the network runs.
    """
    for pool in subject.run.pools if subject.run else ():
        if pool.used_bytes > pool.size_bytes:
            yield Hit(f"pool {pool.name}", f"{pool.used_bytes} of {pool.size_bytes} bytes used")


@_RULES.add(
    "BD501", "runtime-mismatch", "error", limit="; ".join(str(version) for version in versions()),
    source=source("st-versions"), fix="take LL_ATON and NetworkRuntime from the same ST Edge AI Core as network.c",
    bad="network.c of Core 3.0.0 with the runtime of 4.0.1", good="network.c and runtime of one ST Edge AI Core",
)  # fmt: skip
def runtime_mismatch(subject: Subject) -> Iterator[Hit]:
    """network.c, LL_ATON, NetworkRuntime and the tool are of one version.

    A network.c refuses another LL_ATON ("Possible mismatch in ll_aton library used"); where that was silenced it
    programs the NPU for another runtime.
    """
    if subject.run is None:
        return
    run = subject.run
    known = next((v for v in versions() if (run.tool_version or "").startswith(v.tool)), None)
    where = ", ".join(run.files) or run.path.name
    told = {"compiler": run.compiler_version, "runtime": run.runtime}
    if known is not None:
        yield from (Hit(where, text) for text in _against_table(known, told))
    folder = run.path if run.path.is_dir() else run.path.parent
    wanted = _version(folder, "*.c", _OWN_MACRO)
    for name, found in _libraries(folder):
        if wanted and found != wanted[1]:
            yield Hit(name, f"LL_ATON {found}, but {wanted[0]} was made for {wanted[1]}")
    if known is not None and wanted and wanted[1] != known.ll_aton:
        yield Hit(wanted[0], f"made for LL_ATON {wanted[1]}, but ST Edge AI Core {known.tool} has {known.ll_aton}")
    for path in sorted(folder.rglob("NetworkRuntime*.a")):
        number = _RUNTIME.search(path.name)
        if number and known is not None and known.runtime and number[1] != known.runtime:
            text = f"runtime {number[1]}, but ST Edge AI Core {known.tool} has {known.runtime}"
            yield Hit(path.relative_to(folder).as_posix(), text)


def _against_table(known: Version, told: Mapping[str, str | None]) -> Iterator[str]:
    wanted = {"compiler": known.ll_aton, "runtime": known.runtime}
    for kind, version in told.items():
        if version and wanted[kind] and version != wanted[kind]:
            yield f"{kind} {version}, but ST Edge AI Core {known.tool} has {wanted[kind]}"


def _libraries(folder: Path) -> Iterator[tuple[str, str]]:
    """Yields every ll_aton_version.h below a folder with the version that it names."""
    for path in sorted(folder.rglob("ll_aton_version.h")):
        found = _joined(_DEFINED.findall(_head(path)))
        if found:
            yield path.relative_to(folder).as_posix(), found


def _version(folder: Path, pattern: str, macro: re.Pattern[str]) -> tuple[str, str] | None:
    """Gives the first file of a folder that names a version, and the version."""
    for path in sorted(folder.glob(pattern)):
        found = _joined(macro.findall(_head(path)))
        if found:
            return path.name, found
    return None


def _joined(pairs: list[tuple[str, str]]) -> str:
    parts = dict(pairs)
    if not {"MAJOR", "MINOR", "MICRO"}.issubset(parts):
        return ""
    dev = f"-{parts['DEV']}" if "DEV" in parts else ""
    return f"{parts['MAJOR']}.{parts['MINOR']}.{parts['MICRO']}{dev}"


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


@_RULES.add(
    "BD502", "software-epochs", "warning", source="the epoch table of stedgeai's report",
    fix="move the operator out of the network, or replace its layer",
    bad="epoch 38 -SW- ( DequantizeLinear )", good="Total number of epochs: 36 of which 0 implemented in software",
)  # fmt: skip
def software_epochs(subject: Subject) -> Iterator[Hit]:
    """Every epoch of the compiled network runs in hardware.

    What the compiler put into software was measured to cost most of the time of small networks; the latency
    estimate holds up to three of them.
    """
    for epoch in subject.run.epochs if subject.run else ():
        if epoch.kind in ("sw", "hybrid"):
            kind = "software" if epoch.kind == "sw" else "software and hardware"
            yield Hit(f"epoch {epoch.number}", f"{epoch.operation or 'an operation'} in {kind}")


@_RULES.add(
    "BD503", "otp-fuse", "warning", source=source("st-fuse"), needs=("project",),
    fix="leave it out: the board's own supply setting needs no fuse", bad="fuse_vddio();", good="no call of it",
)  # fmt: skip
def otp_fuse(subject: Subject) -> Iterator[Hit]:
    """The firmware burns no one-time fuse.

    A fuse of the chip cannot be unburnt: with the wrong supply it ends the board.
    """
    for name, call in subject.rendered.fuses if subject.rendered else ():
        yield Hit(name, f"{call} burns a one-time fuse of the chip")


@_RULES.add(
    "BD504", "no-buffer-info", "info", source=source("st-options"), fix="add --all-buffers-info to the options",
    bad='"options": "-O3"', good='"options": "-O3 --all-buffers-info"',
)  # fmt: skip
def no_buffer_info(subject: Subject) -> Iterator[Hit]:
    """The network was compiled with --all-buffers-info.

    Without it the outputs of layers cannot be compared on the board.
    """
    options = subject.run.options if subject.run else None
    if options and "--all-buffers-info" not in options:
        yield Hit("the compiler's options", "--all-buffers-info is not among them")


RULES = tuple(_RULES.all)
