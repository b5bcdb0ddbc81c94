"""Every reader of untrusted input, a fixed number of damaged inputs each; and every input that once broke one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import native
from tests.fuzz.driver import Target, check_one, fuzz
from tests.fuzz.targets import all_targets

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests/corpus"
GROUPS = {
    "archives": ("keras", "keras_config"),
    "models": ("tflite", "tflite_run", "prologue"),
    "texts": ("labels", "config", "lock", "project_json", "settings", "profile"),
    "reports": ("stedgeai_json", "stedgeai_report", "st_validate", "card_manifest"),
    "sounds": ("audio", "arrays"),
    "lines": ("serial", "saved_log", "saved_lines"),
    "evaluations": ("annotations_csv", "annotations_txt", "archive_csv", "journal", "ioc", "board_report"),
    "c": tuple(harness.corpus for harness in native.HARNESSES),
}
CASES = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, small_model: Path, small_bundle: Path) -> Path:
    """A folder with what fuzzing starts from: the small model and its bundle."""
    folder = tmp_path_factory.mktemp("fuzz") / "models"
    shutil.copytree(small_model, folder)
    shutil.copytree(small_bundle, folder / "bundle")
    return folder


@pytest.mark.parametrize("group", GROUPS)
def test_damaged_input_is_refused_as_promised(group: str, models: Path) -> None:
    names = [word for name in GROUPS[group] for word in ("--target", name)]
    command = [sys.executable, "-m", "tests.fuzz", "--ci", "--models", str(models), *names]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == list(GROUPS[group])


def test_every_target_is_in_a_group(models: Path) -> None:
    found = {target.name for target in all_targets(models, models / "bundle")}
    assert found | {harness.corpus for harness in native.HARNESSES} == {
        name for names in GROUPS.values() for name in names
    }


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_once_broke_a_promise_keeps_it(case: Path, models: Path, tmp_path: Path) -> None:
    target = next((t for t in all_targets(models, models / "bundle") if t.name == case.parent.name), None)
    if target is not None:
        assert check_one(target, tmp_path, case.read_bytes())[0] is None
        return
    harness = next(harness for harness in native.HARNESSES if harness.corpus == case.parent.name)
    assert native.replay(harness, tmp_path, [case]) == ""


def _die(path: Path, data: bytes) -> None:
    """A reader with every fault that the driver must see."""
    from birdnet_deploy.errors import ModelError, UsageError

    kind = data[:1]
    if kind == b"s":
        os.kill(os.getpid(), 11)
    elif kind == b"h":
        import time

        time.sleep(60)
    elif kind == b"x":
        raise KeyError("no DeployError")
    elif kind == b"c":
        raise UsageError("of another exit code")
    elif kind == b"t":
        path.with_name("left.tmp").touch()
    elif kind == b"m":
        _ = bytearray(1 << 30)
    else:
        raise ModelError("as promised")


def test_the_driver_sees_every_kind_of_fault(tmp_path: Path) -> None:
    seeds = [b"fine", b"segfault", b"fine", b"hang", b"x", b"code", b"temp", b"memory", b"fine"]
    target = Target(
        "faulty", ".bin", frozenset({3}), lambda folder: seeds, _die, 0, slow_s=0.2, memory_bytes=256 << 20
    )  # fmt: skip
    found = fuzz(target, tmp_path, seed=1, inputs=len(seeds))
    assert (found.tried, found.refused) == (9, 3)
    assert [(failure.data, failure.why.split("\n")[0].split(":")[0]) for failure in found.failures] == [
        (b"segfault", "died of SIGSEGV"), (b"hang", "hung for 2 s"), (b"x", "KeyError"),
        (b"code", "exit code 2 for of another exit code"), (b"temp", "left behind"), (b"memory", "MemoryError"),
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    seen: list[list[bytes]] = []
    for _ in range(2):
        tried = tmp_path / f"{len(seen)}"
        tried.mkdir()
        log = tried / "log"
        target = Target(
            "noted", ".bin", frozenset(), lambda folder: [b"abc"], lambda path, data, log=log: _note(log, data), 0
        )  # fmt: skip
        fuzz(target, tried, seed=7, inputs=50)
        seen.append(log.read_bytes().splitlines())
    assert seen[0] == seen[1] and len(set(seen[0])) > 30


def _note(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data.hex().encode() + b"\n")
