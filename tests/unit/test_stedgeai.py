"""What a run of ``stedgeai`` left behind is read exactly, and nothing in such a file can do harm."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from birdnet_deploy.errors import ModelError
from birdnet_deploy.npu.stedgeai import (
    MAX_FILE_BYTES,
    Epoch,
    PoolUse,
    StedgeaiRun,
    is_stedgeai_output,
    read_stedgeai,
)
from birdnet_deploy.npu.stedgeai_json import parse_c_info
from birdnet_deploy.npu.stedgeai_report import parse_report
from tests.support.stedgeai_files import c_info, report

RUN = StedgeaiRun(Path("x"))
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "network_c_info.json").write_text(json.dumps(c_info()))
    (tmp_path / "network_generate_report.txt").write_text(report("3.0.0-20426"))
    return tmp_path


def test_the_json_has_exact_pools_and_epochs() -> None:
    run = parse_c_info(json.dumps(c_info()).encode(), RUN)
    assert run.pools == (
        PoolUse("npuRAM5", 0x342E0000, 458752, 245760, 0, 245760),
        PoolUse("octoFlash", 0x71000000, 117440512, 212609, 212609, 0),
    )
    assert run.epochs == (Epoch(1, "hw", ""), Epoch(2, "hw", ""), Epoch(3, "sw", "Softmax"))
    assert (run.epoch_count, run.software_epochs, run.weight_bytes, run.activation_bytes) == (3, 1, 212609, 245760)
    assert (run.tool_version, run.compiler_version, run.model_name) == ("3.0.0-20426", "1.1.3-8", "small_net")


def test_a_pool_with_weights_and_activations_is_split() -> None:
    data = c_info()
    data["buffers"].append({"id": 3, "mpool_id": 1, "is_param": True, "offset_start": 0, "size_bytes": 45760})
    assert parse_c_info(json.dumps(data).encode(), RUN).pools[0] == PoolUse(
        "npuRAM5", 0x342E0000, 458752, 245760, 45760, 200000
    )


def test_the_json_of_a_validation_has_what_the_board_measured() -> None:
    data = {
        "aton_execution_time": [{"duration_ms": 0.018}, {"duration_ms": 0.025}],
        "validation": {"val_metrics": [{"cos": 0.9998, "acc": "n.a."}]},
        "environment": {"device": "stm32 family", "tools": []},
    }
    run = parse_c_info(json.dumps(data).encode(), RUN)
    assert (run.latency_ms, run.cosine, run.device) == (pytest.approx(0.043), 0.9998, "stm32 family")
    assert (run.pools, run.epochs, run.weight_bytes) == ((), (), None)


def test_the_report_of_2_2_is_read() -> None:
    run = parse_report(report().encode(), RUN)
    assert (run.tool_version, run.compiler_version, run.runtime) == ("2.2.0-20266", "1.1.1-14", "1020")
    assert (run.model_name, run.command, run.macs) == ("small_net", "generate -m small_net.tflite", 9232)
    assert (run.weight_bytes, run.activation_bytes) == (3_670_001, 147_456)
    assert (run.epoch_count, run.software_epochs, run.hybrid_epochs) == (3, 1, 0)
    assert run.epochs == (Epoch(1, "hw", ""), Epoch(2, "ec", ""), Epoch(3, "sw", "Softmax"))
    assert run.pools[1] == PoolUse("npuRAM5", 0x342E0000, 0x70000, 144 * 1024, 0, 144 * 1024)
    assert run.options is not None
    assert run.options.endswith("--enable-virtual-mem-pools")


def test_the_report_from_3_0_on_is_read() -> None:
    run = parse_report(report("4.0.1-20581").encode(), RUN)
    assert (run.tool_version, run.compiler_version) == ("4.0.1-20581", "1.1.3-275")
    assert (run.epoch_count, run.software_epochs, run.hybrid_epochs) == (3, 1, 1)
    assert run.epochs[1:] == (Epoch(2, "hybrid", "Conv"), Epoch(3, "sw", "Softmax"))


def test_the_report_of_a_validation_has_what_the_board_measured() -> None:
    run = parse_report(report(validated=True).encode(), RUN)
    assert (run.latency_ms, run.cosine, run.device) == (0.146, 0.9999, "stm32 family - 0x486 - STM32N6xx @800/400MHz")


def test_a_folder_joins_its_files_and_exact_numbers_count(folder: Path) -> None:
    run = read_stedgeai(folder)
    assert run.files == ("network_c_info.json", "network_generate_report.txt")
    assert (run.weight_bytes, run.macs, run.notes) == (212609, 9232, ())
    assert run.pools[1].used_bytes == 212609
    assert json.dumps(run.to_json())
    assert str(folder.parent) not in json.dumps(run.to_json())


def test_files_of_two_runs_are_told_apart(folder: Path) -> None:
    (folder / "network_generate_report.txt").write_text(report("2.2.0-20266"))
    assert read_stedgeai(folder).notes == ("the files are of different versions of the tool: 3.0.0-20426, 2.2.0-20266",)


def test_the_folder_above_and_single_files_do(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    above = tmp_path_factory.mktemp("above")
    (above / "st_ai_output").symlink_to(folder)
    assert is_stedgeai_output(above)
    assert read_stedgeai(above).macs == 9232
    assert read_stedgeai(folder / "network_generate_report.txt").weight_bytes == 3670016
    assert is_stedgeai_output(folder / "network_c_info.json")
    assert not is_stedgeai_output(folder / "model_config.json")
    assert not is_stedgeai_output(tmp_path_factory.mktemp("empty"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("network_c_info.json", b"", "not readable JSON"),
        ("network_c_info.json", b"[" * 100_000, "not readable JSON"),
        ("network_c_info.json", b"\xff\xfe\x00", "not readable JSON"),
        ("network_c_info.json", b"[]", "the file is no JSON object"),
        ("network_c_info.json", b'{"memory_pools": 3}', "memory_pools is no list"),
        ("network_c_info.json", b'{"memory_pools": [{"id": 1, "used_size_bytes": -4}]}', "used_size_bytes is '-4'"),
        ("network_c_info.json", b'{"memory_pools": [{"id": 1e400}]}', "id is 'inf'"),
        ("network_c_info.json", b'{"aton_execution_time": [{"duration_ms": NaN}]}', "duration_ms is 'nan'"),
        (
            "network_c_info.json",
            b'{"aton_execution_time": [{"duration_ms": 1' + b"0" * 400 + b"}]}",
            "duration_ms is '10000",
        ),
        ("network_generate_report.txt", b"nothing of ST", "not a report of stedgeai"),
        ("network_generate_report.txt", report()[:300].encode(), "ends before its table of layers"),
    ],
)
def test_what_makes_no_sense_is_one_error(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=words) as caught:
        read_stedgeai(tmp_path)
    assert name in caught.value.line


def test_an_empty_folder_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing of stedgeai"):
        read_stedgeai(tmp_path)
    with (tmp_path / "network_c_info.json").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(ModelError, match="larger than"):
        read_stedgeai(tmp_path)


def survives(parse: Callable[[bytes, StedgeaiRun], StedgeaiRun], data: bytes) -> None:
    try:
        run = parse(data, RUN)
    except ModelError as error:
        assert error.line
    else:
        json.dumps(run.to_json(), allow_nan=False)


@FUZZ
@given(st.binary(max_size=400))
def test_any_bytes_end_in_a_run_or_a_model_error(data: bytes) -> None:
    survives(parse_c_info, data)
    survives(parse_report, report().encode() + data)


@FUZZ
@given(st.data())
def test_broken_reports_end_in_a_run_or_a_model_error(data: st.DataObject) -> None:
    text = bytearray(report(data.draw(st.sampled_from(["2.2.0-1", "3.0.0-1"])), validated=True).encode())
    for _ in range(data.draw(st.integers(1, 12))):
        start = data.draw(st.integers(0, len(text)))
        text[start : start + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=12))
    survives(parse_report, bytes(text))


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Gives the way to every value within a JSON object."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


PLACES = places(c_info())[1:]


@FUZZ
@given(st.sampled_from(PLACES), VALUES)
def test_any_value_anywhere_in_the_json_ends_in_a_run_or_a_model_error(place: tuple[Any, ...], value: Any) -> None:
    data: Any = c_info()
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    survives(parse_c_info, json.dumps(data).encode())


@pytest.mark.shared
def test_real_runs_of_three_versions_are_read(shared: Path) -> None:
    examples = shared / "st-examples"
    run = read_stedgeai(examples / "validate_runs" / "Conv2d_1x1")
    assert (run.weight_bytes, run.activation_bytes, run.epoch_count, run.software_epochs) == (225, 12320, 2, 0)
    assert (run.tool_version, run.compiler_version, run.runtime) == ("2.2.0-20266", "1.1.1-14", "1020")
    assert (run.latency_ms, run.cosine) == (pytest.approx(0.14592, abs=1e-5), pytest.approx(1, abs=1e-5))
    yamnet = read_stedgeai(examples / "gs_audio_v2.1.0")
    assert (yamnet.weight_bytes, yamnet.activation_bytes, yamnet.macs) == (3_581_153, 147_456, 71_164_808)
    assert [e.operation for e in yamnet.epochs if e.kind == "sw"] == ["Transpose", "DequantizeLinear", "Softmax"]
    mobilenet = read_stedgeai(examples / "alexg_cubemx_3.0")
    assert (mobilenet.epoch_count, mobilenet.software_epochs, len(mobilenet.epochs)) == (56, 1, 56)
    assert (mobilenet.weight_bytes, mobilenet.activation_bytes) == (212_609, 245_760)
    for folder in sorted((examples / "validate_runs").iterdir()):
        assert read_stedgeai(folder).latency_ms is not None
