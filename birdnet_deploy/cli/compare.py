"""``birdnet-deploy compare``: two bundles beside each other."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare")
@click.argument("first", type=click.Path(path_type=Path), metavar="BUNDLE_A")
@click.argument("second", type=click.Path(path_type=Path), metavar="BUNDLE_B")
@click.option(
    "--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Text for people, or one JSON object.",
)  # fmt: skip
def command(first: Path, second: Path, output_format: str) -> None:
    """Show what BUNDLE_B changes against BUNDLE_A: fidelity, size, operators, classes, labels, config, tools.

    Fidelity figures are those of each bundle's report.json, of its int8 model against its own float model. The exit
    code is 0 whatever differs, and 3 where a bundle is not readable.
    """
    from birdnet_deploy.bundle import open_bundle
    from birdnet_deploy.report.bundles import compare_bundles, comparison_rows
    from birdnet_deploy.support import jsonfile

    found = compare_bundles(open_bundle(first), open_bundle(second))
    if output_format == "json":
        click.echo(jsonfile.dumps(found), nl=False)
        return
    rows = comparison_rows(found)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{name:<{width}}  {printable(text)}")


def printable(text: str) -> str:
    """Gives a text on one line; control characters of hostile names are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
