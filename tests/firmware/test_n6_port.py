"""The STM32N6 port without ST's sources: it compiles, nothing in it is empty, and its regions are the target file's.

scripts/check-vendor-build does the same against ST's own sources, and links.
"""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from birdnet_deploy.npu import targets
from birdnet_deploy.npu.targets import Board, Placement, read_board
from birdnet_deploy.project.placement import place
from birdnet_deploy.support.resources import firmware_dir
from birdnet_deploy.support.templating import render
from scripts.vendor_build.check import bad_functions
from scripts.vendor_build.objects import ObjectFile, read_object
from scripts.vendor_build.reach import Graph
from tests.support.n6_port import APIS, BOARDS, compile_port, port_objects

FUSES = ("-DBN_BURN_HSLV_FUSES", "-DBN_NO_WATCHDOG")


@pytest.mark.parametrize("target", BOARDS)
@pytest.mark.parametrize(
    ("api", "options"),
    [(APIS[0], ()), (APIS[1], ()), (APIS[0], ("-DBN_XIP",)), (APIS[0], FUSES)],
    ids=["LL_ATON", "stai", "runs from flash", "fuses"],
)
def test_the_port_compiles(tmp_path: Path, target: str, api: str, options: tuple[str, ...]) -> None:
    done = compile_port(tmp_path, target, api, "-fsyntax-only", *options)
    assert done.returncode == 0, done.stderr
    assert ("burns OTP word 124" in done.stderr) == (options == FUSES)


def test_only_the_board_that_can_raises_its_voltage(tmp_path: Path) -> None:
    assert compile_port(tmp_path, BOARDS[0], APIS[0], "-fsyntax-only", "-DBN_OVERDRIVE").returncode == 0
    refused = compile_port(tmp_path, BOARDS[1], APIS[0], "-fsyntax-only", "-DBN_OVERDRIVE")
    assert refused.returncode != 0 and "by I2C" in refused.stderr


@pytest.fixture(scope="module")
def dk_port(tmp_path_factory: pytest.TempPathFactory) -> list[ObjectFile]:
    """The compiled port of the STM32N6570-DK."""
    return port_objects(tmp_path_factory.mktemp("dk"), BOARDS[0], APIS[0])


@pytest.mark.parametrize("target", BOARDS)
def test_no_function_of_the_port_is_empty_or_weak(tmp_path: Path, target: str) -> None:
    objects = port_objects(tmp_path, target, APIS[0])
    assert bad_functions(objects) == []
    names = {symbol.name for part in objects for symbol in part.functions()}
    declared = set(re.findall(r"\b(port_\w+)\(", (firmware_dir() / "port/port.h").read_text(encoding="utf-8")))
    assert declared <= names


def test_no_function_of_the_other_ports_is_empty_or_weak(tmp_path: Path) -> None:
    stub = firmware_dir()
    sources = [*stub.glob("port/cortex_m55/*.c"), *stub.glob("port/qemu_an547/*.c")]
    done = compile_port(tmp_path, BOARDS[0], APIS[0], "-c", f"-I{stub / 'port/qemu_an547'}", sources=sources)
    assert done.returncode == 0, done.stderr
    assert bad_functions([read_object(path) for path in sorted(tmp_path.glob("*.o"))]) == []


def compile_text(folder: Path, text: str, name: str = "some") -> Path:
    source = folder / f"{name}.c"
    source.write_text(text, encoding="utf-8")
    done = compile_port(folder, BOARDS[0], APIS[0], "-c", sources=[source])
    assert done.returncode == 0, done.stderr
    return folder / f"{name}.o"


def test_empty_and_weak_functions_are_found(tmp_path: Path) -> None:
    text = "void nothing(void) {}\n__attribute__((weak)) int soft(void) { return 3; }\nint hard(void) { return 4; }\n"
    assert bad_functions([read_object(compile_text(tmp_path, text))]) == [
        "some.c: soft is weak",
        "some.c: nothing is empty",
    ]


REACHING = """
__attribute__((noinline)) int last(int x) { return x + 1; }
static int (*volatile table[1])(int) = {last};
__attribute__((noinline)) int middle(int x) { return table[x & 0](x); }
int alone(int x) { return last(x); }
__attribute__((noinline)) int first(int x) { return CALL; }
"""


