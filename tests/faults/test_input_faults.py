"""Files of others that no model, recording or port is: pipes, devices, what is far too large, what was edited."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_deploy.board.signed_image import check_signed_image
from birdnet_deploy.errors import DeployError
from birdnet_deploy.evaluation.archive import open_archive
from birdnet_deploy.evaluation.journal import _framed, open_journal
from birdnet_deploy.evaluation.label_files import read_annotations
from birdnet_deploy.evaluation.merge import MergeRequest, merge
from birdnet_deploy.evaluation.records import Head, encode, head_of
from birdnet_deploy.project.ioc import merged_ioc
from birdnet_deploy.showing.figures.windows import read_heard
from tests.support.refusals import refused

READERS: dict[str, tuple[Callable[[Path], object], int]] = {
    "label file": (read_annotations, 3),
    "manifest of an archive": (open_archive, 2),
    "journal": (open_journal, 3),
    "signed image": (lambda path: check_signed_image(path, kind="app"), 7),
    "CubeMX project": (lambda path: merged_ioc(path, {}), 2),
}


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(64 << 30)


@pytest.mark.parametrize("make", [_pipe, _device, _huge])
@pytest.mark.parametrize("what", READERS)
def test_f02_a_reader_waits_for_nothing_and_takes_no_more_than_is_sane(
    what: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    read, code = READERS[what]
    path = tmp_path / "input.csv"
    make(path)
    with pytest.raises(DeployError) as caught:
        read(path)
    assert caught.value.exit_code == code and str(path) in caught.value.line and " -> " in caught.value.line


def test_f02_a_name_that_is_longer_than_any_is_named(small_bundle: Path, tmp_path: Path) -> None:
    name = tmp_path / ("n" * 300)
    command = ("generate", small_bundle, "--target", "stm32n6570-dk", "--ioc", name, "-o", tmp_path / "p")
    refused(2, *command, scratch=tmp_path, naming=(str(name), "too long"))


def test_f02_a_manifest_with_a_nul_in_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"file\na\0b.wav\n")
    with pytest.raises(DeployError, match=r"no name of a file -> ") as caught:
        open_archive(tmp_path / "a.csv")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("header", [b"[]", b"{", b"{}", b'{"job": {}}', b'{"job": [], "fingerprint": 1, "labels": 0}'])
def test_a_journal_that_somebody_wrote_by_hand_is_refused(header: bytes, tmp_path: Path) -> None:
    (tmp_path / "journal.bin").write_bytes(_framed(b"H", header))
    with pytest.raises(DeployError) as caught:
        merge(MergeRequest((tmp_path,), tmp_path / "out"))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "changed", [{"windows": -1}, {"windows": "1"}, {"status": "fine"}, {"file": None}, {"samples": 1e9}, {"more": 1}]
)
def test_a_record_that_somebody_wrote_by_hand_is_refused(changed: dict[str, object]) -> None:
    whole = encode(Head("a.wav", "0" * 64, "ok", windows=1))
    assert head_of(whole).file == "a.wav"
    told = json.dumps({**json.loads(whole[4:]), **changed}).encode()
    with pytest.raises(DeployError, match="a record that is none"):
        head_of(len(told).to_bytes(4, "little") + told)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(30), b"\x93NUMPY\x01\x00"])
def test_a_report_has_no_pictures_of_windows_that_cannot_be_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "golden.npz").write_bytes(content)
    assert read_heard(tmp_path / "golden.npz") is None


@pytest.mark.parametrize("plan", ["[]", '{"arena_bytes": 1}', "[" * 100_000])
def test_a_report_of_a_project_whose_plan_was_edited(plan: str, small_project: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(small_project, tmp_path / "p"))
    (project / "memory_plan.json").write_text(plan)
    command = ("report", project, "--target", "qemu-an547", "-o", tmp_path / "out")
    refused(3, *command, scratch=tmp_path, naming=("memory_plan.json",))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("told", ["[]", '{"target": "host", "comparison": {"windows": 1}}', "null"])
def test_a_report_of_a_board_test_that_was_edited(told: str, small_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "predictions.jsonl").touch()
    (folder / "report.json").write_text(told)
    command = ("report", small_bundle, "--readback", folder, "-o", tmp_path / "out")
    refused(2, *command, scratch=tmp_path, naming=(str(folder),))
