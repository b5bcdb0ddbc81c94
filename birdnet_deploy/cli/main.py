"""The command line: commands are imported when they are used, and errors become one line and an exit code here."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

import click

from birdnet_deploy import __version__
from birdnet_deploy.errors import INTERRUPTED_EXIT_CODE, DeployError, OutputRefused, UsageError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_NOT_OPENED = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG)
_ROOM = "free room, or write to another place"

# command -> module below birdnet_deploy.cli, one-line help: listed without importing the command
COMMANDS = {
    "doctor": ("doctor", "List the tools: version, where looked for, how to get them; what works here."),
    "init": ("init", "Write a commented birdnet-deploy.toml."),
    "convert": ("convert", "Quantize a trained .keras model to a full-int8 bundle."),
    "validate": ("validate", "Check a model, bundle or project against the NPU's and engine's rules."),
    "rule": ("rule", "Explain a rule of validate."),
    "generate": ("generate", "Render a firmware project from a bundle."),
    "build": ("build", "Compile a rendered project."),
    "flash": ("flash", "Sign a built project and program it onto the board."),
    "run": ("run", "Run the firmware over recordings and check every window."),
    "monitor": ("monitor", "Read a board over its serial line: show, save and count everything."),
    "board-test": ("board_test", "Run recordings through a board and check every window."),
    "st-validate": ("st_validate", "Show and judge the validate report of ST Edge AI."),
    "deploy": ("deploy", "All of it: convert, validate, generate, build, run."),
    "compare": ("compare", "Compare two bundles, or a readback of a board with the host."),
    "evaluate": ("evaluate", "Compare float, int8 and device twin over a whole archive."),
    "report": ("report", "Show a bundle, a project and a readback in one HTML page."),
    "model": ("model", "Build or summarise a model of the DS-CNN family."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Gives the command names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Gives a command by name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"birdnet_deploy.cli.{COMMANDS[cmd_name][0]}")
        return _with_version(module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the command list from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _with_version(command: click.Command) -> click.Command:
    """Gives a command, and those below it, with ``--version``: it is typed behind any of them."""
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _with_version(inner)
    if any("--version" in parameter.opts for parameter in command.params):
        return command
    return click.version_option(__version__, prog_name="birdnet-deploy")(command)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="birdnet-deploy")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Take a trained Keras DS-CNN bird-sound classifier, full int8, onto a Cortex-M55, and read it back.

    Without a board everything runs on an emulated Cortex-M55 (QEMU mps3-an547).
    """


def entry(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits; the one place that maps errors to exit codes."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in args
    # --debug is taken anywhere on the line, so that it can be added at the end of the command that failed
    args = [*(["--debug"] if debug else []), *(arg for arg in args if arg != "--debug")]
    _end_as_if_interrupted()
    try:
        status = main.main(args=args, prog_name="birdnet-deploy", standalone_mode=False)
        code = status if isinstance(status, int) else 0
    except click.exceptions.Abort:
        code = _complain("interrupted", INTERRUPTED_EXIT_CODE)
    except KeyboardInterrupt:
        code = _complain("interrupted", INTERRUPTED_EXIT_CODE)
    except click.ClickException as error:
        error.show(sys.stderr)
        code = 2 if isinstance(error, click.UsageError) else 1
    except (
        BrokenPipeError,
        SystemExit,
    ):  # the latter is how click says that stdout is closed
        _drop_stdout()
        code = 0
    except DeployError as error:
        if debug:
            raise
        code = _complain(f"error: {error.line}", error.exit_code)
    except Exception as error:
        if debug:
            raise
        code = _unexpected(error)
    code = _flushed(code)
    if code == INTERRUPTED_EXIT_CODE and hasattr(signal, "pthread_sigmask"):
        # CPython ends itself by SIGINT where the interrupt passed an eval of text, such as a dataclass being imported
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    sys.exit(code)


def _unexpected(error: Exception) -> int:
    """Tells what no stage expected: no room under stdout or a temporary file, a path that no system call takes, a
    mistake of ours."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        where = error.filename2 or error.filename or "the output"  # of a copy the second is what was written
        refused = OutputRefused(f"cannot be written ({error.strerror})", where=where, fix=_ROOM)
        _drop_stdout()
        return _complain(f"error: {refused.line}", refused.exit_code)
    if isinstance(error, OSError) and error.errno in _NOT_OPENED and error.filename is not None:
        denied = UsageError(f"cannot be opened ({error.strerror})", where=error.filename, fix="name another path")
        return _complain(f"error: {denied.line}", denied.exit_code)
    text = " ".join(str(error).split())
    return _complain(f"internal error: {type(error).__name__}: {text} -> run again with --debug and report it", 1)


def _complain(text: str, code: int) -> int:
    with suppress(OSError):  # nobody reads it, or there is no room for it either: the code says it
        click.echo(text, err=True)
    return code


def _end_as_if_interrupted() -> None:
    """Has a termination (a closed terminal, a shutdown) end children and release ports as Ctrl-C does."""
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup has SIGHUP ignored
                signal.signal(number, signal.default_int_handler)


def _flushed(code: int) -> int:
    """Has what is still to be written fail here, rather than where the interpreter ends; gives the exit code."""
    try:
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
    except OSError as error:
        return code or _unexpected(error)
    return code


def _drop_stdout() -> None:
    """Points stdout at nothing, so that the interpreter does not fail again when it flushes at exit."""
    sys.stdout = sys.__stdout__ or sys.stdout
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
