"""Finding ST's tools and trees on three systems, and what ``doctor`` says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from birdnet_deploy.errors import ToolchainError
from birdnet_deploy.npu.runtime_versions import wanted_ll_aton
from birdnet_deploy.npu.vendor_layouts import layouts
from birdnet_deploy.settings import TOOLS, VENDOR
from birdnet_deploy.toolchain.catalogue import commands, expanded, matches, st_tools, trees, tried_range
from birdnet_deploy.toolchain.find import executables, find_tool, spec_of
from birdnet_deploy.toolchain.vendor import check_network_version, find_tree, make_variables
from tests.support.command import birdnet_deploy, fail, succeed
from tests.support.script import script
from tests.support.vendor_trees import core, network_c

VARIABLES = {
    "HOME": "/home/ann lee", "ProgramFiles": "C:/Program Files", "ProgramFiles(x86)": "C:/Program Files (x86)",
    "STEDGEAI_CORE_DIR": "/core", "STM32_PRG_PATH": "/prg/bin", "STM32CUBE_N6_DIR": "/cube",
}  # fmt: skip
SYSTEMS = ("Linux", "Windows", "Darwin")


def made(root: Path, place: str, number: str) -> Path:
    path = root / Path(place.replace("C:/", "C/").replace("*", number)).as_posix().lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", [name for name, spec in st_tools().items() if spec.places])
def test_each_place_of_an_installer_is_found_and_of_several_versions_the_newest(
    tmp_path: Path, name: str, system: str
) -> None:
    places = executables(spec_of(name))
    for number, (_, place) in enumerate(expanded(places, variables=VARIABLES, system=system)):
        root = tmp_path / str(number)
        made(root, place, "9.1.0")
        newest = made(root, place, "10.2.0")
        assert (place.endswith(".exe")) == (system == "Windows")
        only = {system: (place,)}
        assert matches(only, variables=VARIABLES, system=system, root=root)[0] == newest
        assert matches(places, variables=VARIABLES, system=system, root=root)[0].name == newest.name


def test_a_long_path_with_spaces_and_brackets_is_a_path(tmp_path: Path) -> None:
    deep = tmp_path / "a folder [1]" / ("x" * 200)
    deep.mkdir(parents=True)
    tool = script(deep / "stedgeai", "echo ST Edge AI Core v2.2.0-20266 2adc00962")
    found = find_tool("stedgeai", {"stedgeai": tool})
    assert (found.path, found.version) == (tool, "2.2.0")
    assert matches({"Linux": (f"{tmp_path}/a folder [1]/*/stedgeai",)}, system="Linux") == (tool,)


def test_a_place_whose_variable_is_not_set_is_left_out() -> None:
    assert expanded({"Linux": ("${NOWHERE}/bin/x", "/opt/x")}, variables={}, system="Linux") == (("/opt/x", "/opt/x"),)


def test_the_core_that_is_named_brings_its_stedgeai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEDGEAI_CORE_DIR", str(tmp_path))
    tool = script(tmp_path / "Utilities/linux/stedgeai", "echo v3.0.0")
    assert find_tool("stedgeai").path == tool


def test_the_table_names_what_the_settings_name() -> None:
    assert set(st_tools()) <= set(TOOLS)
    assert set(trees()) == {name.upper() for name in VENDOR} == {layout.root for layout in layouts()}
    for needs in commands():
        assert {*needs.tools, *needs.network} <= set(TOOLS) and set(needs.trees) <= set(trees())
    assert [name for name in TOOLS if tried_range(name) is None] == ["openocd", "pyocd"]


def test_a_tree_is_known_by_its_parts_and_tells_its_versions(tmp_path: Path) -> None:
    tree = find_tree("STEDGEAI_CORE_DIR", {"STEDGEAI_CORE_DIR": core(tmp_path / "Core 2.2")})
    assert tree.versions == {"LL_ATON": "1.1.1-14", "runtime": "1020"}
    variables = make_variables({"STEDGEAI_CORE_DIR": tree})
    assert variables["LL_ATON_DIR"].endswith("Core 2.2/Middlewares/ST/AI/Npu/ll_aton")


def test_a_tree_that_lacks_a_part_is_refused_with_its_name(tmp_path: Path) -> None:
    root = core(tmp_path)
    (root / "Middlewares/ST/AI/Npu/ll_aton/ll_aton_runtime.c").unlink()
    with pytest.raises(ToolchainError, match=r"lacks LL_ATON runtime \(ll_aton_runtime.c"):
        find_tree("STEDGEAI_CORE_DIR", {"STEDGEAI_CORE_DIR": root})


def test_a_network_for_another_runtime_is_told_before_the_compiler_meets_it(tmp_path: Path) -> None:
    tree = find_tree("STEDGEAI_CORE_DIR", {"STEDGEAI_CORE_DIR": core(tmp_path / "core")})
    check_network_version(network_c(tmp_path / "network.c"), tree)
    other = network_c(tmp_path / "other.c", dev=31)
    assert wanted_ll_aton(other) == "1.1.1-31"
    with pytest.raises(ToolchainError, match="made for LL_ATON 1.1.1-31, but .* has 1.1.1-14"):
        check_network_version(other, tree)


def test_doctor_is_content_with_what_the_emulated_board_needs() -> None:
    out = succeed("doctor")
    for part in ("arm-none-eabi-gcc", "STM32_Programmer_CLI", "looked in", "st.com/stm32cubeprog", "Commands for"):
        assert part in out


def test_doctor_says_what_a_board_lacks_and_how_to_get_it() -> None:
    done = birdnet_deploy("doctor", "--target", "stm32n6570-dk", "--output-format", "json", HOME="/nowhere")
    told = json.loads(done.stdout)
    assert done.returncode == (6 if told["missing"] else 0)
    lacking = {item["name"] for item in told["items"] if not item["found"]}
    assert set(told["missing"]) <= lacking
    for name in told["missing"]:
        assert name in done.stderr


def test_doctor_without_the_compiler_ends_with_6(tmp_path: Path) -> None:
    error = fail(6, "doctor", BIRDNET_ARM_NONE_EABI_GCC="/no/gcc")
    assert "arm-none-eabi-gcc" in error and "apt install" in error


def test_doctor_of_a_project_that_has_its_network_asks_for_no_stedgeai(tmp_path: Path) -> None:
    project = tmp_path / "project"
    network_c(project / "network/network.c")
    (project / "project.json").write_text('{"target": "stm32n6570-dk"}')
    there = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    asked = ("doctor", project, "--output-format", "json")
    assert "stedgeai" not in json.loads(birdnet_deploy(*asked, **there).stdout)["missing"]
    (project / "network/network.c").unlink()
    assert "stedgeai" in json.loads(birdnet_deploy(*asked, **there).stdout)["missing"]


def test_doctor_refuses_a_folder_that_is_no_project_and_an_unknown_target(tmp_path: Path) -> None:
    assert "not a project" in fail(2, "doctor", tmp_path)
    assert "stm32n6570-dk" in fail(2, "doctor", "--target", "stm32n6570")
