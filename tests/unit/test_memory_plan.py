"""The memory plan as data, as pictures, and in the linker script: what goes to which memory of a board."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from birdnet_deploy.codegen.memory_plan import describe_memory
from birdnet_deploy.codegen.network import generate_network
from birdnet_deploy.npu.data import Pool
from birdnet_deploy.npu.targets import read_board
from birdnet_deploy.project.memory_picture import svg_picture, text_picture
from birdnet_deploy.project.placement import place
from birdnet_deploy.tflite.reader import read_model
from tests.support.command import succeed
from tests.support.kernel_graphs import random_graph

BOARD = read_board("qemu-an547")
SVG = "{http://www.w3.org/2000/svg}"


def _plan(arena: int, *constants: tuple[str, int, float]) -> dict[str, Any]:
    return {
        "arena_bytes": arena,
        "constants": [{"name": name, "bytes": size, "reads": reads} for name, size, reads in constants],
    }


@pytest.fixture(scope="module")
def plan() -> dict[str, Any]:
    _, model, _ = random_graph(np.random.default_rng(3))
    return describe_memory(generate_network(read_model(model)))


def test_the_plan_holds_every_buffer_inside_the_arena(plan: dict[str, Any]) -> None:
    assert json.loads(json.dumps(plan)) == plan
    assert plan["optimal"] is (plan["arena_bytes"] == plan["lower_bound_bytes"])
    assert max(b["offset"] + b["bytes"] for b in plan["buffers"]) == plan["arena_bytes"]
    assert all(0 <= b["first"] <= b["last"] <= len(plan["steps"]) for b in plan["buffers"])
    assert {name for b in plan["buffers"] for name in b["tensors"]} >= {step["name"] for step in plan["steps"]} - {""}
    assert all(constant["reads"] > 0 for constant in plan["constants"])


def test_the_text_picture_shows_every_buffer_where_it_lives(plan: dict[str, Any]) -> None:
    rows = plan["arena_bytes"] // 16
    lines = text_picture(plan, rows=rows).splitlines()
    assert "optimum" in lines[0]
    drawn = [line.split("|")[1] for line in lines[1 : rows + 1]][::-1]
    assert all(len(line) == len(plan["steps"]) for line in drawn)
    for step in range(len(plan["steps"])):
        used = sum(b["bytes"] // 16 for b in plan["buffers"] if b["first"] <= step <= b["last"])
        assert sum(line[step] != "." for line in drawn) == used
    assert sum(" steps " in line for line in lines) == sum(bool(b["tensors"]) for b in plan["buffers"])
    wide = text_picture(plan, columns=3).splitlines()
    assert len(wide[1].split("|")[1]) <= 3


def test_the_svg_is_well_formed_and_names_every_buffer(plan: dict[str, Any]) -> None:
    hostile = {**plan, "buffers": [{**plan["buffers"][0], "tensors": ['a<b>&"c"\n\u00e9']}, *plan["buffers"][1:]]}
    for each in (plan, hostile):
        text = svg_picture(each)
        assert text == svg_picture(each)
        titles = [rect.find(f"{SVG}title") for rect in ElementTree.fromstring(text).iter(f"{SVG}rect")]
        assert sum(title is not None for title in titles) == len(plan["buffers"])


def test_the_arena_goes_to_the_first_memory_that_holds_it() -> None:
    dtcm = next(region.bytes for region in BOARD.regions if region.name == "DTCM") - BOARD.memory.stack_bytes
    assert place(_plan(dtcm - 16), BOARD).arena == "DTCM"
    assert place(_plan(dtcm - 15), BOARD).arena == "SRAM"
    assert place(None, BOARD).arena == BOARD.memory.data


def test_what_is_read_most_for_each_byte_goes_to_the_fast_memory() -> None:
    regions = tuple(
        Pool(r.name, r.address, BOARD.memory.stack_bytes + 1024) if r.name == "DTCM" else r for r in BOARD.regions
    )
    board = replace(BOARD, regions=regions)
    arrays = ("cold", 512, 1.0), ("hot", 400, 9.0), ("warm", 300, 5.0)
    placed = place(_plan(96, *arrays), board)
    assert (placed.arena, placed.fast, placed.fast_bytes) == ("DTCM", ("hot", "warm"), 400 + 304)
    assert place(_plan(96, ("huge", 2000, 99.0), *arrays), board).fast == ("hot", "warm")
    assert place(_plan(2000, *arrays), board).fast == ("hot", "warm")
    assert place(_plan(2000, *arrays), board).arena == "SRAM"


def test_a_project_holds_plan_and_picture_and_its_firmware_lies_as_planned(small_project: Path) -> None:
    plan = json.loads((small_project / "memory_plan.json").read_text(encoding="utf-8"))
    assert plan["placement"]["arena"] == "DTCM"
    assert plan["placement"]["fast_constants"] == sorted(constant["name"] for constant in plan["constants"])
    ElementTree.parse(small_project / "memory_plan.svg")
    dtcm = next(region for region in BOARD.regions if region.name == "DTCM")
    lines = (small_project / "build/firmware.map").read_text(encoding="utf-8").splitlines()
    found = {}
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        words = (line + after).split()
        if line.startswith((" .bss.arena", " .rodata.weights_")) and len(words) > 1 and words[1].startswith("0x"):
            found[words[0]] = int(words[1], 16)
    placed = [address for address in found.values() if address]
    assert len(placed) > 2
    assert all(dtcm.address <= address < dtcm.address + dtcm.bytes for address in placed)


def test_generate_shows_the_plan(small_bundle: Path, tmp_path: Path) -> None:
    text = succeed("generate", small_bundle, "-o", tmp_path / "fw", "--plan")
    plan = json.loads((tmp_path / "fw/memory_plan.json").read_text(encoding="utf-8"))
    assert f"arena {plan['arena_bytes']:,} bytes, bound {plan['lower_bound_bytes']:,}: the optimum" in text
