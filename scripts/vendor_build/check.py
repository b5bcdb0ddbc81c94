"""The order of the check: render, add a network of a vendor's example, build, measure, follow the calls."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.npu.targets import Board, read_board
from birdnet_deploy.toolchain.elf import read_sizes
from scripts.vendor_build.objects import ObjectFile, read_object
from scripts.vendor_build.reach import Graph
from scripts.vendor_build.regions import read_sections, use_of_regions

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY.parent / "shared/models"
SHARED_MODEL = (
    str(MODELS / "anchor_int8.tflite"), "--config", str(MODELS / "birdnet_stm32n6_100_model_config.json"),
    "--labels", str(MODELS / "birdnet_stm32n6_100_labels.txt"),
)  # fmt: skip
START = "startup_reset"
# What must be reached from the reset: title -> a chain must lead over each of these, in this order.
REACHED = {
    "frontend": ("runs_card", "frontend_run"),
    "record writer": ("runs_card", "report_inference", "record_send"),
    "RISAF set-up": ("port_init", "isolation_open", "HAL_RIF_RISAF_ConfigBaseRegion"),
    "NPU set-up": ("port_init", "npu_start", "npu_cache_enable"),
    "watchdog": ("runs_card", "console_between", "port_alive", "HAL_IWDG_Refresh"),
}
REACHED_WITH_CARD = {"SD card": ("port_storage_open", "f_open", "disk_read", "HAL_SD_ReadBlocks")}
REACHED_BY_LAYOUT = {
    "lrun": {"flash mapped": ("port_init", "nor_map", "HAL_XSPI_MemoryMapped")},
    "xip": {"flash found mapped": ("port_init", "nor_map")},  # by the loader: the code runs from it
}
REACHED_BY_API = {
    "LL_ATON": {"network runner": ("runs_card", "network_run", "LL_ATON_RT_RunEpochBlock")},
    "stai": {"network runner": ("runs_card", "network_run", "stai_network_run")},
}
_LARGEST_POOLS = ("cpuRAM", "npuRAM")  # of the network: nothing of ours may lie there


@dataclass(frozen=True)
class Vendor:
    """Where ST's trees lie for one API, and the example whose network stands in for stedgeai's output."""

    api: str
    core: Path
    network_files: tuple[Path, ...]
    title: str


def main(arguments: Sequence[str]) -> int:
    """Runs the check as a program; 0 where all is well, 1 with every problem told."""
    options, model = _parse(arguments)
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="check-vendor-build-") as folder:
        for target in options.target:
            project = Path(folder) / target
            _run([sys.executable, "-m", "birdnet_deploy", "generate", *model, "--target", target, "-o", str(project)])
            for vendor in _vendors(options, Path(folder)):
                for layout in options.layout:
                    problems += _check(project, read_board(target), vendor, layout, options)
    for problem in problems:
        print(f"FAILED: {problem}")
    print("not tried on hardware: nothing here ran")
    return 1 if problems else 0


def _parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, tuple[str, ...]]:
    parser = argparse.ArgumentParser(
        prog="check-vendor-build", description="See the head of scripts/check-vendor-build."
    )
    parser.add_argument("--gsa", type=Path, required=True)
    parser.add_argument("--stai", type=Path)
    parser.add_argument("--fatfs", type=Path, required=True)
    parser.add_argument("--target", action="append")
    parser.add_argument("--layout", action="append", choices=("lrun", "xip"))
    options, model = parser.parse_known_args(list(arguments))
    options.target = options.target or ["stm32n6570-dk", "nucleo-n657x0-q"]
    options.layout = options.layout or ["lrun", "xip"]
    for name in ("gsa", "stai", "fatfs"):
        path = getattr(options, name)
        if path is not None and not path.is_dir():
            parser.error(f"--{name}: no such folder: {path}")
    return options, tuple(model) or SHARED_MODEL


def _vendors(options: argparse.Namespace, folder: Path) -> list[Vendor]:
    """Gives the APIs to build for; the example's files are copied to where the build reads a network from."""
    gsa = options.gsa.resolve()
    found = [Vendor("LL_ATON", gsa, (gsa / "Projects/X-CUBE-AI/models/network.c",), "STM32N6-GettingStarted-Audio")]
    if options.stai is not None:
        core = next(path.parents[4] for path in sorted(options.stai.resolve().rglob("Npu/ll_aton_runtime.c")))
        names = ("network.c", "network_ecblobs.h", "stai_network.c", "stai_network.h")
        files = tuple(core / "Appli/AI/App" / name for name in names)
        found.append(Vendor("stai", core, files, "stm32n6-model-example"))
    for vendor in found:
        (folder / vendor.api).mkdir(exist_ok=True)
        for file in vendor.network_files:
            shutil.copyfile(file, folder / vendor.api / file.name)
    return found


