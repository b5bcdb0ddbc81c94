"""``model build`` and ``model summary``: every parameter is an option, and what is written belongs together."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from birdnet_deploy.cli.model import command
from birdnet_deploy.errors import ConfigError, LabelsError, OutputRefused, UsageError
from birdnet_deploy.model.family import build_dscnn_model
from birdnet_deploy.model.source import open_source

SMALL = (
    "--num-mels", "16", "--spec_width=32", "--sample_rate", "8000", "--chunk-duration", "1",
    "--embeddings_size", "32", "--alpha", "0.25", "--depth-multiplier", "0.25", "--fft_length", "256",
    "--audio_frontend", "hybrid", "--use_se",
)  # fmt: skip


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(command, list(arguments), catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_every_parameter_is_an_option_with_its_default() -> None:
    options = {option.name: option for option in command.commands["build"].params}
    for name, parameter in inspect.signature(build_dscnn_model).parameters.items():
        option = options[name]
        assert option.help, name
        if parameter.default is parameter.empty:
            assert option.required or name == "num_classes"
        else:
            assert option.default == parameter.default, name
    assert "[librosa|hybrid|raw|mfcc|log_mel|precomputed|tf]" in run("build", "--help").output


def test_builds_a_model_that_opens_with_what_lies_beside_it(tmp_path: Path) -> None:
    labels = tmp_path / "names.txt"
    labels.write_text('Parus major\nÜbel, "Vogel"\n', encoding="utf-8")
    output = tmp_path / "bird.keras"
    result = run("build", "-o", str(output), "--labels", str(labels), *SMALL)
    assert result.exit_code == 0
    source = open_source(output)
    assert source.labels == ("Parus major", 'Übel, "Vogel"')
    assert source.config.shape == (129, 32, 1)
    assert source.config.extra["use_se"] is True
    written = json.loads((tmp_path / "bird_model_config.json").read_text(encoding="utf-8"))
    assert (written["chunk_duration"], written["class_activation"]) == (1, "softmax")
    shown = run("summary", str(output)).output
    assert "stage1_se1_scale" in shown
    assert "head      softmax" in shown
    assert "frontend  hybrid, 2026 layout" in shown
    total = int(shown.split("total     ")[1].split(" ")[0].replace(",", ""))
    rows = [line.split() for line in shown.splitlines() if line.startswith(("stage", "audio", "stem", "pred", "emb"))]
    assert sum(int(row[-1].replace(",", "")) for row in rows) == total
    with pytest.raises(OutputRefused, match=r"bird\.keras, bird_model_config\.json, bird_labels\.txt"):
        run("build", "-o", str(output), "--num-classes", "2", *SMALL)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("--num-classes", "3", "--fft-length", "8"), ConfigError, "fft_length is 8, out of range"),
        (("--num-classes", "0"), ConfigError, "num_classes is 0|is not given"),
        ((), UsageError, "--num-classes N or --labels FILE"),
        (("--num-classes", "3", "--audio-frontend", "raw", "--sample-rate", "65536"), ConfigError, "65536"),
    ],
)
def test_parameters_that_are_not_valid(
    tmp_path: Path, arguments: tuple[str, ...], error: type[Exception], text: str
) -> None:
    with pytest.raises((error, UsageError, LabelsError), match=text):
        run("build", "-o", str(tmp_path / "x.keras"), *SMALL, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_typo_of_a_choice_lists_the_valid_ones(tmp_path: Path) -> None:
    result = run("build", "-o", str(tmp_path / "x.keras"), *SMALL, "--num-classes", "3", "--mag-scale", "pwll")
    assert result.exit_code == 2
    assert "'none', 'pwl', 'pcen', 'db'" in result.output
