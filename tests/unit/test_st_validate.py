"""ST's validate report: latency, nodes, metrics; what is missing stays missing."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from birdnet_deploy.errors import CheckFailed, ModelError
from birdnet_deploy.report.st_validate import OutputMetrics, parse_report, read_report
from tests.support.command import birdnet_deploy, fail, succeed

REPORT = """ST Edge AI Core v4.0.1-20500 abcdef
Model name - two_headed
model: macc=1,234,567 weights=8,901 activations=-- io=--
  tools                        :   ST Neural ART (LL_ATON api) v1.1.3
  device.desc                  :   stm32 family - 0x486 - STM32N6xx @800/400MHz
  nb sample(s)   :   12
  duration       :   1,002.500 ms by sample (999.000/1,010.250/0.003)
  CPU cycles     :   [7,424 1,053,813 2,924]
   c_id    m_id   type            dur (ms)        %    cumul  CPU cycles                   name
   0       -      epoch              2.500     0.2%     0.2%  [  7,424  53,813   2,924 ]   EpochBlock_2
   1       3,4    epoch (SW)      1000.000    99.8%   100.0%  [      0  1,000,000   0 ]   EpochBlock 3
   total                          1002.500                    [  7,424  53,813   2,924 ]
Output       acc      rmse          mae           l2r           mean       std        nse        cos        tensor
X-cross #1 97.50%   0.000082811   0.000012248   0.000876201   -0.000012  0.000082   0.999988   0.995000   'a', 12 x int8
X-cross #2 n.a.     0.5           0.25          nan           0.0        1e-3       n.a.       0.5        'b', 12 x int8
"""


def test_a_report_is_read() -> None:
    report = parse_report(REPORT)
    assert (report.tool, report.model, report.macs, report.weight_bytes) == ("4.0.1-20500", "two_headed", 1234567, 8901)
    latency = report.latency
    assert latency is not None
    assert (latency.samples, latency.mean_ms, latency.min_ms, latency.max_ms, latency.std_ms) == (
        12, 1002.5, 999.0, 1010.25, 0.003,
    )  # fmt: skip
    assert latency.cycles == (7424, 1_053_813, 2924)
    assert [(node.c_id, node.m_id, node.kind, node.ms, node.percent, node.name) for node in report.nodes] == [
        (0, "-", "epoch", 2.5, 0.2, "EpochBlock_2"),
        (1, "3,4", "epoch (SW)", 1000.0, 99.8, "EpochBlock 3"),
    ]
    first, second = report.outputs
    assert first == OutputMetrics(
        "X-cross #1", "'a', 12 x int8", 97.5, 0.000082811, 0.000012248, 0.000876201, -0.000012, 0.000082, 0.999988,
        0.995,
    )  # fmt: skip
    assert (second.acc, second.l2r, second.nse, second.std, second.cos) == (None, None, None, 0.001, 0.5)
    assert report.fields["device.desc"].startswith("stm32 family")


def test_the_gates_judge_every_output() -> None:
    report = parse_report(REPORT)
    with pytest.raises(CheckFailed, match="X-cross #2: cos is 0.5, not at least 0.99") as caught:
        report.check()
    assert caught.value.exit_code == 4
    report.check(min_cosine=0.5, max_mae=0.25)
    with pytest.raises(CheckFailed, match="mae is 0.25, not at most"):
        report.check(min_cosine=0.5)
    with pytest.raises(CheckFailed, match="no output was compared"):
        parse_report(REPORT[: REPORT.index("Output ")]).check()


@pytest.mark.parametrize("text", ["", "hello", "ST Edge AI Core v2.2.0\nnothing more", REPORT.replace("ST Edge", "XT")])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="not a validate report"):
        parse_report(text)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_report_never_crashes(data: st.DataObject) -> None:
    text = list(REPORT)
    for _ in range(data.draw(st.integers(1, 20))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.characters(codec="utf-8"))
    with contextlib.suppress(ModelError):
        parse_report("".join(text)).to_json()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "mean_ms", "nodes", "mae"),
    [
        ("Conv2d_1x1", 0.146, 1, 0.000012248), ("Conv2d_poll", 0.080, 1, 0.0),
        ("Depthwise_3x3", 0.042, 2, 0.000025303), ("conv2d_64f_3x3", 0.284, 1, 0.000010213),
    ],
)  # fmt: skip
def test_real_reports_are_read(name: str, mean_ms: float, nodes: int, mae: float, shared: Path) -> None:
    report = read_report(shared / "st-examples/validate_runs" / name / "network_validate_report.txt")
    assert report.latency is not None and report.latency.samples == 10
    assert (report.latency.mean_ms, len(report.nodes)) == (mean_ms, nodes)
    assert [(output.mae, output.cos) for output in report.outputs] == [(mae, 1.0)]
    assert report.tool.startswith("2.2.0") and "STM32N6" in report.fields["device.desc"]
    report.check()


def test_the_command_shows_and_judges(tmp_path: Path) -> None:
    path = tmp_path / "network_validate_report.txt"
    path.write_text(REPORT)
    assert "1002.5 ms an inference (999 to 1010.25), 12 samples" in birdnet_deploy("st-validate", path).stdout
    assert "X-cross #2: cos is 0.5" in fail(4, "st-validate", path)
    told = json.loads(succeed("st-validate", path, "--min-cosine", "0.5", "--max-mae", "1", "--output-format", "json"))
    assert told["latency"]["mean_ms"] == 1002.5 and told["outputs"][1]["cos"] == 0.5
    fail(2, "st-validate", tmp_path / "nothing")
    path.write_bytes(b"\xff\x00" * 100)
    fail(3, "st-validate", path)
