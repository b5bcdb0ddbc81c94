"""Models of other people at the command line: taken where they can be, refused in one line where they cannot."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.bundles import CONFIG, LABELS
from tests.support.command import birdnet_deploy, fail, succeed
from tests.support.make_small_model import LABELS as SMALL_LABELS
from tests.support.small_models import edit_config, layer_config
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]
OPTIONS = ("--sample-rate", 8000, "--chunk-duration", 1, "--frontend", "hybrid")


def tree(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture
def lone(small_bundle: Path, tmp_path: Path) -> Path:
    """The small model's .tflite with nothing beside it."""
    (tmp_path / "lone").mkdir()
    return Path(shutil.copy(small_bundle / "model.tflite", tmp_path / "lone/birds_INT8.tflite"))


@pytest.fixture
def published(lone: Path, small_model: Path) -> Path:
    """A folder as models are published: the small model's .tflite, config and labels."""
    shutil.copy(small_model / "small_labels.txt", lone.with_name("birds_labels.txt"))
    config = json.loads((small_model / "small_model_config.json").read_text())
    told = json.dumps({**config, "output_activation": "softmax", "trained_by": "somebody"})
    lone.with_name("birds_model_config.json").write_text(told)
    return lone.parent


@pytest.fixture
def checkpoint(small_model: Path, tmp_path: Path) -> Path:
    """The small model as birdnet-stm32 of 2026 would have saved it, alone in a folder."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    path = Path(shutil.copy(small_model / "small.keras", folder / "small.keras"))

    def as_2026(config: dict) -> None:
        layer = layer_config(config, "AudioFrontendLayer")
        layer.update(module="birdnet_stm32.models.frontend", registered_name="AudioFrontendLayer")
        layer["config"]["chunk_duration"] = 1.0

    return edit_config(path, as_2026)


def test_a_lone_tflite_is_asked_for_what_it_does_not_tell(lone: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    error = fail(2, "generate", lone, "-o", tmp_path / "fw")
    assert error.count("\n") == 1
    assert "birds_INT8_model_config.json: no config beside the model" in error
    assert "--config" in error and "--sample-rate HZ --chunk-duration SECONDS --frontend NAME" in error
    assert "audio_frontend" not in fail(2, "generate", lone, "--frontend", "hybird", "-o", tmp_path / "fw")
    assert tree(tmp_path) == before


def test_a_lone_tflite_with_the_three_options_becomes_a_project(lone: Path, tmp_path: Path) -> None:
    done = birdnet_deploy("generate", lone, *OPTIONS, "-o", tmp_path / "fw")
    assert done.returncode == 0, done.stderr
    assert "no labels beside the model: its 4 classes are numbered" in done.stderr
    bundle = tmp_path / "fw/bundle"
    assert (bundle / "labels.txt").read_text() == "class_000\nclass_001\nclass_002\nclass_003\n"
    config = json.loads((bundle / "model_config.json").read_text())
    assert (config["fft_length"], config["spec_width"], config["hop_length"]) == (256, 32, 250)
    succeed("validate", tmp_path / "fw")


def test_what_is_unknown_of_a_foreign_model_is_said_to_be_unknown(published: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        done = birdnet_deploy("generate", published, "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("warning:") == 1 and "trained_by" in done.stderr
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    bundle = tmp_path / "one/bundle"
    lock, report = (json.loads((bundle / name).read_text()) for name in ("birdnet.lock", "report.json"))
    assert (lock["kind"], lock["calibration"]) == ("tflite", "unknown")
    assert lock["source_model"]["name"] == "birds_INT8.tflite"
    assert (report["fidelity"], report["calibration"]) == (None, "unknown")
    assert "unknown" in report["warnings"][0]
    config = json.loads((bundle / "model_config.json").read_text())
    assert (config["output_activation"], config["trained_by"]) == ("softmax", "somebody")
    golden = np.load(bundle / "golden.npz")
    assert golden["output"].shape == (16, 4) and len(np.unique(golden["output"])) > 10


def test_a_published_folder_is_checked_against_its_config_and_labels(published: Path, tmp_path: Path) -> None:
    output = succeed("validate", published)
    assert "note: no bundle: nothing says by its hash" in output
    assert "\nBD3" not in f"\n{output}"
    (published / "birds_labels.txt").write_text("one\ntwo\n")
    done = birdnet_deploy("validate", published)
    assert done.returncode == 4
    assert "BD301 error birds_labels.txt: 2 labels but the model has 4 outputs" in done.stdout
    assert "labels, config and lock were not checked (BD301 to BD312)" in succeed(
        "validate", published / "birds_INT8.tflite"
    )
    error = fail(3, "generate", published, "-o", tmp_path / "fw")
    assert "birds_labels.txt: 2 labels but the model has 4 outputs" in error
    assert not (tmp_path / "fw").exists()


def test_a_config_that_does_not_fit_the_model_is_refused_by_both(published: Path, tmp_path: Path) -> None:
    path = published / "birds_model_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "spec_width": 64}))
    assert "BD304" in birdnet_deploy("validate", published).stdout
    error = fail(2, "generate", published, "-o", tmp_path / "fw")
    assert "the input shape is (129, 64, 1) but the model has (129, 32, 1)" in error
    path.write_text(json.dumps({**config, "hop_length": 200}))
    assert "BD305 error birds_model_config.json" in birdnet_deploy("validate", published).stdout
    assert "hop_length is 200" in fail(2, "generate", published, "-o", tmp_path / "fw")
    path.write_text(json.dumps({**config, "sampel_rate": 1}))
    assert "did you mean 'sample_rate'" in fail(2, "generate", published, "-o", tmp_path / "fw")


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_an_activation_in_the_graph_is_not_left_to_the_firmware(tflite_models: Path, tmp_path: Path, head: str) -> None:
    folder = tmp_path / "birds"
    folder.mkdir()
    shutil.copy(tflite_models / f"{head}.tflite", folder / "birds.tflite")
    (folder / "birds_model_config.json").write_text(json.dumps({**CONFIG, "output_activation": head}))
    (folder / "birds_labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    assert "BD307" not in birdnet_deploy("validate", folder).stdout
    succeed("generate", folder, "-o", tmp_path / "fw")
    assert json.loads((tmp_path / "fw/bundle/model_config.json").read_text())["output_activation"] == "none"
    wrong = "softmax" if head == "sigmoid" else "sigmoid"
    (folder / "birds_model_config.json").write_text(json.dumps({**CONFIG, "output_activation": wrong}))
    assert "BD307" in birdnet_deploy("validate", folder).stdout
    assert f"ends in '{head}'" in fail(2, "generate", folder, "-o", tmp_path / "fw2")


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("float", 3, "not full int8, its input is float32"),
        ("dynamic", 3, "(FULLY_CONNECTED) has the dynamic shape [-1, 8]"),
        ("int16", 3, "its input is int16"),
        ("reverse", 3, "(REVERSE_V2) has no kernel"),
    ],
)
def test_what_the_engine_cannot_take_is_refused_and_nothing_is_touched(
    tflite_models: Path, small_project: Path, tmp_path: Path, name: str, code: int, text: str
) -> None:
    project = tmp_path / "fw"
    shutil.copytree(small_project, project)
    before = tree(tmp_path)
    options = ("--sample-rate", 8000, "--chunk-duration", 1, "--frontend", "librosa")
    error = fail(code, "generate", tflite_models / f"{name}.tflite", *options, "-o", project).splitlines()[-1]
    assert text in error and error.startswith(f"error: {tflite_models / name}.tflite: ")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("content", [b"", b"\x1c\0\0\0TFL3", b"\xff\xff\xff\xffTFL3" + bytes(64)])
def test_f14_a_malformed_tflite_is_refused_everywhere(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    for command in (("generate", path, *OPTIONS), ("validate", path), ("run", path, *OPTIONS, "--audio", tmp_path)):
        assert "bad.tflite" in fail(3, *command, cwd=tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.tflite"]


def test_f14_flipped_bytes_never_end_the_process(lone: Path, tmp_path: Path) -> None:
    data, random = lone.read_bytes(), np.random.default_rng(4)
    for _ in range(4):
        changed = bytearray(data)
        for at in random.integers(0, 4000, 12):
            changed[at] ^= int(random.integers(1, 256))
        lone.write_bytes(bytes(changed))
        done = birdnet_deploy("generate", lone, *OPTIONS, "-o", tmp_path / "fw", "--force")
        assert done.returncode in (0, 2, 3), done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["old.h5", "old.hdf5", "renamed.keras"])
def test_old_files_get_the_way_out_from_every_command(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    looked_into = 3 if name == "renamed.keras" else 2
    for command, code in (("convert", 3), ("model summary", 3), ("generate", 2), ("validate", looked_into)):
        error = fail(code, *command.split(), path, cwd=tmp_path)
        expected = "model.save('name.keras')" if code == 3 or name != "renamed.keras" else "birdnet-deploy convert"
        assert expected in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["hf://user/model.tflite", "gs://bucket/model.keras", "missing.tflite"])
def test_only_local_files_are_opened(tmp_path: Path, name: str) -> None:
    for command in ("generate", "validate", "convert", "model summary"):
        fail(2, *command.split(), name, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_has_its_own_labels_and_config(small_bundle: Path, small_model: Path, tmp_path: Path) -> None:
    labels = small_model / "small_labels.txt"
    error = fail(2, "generate", small_bundle, "--labels", labels, "-o", tmp_path / "fw")
    assert "a bundle has its own labels and config" in error
    succeed("generate", small_bundle / "model.tflite", "-o", tmp_path / "fw")  # the file stands for its bundle
    assert tree(tmp_path / "fw/bundle") == {k: v for k, v in tree(small_bundle).items() if k[0] != "."}


def test_a_folder_without_a_keras_is_told_apart_from_a_converted_model(published: Path, tmp_path: Path) -> None:
    assert "holds a .tflite, converted already" in fail(2, "convert", published, cwd=tmp_path)
    (published / "birds.keras").write_bytes(b"x")
    (published / "other.keras").write_bytes(b"x")
    (published / "birds_model_config.json").unlink()
    assert "holds 2 .keras files (birds.keras, other.keras)" in fail(2, "convert", published, cwd=tmp_path)
    for path in published.glob("*.tflite"):
        path.unlink()
    (published / "other.keras").unlink()
    assert "birds.keras: not converted yet -> birdnet-deploy convert" in fail(2, "generate", published, cwd=tmp_path)
    assert "birds.keras: not a readable .keras archive" in fail(3, "validate", published, cwd=tmp_path)


def test_a_checkpoint_without_config_or_labels_is_asked_for_both(checkpoint: Path, tmp_path: Path) -> None:
    command = ("convert", checkpoint, "--calibration", "synthetic", "-o", tmp_path / "out")
    error = fail(2, *command)
    assert "--sample-rate 8000 --chunk-duration 1.0 --frontend hybrid" in error  # what its frontend layer says
    assert "--labels" in fail(3, *command, *OPTIONS)
    assert "sample_rate is 16000 but the model has 8000" in fail(2, *command, *OPTIONS, "--sample-rate", 16000)
    assert not (tmp_path / "out").exists()


def test_a_2026_checkpoint_converts_from_its_folder_and_imports_nothing_of_its_own(
    checkpoint: Path, small_model: Path, small_bundle: Path, tmp_path: Path
) -> None:
    """A package of the name that the file carries lies ready to be imported: it would leave a mark."""
    package = tmp_path / "site/birdnet_stm32/models"
    package.mkdir(parents=True)
    mark = f"from pathlib import Path\nPath({str(tmp_path / 'mark')!r}).touch()\n"
    for path in (package.parent / "__init__.py", package / "__init__.py", package / "frontend.py"):
        path.write_text(mark)
    shutil.copy(small_model / "small_labels.txt", checkpoint.parent / "names_labels.txt")
    folder = checkpoint.parent
    output = succeed(
        "convert", folder, *OPTIONS, "--calibration", small_model / "recordings", "-o", tmp_path / "out",
        PYTHONPATH=str(tmp_path / "site"),
    )  # fmt: skip
    assert "hybrid, 2026 layout, divides by the sample's maximum" in output
    assert not (tmp_path / "mark").exists()
    assert (tmp_path / "out/labels.txt").read_text().splitlines() == list(SMALL_LABELS)
    for name in ("model.tflite", "golden.npz"):
        assert (tmp_path / "out" / name).read_bytes() == (small_bundle / name).read_bytes()
    assert "layer" in succeed("model", "summary", folder)
