"""F14 to F24 at the command line: models that others converted, hostile names, folders that are not ours to replace."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.broken_models import option, quantized
from tests.support.bundles import lock, write_bundle
from tests.support.command import birdnet_deploy, succeed
from tests.support.refusals import hashes, refused
from tests.support.schema import edited
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]
ROOT = Path(__file__).resolve().parents[2]
HINTS = ("--sample-rate", 8000, "--chunk-duration", 1, "--frontend", "librosa")


@pytest.fixture(scope="module")
def project(small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of the small bundle, not built."""
    folder = tmp_path_factory.mktemp("generated") / "fw"
    succeed("generate", small_bundle, "-o", folder)
    return folder


@pytest.fixture
def kept(project: Path, tmp_path: Path) -> Path:
    """A project that was there before."""
    return Path(shutil.copytree(project, tmp_path / "kept/fw"))


MALFORMED = {
    "eight bytes": b"\x1c\0\0\0TFL3", "a wild root": b"\xff\xff\xff\x7fTFL3" + bytes(64), "empty": b"",
    "another format": b"PK\x03\x04" + bytes(1000),
}  # fmt: skip


@pytest.mark.parametrize("command", [("validate",), ("generate", *HINTS)], ids=["validate", "generate"])
@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_f14_a_file_that_is_none(command: tuple[object, ...], content: bytes, kept: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.tflite").write_bytes(content)
    output = () if command[0] == "validate" else ("-o", kept)
    started = time.monotonic()
    naming = ("bad.tflite",)
    refused(3, *command, tmp_path / "bad.tflite", *output, scratch=tmp_path, naming=naming, keeping=kept)
    assert time.monotonic() - started < 10


def test_f14_bit_flips_in_a_bundle_that_its_lock_knows(small_bundle: Path, kept: Path, tmp_path: Path) -> None:
    """Who can change the model can change the lock: what is read after it must hold too."""
    data = (small_bundle / "model.tflite").read_bytes()
    before, chance = hashes(kept), random.Random(14)
    shutil.copytree(small_bundle, tmp_path / "b", ignore=shutil.ignore_patterns(".birdnet*"))
    for _ in range(8):
        changed = bytearray(data)
        for _ in range(20):
            changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        (tmp_path / "b/model.tflite").write_bytes(changed)
        done = birdnet_deploy("generate", lock(tmp_path / "b"), "-o", tmp_path / "out", timeout=10)
        assert done.returncode in (0, 3), done.stderr
        assert "Traceback" not in done.stderr
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert hashes(kept) == before


def findings(path: Path) -> list[tuple[str, str]]:
    """Gives rule and place of every finding; text and JSON must tell the same, and exit 4."""
    as_text, as_json = (birdnet_deploy("validate", path, *form) for form in ((), ("--output-format", "json")))
    assert as_text.returncode == as_json.returncode == 4, as_text.stderr
    assert "Traceback" not in as_text.stderr + as_json.stderr
    told = [(found["rule"], found["where"], found["fix"]) for found in json.loads(as_json.stdout)["findings"]]
    lines = [line for line in as_text.stdout.splitlines() if line.startswith("BD")]
    assert [line.split()[0] for line in lines] == [rule for rule, _, _ in told]
    for line, (_, where, fix) in zip(lines, told, strict=True):
        assert where[:40] in line and line.endswith(f" -> {fix}")  # a long name is cut in the text
    return [(rule, where) for rule, where, _ in told]


@pytest.mark.parametrize("name", ["float", "dynamic_range", "int16", "float_io", "uint8_io"])
def test_f15_what_is_not_int8_has_a_rule_id_per_tensor(tflite_models: Path, name: str) -> None:
    found = findings(tflite_models / f"{name}.tflite")
    named = {where for _, where in found if where.startswith(("tensor", "op"))}
    assert named, found
    if name in ("float", "dynamic_range", "int16"):
        assert len(named) > 3  # not the first alone


def test_f16_an_unsupported_operator_and_all_else_at_once(tflite_models: Path, tmp_path: Path) -> None:
    assert findings(tflite_models / "reverse.tflite")
    assert findings(tflite_models / "dynamic.tflite")
    both = edited(edited((tflite_models / "five_axes.tflite").read_bytes(), quantized(0, scale=[0.0])), option(0))
    path = write_bundle(tmp_path / "b", both, sample_rte=1)
    (path / "labels.txt").write_text("a\na\n")
    assert len({rule for rule, _ in findings(path)}) >= 4


def test_f16_what_no_memory_of_the_board_holds(tflite_models: Path) -> None:
    assert any(rule == "BD401" for rule, _ in findings(tflite_models / "large.tflite"))


HOSTILE = (
    'Great "Tit"', "#error no", "??/", "*/ int x; /*", "%s%n", "é鳥", "=cmd()", "<script>", "??=", "\\x41f", "a\\",
    "//",
)  # fmt: skip


def relabelled(bundle: Path, folder: Path, labels: tuple[str, ...]) -> Path:
    """Gives a copy of a bundle with other labels, locked again."""
    shutil.copytree(bundle, folder, ignore=shutil.ignore_patterns(".birdnet*"))
    (folder / "labels.txt").write_bytes("".join(f"{label}\n" for label in labels).encode())
    config = json.loads((folder / "model_config.json").read_text())
    config.pop("class_names", None)
    (folder / "model_config.json").write_text(json.dumps(config))
    return lock(folder)


@pytest.mark.parametrize("first", range(0, len(HOSTILE), 4))
def test_f18_hostile_labels_compile_and_come_back(small_bundle: Path, tmp_path: Path, first: int) -> None:
    labels = HOSTILE[first : first + 4]
    succeed("generate", relabelled(small_bundle, tmp_path / "b", labels), "-o", tmp_path / "fw")
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "labels.h"\n'
        "int main(void) { for (int i = 0; i < APP_CLASSES; i++) puts(labels[i]); return 0; }\n"
    )
    generated = tmp_path / "fw/generated"
    flags = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-trigraphs", f"-I{generated}", f"-I{tmp_path / 'fw'}")
    command = ["gcc", *flags, tmp_path / "main.c", generated / "labels.c", "-o", tmp_path / "labels"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = subprocess.run([tmp_path / "labels"], capture_output=True, check=True).stdout
    assert said == "".join(f"{label}\n" for label in labels).encode()
    assert (tmp_path / "fw/bundle/labels.txt").read_bytes() == said


def test_f18_a_newline_in_a_label_is_refused_by_its_line(small_bundle: Path, kept: Path, tmp_path: Path) -> None:
    labels = ('Great "Tit"\r#error', "b", "c", "d")
    bundle = relabelled(small_bundle, tmp_path / "b", labels)
    refused(3, "generate", bundle, "-o", kept, scratch=tmp_path, naming=("labels.txt:1",), keeping=kept)


@pytest.mark.parametrize(
    ("name", "named"), [("x" * 300, "300 bytes"), ("CON", "CON"), ("nul.c", "nul.c"), ("a\nb", "control character")],
    ids=["300 characters", "CON", "nul.c", "a newline"],
)  # fmt: skip
def test_f19_names_that_not_every_system_takes(small_bundle: Path, tmp_path: Path, name: str, named: str) -> None:
    refused(2, "generate", small_bundle, "-o", name, scratch=tmp_path, naming=(named, "-o"))
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]


