"""``birdnet-deploy board-test``: a card full of recordings through a board, and every window held against the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from birdnet_deploy.cli.compare import TOLERANCE_HELP, ToleranceType
from birdnet_deploy.cli.monitor import Duration, _has_terminal, _menu
from birdnet_deploy.cli.options import output_format_option, report_option
from birdnet_deploy.support.printable import printable

_PATH = click.Path(path_type=Path)


@click.command("board-test")
@click.argument("path", type=_PATH, required=False, metavar="[BUNDLE|PROJECT]")
@click.option("--audio", type=_PATH, required=True, help="A folder of recordings, or one file.")
@click.option("--card", type=_PATH, help="The folder of the SD card: empty, or one that this tool wrote before.")
@click.option("--prepare", is_flag=True, help="Only write the card.")
@click.option("--inserted", is_flag=True, help="The card that --prepare wrote is in the board.")
@click.option(
    "--port", default="emulated", show_default=True,
    help="emulated, auto, or a port as monitor takes it: a name, USB serial number, VID:PID[:SERIAL], socket://...",
)  # fmt: skip
@click.option("--baud", type=click.IntRange(300, 20_000_000), help="Bits a second.  [default: 921600]")
@click.option("--save", type=_PATH, help="The folder of the report.  [default: NAME_board_test]")
@click.option("--resume", is_flag=True, help="Keep the windows that an interrupted test has saved.")
@click.option("--stages", is_flag=True, help="Compare the tensors of every window; else of some where outputs differ.")
@click.option("--log", is_flag=True, help="Have the board keep its records on the card too (BN000001.LOG).")
@click.option("--tolerance", type=ToleranceType(), default="auto", show_default=True, help=TOLERANCE_HELP)
@click.option("--target", help="What the board is; its hello says it.")
@click.option("--top-k", type=click.IntRange(1), default=3, show_default=True, help="Agreement of the best K labels.")
@click.option("--wait", "wait_s", type=Duration(), default=60.0, show_default=True, help="For the board to be there.")
@click.option("--timeout", "silence_s", type=Duration(), default=60.0, show_default=True, help="The longest silence.")
@click.option(
    "--reconnect", "reconnect_s", type=Duration(), default=30.0, show_default=True, help="How long it may be away.",
)  # fmt: skip
@click.option("--serial", type=click.Choice(["pty", "tcp"]), help="The emulated board's line; pty where there is one.")
@click.option("--strict", is_flag=True, help="Fail at the first recording that cannot be read.")
@output_format_option
@report_option
def command(output_format: str, baud: int | None, prepare: bool, report_page: Path | None, **options: Any) -> None:
    """Run recordings through a board, read every window back and hold it against the host.

    The recordings become a card (--card), the board runs over it, asked file by file; without a card in the board each
    window is sent over the line. The folder --save holds report.json, predictions.jsonl and summary.txt. Exits 0 where
    every window came and agrees, 4 where one differs, naming the first stage that does, 8 where some are missing;
    those that came are kept for --resume. Ctrl-C: 130.
    """
    from birdnet_deploy.boardtest.run import BoardTestRequest, board_test, result_json, summary_lines
    from birdnet_deploy.boardtest.run import prepare as prepare_card
    from birdnet_deploy.cli.console import ConsoleProgress
    from birdnet_deploy.readback.sources import DEFAULT_BAUD, LineOptions
    from birdnet_deploy.support import jsonfile

    request = BoardTestRequest(line=LineOptions(baud or DEFAULT_BAUD), **options)
    with ConsoleProgress() as progress:
        if prepare:
            for text in prepare_card(request, progress):
                click.echo(printable(text))
            return
        result = board_test(request, progress, choose=_menu() if _has_terminal() else None)
    if output_format == "json":
        click.echo(jsonfile.dumps(result_json(result)), nl=False)
    else:
        for text in [*summary_lines(result), f"report in {result.folder}"]:
            click.echo(printable(text))
    if report_page is not None:
        from birdnet_deploy.showing.commands import of_board_test

        of_board_test(report_page, result, request.path)
    if result.interrupted:
        click.echo("what came is kept, --resume goes on", err=True)
        raise KeyboardInterrupt
    if result.failure is not None:
        raise result.failure
