"""Every error that a user can meet: class -> exit code -> what happened, where, what to do.

The command line maps these in one place (``cli/main.py``): one line on stderr, the class's exit code, no
traceback without ``--debug``. Library code raises them and never prints or exits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from birdnet_deploy.support.printable import printable


class DeployError(Exception):
    """The base of all expected failures.

    ``what`` says what happened, ``where`` names the object (a path, a key, a tensor, a record) and ``fix``
    what to do. The text is one line: ``<where>: <what> -> <fix>``.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.fix = fix
        super().__init__(self.line)

    @property
    def line(self) -> str:
        """The whole message on one line; control characters of hostile names are escaped."""
        text = self.what if self.where is None else f"{self.where}: {self.what}"
        if self.fix:
            text = f"{text} -> {self.fix}"
        return printable(text)

    def to_json(self) -> dict[str, Any]:
        """Gives what ``told_error`` makes the same error of, in another process."""
        return {"kind": type(self).__name__, "what": self.what, "where": self.where, "fix": self.fix}


def told_error(told: Mapping[str, Any], *, where: object = None) -> DeployError:
    """Gives the error that another process told of by ``to_json``: of a class of this module, whatever it says.

    ``where`` is named where ``told`` names nothing.
    """
    kind = globals().get(str(told["kind"]))
    if not (isinstance(kind, type) and issubclass(kind, DeployError)):
        return InternalError(f"a helper tells of {told['kind']!r}", where=where, fix="report this")
    more = {"seconds": float(told["seconds"])} if kind is SampleError else {}
    return kind(str(told["what"]), where=told.get("where") or where, fix=told.get("fix"), **more)


class InternalError(DeployError):
    """A mistake of this project's own, such as a template variable that nobody gave."""

    exit_code = 1


class UsageError(DeployError):
    """The command or a path on it is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """``birdnet-deploy.toml`` or ``*_model_config.json`` holds a key or value that is not valid."""


class ModelError(DeployError):
    """The ``.keras`` or ``.tflite`` file cannot be read, is unsafe, or cannot be deployed."""

    exit_code = 3


class LabelsError(DeployError):
    """The label file is not one clean label a line, or does not match the model."""

    exit_code = 3


class CalibrationError(DeployError):
    """There are no usable recordings to calibrate or evaluate on."""

    exit_code = 3


class AudioError(DeployError):
    """A recording cannot be read or holds values that are no sound."""

    exit_code = 3


class SampleError(AudioError):
    """A recording can be read but holds NaN, infinity or a value that is no sound, at ``seconds`` from its start."""

    def __init__(self, what: str, *, seconds: float, where: object = None, fix: str | None = None) -> None:
        self.seconds = seconds
        super().__init__(what, where=where, fix=fix)

    def to_json(self) -> dict[str, Any]:
        """Gives it with its place in the recording."""
        return {**super().to_json(), "seconds": self.seconds}


class CheckFailed(DeployError):
    """A check or gate ran and the result is not good enough."""

    exit_code = 4


class GatesNotMet(CheckFailed):
    """No way to split the network between CPU and NPU is good enough.

    ``frontier`` has what was measured (JSON), ``best`` names the cut in it that came nearest, ``min_cosine`` is the
    gate on the mean cosine, where there is one.
    """

    def __init__(
        self, what: str, *, frontier: Sequence[Mapping[str, Any]], best: str, min_cosine: float | None = None,
        where: object = None, fix: str | None = None,
    ) -> None:  # fmt: skip
        self.frontier, self.best, self.min_cosine = tuple(frontier), best, min_cosine
        super().__init__(what, where=where, fix=fix)


class OutputRefused(DeployError):
    """The output folder is not ours to replace, or was edited by hand."""

    exit_code = 5


class ToolchainError(DeployError):
    """A tool is missing, too old, hangs or gives no output."""

    exit_code = 6


class BuildError(ToolchainError):
    """The compiler or linker refused the project."""


class BoardError(DeployError):
    """A port, board or flash step failed, or the firmware carries another model."""

    exit_code = 7


class ProtocolError(DeployError):
    """The readback is incomplete, corrupt or silent."""

    exit_code = 8


INTERRUPTED_EXIT_CODE = 130
