"""``birdnet-deploy build``: compiles a rendered project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from birdnet_deploy.cli.options import locked_option, output_format_option

if TYPE_CHECKING:
    from birdnet_deploy.npu.stedgeai import StedgeaiRun


@click.command("build")
@click.argument("project", type=click.Path(path_type=Path), required=False)
@locked_option
@output_format_option
def command(project: Path | None, locked: bool, output_format: str) -> None:
    """Compile PROJECT with arm-none-eabi-gcc; what did not change is not compiled again.

    PROJECT is the one of birdnet-deploy.toml, or the current folder, where it is not named.
    """
    import shlex

    from birdnet_deploy import pipeline
    from birdnet_deploy.cli.console import ConsoleProgress, show_json
    from birdnet_deploy.npu_build import NpuFirmware

    with ConsoleProgress() as progress:
        firmware = pipeline.build(project, is_locked=locked, progress=progress)
    if output_format == "json":
        sizes = {name: getattr(firmware, name) for name in ("text_bytes", "data_bytes", "bss_bytes")}
        network = firmware.network if isinstance(firmware, NpuFirmware) else None
        told = {} if network is None else {"network": network.to_json()}
        show_json({"firmware": str(firmware.elf), "sha256": firmware.sha256, **sizes, **told})
        return
    click.echo(f"firmware  {firmware.elf}")
    click.echo(f"sha256    {firmware.sha256}")
    click.echo(
        f"size      {firmware.text_bytes:,} B code and constants, {firmware.data_bytes:,} B data, "
        f"{firmware.bss_bytes:,} B zeroed memory and stack"
    )
    path = shlex.quote(str(firmware.project.path))
    if isinstance(firmware, NpuFirmware):
        for line in _network_lines(firmware.network):
            click.echo(line)
        click.echo(f"next      birdnet-deploy flash {path} --dry-run")
    else:
        click.echo(f"next      birdnet-deploy run {path} --audio RECORDINGS")


def _network_lines(run: StedgeaiRun | None) -> Iterator[str]:
    """What stedgeai said of the network: epochs, memory, pools."""
    if run is None:
        yield "network   without a report of stedgeai"
        return
    software = "" if run.software_epochs is None else f", {run.software_epochs} of them in software"
    count = "?" if run.epoch_count is None else run.epoch_count
    yield f"network   {count} epochs{software}; stedgeai {run.tool_version}"
    yield f"          {run.weight_bytes or 0:,} B weights, {run.activation_bytes or 0:,} B activations"
    for pool in run.pools:
        if pool.used_bytes:
            yield f"          {pool.name} at 0x{pool.address:08X}: {pool.used_bytes:,} of {pool.size_bytes:,} B"
    for epoch in run.epochs:
        if epoch.kind in ("sw", "hybrid"):
            yield f"          epoch {epoch.number} runs {epoch.operation or 'something'} in software"
    yield from (f"          {note}" for note in run.notes)
