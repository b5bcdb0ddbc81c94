"""F14 to F16 at the command line: hostile bundles, projects and models end with an exit code, one line, and in time."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.npu.check import check_path
from birdnet_deploy.npu.evidence import read_evidence
from birdnet_deploy.npu.rendered import read_rendered
from tests.support.broken_models import operator_code
from tests.support.bundles import fake_elf, lock, write_bundle, write_project
from tests.support.command import birdnet_deploy
from tests.support.schema import edited, schema
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]
LIMIT_S = 10


def mutated(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed[: rng.choice((len(changed), len(changed), rng.randrange(len(changed))))])


@pytest.mark.parametrize("name", ["golden.npz", "report.json", "birdnet.lock", "model_config.json", "labels.txt"])
def test_a_bundle_with_a_damaged_file_is_judged(tflite_models: Path, tmp_path: Path, name: str) -> None:
    folder = write_bundle(tmp_path / "bundle", (tflite_models / "good.tflite").read_bytes())
    np.savez(folder / "golden.npz", input=np.zeros((4, 16, 16, 1), np.int8), output=np.zeros((4, 8), np.int8))
    lock(folder)
    data = (folder / name).read_bytes()
    rng = random.Random(7)
    stale = 0
    for _ in range(150):
        (folder / name).write_bytes(mutated(data, rng))
        stale += any(finding.rule == "BD308" for finding in check_path(folder).findings)
    assert stale > 100


def test_golden_windows_that_lie_about_themselves_are_not_read(tmp_path: Path) -> None:
    for header in (b"{'descr': '|i1'", b"(" * 3000, b"__import__('os')", b"{'descr': '|i1'} " * 400, b"\xff" * 60):
        with_header = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)
        np.savez(tmp_path / "golden.npz", other=np.zeros(3))
        import zipfile

        with zipfile.ZipFile(tmp_path / "golden.npz", "w") as archive:
            archive.writestr("input.npy", with_header)
        assert read_evidence(tmp_path, {}).golden == {}


def test_a_project_with_a_damaged_elf_is_judged(tflite_models: Path, tmp_path: Path) -> None:
    project = write_project(tmp_path / "fw", (tflite_models / "good.tflite").read_bytes())
    (project / "build").mkdir()
    rng = random.Random(8)
    elf = fake_elf(2000, "x" * 64)
    for _ in range(200):
        (project / "build/firmware.elf").write_bytes(mutated(elf[:300], rng) or b"\0")
        rendered = read_rendered(project)
        assert all(size >= 0 for _, size in rendered.images)
        assert "BD310" in {finding.rule for finding in check_path(project).findings}


def chain(length: int) -> Callable[[object], None]:
    """Makes a graph of so many ADDs, each of the two results before it."""

    def edit(tree: object) -> None:
        graph, module = tree.subgraphs[0], schema()  # type: ignore[attr-defined]
        tree.operatorCodes.append(operator_code("ADD"))  # type: ignore[attr-defined]
        source = graph.tensors[9]
        last = [9, 9]
        operators = graph.operators[:1]
        for number in range(length):
            tensor = module.TensorT()
            tensor.shape, tensor.type, tensor.name = source.shape, source.type, f"t{number}".encode()
            tensor.quantization, tensor.buffer = source.quantization, source.buffer
            graph.tensors.append(tensor)
            op = module.OperatorT()
            op.opcodeIndex, op.inputs, op.outputs = 0, [*last], [len(graph.tensors) - 1]
            op.opcodeIndex = len(tree.operatorCodes) - 1  # type: ignore[attr-defined]
            last = [last[1], len(graph.tensors) - 1]
            operators.append(op)
        graph.operators, graph.outputs = operators, [last[1]]

    return edit


@pytest.mark.parametrize("length", [1_000, 12_000])
def test_a_model_of_very_many_operators_ends_in_time(tflite_models: Path, tmp_path: Path, length: int) -> None:
    path = tmp_path / "long.tflite"
    path.write_bytes(edited((tflite_models / "good.tflite").read_bytes(), chain(length)))
    started = time.monotonic()
    done = birdnet_deploy("validate", path, timeout=60)
    assert time.monotonic() - started < LIMIT_S
    assert done.returncode in (0, 3, 4)
    assert done.returncode == 0 or length > 1000
    assert "Traceback" not in done.stderr


def test_f16_all_violations_at_once_in_a_bundle(tflite_models: Path, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle", (tflite_models / "stem_12.tflite").read_bytes(), sample_rte=1)
    (folder / "labels.txt").write_text("a\na\n")
    shutil.copy(tflite_models / "good.tflite", folder / "model_npu.tflite")
    done = birdnet_deploy("validate", folder)
    assert done.returncode == 4
    rules = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("BD")]
    assert {"BD302", "BD303", "BD308", "BD312"} <= set(rules)
    assert "BD105" not in rules, "what runs is model_npu.tflite"