def test_a_chain_of_calls_is_found_and_a_cut_one_is_not(tmp_path: Path) -> None:
    whole = Graph([read_object(compile_text(tmp_path, REACHING.replace("CALL", "middle(x) * 2"), "whole"))])
    path = whole.path("first", "last")
    assert path is not None and path[:2] == ["first", "middle"] and path[-1] == "last"
    assert whole.path("first", "alone") is None and whole.path("last", "first") is None
    cut = Graph([read_object(compile_text(tmp_path, REACHING.replace("CALL", "x * 2"), "cut"))])
    assert cut.path("first", "last") is None and "last" in cut.names()


@pytest.mark.parametrize("call", ["isolation_open", "npu_start"])
def test_a_boot_without_its_set_up_is_noticed(tmp_path: Path, dk_port: list[ObjectFile], call: str) -> None:
    whole = Graph(dk_port)
    assert whole.path("startup_reset", "port_exit") and whole.path("port_init", call) == ["port_init", call]
    text = (firmware_dir() / "port/stm32n6/port_stm32n6.c").read_text(encoding="utf-8")
    assert text.count(f"    {call}();\n") == 1
    cut = compile_text(tmp_path, text.replace(f"    {call}();\n", ""), "port_stm32n6")
    others = [part for part in dk_port if part.path.name != cut.name]
    broken = Graph([*others, read_object(cut)])
    assert len(others) == len(dk_port) - 1
    assert broken.path("port_init", call) is None and broken.path("port_init", "nor_map") is not None


def script(board: Board, template: str) -> str:
    names = {"title": board.title, "model_sha256": "m", "lock_sha256": "l", "placed": place(None, board)}
    return render(template, {"target": board, **names})


def overlapping(regions: list[tuple[str, int, int]]) -> list[tuple[str, str]]:
    ordered = sorted(regions, key=lambda region: region[1])
    return [(a[0], b[0]) for a, b in pairwise(ordered) if a[1] + a[2] > b[1]]


@pytest.mark.parametrize("target", BOARDS)
@pytest.mark.parametrize("layout", ["", "-xip"])
def test_the_regions_of_the_linker_script_are_those_of_the_target_file(target: str, layout: str) -> None:
    text = script(read_board(target), f"build/cortex-m{layout}.ld.j2")
    found = re.findall(r"^    (\w+) : ORIGIN = (0x[0-9A-F]{8}), LENGTH = (\d+)$", text, re.MULTILINE)
    regions = [(name, int(origin, 16), int(length)) for name, origin, length in found]
    raw = tomllib.loads((Path(targets.__file__).parent / f"{target}.toml").read_text(encoding="utf-8"))
    pools = [*raw["memory"]["regions"], *raw["activations"]["pools"], *raw["weights"]["pools"]]
    assert sorted(regions) == sorted((pool["name"], pool["address"], pool["bytes"]) for pool in pools)
    assert overlapping(regions) == []
    assert overlapping([*regions, ("more", regions[0][1] + 16, 16)]) != []
    used = set(re.findall(r"> (?:AT > )?(\w+)$", text, re.MULTILINE))
    assert used <= {name for name, _, _ in regions} and not used & {pool["name"] for pool in raw["weights"]["pools"]}


@pytest.mark.parametrize("target", BOARDS)
def test_code_lies_behind_the_header_of_its_slot(target: str) -> None:
    board = read_board(target)
    assert board.flash is not None and board.xip is not None
    regions = {region.name: region for region in board.regions}
    slots = board.flash.slots
    from_flash = regions[board.xip.code]
    assert from_flash.address == slots["app"].address + board.flash.header_bytes
    assert from_flash.bytes == slots["app"].bytes - board.flash.header_bytes
    assert regions[board.memory.code].address % 1024 == 0  # where a table of vectors may begin
    assert overlapping([(name, slot.address, slot.bytes) for name, slot in slots.items()]) == []
    assert isinstance(board.memory, Placement) and board.memory.dma in regions


def test_a_board_without_a_card_waits_for_its_host_for_ever(tmp_path: Path) -> None:
    source = firmware_dir() / "port/stm32n6/port_stm32n6.c"
    for target, number in zip(BOARDS, ("#3000", "#-1"), strict=True):
        done = compile_port(tmp_path / target, target, APIS[0], "-S", "-o", "-", sources=[source])
        assert number in done.stdout.split("port_listen_ms:")[1].split("bx\tlr")[0]
