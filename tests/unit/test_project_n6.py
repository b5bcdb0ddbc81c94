"""Projects for the STM32N6: what is rendered, for both boards, and what a user adds to them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from birdnet_deploy.board.programmer import Commands
from birdnet_deploy.bundle import open_bundle
from birdnet_deploy.codegen.frontend_tables import frontend_files
from birdnet_deploy.errors import CheckFailed, LabelsError, UsageError
from birdnet_deploy.npu.network_folder import check_network_folder, used_bytes
from birdnet_deploy.npu.targets import read_board
from birdnet_deploy.project.choices import Choices
from birdnet_deploy.project.generate import Added, generate_project
from birdnet_deploy.project.golden_window import golden_context
from birdnet_deploy.project.ioc import merged_ioc
from birdnet_deploy.project.layout import rendered_files
from birdnet_deploy.project.npu_network import Ends, NpuNetwork
from birdnet_deploy.project.placement import place_for_npu
from birdnet_deploy.tflite.model import Quantization, Tensor, TfliteModel
from tests.support.signed_images import app, signed
from tests.support.st_peers import LOADER, calls, install
from tests.support.tiny import CONFIG, INPUT_SCALE, LABELS, WINDOW, write_bundle

BOARDS = ("stm32n6570-dk", "nucleo-n657x0-q")
GOLDEN = Path(__file__).parents[1] / "golden"
NETWORK = NpuNetwork((WINDOW, 1), (len(LABELS),), Ends(INPUT_SCALE, 0), Ends(0.125, 3), macs=WINDOW)
SMALL = (
    "README.md",
    "neuralart/stm32n6.mpool",
    "neuralart/user_neuralart_4.json",
    "scripts/flash.sh",
    "firmware_xip.ld",
)


def render(folder: Path, board: str = BOARDS[0], added: Added | None = None, **choices: object) -> Path:
    bundle = folder.with_name(f"{folder.name}_bundle")
    opened = open_bundle(bundle if bundle.is_dir() else write_bundle(bundle))
    folder.mkdir(parents=True)
    generate_project(
        opened, board, NETWORK, frontend_files(CONFIG, INPUT_SCALE, 0), folder,
        choices=Choices(**choices), added=added or Added(),
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("n6") / "fw")


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", SMALL)
def test_rendered_files_are_the_golden_ones(tmp_path: Path, board: str, name: str) -> None:
    """`BIRDNET_UPDATE_GOLDEN=1 pytest ...` writes them anew; read the difference before you commit it."""
    text = (render(tmp_path / "fw", board) / name).read_text(encoding="utf-8")
    golden = GOLDEN / board / name.replace("/", "_")
    if os.environ.get("BIRDNET_UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8", newline="\n")
    assert text == golden.read_text(encoding="utf-8")


def test_nothing_of_the_c_engine_is_in_it_and_every_rendered_file_names_its_model(project: Path) -> None:
    files = {path.relative_to(project).as_posix(): path for path in project.rglob("*") if path.is_file()}
    assert not any(name.startswith("core/nn/") for name in files)
    assert not {"generated/network.c", "memory_plan.json"} & files.keys()
    assert {"port/stm32n6/network_runner_aton.c", "port/stm32n6/network_runner_stai.c"} <= files.keys()
    model = open_bundle(project / "bundle").model_sha256
    silent = {name for name in rendered_files(("n6",)).values() if model not in files[name].read_text()}
    assert silent == {name for name in files if name.startswith("neuralart/")}  # ST's tool takes no comment there
    for name, path in files.items():
        assert str(project.parent).encode() not in path.read_bytes(), name


def test_the_same_bundle_gives_the_same_bytes(tmp_path: Path, project: Path) -> None:
    again = render(tmp_path / "fw")
    files = [path.relative_to(project) for path in project.rglob("*") if path.is_file()]
    assert [name for name in files if (project / name).read_bytes() != (again / name).read_bytes()] == []


def test_scripts_can_be_run_and_are_posix_shell(project: Path) -> None:
    for script in (project / "scripts").glob("*.sh"):
        assert script.stat().st_mode & stat.S_IXUSR
        subprocess.run(["sh", "-n", script], check=True, timeout=10)


def programming(project: Path, tmp_path: Path, *parts: str, **environment: str) -> tuple[int, list[list[str]]]:
    """Runs the rendered sign and flash scripts with scripted peers from another folder; gives status and calls."""
    folder = tmp_path / "a project"
    if not folder.is_dir():
        shutil.copytree(project, folder)
        (folder / "build").mkdir()
        (folder / "build/firmware.bin").write_bytes(app())
        (folder / "network").mkdir()
        for name in ("network.c", "network_atonbuf.xSPI2.raw"):
            (folder / "network" / name).write_bytes(b"weights")
    path = install(tmp_path / "ST tools/bin")
    state = tmp_path / "state"
    shutil.rmtree(state, ignore_errors=True)
    env = {
        **os.environ,
        "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
        "ST_PEER_STATE": str(state),
        "PROBE": "0042",
    }
    for script in ("sign.sh", "flash.sh"):
        command = ["sh", folder / "scripts" / script, *(parts if script == "flash.sh" else ())]
        done = subprocess.run(command, env={**env, **environment}, cwd=tmp_path, capture_output=True, check=False)
        if done.returncode:
            break
    return done.returncode, calls(state, "STM32_Programmer_CLI")


def test_peers_the_flash_script_asks_for_what_the_command_does(project: Path, tmp_path: Path) -> None:
    folder, slots = tmp_path / "a project", read_board(BOARDS[0]).flash.slots
    fsbl = tmp_path / "fsbl.bin"
    fsbl.write_bytes(signed(app(3000, reset=0x34180401), kind=0x10))
    status, asked = programming(project, tmp_path, "app", "fsbl", "weights", FSBL=str(fsbl))
    files = {"weights": "build/network_data.bin", "fsbl": str(fsbl), "app": "build/firmware_sign.bin"}
    commands = Commands("", str(tmp_path / "ST tools/bin/ExternalLoader" / LOADER), "0042")
    wanted = [commands.write(Path(file), slots[part].address) for part, file in files.items()]
    assert (status, asked) == (0, [words[1:] for words in (*wanted, commands.reset())])
    assert (folder / "build/network_data.bin").read_bytes() == b"weights"


@pytest.mark.parametrize("fault", ["exit", "drop", "partial", "mismatch", "error", "silent"])
def test_peers_the_flash_script_starts_nothing_that_is_not_verified(project: Path, tmp_path: Path, fault: str) -> None:
    status, asked = programming(project, tmp_path, ST_PEER_FAULT=f"write-0x70100000:{fault}")
    assert status == 2 and asked[-1][asked[-1].index("-w") + 2] == "0x70100000"
    status, asked = programming(project, tmp_path, "app", "fsbl")  # the loader is missing
    assert status == 2 and asked == []


def test_peers_the_sign_script_refuses_an_image_that_never_starts(project: Path, tmp_path: Path) -> None:
    assert programming(project, tmp_path, ST_PEER_FAULT="sign:misaligned") == (2, [])
    assert not (tmp_path / "a project/build/firmware_sign.bin").exists()


def test_json_and_xml_files_are_well_formed(project: Path) -> None:
    for name in (".project", ".cproject"):
        ElementTree.parse(project / name)  # noqa: S314 - our own text
    for name in ("CMakePresets.json", "n6_loader/config.json", "n6_loader/config_n6l.json"):
        json.loads((project / name).read_text())


@pytest.mark.parametrize("board", BOARDS)
def test_pools_are_those_of_the_target_and_strict_ones_have_no_external_ram(tmp_path: Path, board: str) -> None:
    folder = render(tmp_path / "fw", board) / "neuralart"
    sizes = {}
    for profile in ("stm32n6", "stm32n6_strict"):
        pools = json.loads((folder / f"{profile}.mpool").read_text())["memory"]["mempools"]
        unit = {"KBYTES": 1 << 10, "MBYTES": 1 << 20}
        sizes[profile] = {p["name"]: int(p["size"]["value"]) * unit[p["size"]["magnitude"]] for p in pools}
        for pool in read_board(board).regions:
            if pool.name in sizes[profile]:
                assert sizes[profile][pool.name] == pool.bytes
        assert next(p for p in pools if p["name"] == "octoFlash")["offset"]["value"] == "0x70180000"
    assert sizes["stm32n6"]["hyperRAM"] == (16 << 20 if "psram" in read_board(board).features else 0)
    assert sizes["stm32n6_strict"]["hyperRAM"] == 0
    for version, sign in (("2", "--mvei"), ("4", "--Oauto-sched")):
        profiles = json.loads((folder / f"user_neuralart_{version}.json").read_text())["Profiles"]
        assert set(profiles) == {"default", "strict"}
        assert all(sign in p["options"] and "--enable-epoch-controller" in p["options"] for p in profiles.values())
        assert all((folder / p["memory_pool"]).is_file() for p in profiles.values())


@pytest.mark.shared
def test_pools_have_the_structure_of_those_of_st(project: Path, shared: Path) -> None:
    ours = json.loads((project / "neuralart/stm32n6_strict.mpool").read_text())
    theirs = json.loads((shared / "st-examples/larochec_stt/compile/audio_strict.mpool").read_text())
    assert _kinds(ours) == _kinds(theirs)
    named = {pool["name"]: pool for pool in theirs["memory"]["mempools"]}
    for pool in ours["memory"]["mempools"]:
        assert pool["prop"] == named[pool["name"]]["prop"]
        assert pool["fname"] == named[pool["name"]]["fname"]


def _kinds(value: object) -> object:
    if isinstance(value, dict):
        return {key: _kinds(inner) for key, inner in value.items() if key not in ("cacheable", "constants_preferred")}
    return [_kinds(value[0]), len(value)] if isinstance(value, list) else type(value) in (int, float) or str


def test_a_prologue_takes_the_start_of_the_first_pool() -> None:
    board = read_board(BOARDS[0])
    pools = [pool for pool in board.regions if pool.name.startswith(("cpuRAM", "npuRAM"))]
    assert place_for_npu(board, pools, 0).prologue is None
    taken = place_for_npu(board, pools, 655_360).prologue
    assert taken is not None and (taken.name, taken.bytes) == ("cpuRAM2", 641 * 1024)


@pytest.mark.parametrize(
    ("threshold", "activation", "lowest"),
    [(0.5, "sigmoid", 3), (0.0, "sigmoid", -128), (1.0, "sigmoid", 128), (0.9, "sigmoid", 21), (0.5, "none", 7)],
)
def test_a_threshold_becomes_the_least_output(threshold: float, activation: str, lowest: int) -> None:
    from birdnet_deploy.project.choices import choices_context

    context = choices_context(Choices(threshold=threshold), LABELS, 0.125, 3, activation)
    assert context["lowest_output"] == lowest


def test_choices_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    for number, (choices, text) in enumerate(
        (({"threshold": 1.5}, "--threshold is 1.5"), ({"threshold": float("nan")}, "nan"),
         ({"audio_source": "tape"}, "'tape'"), ({"top_k": 0}, "--top-k is 0"))
    ):  # fmt: skip
        with pytest.raises(UsageError, match=re.escape(text)):
            render(tmp_path / f"fw{number}", **choices)
    (tmp_path / "species.txt").write_text("Great Tit\n")
    with pytest.raises(LabelsError, match="knows no 'Great Tit'"):
        render(tmp_path / "fw", species=tmp_path / "species.txt")


def test_the_tolerance_of_the_npu_refuses_constant_outputs(tmp_path: Path) -> None:
    outputs = np.array([[0, 1, 2], [5, 9, -3]], np.int8)
    np.savez(tmp_path / "golden.npz", input=np.zeros((2, 4), np.int8), output=outputs)
    golden = golden_context(tmp_path / "golden.npz", 4, 3, "npu")["golden"]
    assert (golden["number"], golden["range"], golden["tolerance"]) == (1, 12, 3)
    assert golden_context(tmp_path / "golden.npz", 4, 3, "cpu")["golden"]["tolerance"] == 0
    for constant in range(-128, 128):
        assert np.abs(golden["output"].astype(int) - constant).max() > golden["tolerance"]


HOSTILE = ('"; #error', "a\\\\", "??/", "*/ int x = 1; /*", "%s\\n", "Strigopß 鳥 \U0001f989", "{{ 7 * 7 }}")


def test_hostile_labels_stay_text_in_the_drop_in_for_st(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "fw_bundle")
    (bundle / "labels.txt").write_text("\n".join(HOSTILE) + "\n", encoding="utf-8")
    folder = render(tmp_path / "fw")
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "ai_model_config.h"\nint main(void)\n{\n'
        "    const char *labels[CTRL_X_CUBE_AI_MODE_CLASS_NUMBER] = CTRL_X_CUBE_AI_MODE_CLASS_LIST;\n"
        "    for (unsigned i = 0; i < CTRL_X_CUBE_AI_MODE_CLASS_NUMBER; i++) {\n        puts(labels[i]);\n    }\n}\n"
    )
    for dialect in (("-std=c11", "-trigraphs"), ("-std=gnu11",)):
        command = [
            "gcc",
            *dialect,
            "-Wall",
            "-Werror",
            "-Wno-trigraphs",
            "-I",
            folder / "getting-started",
            "main.c",
            "-o",
            "a",
        ]
        subprocess.run(command, cwd=tmp_path, check=True)
        done = subprocess.run([tmp_path / "a"], capture_output=True, check=True, timeout=10)
        assert tuple(done.stdout.decode("utf-8").splitlines()) == HOSTILE


# --- what stedgeai made elsewhere

MODEL = TfliteModel(
    "0" * 64, 1,
    (
        Tensor(0, "in", (1, 8, 4, 1), None, "int8", Quantization((0.5,), (-3,), 0), b""),
        Tensor(1, "out", (1, 7), None, "int8", Quantization((0.125,), (3,), 0), b""),
    ), (), (0,), (1,),
)  # fmt: skip
MD5 = hashlib.md5(b"model", usedforsecurity=False).hexdigest()


def network_folder(folder: Path, **changes: object) -> Path:
    """A folder in the form of Core 2.x, with a c_info of schema 2.0."""
    told = {"scale": 0.5, "zero_point": -3, "shape": [1, 1, 8, 4], "size": 32, "signature": f"0x{MD5}", **changes}
    buffers = [
        {"id": 1, "shape": told["shape"], "size_bytes": told["size"], "nbits": 8,
         "intq": {"scales": [told["scale"]], "offsets": [told["zero_point"]]}},
        {"id": 2, "shape": [1, 7], "size_bytes": 7, "nbits": 8, "intq": {"scales": [0.125], "offsets": [3]}},
    ]  # fmt: skip
    tools = [{"name": "ST.EdgeAI.Core", "input_model": {"model_files": [
        {"name": "model.tflite", "signature": told["signature"]}]}}]  # fmt: skip
    info = {"graphs": [{"inputs": [1], "outputs": [2]}], "buffers": buffers, "environment": {"tools": tools}}
    folder.mkdir(exist_ok=True)
    (folder / "network.c").write_text("/* compiled elsewhere */\n")
    (folder / "network_c_info.json").write_text(json.dumps(info))
    (folder / "network_atonbuf.xSPI2.raw").write_bytes(b"weights")
    return folder


def test_output_of_this_model_is_taken_with_the_identity_of_its_weights(tmp_path: Path) -> None:
    found = check_network_folder(network_folder(tmp_path / "out"), MODEL, MD5)
    assert [path.name for path in found.files] == ["network.c", "network_atonbuf.xSPI2.raw", "network_c_info.json"]
    assert found.weights_sha256 == hashlib.sha256(b"weights").hexdigest()
    project = render(tmp_path / "fw", added=Added(found.files, found.weights_sha256))
    assert (project / "network/network_atonbuf.xSPI2.raw").read_bytes() == b"weights"
    assert found.weights_sha256 in (project / "generated/app_config.h").read_text()


@pytest.mark.parametrize(
    ("changes", "there", "here"),
    [
        ({"scale": 0.25}, "0.25", "0.5"),
        ({"zero_point": 0}, "zero point of its input is 0", "-3"),
        ({"shape": [1, 1, 4, 4]}, "[1, 1, 4, 4]", "[1, 8, 4, 1]"),
        ({"size": 16}, "16", "32"),
        ({"signature": "0x" + "0" * 32}, "0" * 32, MD5),
    ],
)
def test_output_of_another_model_is_refused_with_both_values(
    tmp_path: Path, changes: dict[str, object], there: str, here: str
) -> None:
    with pytest.raises(CheckFailed) as caught:
        check_network_folder(network_folder(tmp_path / "out", **changes), MODEL, MD5)
    assert caught.value.exit_code == 4
    assert there in caught.value.line and here in caught.value.line


def test_what_a_network_takes_of_the_prologues_memory_is_found(tmp_path: Path) -> None:
    folder = network_folder(tmp_path / "out")
    info = json.loads((folder / "network_c_info.json").read_text())
    pool = {"id": 1, "name": "cpuRAM2", "address": 0x34100000, "size_bytes": 1 << 20, "used_size_bytes": 4096}
    info |= {"memory_pools": [pool], "graphs": [], "buffers": []}
    (folder / "network_c_info.json").write_text(json.dumps(info))
    assert used_bytes(folder, 0x34100000, 1024) == 1024
    assert used_bytes(folder, 0x34100000 + 4096, 1024) == 0


STAI_HEADER = """
#define STAI_NETWORK_IN_1_FORMAT (STAI_FORMAT_S8)
#define STAI_NETWORK_IN_1_SIZE_BYTES (32)
#define STAI_NETWORK_IN_1_SHAPE \\
  { \\
    1, 8, 4, 1 \\
  }
