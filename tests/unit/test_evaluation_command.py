"""``evaluate`` over a small archive: what the tables hold is what the engines give; what is refused; shards."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from birdnet_deploy import pipeline
from birdnet_deploy.audio.frontend import features_of_pcm
from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.audio.reading import read_pcm16
from birdnet_deploy.audio.windows import window_at, window_starts
from birdnet_deploy.bundle import open_bundle
from birdnet_deploy.errors import CheckFailed, ModelError, ToolchainError, UsageError
from birdnet_deploy.evaluation.engines import Engines
from birdnet_deploy.evaluation.evaluate import EvaluateRequest, Evaluation
from birdnet_deploy.evaluation.finish import SummaryRequest
from birdnet_deploy.evaluation.intervals import Bootstrap
from birdnet_deploy.evaluation.jobs import job_from_json
from birdnet_deploy.evaluation.merge import MergeRequest, merge
from birdnet_deploy.evaluation.prepare import Wanted, prepared
from birdnet_deploy.evaluation.results import window_schema
from birdnet_deploy.evaluation.summary import Summary
from birdnet_deploy.evaluation.summary_text import summary_lines
from birdnet_deploy.prologue.file import read_prologue
from birdnet_deploy.prologue.reference import run_reference
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.progress import Silent
from birdnet_deploy.tflite.interpreter import Int8Interpreter
from birdnet_deploy.tflite.scores import activate
from tests.support.archives import make_archive
from tests.support.command import fail, succeed
from tests.support.once import made_once
from tests.support.prologue_bundles import with_prologue

ROOT = Path(__file__).resolve().parents[2]
QUICK = SummaryRequest(bootstrap=Bootstrap(20))
TABLES = ("files.csv", "results.parquet", "summary.json")


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory, small_model: Path, small_bundle: Path) -> Path:
    """The output of all three engines on the small model's recordings; read it, never write into it."""

    def make(folder: Path) -> None:
        keras, recordings = small_model / "small.keras", small_model / "recordings"
        succeed("evaluate", small_bundle, recordings, "--engine", "all", "--float", keras, "-o", folder)

    return made_once(tmp_path_factory, "small_evaluation", make)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve labelled recordings."""
    return make_archive(tmp_path_factory.mktemp("archive"), 12)


def evaluate(bundle: Path, archive: Path, output: Path, **changes: Any) -> Evaluation:
    """Evaluates with int8 in one worker, in this process."""
    request = EvaluateRequest(Wanted(bundle), archive, output, workers=1, summary=QUICK)
    return pipeline.evaluate(replace(request, **changes))


def rows_of(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "results.parquet").to_pylist()
    return rows


def tables(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in TABLES]


def windows_of(recordings: Path, bundle: Path) -> list[tuple[str, float, np.ndarray]]:
    """Gives file, offset and samples of every window, read whole: nothing of the evaluation takes part."""
    config = open_bundle(bundle).config
    found = []
    for path in sorted(recordings.rglob("*.*"), key=lambda path: path.relative_to(recordings).as_posix()):
        pcm = read_pcm16(path, config.sample_rate)
        for start in window_starts(len(pcm), config.window_samples):
            name = path.relative_to(recordings).as_posix()
            found.append((name, start / config.sample_rate, window_at(pcm, start, config.window_samples)))
    return found


def test_the_table_has_a_row_for_each_window_and_engine(evaluated: Path, small_model: Path, small_bundle: Path) -> None:
    rows = rows_of(evaluated)
    expected = windows_of(small_model / "recordings", small_bundle)
    assert pq.read_schema(evaluated / "results.parquet").remove_metadata() == window_schema()
    assert [row["engine"] for row in rows] == ["float", "int8", "device-twin"] * len(expected)
    assert [(row["file"], row["offset_s"]) for row in rows[::3]] == [(file, start) for file, start, _ in expected]
    assert {row["lock"] for row in rows} == {open_bundle(small_bundle).lock_sha256}
    assert {row["sha256"] for row in rows} == {
        sha256_file(small_model / "recordings" / file) for file, _, _ in expected
    }
    assert {(row["engine"], row["kernel"]) for row in rows} == {
        ("float", "xnnpack"), ("int8", "xnnpack"), ("device-twin", "c-host"),
    }  # fmt: skip


def test_recordings_that_also_calibrated_are_told(evaluated: Path, small_bundle: Path) -> None:
    files = open_bundle(small_bundle).lock["calibration"]["files"]
    calibrating = {entry["sha256"] for entry in files if entry["role"] == "calibration"}
    with (evaluated / "files.csv").open(encoding="utf-8", newline="") as file:
        found = [row["sha256"] in calibrating for row in csv.DictReader(file)]
    data = json.loads((evaluated / "summary.json").read_text())
    assert 0 < data["calibrated"] == sum(found) < len(found)
    told = f"{sum(found)} of these {len(found)} files calibrated the bundle"
    assert told in "\n".join(summary_lines(Summary(data)))


def test_int8_and_twin_give_what_litert_gives_on_the_same_windows(
    evaluated: Path, small_model: Path, small_bundle: Path
) -> None:
    bundle, rows = open_bundle(small_bundle), rows_of(evaluated)
    fast = Int8Interpreter(bundle.model.read_bytes(), kernels="optimized")
    exact = Int8Interpreter(bundle.model.read_bytes())
    scale = exact.input_quantization
    differing = 0
    for index, (_, _, pcm) in enumerate(windows_of(small_model / "recordings", small_bundle)):
        quantized = quantize_input(features_of_pcm(pcm, bundle.config), scale.scale, scale.zero_point)[None]
        _, int8, twin = rows[3 * index : 3 * index + 3]
        assert int8["outputs"] == fast.run(quantized)[0].tolist()
        assert twin["outputs"] == exact.run(quantized)[0].tolist()
        differing += int8["outputs"] != twin["outputs"]
        logits = exact.output_quantization.dequantize(np.array(twin["outputs"], np.int8))
        assert twin["logits"] == logits.tolist()
        assert twin["scores"] == activate(logits, "softmax").astype(np.float32).tolist()
    assert differing, "the two engines are not told apart by these windows"


KERAS = """
import json, sys
import numpy as np
from birdnet_deploy.model.archive import inspect_archive
from birdnet_deploy.model.loading import load_archive
from pathlib import Path
model = load_archive(inspect_archive(Path(sys.argv[1])))
np.save(sys.argv[3], model.predict(np.load(sys.argv[2]), verbose=0))
"""


def test_float_scores_are_those_of_keras(
    evaluated: Path, small_model: Path, small_bundle: Path, tmp_path: Path
) -> None:
    config = open_bundle(small_bundle).config
    windows = windows_of(small_model / "recordings", small_bundle)
    np.save(tmp_path / "in.npy", np.stack([features_of_pcm(pcm, config) for _, _, pcm in windows]))
    places = [str(small_model / "small.keras"), str(tmp_path / "in.npy"), str(tmp_path / "out.npy")]
    subprocess.run([sys.executable, "-c", KERAS, *places], cwd=ROOT, check=True, capture_output=True)
    found = np.array([row["scores"] for row in rows_of(evaluated)[::3]])
    assert [row["outputs"] for row in rows_of(evaluated)[:3]][0] is None
    np.testing.assert_allclose(found, np.load(tmp_path / "out.npy"), atol=2e-5)


def test_numpy_gives_the_features_of_the_compiled_frontend(
    small_model: Path, small_bundle: Path, tmp_path: Path
) -> None:
    with prepared(Wanted(small_bundle), tmp_path, Silent()) as ready:
        assert ready.job.frontend is not None
        compiled, plain = Engines(ready.job), Engines(replace(ready.job, frontend=None))
        for _, _, pcm in windows_of(small_model / "recordings", small_bundle)[:8]:
            np.testing.assert_array_equal(compiled.run(pcm), plain.run(pcm))
        assert job_from_json(json.loads(json.dumps(ready.job.to_json()))) == ready.job


def test_behind_a_prologue_all_engines_take_what_it_gives(small_bundle: Path, archive: Path, tmp_path: Path) -> None:
    bundle = with_prologue(small_bundle, tmp_path / "bundle")
    network, prologue = Int8Interpreter(small_bundle.joinpath("model.tflite").read_bytes()), bundle / "prologue.npz"
    scale, config = network.input_quantization, open_bundle(bundle).config
    with prepared(Wanted(bundle, ("int8", "device-twin")), tmp_path / "prepared", Silent()) as ready:
        compiled, plain = Engines(ready.job), Engines(replace(ready.job, frontend=None))
        for _, _, pcm in windows_of(archive, small_bundle)[:4]:
            inputs = run_reference(read_prologue(prologue), features_of_pcm(pcm, config)[None])
            expected = network.run(quantize_input(inputs, scale.scale, scale.zero_point))[0]
            np.testing.assert_array_equal(compiled.run(pcm)[1], expected)
            np.testing.assert_array_equal(compiled.run(pcm), plain.run(pcm))


def test_without_a_compiler_numpy_computes_and_the_twin_is_refused(
    small_bundle: Path, archive: Path, tmp_path: Path, evaluated: Path
) -> None:
    warned: list[str] = []

    class Listening(Silent):
        def warn(self, text: str) -> None:
            warned.append(text)

    no_tools = {"cc": tmp_path / "none"}
    with prepared(Wanted(small_bundle, tools=no_tools), tmp_path / "a", Listening()) as ready:
        assert ready.job.frontend is None
    assert "numpy computes the features" in warned[0]
    twin = Wanted(small_bundle, ("device-twin",), tools=no_tools)
    with pytest.raises(ToolchainError, match="cc"), prepared(twin, tmp_path / "b", Silent()):
        pass


def test_csv_holds_the_numbers_of_parquet(small_bundle: Path, archive: Path, tmp_path: Path) -> None:
    evaluate(small_bundle, archive, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    evaluate(small_bundle, archive, tmp_path / "out", resume=True, summary=replace(QUICK, form="csv"))
    assert not (tmp_path / "out/results.parquet").exists()
    with (tmp_path / "out/results.csv").open(encoding="utf-8", newline="") as file:
        told = list(csv.DictReader(file))
    assert len(told) == len(rows) > 12
    for row, cells in zip(rows, told, strict=True):
        assert (cells["file"], cells["engine"], cells["kernel"]) == (row["file"], row["engine"], row["kernel"])
        assert [int(cell) for cell in cells["outputs"].split()] == row["outputs"]
        for name in ("logits", "scores"):
            values = np.array(cells[name].split(), np.float64).astype(np.float32)
            assert values.tolist() == row[name]


def test_workers_and_overlap(small_bundle: Path, archive: Path, tmp_path: Path) -> None:
    evaluate(small_bundle, archive, tmp_path / "one")
    evaluate(small_bundle, archive, tmp_path / "three", workers=3)
    assert tables(tmp_path / "one") == tables(tmp_path / "three")
    none = evaluate(small_bundle, archive, tmp_path / "none", wanted=Wanted(small_bundle, overlap_s=0.0))
    offsets = [row["offset_s"] for row in rows_of(tmp_path / "none")]
    assert offsets[:2] == [0.0, 0.8]  # of 1.8 s: one second, and the rest with the end of the first
    assert none.finish is not None and none.finish.windows == len(offsets) == 24


def test_a_run_is_only_resumed_with_the_same_parameters(small_bundle: Path, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = evaluate(small_bundle, archive, out)
    assert (first.evaluated, first.files) == (12, 12)
    assert "holds an evaluation -> --resume" in fail(5, "evaluate", small_bundle, archive, "-o", out)
    other = Wanted(small_bundle, overlap_s=0.25)
    with pytest.raises(CheckFailed, match="begun with other parameters: hop is 6000, not 4000"):
        evaluate(small_bundle, archive, out, resume=True, wanted=other)
    with pytest.raises(CheckFailed, match="shard differ"):
        evaluate(small_bundle, archive, out, resume=True, shard=(1, 2))
    again = evaluate(small_bundle, archive, out, resume=True)
    assert (again.evaluated, dict(again.statuses)) == (0, {"ok": 12})


def test_a_resumed_run_sees_what_has_changed_in_the_archive(small_bundle: Path, archive: Path, tmp_path: Path) -> None:
    copy = tmp_path / "archive"
    shutil.copytree(archive, copy)
    evaluate(small_bundle, copy, tmp_path / "out", shard=None)
    paths = sorted(copy.rglob("*.wav"))
    paths[0].unlink()
    shutil.copyfile(paths[2], paths[1])
    shutil.copyfile(paths[3], paths[3].with_name("new.wav"))
    found = evaluate(small_bundle, copy, tmp_path / "out", resume=True)
    assert found.evaluated == 2
    evaluate(small_bundle, copy, tmp_path / "anew")
    assert tables(tmp_path / "out") == tables(tmp_path / "anew")


def merged(shards: Sequence[Path], output: Path) -> Path:
    merge(MergeRequest(tuple(shards), output, summary=QUICK))
    return output


def test_merging_refuses_what_is_not_the_whole_of_one_evaluation(
    small_bundle: Path, archive: Path, tmp_path: Path
) -> None:
    shards = [tmp_path / f"s{number}" for number in (1, 2, 3)]
    for number, folder in enumerate(shards, 1):
        assert evaluate(small_bundle, archive, folder, shard=(number, 3)).finish is None
    evaluate(small_bundle, archive, tmp_path / "whole")
    assert tables(merged(shards[::-1], tmp_path / "m")) == tables(tmp_path / "whole")
    assert tables(merged([tmp_path / "whole"], tmp_path / "m1")) == tables(tmp_path / "whole")

    out = tmp_path / "refused"
    with pytest.raises(CheckFailed, match="missing shards: 2/3"):
        merged([shards[0], shards[2]], out)
    with pytest.raises(CheckFailed, match="is shard 1/3, which came before"):
        merged([*shards, shards[0]], out)
    with pytest.raises(CheckFailed, match="the first is of 3"):
        merged([*shards, tmp_path / "whole"], out)
    other = tmp_path / "bundle"
    shutil.copytree(small_bundle, other)
    lock = json.loads((other / "birdnet.lock").read_text())
    (other / "birdnet.lock").write_text(json.dumps({**lock, "options": {"changed": True}}))
    evaluate(other, archive, tmp_path / "mixed", shard=(2, 3))
    with pytest.raises(CheckFailed, match="mixed locks: lock is"):
        merged([shards[0], tmp_path / "mixed", shards[2]], out)
    journal = (shards[1] / "journal.bin").read_bytes()
    (shards[1] / "journal.bin").write_bytes(journal[:-20])
    with pytest.raises(CheckFailed, match=r"has \d+ of \d+ recordings -> run that shard again with --resume"):
        merged(shards, out)
    with pytest.raises(ModelError, match="cannot be read"):
        merged([tmp_path], out)
    assert not out.exists()


def test_merge_is_a_word_and_a_folder_of_that_name_has_a_path(
    small_bundle: Path, archive: Path, tmp_path: Path
) -> None:
    shutil.copytree(small_bundle, tmp_path / "merge")
    assert "Usage: birdnet-deploy evaluate merge" in succeed("evaluate", "merge", "--help")
    assert "evaluate merge SHARD" in succeed("evaluate", "--help")
    told = succeed("evaluate", "./merge", archive, "--output-format", "json", "-o", "out", cwd=tmp_path)
    assert json.loads(told)["engines"] == ["int8"]
    fail(3, "evaluate", "merge", archive, "-o", "other", cwd=tmp_path)


def test_what_cannot_be_evaluated_is_refused_before_any_work(
    small_model: Path, small_bundle: Path, archive: Path, tmp_path: Path
) -> None:
    def refused(match: str, recordings: Path = archive, **changes: Any) -> None:
        with pytest.raises(UsageError, match=match):
            evaluate(small_bundle, recordings, tmp_path / "out", **changes)

    refused("a bundle has no float model -> name the .keras", wanted=Wanted(small_bundle, ("all",)))
    refused("a .keras has no int8 engine", wanted=Wanted(small_model / "small.keras", ("int8",)))
    refused("less than the window of 1 s", wanted=Wanted(small_bundle, overlap_s=1.0))
    refused("no such folder of recordings", recordings=tmp_path / "none")
    other = tmp_path / "other.keras"
    shutil.copyfile(small_model / "small.keras", other)
    with other.open("ab") as file:
        file.write(b"\0")
    wanted = Wanted(small_bundle, ("float",), other)
    for name in ("small_labels.txt", "small_model_config.json"):
        shutil.copyfile(small_model / name, tmp_path / name.replace("small", "other", 1))
    refused("not the model that the bundle was made of", wanted=wanted)
    assert "'5/4' is not i/n" in fail(2, "evaluate", small_bundle, archive, "--shard", "5/4")


def test_beginning_anew_keeps_a_copy(small_bundle: Path, archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "files.csv").write_text("mine")
    assert "files.csv" in fail(5, "evaluate", small_bundle, archive, "-o", folder)
    succeed("evaluate", small_bundle, archive, "-o", folder, "--force")
    assert (folder / "files.csv.bak-1").read_text() == "mine"
    held = {name: sha256_file(folder / name) for name in (*TABLES, "journal.bin")}
    succeed("evaluate", small_bundle, archive, "-o", folder, "--force")
    copies = {name: folder / f"{name}.bak-{2 if name == 'files.csv' else 1}" for name in held}
    assert {name: sha256_file(path) for name, path in copies.items()} == held
