"""``birdnet-deploy validate``: checks a model for its target, without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from birdnet_deploy.errors import UsageError

if TYPE_CHECKING:
    from birdnet_deploy.npu.finding import Finding, ValidationResult
    from birdnet_deploy.settings import Settings

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}
_NAME_LENGTH = 100  # the converter joins the names of fused operators; JSON has them whole


@click.command("validate")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--target", help="The board to check for [default: birdnet-deploy.toml's, else stm32n6570-dk].")
@click.option("--select", "selected", multiple=True, help="Only these rules: ids or prefixes, with commas.")
@click.option("--ignore", "ignored", multiple=True, help="Without these rules: ids or prefixes, with commas.")
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--exit-zero", is_flag=True, help="Exit 0 even where there are errors.")
@click.pass_context
def command(
    ctx: click.Context, *, path: Path | None, target: str | None, selected: tuple[str, ...],
    ignored: tuple[str, ...], output_format: str, exit_zero: bool,
) -> None:  # fmt: skip
    """Check PATH, a bundle, a rendered project or a .tflite, against the NPU's and the engine's rules.

    PATH may be a folder as models are published: *_INT8.tflite, *_model_config.json, *_labels.txt. Without PATH:
    what birdnet-deploy.toml names, else the bundle in the current folder. Exit code 4 where there is an error, 3
    where the model cannot be read.
    """
    from birdnet_deploy.npu.check import check_path
    from birdnet_deploy.npu.data import DEFAULT_TARGET
    from birdnet_deploy.settings import find_settings

    settings = find_settings()
    result = check_path(
        path or _default_path(settings),
        target=target or settings.target or DEFAULT_TARGET,
        select=_ids(selected) or settings.rules_select,
        ignore=(*_ids(ignored), *settings.rules_ignore),
    )
    if output_format == "json":
        from birdnet_deploy.support import jsonfile

        click.echo(jsonfile.dumps(result.to_json()), nl=False)
    else:
        show_findings(result)
    if result.errors and not exit_zero:
        ctx.exit(4)


def _ids(values: tuple[str, ...]) -> tuple[str, ...]:
    """Gives single ids of options that may hold several with commas."""
    return tuple(item.strip() for value in values for item in value.split(",") if item.strip())


def _default_path(settings: Settings) -> Path:
    """Gives what to check where no path is given.

    Raises: UsageError (exit 2) with the command to type.
    """
    from birdnet_deploy.bundle import is_bundle

    candidates = [settings.bundle] if settings.bundle else []
    if settings.model is not None and settings.model.suffix == ".tflite":
        candidates.append(settings.model)
    elif settings.model is not None:
        name = f"{settings.model.stem}_bundle"  # what convert writes where it is not told
        candidates += [folder for folder in (Path(name), settings.model.parent / name) if is_bundle(folder)]
    if is_bundle(Path()):
        candidates.append(Path())
    if settings.project is not None:
        candidates.append(settings.project)
    if not candidates:
        raise UsageError("nothing named to check, and no bundle in this folder", fix="birdnet-deploy validate BUNDLE")
    return candidates[0]


def show_findings(result: ValidationResult) -> None:
    """Shows findings, notes and totals on stdout."""
    from birdnet_deploy.cli.console import wants_colour

    colour = wants_colour()
    for finding in result.findings:
        click.echo(_line(finding, colour), color=colour)
    for note in result.summary["notes"]:
        click.echo(f"note: {note}")
    click.echo(_totals(result))


def _line(finding: Finding, colour: bool) -> str:
    where = finding.where
    if len(where) > _NAME_LENGTH:
        where = f"{where[: _NAME_LENGTH - 3]}..."
    severity: str = finding.severity
    if colour:
        severity = click.style(severity, fg=_COLOURS[finding.severity])
    return f"{finding.rule} {severity} {where}: {finding.message} -> {finding.fix}"


def _totals(result: ValidationResult) -> str:
    facts = result.summary
    counts = ", ".join(f"{count} {severity}" for severity, count in facts["counts"].items())
    on_npu = facts["operators_on_npu"]
    return (
        f"{counts}; {sum(facts['operators'].values())} operators "
        f"(NPU table: {', '.join(f'{count} {kind}' for kind, count in on_npu.items())}), "
        f"{facts['macs'] / 1e6:.1f} M MAC, weights {facts['weight_bytes']:,} B, "
        f"activations at least {facts['arena_bytes_at_least']:,} B; target {facts['target']}"
    )