@pytest.mark.parametrize("name", ["it's a name, with (odd) characters", "int", "../beside/fw", "absolute"])
def test_f19_other_names_are_written_to_and_nothing_else_is(small_bundle: Path, tmp_path: Path, name: str) -> None:
    """What ``-o`` says is a path: the user chose it. Nothing but that folder appears, and it works from there."""
    (tmp_path / "here").mkdir()
    output = tmp_path / "absolute" if name == "absolute" else Path(name)
    succeed("generate", small_bundle, "-o", output, cwd=tmp_path / "here")
    place = (tmp_path / "here" / output).resolve()
    outside = {path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(place)}
    assert outside == set() and (place / "Makefile").is_file()
    subprocess.run(["make", "-n", "-s"], cwd=place, check=True, capture_output=True)


def test_f19_no_file_of_a_bundle_names_a_place(small_bundle: Path, kept: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(small_bundle, tmp_path / "b"))
    told = json.loads((bundle / "birdnet.lock").read_text())
    told["files"]["../../outside"] = "0" * 64
    (bundle / "birdnet.lock").write_text(json.dumps(told))
    refused(4, "generate", bundle, "-o", kept, scratch=tmp_path, naming=("'../../outside'",), keeping=kept)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program, to be damaged."""
    folder = tmp_path_factory.mktemp("installed")
    for name in ("birdnet_deploy", "templates", "firmware_stub"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize("template", ["c/labels.c.j2", "build/Makefile.j2", "c/app_config.h.j2"])
def test_f21_a_variable_that_nobody_gave(installed: Path, small_bundle: Path, tmp_path: Path, template: str) -> None:
    path = installed / "templates" / template
    good = path.read_text()
    path.write_text(good + "{{ nobody_gave_this }}\n")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "birdnet_deploy", "generate", small_bundle, "-o", tmp_path / "fw"],
            env={**os.environ, "PYTHONPATH": str(installed)}, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        path.write_text(good)
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert template in line and "nobody_gave_this" in line and " -> " in line
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def generate_onto(folder: Path, bundle: Path, scratch: Path, *naming: str) -> None:
    refused(5, "generate", bundle, "-o", folder, scratch=scratch, naming=naming, keeping=folder)


def test_f22_a_foreign_folder(small_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "around/mine").mkdir(parents=True)
    for name in ("thesis.tex", "notes.md"):
        (tmp_path / "around/mine" / name).write_text("mine")
    generate_onto(tmp_path / "around/mine", small_bundle, tmp_path, "thesis.tex", "notes.md", "--force")


@pytest.mark.parametrize("edit", ["changed", "removed", "added"])
def test_f22_a_folder_that_was_edited(small_bundle: Path, kept: Path, tmp_path: Path, edit: str) -> None:
    path = kept / ("mine.c" if edit == "added" else "app/app.c")
    path.unlink() if edit == "removed" else path.write_text("mine")
    generate_onto(kept, small_bundle, tmp_path, path.relative_to(kept).as_posix(), "--force")


def test_f22_force_keeps_a_copy(small_bundle: Path, kept: Path, tmp_path: Path) -> None:
    (kept / "app/app.c").write_text("mine")
    before = hashes(kept)
    succeed("generate", small_bundle, "-o", kept, "--force", cwd=tmp_path)
    assert hashes(kept.with_name("fw.bak-1")) == before
    assert (kept / "app/app.c").read_text() != "mine"
    assert sorted(path.name for path in kept.parent.iterdir()) == ["fw", "fw.bak-1"]


def test_f22_a_link_and_a_file(small_bundle: Path, kept: Path, tmp_path: Path) -> None:
    (kept.parent / "link").symlink_to(kept)
    generate_onto(kept.parent / "link", small_bundle, tmp_path, "link", "symbolic link")
    (kept.parent / "file").write_text("mine")
    generate_onto(kept.parent / "file", small_bundle, tmp_path, "file", "is a file")


def test_f22_a_place_that_cannot_be_written(small_bundle: Path, tmp_path: Path) -> None:
    refused(5, "generate", small_bundle, "-o", "/proc/fw", scratch=tmp_path, naming=("/proc", "cannot write here"))


def test_f24_twice_from_another_place_and_environment(small_bundle: Path, kept: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*") if path.is_file()}
    bytes_before = hashes(kept)
    environment = {"TZ": "Pacific/Chatham", "LANG": "tr_TR.UTF-8", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    old = os.umask(0o077)
    try:
        succeed("generate", small_bundle, "-o", kept, cwd=tmp_path, **environment)
    finally:
        os.umask(old)
    assert hashes(kept) == bytes_before
    after = {path: path.stat().st_mtime_ns for path in kept.rglob("*") if path.is_file()}
    after.pop(kept / ".birdnet-manifest.json"), before.pop(kept / ".birdnet-manifest.json")
    assert after == before
