"""Whole converted models on the engine, bit for bit as the reference kernels compute them; host, ASan and UBSan."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from birdnet_deploy.codegen.network import generate_network
from birdnet_deploy.tflite.reader import read_model
from tests.support.engine import EMULATED_M55, STRICT, Engine, run
from tests.support.int8_models import prefix_of
from tests.support.once import made_once
from tests.support.reference import reference_outputs

ROOT = Path(__file__).resolve().parents[2]
MODELS = (
    "hybrid_pwl", "hybrid_pcen_se", "hybrid_db_inverted_se", "precomputed_attention", "raw", "plain",
)  # fmt: skip
ANCHOR_OPTIMUM = 165_872  # bytes: the stem's output, what the first depthwise makes of it, and its tile


def _make_models(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.support.make_engine_models", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with NAME.tflite for each of MODELS, converted once."""
    return made_once(tmp_path_factory, "engine_models", _make_models)


def _inputs(shape: tuple[int, ...], count: int) -> NDArray[np.int8]:
    """Noise of the whole range, and maps that fade with the first axis as spectrograms do."""
    rng = np.random.default_rng(11)
    noise = rng.integers(-128, 128, (count, *shape))
    fade = np.exp(-np.arange(shape[0]) * 4 / shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    maps = rng.exponential(25, (count, *shape)) * fade - 128
    maps[:, 0].flat[0] = 127
    return np.clip(np.concatenate([noise, maps]), -128, 127).astype(np.int8)


def _prefixes(model: bytes) -> list[bytes]:
    """The model cut after some of its operators, so that inner tensors are compared too; the whole model is last."""
    count = len(read_model(model).operators)
    cuts = [prefix_of(model, cut) for cut in range(count // 12 + 1, count, count // 6 + 1)]
    shapes = [(cut, read_model(cut)) for cut in cuts]
    return [cut for cut, read in shapes if len(shape := read.tensors[read.outputs[0]].shape) > 1 and shape[0] == 1] + [
        model
    ]


def _check(model: bytes, count: int, folder: Path, kernels: Path) -> list[NDArray[np.int8]]:
    """Holds a model and its prefixes to the reference; gives the outputs."""
    models = _prefixes(model)
    networks = [generate_network(read_model(part)) for part in models]
    inputs = _inputs(networks[0].input_shape, count)
    found = Engine(networks, folder, kernels).outputs([inputs] * len(networks))
    expected = [reference_outputs(part, inputs) for part in models]
    for part, (own, truth) in enumerate(zip(found, expected, strict=True)):
        assert own is not None
        wrong = int((own != truth).sum())
        assert not wrong, (
            f"{wrong} of {truth.size} values differ after {len(read_model(models[part]).operators)} operators"
        )
    return expected


@pytest.mark.parametrize("name", MODELS)
def test_converted_models_equal_the_reference(name: str, models: Path, tmp_path: Path, kernels: Path) -> None:
    outputs = _check((models / f"{name}.tflite").read_bytes(), 8, tmp_path, kernels)
    follow = [len(np.unique(part, axis=0)) == len(part) for part in outputs]
    assert len(follow) > 4
    assert sum(follow) >= 4, "what is compared hardly depends on the inputs"


def test_a_division_by_zero_is_a_status_where_the_reference_refuses_to_run(
    models: Path, tmp_path: Path, kernels: Path
) -> None:
    model = (models / "hybrid_pwl.tflite").read_bytes()
    network = generate_network(read_model(model))
    silence = np.full((1, *network.input_shape), network.input_quantization.zero_point, np.int8)
    with pytest.raises(RuntimeError, match="DIV"):
        reference_outputs(model, silence)
    assert Engine([network], tmp_path, kernels).outputs([silence]) == [None]


def test_generated_code_and_kernels_compile_strictly_for_the_m55(models: Path, tmp_path: Path) -> None:
    network = generate_network(read_model(models / "hybrid_db_inverted_se.tflite"))
    for name, text in network.files.items():
        (tmp_path / name).write_text(text)
    stub = ROOT / "firmware_stub"
    sources = [*(stub / "core" / "nn").glob("*.c"), tmp_path / "network.c", tmp_path / "network_weights.c"]
    for optimize in ("-O2", "-Os"):
        run(EMULATED_M55.compiler, *EMULATED_M55.flags, *STRICT, optimize, f"-I{stub / 'core'}", f"-I{stub / 'port'}",
            "-c", *sources, cwd=tmp_path)  # fmt: skip
    undefined = run("arm-none-eabi-nm", "-u", *(f"{source.stem}.o" for source in sources), cwd=tmp_path)
    outside = {line.split()[1] for line in undefined.splitlines() if " U " in line}
    known = {line.split()[-1] for line in run("arm-none-eabi-nm", "--defined-only", *tmp_path.glob("*.o")).splitlines()
             if len(line.split()) == 3}  # fmt: skip
    assert outside - known <= {"memcpy", "memset"}


def test_the_archive_of_sources_is_complete_for_every_model(models: Path, tmp_path: Path) -> None:
    stub = ROOT / "firmware_stub"
    for name in MODELS:
        network = generate_network(read_model(models / f"{name}.tflite"))
        place = tmp_path / name
        place.mkdir()
        for file, text in network.files.items():
            (place / file).write_text(text)
        (place / "main.c").write_text('#include "network.h"\nint main(void) { return network_run(); }\n')
        sources = [stub / "core" / "nn" / source for source in network.kernel_sources]
        run("gcc", "-std=c11", "-O0", f"-I{stub / 'core'}", f"-I{stub / 'port'}", "-I.", *sources, "main.c",
            "network.c", "network_weights.c", "-o", "program", cwd=place)  # fmt: skip


@pytest.mark.shared
def test_the_anchor_equals_the_reference(shared: Path, tmp_path: Path, kernels: Path) -> None:
    outputs = _check((shared / "models" / "anchor_int8.tflite").read_bytes(), 4, tmp_path, kernels)
    assert outputs[-1].std() > 5
    assert len(np.unique(outputs[-1], axis=0)) == len(outputs[-1])


@pytest.mark.shared
def test_the_anchor_needs_the_least_memory_that_its_sharing_allows(shared: Path) -> None:
    network = generate_network(read_model(shared / "models" / "anchor_int8.tflite"))
    assert network.arena_bytes == network.arena_lower_bound == ANCHOR_OPTIMUM
    assert network.macs == 26_735_616
    assert (network.input_shape, network.output_shape) == ((257, 256, 1), (100,))


@pytest.mark.shared
def test_the_published_model_is_refused_for_its_float_input_in_one_line(shared: Path) -> None:
    from birdnet_deploy.errors import ModelError

    with pytest.raises(ModelError, match="input is float32.*--io int8"):
        generate_network(read_model(shared / "models" / "birdnet_stm32n6_100.tflite"))
