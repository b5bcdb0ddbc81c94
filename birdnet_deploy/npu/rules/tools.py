"""BD4xx and BD5xx: what ST's tools made of the model, which versions belong together, and what burns the board."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from birdnet_deploy.npu.data import Version, source, versions
from birdnet_deploy.npu.rules.rule import Hit, Rules
from birdnet_deploy.npu.runtime_versions import defined_ll_aton, library_runtime, wanted_ll_aton
from birdnet_deploy.npu.subject import Subject

_RULES = Rules("run")
_ON_CHIP_END = 0x38000000  # behind AXISRAM: AHB, XSPI and others are slower or off chip
_MAGIC, _ENTRY, _VECTORS = b"STM2", 0x70, 0x400  # of a signed image


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
    needs=("versions",), bad="network.c of Core 3.0.0 with the runtime of 4.0.1",
    good="network.c and runtime of one ST Edge AI Core",
)  # fmt: skip
def runtime_mismatch(subject: Subject) -> Iterator[Hit]:
    """network.c, LL_ATON, NetworkRuntime and the tool are of one version.

    A network.c refuses another LL_ATON ("Possible mismatch in ll_aton library used"); where that was silenced it
    programs the NPU for another runtime.
    """
    run = subject.run
    folder = subject.path if subject.path.is_dir() else subject.path.parent
    made_for = _network_c(folder)
    tool = run.tool_version if run else None
    known = next((v for v in versions() if (tool and tool.startswith(v.tool))), None)
    if known is None and made_for is not None:
        known = next((v for v in versions() if v.ll_aton == made_for[1]), None)
    if run is not None and known is not None:
        told = {"compiler": run.compiler_version, "runtime": run.runtime}
        yield from (Hit(", ".join(run.files), text) for text in _against_table(known, told))
    if known is not None and made_for is not None and made_for[1] != known.ll_aton:
        yield Hit(made_for[0], f"made for LL_ATON {made_for[1]}, but Core {known.tool} has {known.ll_aton}")
    yield from _libraries(folder, made_for, known)


def _against_table(known: Version, told: Mapping[str, str | None]) -> Iterator[str]:
    wanted = {"compiler": known.ll_aton, "runtime": known.runtime}
    for kind, version in told.items():
        if version and wanted[kind] and version != wanted[kind]:
            yield f"{kind} {version}, but ST Edge AI Core {known.tool} has {wanted[kind]}"


def _libraries(folder: Path, made_for: tuple[str, str] | None, known: Version | None) -> Iterator[Hit]:
    """Yields the LL_ATON and NetworkRuntime below a folder that are of another version than the network."""
    for path in sorted(folder.rglob("ll_aton_version.h")):
        found = defined_ll_aton(path)
        if found and made_for and found != made_for[1]:
            name = path.relative_to(folder).as_posix()
            yield Hit(name, f"LL_ATON {found}, but {made_for[0]} was made for {made_for[1]}")
    for path in sorted(folder.rglob("NetworkRuntime*.a")):
        number = library_runtime(path)
        if number and known is not None and known.runtime and number != known.runtime:
            text = f"runtime {number}, but ST Edge AI Core {known.tool} has {known.runtime}"
            yield Hit(path.relative_to(folder).as_posix(), text)


def _network_c(folder: Path) -> tuple[str, str] | None:
    """Gives the first C file of a network that names an LL_ATON, and the version."""
    for path in sorted({*folder.glob("*.c"), *folder.rglob("network.c")}):
        found = wanted_ll_aton(path)
        if found:
            return path.relative_to(folder).as_posix(), found
    return None


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


@_RULES.add(
    "BD505", "signed-image-does-not-start", "error", source=source("st-signed"), needs=("project",),
    fix="sign with STM32_SigningTool_CLI -s -bin APP.bin -nk -t ssbl -hv 2.3 -align -o APP_sign.bin",
    bad="an image whose vectors are not at 0x400", good="an image signed with -align",
)  # fmt: skip
def signed_image_does_not_start(subject: Subject) -> Iterator[Hit]:
    """A signed image has ST's header, and the reset vector at 0x404 is the header's entry.

    Without -align tools from 2.21 on sign images that never start: the most reported dead board.
    """
    for name, head in subject.rendered.signed if subject.rendered else ():
        if not head.startswith(_MAGIC) or len(head) < _VECTORS + 8:
            yield Hit(name, "no signed image: it does not begin with STM2")
            continue
        entry, reset = (int.from_bytes(head[at : at + 4], "little") for at in (_ENTRY, _VECTORS + 4))
        if entry != reset:
            yield Hit(name, f"the entry is 0x{entry:08X}, the reset vector at 0x404 is 0x{reset:08X}")


RULES = tuple(_RULES.all)
