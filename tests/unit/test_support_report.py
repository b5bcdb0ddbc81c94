"""`doctor --bundle-report`: what helps to find a mistake is in it, what is private is not."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from birdnet_deploy.support_report import recordings_in, scrubbed, without_recordings
from tests.support.command import birdnet_deploy, fail


def collect(output: Path, *more: object, **environment: str) -> dict[str, str]:
    done = birdnet_deploy("doctor", "--bundle-report", output, *more, **environment)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(output) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_it_holds_versions_lock_reports_and_logs(small_bundle: Path, small_project: Path, tmp_path: Path) -> None:
    found = collect(tmp_path / "r.zip", "--with", small_bundle, "--with", small_project)
    assert json.loads(found["doctor.json"])["items"]
    lock, told = (
        json.loads((small_bundle / "birdnet.lock").read_text("utf-8")),
        json.loads(found["1-bundle/birdnet.lock"]),
    )
    assert told["files"] == lock["files"] and told["versions"] == lock["versions"]
    assert {"1-bundle/report.json", "2-project/project.json", "2-project/build/build.log"} <= set(found)
    assert set(json.loads(found["contents.json"])["files"]) == set(found) - {"contents.json"}


def test_it_holds_no_audio_models_labels_or_homes(small_project: Path, tmp_path: Path) -> None:
    home = tmp_path / "home" / "grete"
    project = home / "birds" / "fw"
    shutil.copytree(small_project, project)
    (project / "build" / "build.log").write_text(f"{project}/app/app.c:1: error: no\n", encoding="utf-8")
    (project / "secret.wav").write_bytes(b"RIFF")
    found = collect(tmp_path / "r.zip", project, HOME=str(home), LOGNAME="grete")
    assert [name for name in found if name.endswith((".wav", ".tflite", ".npz", "labels.txt", ".c"))] == []
    assert [name for name, text in found.items() if "grete" in text] == []
    assert found["1-project/build/build.log"] == "~/birds/fw/app/app.c:1: error: no\n"


def test_names_of_recordings_stay_here(small_bundle: Path, tmp_path: Path) -> None:
    lock = json.loads((small_bundle / "birdnet.lock").read_text(encoding="utf-8"))
    recordings = {entry["file"] for entry in lock["calibration"]["files"]}
    tested = tmp_path / "tested"
    tested.mkdir()
    secret = {"00001.WAV": 'Nest 7/Adlerhorst "süd".flac'}
    (tested / "manifest.json").write_text(json.dumps({"original": secret["00001.WAV"], "name": "00001.WAV"}), "utf-8")
    (tested / "summary.txt").write_text('worst: Adlerhorst "süd".flac\n', encoding="utf-8")
    found = collect(tmp_path / "r.zip", "--with", small_bundle, "--with", tested)
    assert recordings and not [(name, r) for name, text in found.items() for r in recordings if r in text]
    assert "Adlerhorst" not in "".join(found.values())
    assert json.loads(found["2-folder/manifest.json"])["name"] == "00001.WAV"
    names = [entry["file"] for entry in json.loads(found["1-bundle/birdnet.lock"])["calibration"]["files"]]
    assert len(set(names)) == len(recordings)  # one is still told from another


def test_recordings_of_one_name_in_many_folders_are_told_apart() -> None:
    names = ["Nest am Fluss/1.wav", "Nest am See, lang/1.wav", "1.wav", "Nest am Fluss/recording-1.wav"]
    text = json.dumps(names) + " 1.wav is silent"
    told = without_recordings(text, recordings_in([text]))
    assert "Nest" not in told and len(set(json.loads(told.partition("]")[0] + "]"))) == 4
    assert told.endswith("<recording 3>.wav is silent")


def test_folders_outside_of_homes_and_the_machine_are_taken_out(
    small_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "heron.field.example")
    place = {"/mnt/My Disk/secret/fw": "<1-project>"}
    told = "/mnt/My Disk/secret/fw/app/app.c:3: no; built on heron at /mnt/nest/a/b.c by /usr/bin/gcc; /model/conv/Relu"
    wanted = "<1-project>/app/app.c:3: no; built on machine at <folder>/b.c by /usr/bin/gcc; /model/conv/Relu"
    assert scrubbed(told, place) == wanted
    assert scrubbed("see https://example.org/tmp/x and herons") == "see https://example.org/tmp/x and herons"
    (log := shutil.copytree(small_project, tmp_path / "a b" / "fw") / "build" / "build.log").write_text(f"{log}: bad\n")
    found = collect(tmp_path / "r.zip", tmp_path / "a b" / "fw")
    assert found["1-project/build/build.log"] == "<1-project>/build/build.log: bad\n"
    assert not [name for name, text in found.items() if str(tmp_path) in text or str(Path.cwd()) in text]


def test_foreign_homes_are_taken_out_too() -> None:
    told = r"/home/ann/x.c /Users/bob/y C:\Users\eve\z.c"
    assert not {"ann", "bob", "eve"} & set(scrubbed(told).replace("\\", "/").replace("/", " ").split())
    assert "x.c" in scrubbed(told) and "z.c" in scrubbed(told)


def test_the_same_facts_give_the_same_bytes(small_bundle: Path, tmp_path: Path) -> None:
    collect(tmp_path / "a.zip", "--with", small_bundle)
    collect(tmp_path / "b.zip", "--with", small_bundle, TZ="Asia/Tokyo")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_what_is_there_stays(small_bundle: Path, tmp_path: Path) -> None:
    there = tmp_path / "r.zip"
    there.write_text("mine")
    told = fail(5, "doctor", "--bundle-report", there, "--with", small_bundle)
    assert "r.zip" in told and "--force" in told and there.read_text() == "mine"
    assert collect(there, "--with", small_bundle, "--force")
    assert "no such folder" in fail(2, "doctor", "--bundle-report", tmp_path / "x.zip", "--with", tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["r.zip"]