#define STAI_NETWORK_IN_1_SCALES \\
  { \\
    0.5 \\
  }
#define STAI_NETWORK_OUT_1_FORMAT (STAI_FORMAT_S8)
#define STAI_NETWORK_OUT_1_SIZE_BYTES (7)
"""


def test_the_header_of_newer_versions_tells_it_too(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "network.c").write_text("")
    with pytest.raises(CheckFailed, match="nothing tells"):
        check_network_folder(folder, MODEL, MD5)
    (folder / "stai_network.h").write_text(STAI_HEADER)
    assert len(check_network_folder(folder, MODEL, MD5).files) == 2
    (folder / "stai_network.h").write_text(STAI_HEADER.replace("0.5", "0.75"))
    with pytest.raises(CheckFailed, match=r"0.75 \(stai_network.h\), the model's is 0.5"):
        check_network_folder(folder, MODEL, MD5)
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(UsageError, match=r"no network.c"):
        check_network_folder(folder, MODEL, MD5)


# --- a user's CubeMX project

IOC = "#MicroXplorer Configuration settings - do not modify\r\nAppli.IPs=RCC\r\nMcu.Family=STM32N6\r\nMcu.Name=x\r\n"
CONTEXT = {"npu_sha256": None, "model_sha256": "a" * 64, "tflite": "bundle/model.tflite"}


def test_a_section_is_merged_and_everything_else_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.ioc").write_bytes(IOC.encode())
    merged = merged_ioc(tmp_path / "mine.ioc", CONTEXT)
    assert merged.startswith(IOC)
    assert "\r\nMcu.ThirdParty0=STMicroelectronics.X-CUBE-AI.10.1.0\r\n" in merged
    prefix = "STMicroelectronics.X-CUBE-AI.10.1.0_Appli"
    assert f"\r\n{prefix}.ModelStructureFile-model-{'a' * 32}=bundle/model.tflite\r\n" in merged
    (tmp_path / "again.ioc").write_bytes(merged.encode())
    assert merged_ioc(tmp_path / "again.ioc", CONTEXT) == merged


@pytest.mark.parametrize(
    ("text", "reason"), [("hello", "not a CubeMX project"), (IOC.replace("N6", "H7"), "STM32H7, not STM32N6")]
)
def test_what_is_no_project_for_this_chip_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "mine.ioc").write_bytes(text.encode())
    with pytest.raises(UsageError, match=reason):
        merged_ioc(tmp_path / "mine.ioc", CONTEXT)


@pytest.mark.shared
def test_a_real_project_keeps_every_line_but_those_of_the_section(tmp_path: Path, shared: Path) -> None:
    source = shared / "st-examples/alexg_cubemx_3.0/STM32N6Example.ioc"
    before, after = source.read_text().splitlines(), merged_ioc(source, CONTEXT).splitlines()
    assert {line for line in before if "X-CUBE-AI" not in line} <= set(after)
    changed = [line for line in before if line not in after]
    assert 0 < len(changed) <= 3 and all("X-CUBE-AI.10.1.0_Appli." in line for line in changed)
    assert len({line.split("=")[0] for line in after}) == len({*after})
