"""What every command has: the same facts as JSON, the version, help with a description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from birdnet_deploy import __version__
from birdnet_deploy.cli.main import COMMANDS, main
from tests.support.command import succeed


def leaves() -> Iterator[tuple[str, click.Command]]:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", found) for inner, found in command.commands.items())
        else:
            yield name, command


ALL = dict(leaves())


@pytest.mark.parametrize("words", ALL)
def test_every_command_gives_its_facts_as_json(words: str) -> None:
    options = {name: option for option in ALL[words].params for name in option.opts}
    assert "--output-format" in options
    kind = options["--output-format"].type
    assert isinstance(kind, click.Choice) and {"text", "json"} <= set(kind.choices)


@pytest.mark.parametrize("words", ALL)
def test_every_command_says_what_it_does_and_what_each_option_is_for(words: str) -> None:
    assert ALL[words].help
    bare = [option.name for option in ALL[words].params if isinstance(option, click.Option) and not option.help]
    assert bare == []


@pytest.mark.parametrize("words", ["convert", "model build"])
def test_the_version_is_asked_for_behind_any_command(words: str) -> None:
    assert __version__ in succeed(*words.split(), "--version")


def facts(*arguments: object) -> dict[str, object]:
    found = json.loads(succeed(*arguments, "--output-format", "json"))
    assert found["schema_version"] == 1
    return dict(found)


def test_generate_and_build_as_json(small_bundle: Path, tmp_path: Path) -> None:
    made = facts("generate", small_bundle, "-o", tmp_path / "fw", "--plan")
    assert made["project"] == str(tmp_path / "fw") and made["classes"] == 4
    assert isinstance(made["memory_plan"], dict) and made["memory_plan"]
    built = facts("build", tmp_path / "fw")
    assert Path(str(built["firmware"])).is_file() and isinstance(built["text_bytes"], int)


def test_init_and_model_as_json(small_model: Path, tmp_path: Path) -> None:
    assert facts("init", tmp_path)["settings"] == str(tmp_path / "birdnet-deploy.toml")
    told = facts("model", "summary", small_model / "small.keras")
    assert isinstance(told["layers"], list) and told["layers"] and told["outputs"] == 4


def test_a_bundle_as_json_has_its_whole_report(small_bundle: Path) -> None:
    from birdnet_deploy.bundle import open_bundle
    from birdnet_deploy.cli.convert import bundle_facts

    told = bundle_facts(open_bundle(small_bundle))
    assert told["report"] == json.loads((small_bundle / "report.json").read_text(encoding="utf-8"))
    assert told["lock_sha256"] == open_bundle(small_bundle).lock_sha256
