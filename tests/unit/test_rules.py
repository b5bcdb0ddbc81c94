"""Every rule passes on a good bundle and fails on a model that is broken in its way."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from birdnet_deploy.codegen.lower import LOWERINGS
from birdnet_deploy.errors import UsageError
from birdnet_deploy.npu.check import check_path, check_subject
from birdnet_deploy.npu.data import DEFAULT_TARGET, limit, operators, read_target, target_names
from birdnet_deploy.npu.finding import ValidationResult
from birdnet_deploy.npu.rules import ALL_RULES, BY_ID
from birdnet_deploy.npu.subject import open_subject
from tests.support.broken_models import becomes, both, inserted, quantized
from tests.support.bundles import LABELS, digest, fake_elf, lock, write_bundle, write_project
from tests.support.schema import edited, schema, unpack
from tests.support.stedgeai_files import report
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]
Make = Callable[[Path, Path], Path]  # (folder of tiny models, scratch folder) -> what to check


@dataclass(frozen=True)
class Broken:
    """How a rule is broken: what makes the path, how many findings, the place and words of the first."""

    make: Make
    count: int
    where: str
    message: str
    target: str = DEFAULT_TARGET


def model(name: str) -> Make:
    return lambda models, scratch: models / f"{name}.tflite"


def edit(change: Callable[[Any], None], name: str = "good") -> Make:
    def make(models: Path, scratch: Path) -> Path:
        path = scratch / "edited.tflite"
        path.write_bytes(edited((models / f"{name}.tflite").read_bytes(), change))
        return path

    return make


def bundle(change: Callable[[Path], object] = lambda folder: None, *, name: str = "good", **config: Any) -> Make:
    def make(models: Path, scratch: Path) -> Path:
        folder = write_bundle(scratch / "bundle", (models / f"{name}.tflite").read_bytes(), **config)
        change(folder)
        return folder

    return make


def relabelled(text: bytes) -> Make:
    def change(folder: Path) -> None:
        (folder / "labels.txt").write_bytes(text)
        lock(folder)

    return bundle(change)


def reported(report: dict[str, Any], calibration: dict[str, Any] | None = None) -> Make:
    """A bundle whose report says so, and whose lock has that calibration manifest."""

    def change(folder: Path) -> None:
        (folder / "report.json").write_text(json.dumps(report))
        lock(folder)
        if calibration is not None:
            told = json.loads((folder / "birdnet.lock").read_text())
            (folder / "birdnet.lock").write_text(json.dumps({**told, "calibration": calibration}))

    return bundle(change)


def rendered(change: Callable[[Path], object] = lambda folder: None, target: str = "qemu-an547") -> Make:
    """A project around the good bundle, as far as rules look at one."""

    def make(models: Path, scratch: Path) -> Path:
        folder = scratch / "project"
        made = write_project(folder, (models / "good.tflite").read_bytes(), target)
        change(made)
        return folder

    return make


def header_of_another_lock(folder: Path) -> None:
    path = folder / "generated/labels.c"
    path.write_text(re.sub(r"lock +[0-9a-f]{64}", f"lock  {'0' * 64}", path.read_text()))


def edited_rate(folder: Path) -> None:
    path = folder / "generated/app_config.h"
    path.write_text(path.read_text().replace("APP_SAMPLE_RATE 8000", "APP_SAMPLE_RATE 16000"))


def half_a_megabyte_of_elf(folder: Path) -> None:
    elf = fake_elf(600_000, digest(folder / "bundle/birdnet.lock"))
    (folder / "build").mkdir()
    (folder / "build/firmware.elf").write_bytes(elf)


def signed(folder: Path, vectors_at: int) -> None:
    image = bytearray(0x1000)
    image[:4] = b"STM2"
    image[0x70:0x74] = image[vectors_at + 4 : vectors_at + 8] = (0x34000401).to_bytes(4, "little")
    (folder / "build").mkdir(exist_ok=True)
    (folder / "build/app_sign.bin").write_bytes(image)


def unaligned(folder: Path) -> None:
    signed(folder, 0x240)


def burns_a_fuse(folder: Path) -> None:
    (folder / "app").mkdir()
    (folder / "app/board.c").write_text("/* fuse_vddio() in a comment */\nvoid f(void) { fuse_vddio(); }\n")


GOOD_RUN = (
    report().replace("-SW-   (      Softmax       )", " HW").replace("--Ocache-opt", "--Ocache-opt --all-buffers-info")
)
POOL = "\tnpuRAM5    [0x342E0000 - 0x34350000]:    144.000 kB"
NETWORK_C = (
    "#if LL_ATON_VERSION_MAJOR != 1 || LL_ATON_VERSION_MINOR != 1 || \\\n"
    "    LL_ATON_VERSION_MICRO != 1 || LL_ATON_VERSION_DEV != 31\n#error\n#endif\n"
)
LL_ATON_H = "".join(
    f"#define LL_ATON_VERSION_{part} ({number})\n"
    for part, number in (("MAJOR", 1), ("MINOR", 1), ("MICRO", 3), ("DEV", 275))
)


def in_external_memory(text: str) -> str:
    row = next(line for line in text.splitlines() if line.startswith(POOL))
    moved = row.replace("npuRAM5 ", "hyperRAM").replace("0x342E0000 - 0x34350000", "0x90000000 - 0x91000000")
    return text.replace(row, f"{row}\n{moved}")


def stedgeai(change: Callable[[str], str] = lambda text: text, **files: str) -> Make:
    """The report of a compiled network, as stedgeai writes it, with changes."""

    def make(models: Path, scratch: Path) -> Path:
        folder = scratch / "st_ai_output"
        folder.mkdir(parents=True)
        (folder / "network_generate_report.txt").write_text(change(GOOD_RUN))
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text)
        return folder

    return make


def weights_of(tree: Any, op_index: int) -> Any:
    graph = tree.subgraphs[0]
    return graph.tensors[graph.operators[op_index].inputs[1]]


def skew_weights(tree: Any) -> None:
    weights = weights_of(tree, 0)
    weights.quantization.zeroPoint = [0, 0, 7, *[0] * 5]


def unscale(tree: Any) -> None:
    tree.subgraphs[0].tensors[0].quantization = None


def nine_megabytes(tree: Any) -> None:
    weights = weights_of(tree, 5)  # the dense head
    weights.shape = [8, 1_150_000]
    weights.quantization.quantizedDimension = 0
    tree.buffers[weights.buffer].data = np.zeros(8 * 1_150_000, np.uint8)


BROKEN = {
    "BD101": Broken(model("dynamic"), 15, "tensor 0 serving_default", "the shape [?, 17, 16, 1] is dynamic"),
    "BD102": Broken(model("dynamic"), 4, "op 1 SHAPE", "SHAPE works on a shape"),
    "BD103": Broken(model("raw"), 2, "tensor 0 x", "the raw input (sample_rate*chunk_duration) of 66150"),
    "BD104": Broken(model("five_axes"), 2, "tensor 16", "5 axes"),
    "BD105": Broken(model("stem_12"), 3, "op 0 CONV_2D", "12 output channels are not divisible by 8"),
    "BD106": Broken(model("squeeze_excite"), 2, "op 5 FULLY_CONNECTED", "squeeze-and-excite"),
    "BD107": Broken(model("hybrid"), 2, "op 3 REDUCE_MAX", "runs in software"),
    "BD108": Broken(model("reverse"), 1, "op 4 REVERSE_V2", "neither the NPU nor the generated engine"),
    "BD109": Broken(model("leaky_relu"), 1, "op 4 LEAKY_RELU", "the generated engine does not run LEAKY_RELU"),
    "BD110": Broken(model("two_outputs"), 1, "model", "2 outputs"),
    "BD111": Broken(model("kernel_7"), 1, "op 4 CONV_2D", "7 high, more than 3 and 7 wide, more than 6"),
    "BD112": Broken(model("stride_3"), 1, "op 4 CONV_2D", "stride 3x3, not 1, 2 or 4"),
    "BD113": Broken(model("kernel_7"), 1, "op 4 CONV_2D", "pads 3 positions on a side"),
    "BD114": Broken(model("dilated"), 1, "op 4 CONV_2D", "dilation 2x2"),
    "BD115": Broken(model("pool_4"), 1, "op 4 AVERAGE_POOL_2D", "the 4x4 window"),
    "BD116": Broken(model("wide_map"), 1, "op 1 DEPTHWISE_CONV_2D", "300 positions x 8 channels = 2400"),
    "BD117": Broken(model("prime_17"), 1, "op 4 CONV_2D", "17 output"),
    "BD118": Broken(model("wide_gate"), 1, "op 8 MUL", "broadcasts 768 elements"),
    "BD119": Broken(model("global_pool"), 1, "op 2 MEAN", "over 550 positions"),
    "BD120": Broken(model("flat_depthwise"), 1, "op 4 DEPTHWISE_CONV_2D", "a 1x3 DEPTHWISE_CONV_2D with stride 2"),
    "BD121": Broken(
        edit(both(inserted(0, "RESHAPE"), inserted(1, "RELU6"))), 1, "op 2 RELU6 inserted_relu6",
        "RELU6 behind a RESHAPE of CONV_2D",
    ),
    "BD122": Broken(model("sum"), 1, "op 4 SUM", "SUM of int8 values"),
    "BD201": Broken(model("dead_branch"), 1, "tensor 16", "the activation scale 7.84e-09"),
    "BD202": Broken(model("float"), 10, "tensor 1", "float32, not int8"),
    "BD203": Broken(model("int16"), 5, "tensor 7", "int16, not int8"),
    "BD204": Broken(model("dynamic_range"), 1, "op 2 CONV_2D", "float32 activations with int8 weights"),
    "BD205": Broken(model("float_io"), 2, "tensor 0 x", "the model's input is float32"),
    "BD206": Broken(edit(skew_weights), 1, "tensor", "zero point 7 in the weights of op 0 CONV_2D"),
    "BD207": Broken(model("per_tensor"), 3, "tensor 8", "one scale for all channels of op 0 CONV_2D"),
    "BD208": Broken(edit(unscale), 1, "tensor 0 x", "int8 without a scale"),
    "BD209": Broken(model("dead_channels"), 1, "op 2 CONV_2D", "3 of 8 weight channels are dead"),
    "BD210": Broken(model("sigmoid"), 1, "op 6 LOGISTIC", "an int8 sigmoid"),
    "BD211": Broken(model("maximum"), 1, "op 4 MAXIMUM", "ties the ranges"),
    "BD212": Broken(edit(becomes(3, "MAXIMUM")), 1, "op 3 MAXIMUM", "3 different scales"),
    "BD213": Broken(edit(quantized(14, zeroPoint=[127])), 1, "tensor 14", "logits of zero point 127: none can be"),
    "BD214": Broken(bundle(mag_scale="none"), 1, "tensor 0 x", "linear magnitudes in 256 steps"),
    "BD215": Broken(reported({"calibration": {"synthetic": True}}), 1, "report.json", "synthetic sound"),
    "BD216": Broken(
        reported({"fidelity": {"worst_window": {"file": "c.wav"}}}, {"files": [
            {"file": "a.wav", "sha256": "1", "role": "calibration"},
            {"file": "b.wav", "sha256": "1", "role": "evaluation"},
            {"file": "c.wav", "sha256": "2", "role": "calibration"},
        ]}), 2, "recording b.wav", "evaluates, and calibrates too (as a.wav)",
    ),
    "BD301": Broken(
        bundle(labels=LABELS[:7], num_classes=7, class_names=list(LABELS[:7])), 1, "labels.txt",
        "7 labels but the model has 8 outputs",
    ),
    "BD302": Broken(relabelled(b"a\nb\nc\nd\ne\nf\ng\na\n"), 1, "labels.txt", "labels.txt:8: 'a' is already"),
    "BD303": Broken(bundle(sample_rte=1), 1, "model_config.json", "unknown key 'sample_rte'"),
    "BD304": Broken(bundle(input_shape=[17, 16, 1]), 1, "tensor 0", "[17, 16, 1] but the model takes [16,"),
    "BD305": Broken(bundle(hop_length=512), 1, "model_config.json", "hop_length is 512 but window"),
    "BD306": Broken(
        bundle(class_names=sorted(LABELS, reverse=True)), 1, "model_config.json", "where line 1 has"
    ),
    "BD307": Broken(bundle(name="softmax"), 1, "op 6 SOFTMAX", "output_activation 'softmax'"),
    "BD308": Broken(
        bundle(lambda folder: (folder / "report.json").write_text("{} ")), 1, "birdnet.lock",
        "report.json has changed",
    ),
    "BD309": Broken(bundle(audio_frontend="wavelet"), 1, "model_config.json", "no frontend 'wavelet'"),
    "BD310": Broken(rendered(header_of_another_lock), 1, "generated/labels.c", "is of lock 000000000000"),
    "BD311": Broken(rendered(edited_rate), 1, "generated/app_config.h APP_SAMPLE_RATE", "'16000', the bundle says"),
    "BD312": Broken(
        bundle(lambda folder: (folder / "prologue.npz").write_bytes(b"")), 1, "bundle", "model_npu.tflite is not there"
    ),
    "BD401": Broken(model("large"), 1, "op 0 CONV_2D", "4718592 bytes of activations at once"),
    "BD402": Broken(model("large"), 2, "tensor 0 x", "524288 bytes fit cpuRAM2 only; npuRAM3 has 458752"),
    "BD403": Broken(edit(nine_megabytes), 1, "model", "bytes of weights", target="qemu-an547"),
    "BD404": Broken(rendered(half_a_megabyte_of_elf), 1, "build/firmware.elf", "the slot of STM32N6570-DK has 524288"),
    "BD405": Broken(
        stedgeai(in_external_memory), 1, "pool hyperRAM", "147456 bytes of activations off chip"
    ),
    "BD406": Broken(
        stedgeai(lambda text: text.replace(POOL, POOL.replace("144", "600"))), 1, "pool npuRAM5",
        "614400 of 458752 bytes used",
    ),
    "BD501": Broken(
        stedgeai(network__c=NETWORK_C, ll_aton_version__h=LL_ATON_H), 2, "network.c",
        "made for LL_ATON 1.1.1-31, but Core 2.2.0 has 1.1.1-14",
    ),
    "BD502": Broken(
        stedgeai(lambda text: text.replace("epoch 2       EC", "epoch 2      -SW-   (  Softmax  )")), 1, "epoch 2",
        "Softmax in software",
    ),
    "BD505": Broken(rendered(unaligned), 1, "build/app_sign.bin", "the entry is 0x34000401, the reset vector at 0x404"),
    "BD503": Broken(rendered(burns_a_fuse), 1, "app/board.c", "fuse_vddio burns a one-time fuse"),
    "BD504": Broken(
        stedgeai(lambda text: text.replace("--all-buffers-info ", "")), 1, "the compiler's options", "is not among"
    ),
}  # fmt: skip


def of_rule(result: ValidationResult, rule_id: str) -> list[Any]:
    return [finding for finding in result.findings if finding.rule == rule_id]


def test_every_rule_has_a_broken_model_and_no_other() -> None:
    assert set(BROKEN) == set(BY_ID)
    assert len(BY_ID) == len(ALL_RULES)


@pytest.mark.parametrize("target", target_names())
def test_every_rule_passes_on_a_good_bundle(tflite_models: Path, tmp_path: Path, target: str) -> None:
    result = check_path(bundle()(tflite_models, tmp_path), target=target)
    assert result.findings == ()
    assert result.summary["rules_skipped"] == []


@pytest.mark.parametrize("target", target_names())
def test_every_rule_passes_on_a_good_project_with_a_good_run(tflite_models: Path, tmp_path: Path, target: str) -> None:
    folder = rendered(target=target)(tflite_models, tmp_path)
    stedgeai()(tflite_models, folder)
    (folder / "build").mkdir()
    (folder / "build/firmware.elf").write_bytes(fake_elf(100_000, digest(folder / "bundle/birdnet.lock")))
    signed(folder, 0x400)
    subject = open_subject(folder, read_target(target))
    assert subject.parts == {part for rule in ALL_RULES for part in rule.needs}
    result = check_subject(subject)
    assert result.findings == ()
    asked = {rule.id for rule in ALL_RULES if rule.concerns(subject) and rule.applies(subject)}
    assert asked == {rule.id for rule in ALL_RULES if rule.processor in ("", read_target(target).processor)}


@pytest.mark.parametrize("rule_id", sorted(BROKEN))
def test_every_rule_fails_on_its_broken_model(tflite_models: Path, tmp_path: Path, rule_id: str) -> None:
    broken = BROKEN[rule_id]
    findings = of_rule(check_path(broken.make(tflite_models, tmp_path), target=broken.target), rule_id)
    assert len(findings) == broken.count
    assert findings[0].where.startswith(broken.where)
    assert broken.message in findings[0].message
    assert findings[0].severity == BY_ID[rule_id].severity
    assert all(finding.fix for finding in findings)
    assert len({(finding.where, finding.message) for finding in findings}) == broken.count


@pytest.mark.parametrize(
    "name",
    [
        "hybrid",
        "squeeze_excite",
        "softmax",
        "leaky_relu",
        "dead_channels",
        "kernel_7",
        "stride_3",
        "dilated",
        "pool_4",
        "wide_map",
        "wide_gate",
        "global_pool",
        "maximum",
    ],
)
def test_what_is_slower_or_less_faithful_is_no_error(tflite_models: Path, name: str) -> None:
    assert check_path(tflite_models / f"{name}.tflite").errors == 0


def test_planes_of_a_spectrogram_are_no_channels_of_the_family(tflite_models: Path) -> None:
    result = check_path(tflite_models / "planes.tflite")
    assert result.errors == 0
    told = of_rule(result, "BD106")
    assert [finding.where.split()[2] for finding in told] == ["CONV_2D"]
    assert told[0].message.startswith("3 input channels are not divisible by 8, and need not: the stem reads")


def test_a_head_that_is_a_convolution_of_one_position_is_a_head(tflite_models: Path) -> None:
    result = check_path(tflite_models / "conv_head.tflite")
    assert [(f.rule, f.where.split()[2]) for f in result.findings] == [("BD106", "CONV_2D")]
    assert "10 output channels are not divisible by 8, and need not: the classifier head" in result.findings[0].message


def test_outputs_of_a_stem_behind_planes_are_held_to_the_rule(tflite_models: Path) -> None:
    result = check_path(tflite_models / "planes_12.tflite")
    stem = of_rule(result, "BD106")[0].where
    held = [finding.message for finding in of_rule(result, "BD105") if finding.where == stem]
    assert held == ["12 output channels are not divisible by 8"]


def test_a_file_of_a_bundle_that_may_not_be_read_is_a_finding(
    tflite_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bundle()(tflite_models, tmp_path)
    opened = os.open

    def closed(path: Any, *arguments: Any, **options: Any) -> Any:
        if os.fsdecode(path).endswith("labels.txt"):  # root may read whatever the mode says
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", closed)
    told = [(finding.rule, finding.message) for finding in check_path(folder).findings]
    assert ("BD302", "labels.txt: cannot be read (Permission denied)") in told
    assert ("BD308", "labels.txt cannot be read (Permission denied)") in told


@pytest.mark.parametrize("scale", [0.0, 9.9e-8, 1001.0])
def test_scales_out_of_range_are_found_at_the_tensor(tflite_models: Path, tmp_path: Path, scale: float) -> None:
    def rescale(tree: Any) -> None:
        tree.subgraphs[0].tensors[0].quantization.scale = [scale]

    findings = of_rule(check_path(edit(rescale)(tflite_models, tmp_path)), "BD201")
    assert [finding.where for finding in findings] == ["tensor 0 x"]


def test_the_largest_axis_that_passes(tflite_models: Path, tmp_path: Path) -> None:
    def shape(length: int) -> Callable[[Any], None]:
        def change(tree: Any) -> None:
            tree.subgraphs[0].tensors[0].shape = [1, length, 1]
            tree.subgraphs[0].tensors[0].shapeSignature = None

        return change

    for length, count in ((65535, 0), (65536, 1)):
        result = check_path(edit(shape(length), "raw")(tflite_models, tmp_path))
        assert len([f for f in of_rule(result, "BD103") if f.where == "tensor 0 x"]) == count


def test_an_operator_of_the_npu_only_is_an_error_where_there_is_none(tflite_models: Path) -> None:
    result = check_path(tflite_models / "leaky_relu.tflite", target="qemu-an547")
    assert [(finding.rule, finding.severity) for finding in result.findings] == [("BD108", "error")]


def test_a_custom_operator_is_named(tflite_models: Path, tmp_path: Path) -> None:
    def custom(tree: Any) -> None:
        code = tree.operatorCodes[-1]
        code.builtinCode = code.deprecatedBuiltinCode = schema().BuiltinOperator.CUSTOM
        code.customCode = "Mystery\n#error"

    findings = of_rule(check_path(edit(custom)(tflite_models, tmp_path)), "BD108")
    assert findings
    assert all("'Mystery\\n#error'" in finding.message for finding in findings)


def test_names_from_the_file_stay_on_one_line(tflite_models: Path, tmp_path: Path) -> None:
    def hostile(tree: Any) -> None:
        tree.subgraphs[0].tensors[0].name = "a\nb\x1b[31m"
        tree.subgraphs[0].tensors[0].quantization = None

    findings = of_rule(check_path(edit(hostile)(tflite_models, tmp_path)), "BD208")
    assert findings[0].where == "tensor 0 a\\nb\\x1b[31m"


def test_all_violations_come_at_once_worst_first(tflite_models: Path, tmp_path: Path) -> None:
    def change(folder: Path) -> None:
        (folder / "labels.txt").write_bytes(b"a\na\n")
        (folder / "golden.npz").unlink()
        (folder / "model_config.json").write_text("[]")

    result = check_path(bundle(change, name="dynamic")(tflite_models, tmp_path))
    found = Counter(finding.rule for finding in result.findings)
    assert {"BD101", "BD102", "BD302", "BD303", "BD308", "BD107"} <= set(found)
    assert found["BD308"] == 3
    order = [("error", "warning", "info").index(finding.severity) for finding in result.findings]
    assert order == sorted(order)
    assert result.summary["counts"]["error"] == result.errors


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lock: lock.unlink(), "not a readable lock"),
        (lambda lock: lock.write_text("{}"), "not a birdnet.lock"),
        (lambda lock: lock.write_text(json.dumps({"files": {"../labels.txt": "0"}})), "no file of a bundle"),
        (lambda lock: lock.write_text(json.dumps({"files": {}})), "golden.npz is not in the lock"),
    ],
)
def test_a_lock_that_proves_nothing(
    tflite_models: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    result = check_path(bundle(lambda folder: damage(folder / "birdnet.lock"))(tflite_models, tmp_path))
    assert message in " ".join(finding.message for finding in of_rule(result, "BD308"))


def test_a_project_is_checked_by_its_copy_of_the_bundle(tflite_models: Path, tmp_path: Path) -> None:
    made = bundle(labels=LABELS[:3])(tflite_models, tmp_path)
    (tmp_path / "project").mkdir()
    made.rename(tmp_path / "project" / "bundle")
    assert of_rule(check_path(tmp_path / "project"), "BD301")


def test_a_lone_model_says_what_was_not_checked(tflite_models: Path) -> None:
    summary = check_path(tflite_models / "good.tflite").summary
    bundled = {"contract", "lock", "evidence"}
    assert summary["rules_skipped"] == [rule.id for rule in ALL_RULES if bundled & set(rule.needs)]
    assert summary["notes"] == ["no bundle: labels, config and lock were not checked (BD301 to BD312)"]


def test_select_and_ignore_take_ids_and_prefixes(tflite_models: Path) -> None:
    path = tflite_models / "dynamic.tflite"
    every = {finding.rule for finding in check_path(path).findings}
    assert {finding.rule for finding in check_path(path, select=["BD1"]).findings} == {
        rule_id for rule_id in every if rule_id < "BD2"
    }
    assert {finding.rule for finding in check_path(path, ignore=["bd101", "BD107"]).findings} == every - {
        "BD101", "BD107",
    }  # fmt: skip
    with pytest.raises(UsageError, match="did you mean BD1"):
        check_path(path, select=["BD10X"])
    with pytest.raises(UsageError, match="valid: nucleo-n657x0-q, qemu-an547"):
        check_path(path, target="stm32n6")


def test_the_summary_counts_by_hand(tflite_models: Path) -> None:
    summary = check_path(tflite_models / "good.tflite").summary
    stem, depthwise, pointwise, head = 16 * 8 * 8 * 9, 16 * 8 * 8 * 9, 16 * 8 * 8 * 8, 8 * 8
    assert summary["macs"] == stem + depthwise + pointwise + head
    assert summary["arena_bytes_at_least"] == 3 * 16 * 8 * 8  # the residual: its input, its other input, its sum
    weights, biases, axes = (
        72 + 72 + 64 + 64,
        3 * 4 * 8,
        4 * 2,
    )  # the head's zero bias is left out by the converter
    assert summary["weight_bytes"] == weights + biases + axes
    assert summary["input"]["shape"] == [1, 16, 16, 1]
    assert summary["operators_on_npu"] == {"hw": 5, "partly": 1, "sw": 0, "no": 0}


def test_the_data_files_name_their_sources() -> None:
    for name in ("max_axis", "max_rank", "channel_multiple", "min_activation_scale"):
        assert len(limit(name).source) > 20
    known = set(unpack_operator_names())
    for op, support in operators().items():
        assert op in known | {"REQUANTIZE"}
        assert support.npu in ("hw", "partly", "sw", "no")
        assert support.condition or support.npu in ("hw", "partly")
        assert len(support.source) > 20


def unpack_operator_names() -> list[str]:
    return [name for name in vars(schema().BuiltinOperator) if not name.startswith("_")]


def test_the_operator_table_has_exactly_the_kernels_of_the_engine() -> None:
    kernels = {"REQUANTIZE" if op == "QUANTIZE" else op for op in LOWERINGS}
    assert {op for op, support in operators().items() if support.engine} == kernels


@pytest.mark.shared
def test_everything_wrong_with_the_published_model_is_found(shared: Path) -> None:
    path = shared / "models" / "birdnet_stm32n6_100.tflite"
    result = check_path(path)
    tree = unpack(path.read_bytes()).subgraphs[0]
    tiny = {
        f"tensor {i} {t.name.decode()}"
        for i, t in enumerate(tree.tensors)
        if t.quantization and t.quantization.scale is not None and t.quantization.scale[0] < 1e-7
        if len(t.quantization.scale) == 1
    }
    assert len(tiny) == 6
    assert {finding.where for finding in of_rule(result, "BD201")} == tiny
    dynamic = [i for i, t in enumerate(tree.tensors) if t.shapeSignature is not None and -1 in t.shapeSignature]
    assert len(of_rule(result, "BD101")) == len(dynamic)
    assert {finding.where.split()[2] for finding in of_rule(result, "BD102")} == {
        "SHAPE", "STRIDED_SLICE", "PACK", "FILL",
    }  # fmt: skip
    assert len(of_rule(result, "BD205")) == 2
    assert len(of_rule(result, "BD210")) == 1
    dead = sum(int(finding.message.split()[0]) for finding in of_rule(result, "BD209"))
    assert dead == 411
    assert not of_rule(result, "BD105")


@pytest.mark.shared
def test_the_plainly_converted_checkpoint_has_only_its_dead_branches(shared: Path) -> None:
    result = check_path(shared / "models" / "anchor_int8.tflite")
    errors = Counter(finding.rule for finding in result.findings if finding.severity == "error")
    assert errors == {"BD201": 6}
    assert result.summary["macs"] == pytest.approx(26.7e6, rel=0.01)
    assert result.summary["arena_bytes_at_least"] == 196_608
