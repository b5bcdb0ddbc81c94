"""The readers of what people and other machines hand to ``evaluate`` and ``report``: labels, journals, plans, tests."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from birdnet_deploy.evaluation.journal import _FRAME, _MAGIC, _framed
from tests.fuzz.driver import Target
from tests.fuzz.mutate import change_value, changed, changed_json, dumped

_CLASSES = ("Aves altus_High Whistler", "Aves medius_Middle Trill")


def evaluation_targets() -> tuple[Target, ...]:
    """Gives the targets of this module."""
    return (
        Target("annotations_csv", ".csv", frozenset({3}), _csv_seeds, _read_annotations, 800),
        Target("annotations_txt", ".txt", frozenset({3}), _txt_seeds, _read_annotations, 800),
        Target("archive_csv", ".csv", frozenset({2}), _csv_seeds, _read_manifest, 800),
        Target("journal", ".bin", frozenset({3, 4}), _journal_seeds, _read_journal, 800, _changed_journal),
        Target("ioc", ".ioc", frozenset({2}), _ioc_seeds, _read_ioc, 400),
        Target("board_report", ".json", frozenset({2}), _report_seeds, _read_report, 600, changed_json),
    )


def _csv_seeds(folder: Path) -> list[bytes]:
    return [
        b"file,start,end,label\na/one.wav,0.0,1.5,Aves altus\nb.wav,2,3,High Whistler\n",
        b"filename;labels\none.wav;Aves altus;\n", b'"file","label"\r\n"a ""b"".wav","=cmd()"\r\n',
        b"Start (s)\tEnd (s)\tScientific name\tCommon name\tFile\n0\t3\tAves altus\tHigh Whistler\tone.wav\n",
    ]  # fmt: skip


def _txt_seeds(folder: Path) -> list[bytes]:
    head = b"Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tBegin Path\tFile Offset (s)\tSpecies Code\n"
    return [
        head + b"1\tSpectrogram 1\t1\t0.5\t1.5\ta/one.wav\t0.5\tAves altus\n", b"0.0\t1.5\tAves altus\n\\\t100\t200\n",
        head + b"1\tWaveform 1\t1\t0\t3\tone.wav\t0\tAves medius\n1\tSpectrogram 1\t1\t0\t3\tone.wav\t0\tAves medius\n",
    ]  # fmt: skip


def _read_annotations(path: Path, data: bytes) -> None:
    from birdnet_deploy.evaluation.label_files import read_annotations
    from birdnet_deploy.evaluation.labels import Truth

    found = read_annotations(path)
    truth = Truth(_CLASSES, path.parent.parent, [path], window_s=1.5)
    for said in found[:50]:
        if said.file is not None:
            truth.of(said.file)


def _read_manifest(path: Path, data: bytes) -> None:
    from birdnet_deploy.evaluation.archive import names_sha256, open_archive

    names_sha256(open_archive(path).names)


def _job() -> dict[str, Any]:
    from birdnet_deploy.evaluation.jobs import Job, Meaning

    config = {"sample_rate": 8000, "chunk_duration": 0.01, "audio_frontend": "raw", "num_mels": 80}
    return Job(("float", "int8"), config, 40, Meaning(2, 0.5, -3, "sigmoid", "sigmoid", "1" * 64)).to_json()


def _journal_seeds(folder: Path) -> list[bytes]:
    from birdnet_deploy.evaluation.records import Head, encode

    told = {"job": _job(), "labels": list(_CLASSES), "shard": [1, 1], "kernels": {"float": "f", "int8": "i"}}
    header = {**told, "fingerprint": {"lock": "1" * 64, "schema": 1}}
    plan = {"archive": ".", "names": 2, "names_sha256": "0" * 64, "shard": [1, 1], "files": 2}
    head = Head("a.wav", "0" * 64, "ok", bytes=9, mtime_ns=1, sample_rate=8000, channels=1, samples=120, windows=2)
    whole = encode(head, [np.zeros((2, 2), np.float32), np.ones((2, 2), np.int8)])
    frames = [(b"H", dumped(header)), (b"P", dumped(plan)), (b"F", whole)]
    frames.append((b"F", encode(Head("b.wav", "2" * 64, "unreadable", "cut short"))))
    return [b"".join(_framed(kind, payload) for kind, payload in frames)]


def _changed_journal(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Gives a journal with bytes changed, or one whose frames are whole and say something else."""
    if rng.random() < 0.2:
        return changed(rng, seeds)
    frames, at, data = [], 0, rng.choice(seeds)
    while at < len(data):
        _, kind, length, _ = _FRAME.unpack_from(data, at)
        frames.append((kind, data[at + _FRAME.size : at + _FRAME.size + length]))
        at += _FRAME.size + length
    number = rng.randrange(len(frames))
    kind, payload = frames[number]
    start = 4 if kind == b"F" else 0
    length = int.from_bytes(payload[:4], "little") if kind == b"F" else len(payload)
    if rng.random() < 0.2:
        payload = changed(rng, [payload])
    else:
        told = dumped(change_value(rng, json.loads(payload[start : start + length])))
        payload = (len(told).to_bytes(4, "little") if start else b"") + told + payload[start + length :]
    frames[number] = (kind if rng.random() < 0.95 else rng.choice((b"H", b"P", b"F", b"X")), payload)
    return b"".join(_FRAME.pack(_MAGIC, k, len(p), zlib.crc32(k + p)) + p for k, p in frames)


