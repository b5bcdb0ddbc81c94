"""Over eighty broken models: all that is wrong with each is found, with its place, and nothing else is called wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from birdnet_deploy.npu.check import check_path
from birdnet_deploy.npu.rules import ALL_RULES
from tests.support.broken_corpus import CONVERTED, CORPUS, EDITED
from tests.support.schema import edited, unpack
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]


def broken(models: Path, folder: Path, name: str) -> Path:
    case = CORPUS[name]
    data = (models / f"{case.base}.tflite").read_bytes()
    path = folder / "broken.tflite"
    path.write_bytes(data if case.edit is None else edited(data, case.edit))
    return path


@pytest.mark.parametrize("name", CORPUS)
def test_all_that_is_wrong_is_found_at_its_place(tflite_models: Path, tmp_path: Path, name: str) -> None:
    case = CORPUS[name]
    findings = [f for f in check_path(broken(tflite_models, tmp_path, name)).findings if f.severity != "info"]
    assert Counter(finding.rule for finding in findings) == Counter(case.findings)
    first = next(finding for finding in findings if finding.rule == next(iter(case.findings)))
    assert f"{first.where} ".startswith(case.where)
    assert all(finding.message and finding.fix for finding in findings)
    places = [(finding.rule, finding.where) for finding in findings if finding.where != "model"]
    assert len(set(places)) == len(places), "one finding of a rule a tensor or operator"


@pytest.mark.parametrize("name", CORPUS)
def test_places_name_tensors_and_operators_of_the_file(tflite_models: Path, tmp_path: Path, name: str) -> None:
    path = broken(tflite_models, tmp_path, name)
    graph = unpack(path.read_bytes()).subgraphs[0]
    for finding in check_path(path).findings:
        kind, *rest = finding.where.split(" ", 2 if finding.where.startswith("tensor") else 3)
        if kind == "tensor":
            assert graph.tensors[int(rest[0])].name.decode() == rest[1]
        elif kind == "op":
            made = graph.tensors[graph.operators[int(rest[0])].outputs[0]]
            assert made.name.decode() == rest[2]
        else:
            assert finding.where in ("model", "the input")


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(CONVERTED) >= 30 and len(EDITED) >= 30
    assert all(case.edit is None for case in CONVERTED.values())
    assert all(case.edit is not None for case in EDITED.values())


def test_rules_of_the_graph_and_of_int8_are_all_in_the_corpus() -> None:
    found = {rule for case in CORPUS.values() for rule in case.findings}
    asked = {r.id for r in ALL_RULES if set(r.needs) <= {"graph", "int8"} and r.severity != "info"}
    assert asked - found == {"BD214", "BD403"}  # an input of linear magnitudes, and 66 MB of weights: test_rules.py
