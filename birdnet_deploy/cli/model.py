"""``birdnet-deploy model build|summary``: models of the DS-CNN family as files."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from birdnet_deploy.cli.console import show_json
from birdnet_deploy.cli.options import output_format_option
from birdnet_deploy.model.config import FRONTEND_ALIASES, FRONTENDS, MAG_SCALES
from birdnet_deploy.model.family import CLASS_ACTIVATIONS, build_dscnn_model

if TYPE_CHECKING:
    from birdnet_deploy.model.archive import KerasArchive

_HELP = {
    "num_mels": "Mel bands.",
    "spec_width": "Spectrogram frames of a window.",
    "sample_rate": "Samples a second.",
    "chunk_duration": "Seconds of a window.",
    "embeddings_size": "Channels before the head.",
    "num_classes": "Classes; with --labels their number.",
    "audio_frontend": "What the host or firmware computes and the model takes.",
    "alpha": "Factor on all channel counts.",
    "depth_multiplier": "Factor on the repeats of blocks.",
    "fft_length": "Samples of one FFT.",
    "mag_scale": "Magnitude scaling.",
    "frontend_trainable": "Train the frontend's filters and scaling.",
    "class_activation": "What turns logits into scores.",
    "dropout_rate": "Dropout before the head.",
    "n_mfcc": "Rows of the mfcc frontend.",
    "weight_decay": "L2 on depthwise and pointwise kernels.",
    "use_se": "Squeeze-and-excite gates.",
    "se_reduction": "Bottleneck of the gates.",
    "use_inverted_residual": "Inverted residual blocks in place of depthwise-separable ones.",
    "expansion_factor": "Their expansion.",
    "use_attention_pooling": "Attention pooling in place of the average.",
}
_CHOICES = {
    "audio_frontend": (*FRONTENDS, *FRONTEND_ALIASES),
    "mag_scale": MAG_SCALES,
    "class_activation": CLASS_ACTIVATIONS,
}
_TYPES = {"int": click.INT, "float": click.FLOAT}


def _model_options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds one option for each parameter of ``build_dscnn_model``, with its default."""
    for name, parameter in reversed(list(inspect.signature(build_dscnn_model).parameters.items())):
        flag, required = f"--{name.replace('_', '-')}", parameter.default is parameter.empty
        declaration = f"{flag}/--no-{name.replace('_', '-')}" if parameter.annotation == "bool" else flag
        kind = click.Choice(_CHOICES[name]) if name in _CHOICES else _TYPES.get(parameter.annotation)
        extra: dict[str, Any] = {} if required else {"default": parameter.default, "show_default": True}
        option = click.option(
            declaration, name, type=kind, help=_HELP[name], required=required and name != "num_classes", **extra
        )
        function = option(function)
    return function


@click.group("model")
def command() -> None:
    """Build or summarise a model of the DS-CNN family."""


class _EitherSpelling(click.Command):
    """Takes ``--sample_rate`` for ``--sample-rate``, as birdnet-stm32 spells its options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses with underscores in the names of options made dashes."""
        return super().parse_args(ctx, [_dashed(arg) for arg in args])


def _dashed(argument: str) -> str:
    name, equals, value = argument.partition("=")
    return f"{name.replace('_', '-')}{equals}{value}" if name.startswith("--") else argument


@command.command("build", cls=_EitherSpelling)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The .keras file to write.")
@click.option("--labels", type=click.Path(path_type=Path), help="A label a line; class_000... without it.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the initial weights.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@output_format_option
@_model_options
def build(
    *,
    output_format: str,
    output: Path,
    labels: Path | None,
    seed: int,
    force: bool,
    num_classes: int | None,
    **parameters: Any,
) -> None:  # fmt: skip
    """Write an untrained model, <stem>_model_config.json and <stem>_labels.txt.

    Options may be spelled with underscores too (--sample_rate).
    """
    from birdnet_deploy.errors import UsageError
    from birdnet_deploy.model.build import build_files
    from birdnet_deploy.model.labels import check_label_count, default_labels, read_labels

    if labels is None and num_classes is None:
        raise UsageError("the number of classes is not given", fix="add --num-classes N or --labels FILE")
    names = read_labels(labels) if labels is not None else default_labels(num_classes or 0)
    check_label_count(names, num_classes or len(names), where=labels or "--num-classes")
    for name in ("chunk_duration", "depth_multiplier"):  # 3 in the files, not 3.0
        if parameters[name].is_integer():
            parameters[name] = int(parameters[name])
    built = build_files(output, {**parameters, "num_classes": len(names)}, names, seed=seed, force=force)
    if output_format == "json":
        files = {"model": str(output), "config": str(built.config), "labels": str(built.labels)}
        show_json({**files, "parameters": built.archive.parameters, "classes": len(names)})
        return
    click.echo(f"model     {output}: {built.archive.parameters:,} parameters, {len(names)} classes, untrained")
    click.echo(f"config    {built.config}")
    click.echo(f"labels    {built.labels}")


@command.command("summary")
@click.argument("model", type=click.Path(path_type=Path))
@output_format_option
def summary(model: Path, output_format: str) -> None:
    """Show layers, shapes and parameters of MODEL.keras, or of the one in a folder, without TensorFlow."""
    from birdnet_deploy.model.archive import inspect_archive
    from birdnet_deploy.model.published import find_keras

    archive = inspect_archive(find_keras(model))
    if output_format == "json":
        show_json(_summary_facts(archive))
        return
    rows = [("layer", "class", "output", "parameters")]
    for layer in archive.layers():
        shape = "x".join(str(n) for n in layer.output_shape or ())
        rows.append((layer.name, layer.class_name, shape, f"{layer.parameters:,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, kind, shape, count in rows:
        line = f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
        click.echo(line)
    shape = "x".join(str(n) for n in archive.input_shape)
    frontend = archive.frontend_mode or "none in the model"
    click.echo(f"total     {archive.parameters:,} parameters, {shape} -> {archive.outputs}")
    click.echo(f"head      {archive.head_activation}")
    click.echo(f"frontend  {frontend}, {archive.layout} layout, Keras {archive.keras_version}")


def _summary_facts(archive: KerasArchive) -> dict[str, Any]:
    layers = [
        {"name": layer.name, "class": layer.class_name, "output": layer.output_shape, "parameters": layer.parameters}
        for layer in archive.layers()
    ]
    return {
        "layers": layers, "parameters": archive.parameters, "input": archive.input_shape, "outputs": archive.outputs,
        "head": archive.head_activation, "frontend": archive.frontend_mode, "layout": archive.layout,
        "keras": archive.keras_version,
    }  # fmt: skip