def _read_journal(path: Path, data: bytes) -> None:
    """What merge does with a shard's journal, up to its results."""
    from birdnet_deploy.evaluation.archive import Archive
    from birdnet_deploy.evaluation.finish import SummaryRequest, _results, truth_of
    from birdnet_deploy.evaluation.jobs import check_told, differences
    from birdnet_deploy.evaluation.journal import open_journal
    from birdnet_deploy.evaluation.merge import _check, _read

    with open_journal(path) as journal:
        check_told(journal.header, journal.plan, path)
        differences(journal.header["fingerprint"], {"lock": "2"})
        shard = _read(path, journal)
        _check([shard])
        truth_of(Archive(path.parent, []), journal.header, SummaryRequest())
        for result in _results(((journal, int(place)) for place in shard.places), journal.header):
            asdict(result)


def _ioc_seeds(folder: Path) -> list[bytes]:
    head = "#MicroXplorer Configuration settings - do not modify\nMcu.Family=STM32N6\nMcu.ThirdPartyNb=1\n"
    pack = "STMicroelectronics.X-CUBE-AI.10.1.0_Appli"
    return [head.encode(), f"{head}{pack}.IPParameters=ModelNameList\n{pack}.ModelNameList=a\r\n".encode()]


def _read_ioc(path: Path, data: bytes) -> None:
    from birdnet_deploy.project.ioc import merged_ioc

    merged_ioc(path, {"npu_sha256": "0" * 64, "model_sha256": "1" * 64, "tflite": "a.tflite"})


def _report_seeds(folder: Path) -> list[bytes]:
    windows = {"expected": 3, "came": 3, "exact": 2, "beyond_tolerance": 0, "max_lsb": 1}
    differences = [{"file": "a.wav", "win": 0, "start": 0, "values": 1, "max_lsb": 1}]
    comparison = {"verdict": "agrees", "windows": windows, "differences": differences, "tolerance": {"lsb": 1}}
    return [dumped({"target": "host", "lock": "0", "error": None, "comparison": comparison}), b'{"target": "host"}']


def _read_report(path: Path, data: bytes) -> None:
    from birdnet_deploy.showing.device import _board_test, _from_board_test

    folder = path.parent / "saved"
    folder.mkdir()
    try:
        (folder / "predictions.jsonl").touch()
        (folder / "report.json").write_bytes(data)
        told = _board_test(folder)
        assert told is not None
        json.dumps(_from_board_test(told))
    finally:
        (folder / "predictions.jsonl").unlink()
        (folder / "report.json").unlink()
        folder.rmdir()
