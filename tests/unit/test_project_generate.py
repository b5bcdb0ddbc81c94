"""What a rendered project holds, byte by byte."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from birdnet_deploy.bundle import open_bundle
from birdnet_deploy.codegen.frontend_tables import frontend_files
from birdnet_deploy.errors import LabelsError, ModelError, UsageError
from birdnet_deploy.project.choices import Choices
from birdnet_deploy.project.generate import generate_project
from birdnet_deploy.project.layout import rendered_files, sources_of
from birdnet_deploy.project.open import open_project
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.resources import firmware_dir
from tests.support.tiny import CONFIG, INPUT_SCALE, LABELS, make_project, tiny_network, write_bundle

GOLDEN = Path(__file__).parents[1] / "golden/project"
RENDERED = (
    "generated/app_config.h",
    "generated/labels.c",
    "generated/labels.h",
    "generated/golden_window.c",
    "generated/golden_window.h",
    "Makefile",
    "firmware.ld",
    "README.md",
)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", RENDERED)
def test_rendered_files_are_the_golden_ones(tmp_path: Path, name: str) -> None:
    """`BIRDNET_UPDATE_GOLDEN=1 pytest ...` writes them anew; read the difference before you commit it."""
    text = (make_project(tmp_path / "fw").path / name).read_text(encoding="utf-8")
    golden = GOLDEN / name.replace("/", "_")
    if os.environ.get("BIRDNET_UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8", newline="\n")
    assert text == golden.read_text(encoding="utf-8")


def test_every_rendered_template_has_a_golden_file() -> None:
    assert set(rendered_files(("make-gcc",)).values()) == set(RENDERED)


def test_the_project_is_complete_and_names_its_model_in_every_rendered_file(tmp_path: Path) -> None:
    project = make_project(tmp_path / "fw")
    files = tree(project.path)
    tops = {name.split("/")[0] for name in files}
    assert tops == {
        "app",
        "core",
        "port",
        "generated",
        "bundle",
        "Makefile",
        "README.md",
        "firmware.ld",
        "project.json",
    }
    assert "port/port.h" in files and "port/cortex_m55/startup.c" in files
    assert not any(name.startswith("port/host") for name in files)
    model, lock = project.bundle.model_sha256.encode(), project.bundle.lock_sha256.encode()
    assert model == sha256_file(tmp_path / "fw_bundle/model.tflite").encode()
    for name in (*RENDERED, *(name for name in files if name.startswith("generated/")), "project.json"):
        assert model in files[name] and lock in files[name], name
    for name, content in files.items():
        assert str(tmp_path).encode() not in content, name


def test_two_renderings_are_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert tree(make_project(tmp_path / "a/fw").path) == tree(make_project(tmp_path / "b/other name").path)


def test_copied_sources_are_those_of_the_stub(tmp_path: Path) -> None:
    project = make_project(tmp_path / "fw")
    stub = firmware_dir()
    for name in ("app/app.c", "core/record.c", "port/port.h", "port/cortex_m55/fault.c"):
        assert (project.path / name).read_bytes() == (stub / name).read_bytes()


def test_only_the_kernels_that_the_network_calls_are_copied() -> None:
    sources = sources_of(("cortex_m55", "qemu_an547"), ("nn_conv.c",), ("network.c", "labels.c", "frontend_tables.c"))
    assert [name for name in sources.copied if name.startswith("core/nn/") and name.endswith(".c")] == [
        "core/nn/nn_conv.c"
    ]
    assert {"core/nn/nn_conv.c", "core/fft.c", "core/frontend_hybrid.c", "generated/network.c"} <= set(sources.kernels)
    assert {"app/main.c", "core/record.c", "generated/labels.c", "port/cortex_m55/startup.c"} <= set(sources.others)
    assert not any(name.endswith("_host.c") for name in (*sources.kernels, *sources.others))


def test_hostile_labels_come_out_of_the_compiled_table_as_they_went_in(tmp_path: Path) -> None:
    labels = (
        *LABELS,
        "a\\",
        '"',
        "??=define",
        "//",
        "%",
        "\u65e5\u672c\u8a9e",
        "x" * 512,
        "'0'",
        "7\u00e97",
        "<script>",
        "=cmd()",
    )
    project = make_project(tmp_path / "fw", labels)
    main = '#include <stdio.h>\n#include "labels.h"\nint main(void) {\n'
    main += '    for (int i = 0; i < APP_CLASSES; i++) {\n        printf("%s%c", labels[i], 0);\n    }\n}\n'
    (tmp_path / "main.c").write_text(main)
    generated = project.path / "generated"
    for standard in ("c11", "gnu17"):
        command = ["cc", f"-std={standard}", "-trigraphs", "-Wall", "-Wextra", "-Werror", f"-I{generated}"]
        sources = [generated / "labels.c", tmp_path / "main.c"]
        subprocess.run([*command, *sources, "-o", tmp_path / "main"], check=True, timeout=60)
        output = subprocess.run([tmp_path / "main"], capture_output=True, check=True, timeout=10).stdout
        assert output.decode().split("\0")[:-1] == list(labels)
    command = [
        "arm-none-eabi-gcc",
        "-std=c11",
        "-trigraphs",
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{generated}",
        "-c",
    ]
    subprocess.run([*command, generated / "labels.c", "-o", tmp_path / "labels.o"], check=True, timeout=60)


@pytest.mark.parametrize(("top_k", "rendered"), [(1, 1), (3, 3), (100, len(LABELS))])
def test_top_k_is_at_most_the_number_of_classes(tmp_path: Path, top_k: int, rendered: int) -> None:
    header = (make_project(tmp_path / "fw", top_k=top_k).path / "generated/app_config.h").read_text()
    assert re.search(r"#define APP_TOP_K (\d+)", header)[1] == str(rendered)


def generate(
    tmp_path: Path, target: str = "qemu-an547", top_k: int = 3, labels: tuple[str, ...] = LABELS, **changes
) -> None:
    bundle = open_bundle(write_bundle(tmp_path / "bundle", labels))
    (tmp_path / "fw").mkdir()
    generate_project(
        bundle,
        target,
        tiny_network(**changes),
        frontend_files(CONFIG, INPUT_SCALE, 0),
        tmp_path / "fw",
        choices=Choices(top_k=top_k),
    )


@pytest.mark.parametrize("top_k", [0, -1, 101])
def test_a_top_k_that_makes_no_sense(tmp_path: Path, top_k: int) -> None:
    with pytest.raises(UsageError, match="1 to 100"):
        generate(tmp_path, top_k=top_k)


@pytest.mark.parametrize("target", ["qemu-an574", "stm32n6570", "../x"])
def test_a_target_without_firmware_names_those_that_have_one(tmp_path: Path, target: str) -> None:
    with pytest.raises(UsageError, match="qemu-an547"):
        generate(tmp_path, target=target)
    assert list((tmp_path / "fw").iterdir()) == []


def test_labels_and_outputs_of_different_number(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="6 labels .* 7 outputs"):
        generate(tmp_path, labels=LABELS[:6])


def test_a_config_of_another_shape(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="64"):
        generate(tmp_path, input_shape=(65, 1))


def test_opening_what_is_no_project(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(UsageError) as caught:
            open_project(path)
        assert str(path) in caught.value.line
        assert "birdnet-deploy generate" in caught.value.line
    for text in ("", "[]", "{}", "null", '{"schema": 1}'):
        (tmp_path / "project.json").write_text(text)
        with pytest.raises(UsageError):
            open_project(tmp_path)


def test_opening_a_project_without_its_bundle(tmp_path: Path) -> None:
    project = make_project(tmp_path / "fw")
    shutil.rmtree(project.path / "bundle")
    with pytest.raises(UsageError, match="bundle"):
        open_project(project.path)


def test_an_opened_project_knows_its_target_and_bundle(tmp_path: Path) -> None:
    project = open_project(make_project(tmp_path / "fw").path)
    assert (project.target, project.bundle.labels) == ("qemu-an547", LABELS)
    assert project.bundle.path == project.path / "bundle"