def _check(project: Path, board: Board, vendor: Vendor, layout: str, options: argparse.Namespace) -> list[str]:
    build = f"build-{vendor.api}-{layout}"
    title = f"{board.name}, {vendor.api}, {layout}"
    print(f"\n== {title}")
    print(
        f"   network.c is that of {vendor.title}, a stand-in: of another shape, refused by the runner's checks at boot"
    )
    done = subprocess.run(
        [
            "make", "-C", str(project), f"-j{os.cpu_count() or 1}", f"BUILD={build}", f"LAYOUT={layout}",
            f"STM32CUBE_N6_DIR={options.gsa.resolve()}", f"STEDGEAI_CORE_DIR={vendor.core}",
            f"FATFS_DIR={options.fatfs.resolve()}", f"NETWORK_DIR={project.parent / vendor.api}",
        ],
        capture_output=True, text=True, check=False, errors="replace",
    )  # fmt: skip
    if done.returncode != 0:
        print(done.stderr[-3000:])
        return [f"{title}: does not build"]
    elf = project / build / "firmware.elf"
    return [
        f"{title}: {problem}"
        for problem in (*_memory(elf, board), *_calls(project / build, elf, board, vendor.api, layout))
    ]


def _memory(elf: Path, board: Board) -> list[str]:
    """Prints what lies where; gives what lies wrong."""
    sizes = read_sizes(elf)
    print(f"   text {sizes.text_bytes:,}  data {sizes.data_bytes:,}  bss {sizes.bss_bytes:,} bytes")
    used, outside = use_of_regions(read_sections(elf), board.regions)
    for region in board.regions:
        if region.name in used:
            share = 100 * used[region.name] / region.bytes
            print(f"   {region.name:10} {used[region.name]:>9,} of {region.bytes:>10,} bytes  {share:5.1f} %")
    problems = [f"outside of every region: {section}" for section in outside]
    problems += [f"{name} belongs to the network" for name in used if name.startswith(_LARGEST_POOLS)]
    if board.flash is not None:
        image = elf.with_suffix(".bin").stat().st_size + board.flash.header_bytes
        slot = board.flash.slots["app"].bytes
        print(f"   image with header {image:,} of {slot:,} bytes of its slot")
        problems += [f"the image overruns its slot by {image - slot:,} bytes"] if image > slot else []
    return problems


def _calls(build: Path, elf: Path, board: Board, api: str, layout: str) -> list[str]:
    """Prints how each part is reached from the reset; gives what is not, and what is empty or weak in the port."""
    objects = [read_object(path) for path in sorted(build.rglob("*.o"))]
    problems = bad_functions([part for part in objects if part.path.is_relative_to(build / "port")])
    graph = Graph(objects)
    card = REACHED_WITH_CARD if "sd" in board.features else {}
    wanted = {**REACHED, **REACHED_BY_LAYOUT[layout], **REACHED_BY_API[api], **card}
    linked = {symbol.name for symbol in read_object(elf).functions()}
    for title, names in wanted.items():
        chain = [START]
        for name in names:
            path = graph.path(chain[-1], name)
            if path is None:
                problems.append(f"{title}: {name} is not reached from {chain[-1]}")
                break
            chain += path[1:]
        else:
            problems += [f"{title}: {name} was not linked" for name in names[-1:] if name not in linked]
            print(f"   {title}: {' > '.join(chain)}")
    return problems


def bad_functions(objects: Sequence[ObjectFile]) -> list[str]:
    """Gives a line for every function that is empty or weak."""
    problems = []
    for part in objects:
        problems += [f"{part.path.stem}.c: {name} is weak" for name in part.weak_functions()]
        problems += [f"{part.path.stem}.c: {name} is empty" for name in part.empty_functions()]
    return problems


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
