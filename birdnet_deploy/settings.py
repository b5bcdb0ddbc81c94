"""``birdnet-deploy.toml``: the project's own choices. The nearest one, from the current folder upwards, counts.

The table below is the only list of keys: it checks a file, and ``init`` renders its comments from it.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import ConfigError
from birdnet_deploy.support.inputs import read_input_text

SETTINGS_FILE = "birdnet-deploy.toml"
TOOLS = (
    "arm-none-eabi-gcc", "make", "qemu-system-arm", "cc", "cmake", "stedgeai", "STM32_SigningTool_CLI",
    "STM32_Programmer_CLI", "ST-LINK_gdbserver", "openocd", "pyocd",
)  # fmt: skip
VENDOR = {
    "stedgeai_core_dir": ("/opt/ST/STEdgeAI/2.2", "ST Edge AI Core: its compiler and the NPU's run-time sources"),
    "stm32cube_n6_dir": ("/opt/ST/STM32CubeN6", "STM32CubeN6, a Getting-Started package or an AI Studio project"),
    "fatfs_dir": ("/opt/ST/stm32-mw-fatfs", "STMicroelectronics/stm32-mw-fatfs"),
}


@dataclass(frozen=True)
class Key:
    """One key: its table ("" for the top), name, kind, the example that ``init`` writes, and what it does."""

    table: str
    name: str
    kind: str  # path | text | count | share | names | tables
    example: str
    help: str

    @property
    def dotted(self) -> str:
        """The name with its table, as in messages."""
        return f"{self.table}.{self.name}" if self.table else self.name


KEYS = (
    Key("", "model", "path", '"model.keras"', "the trained Keras model that `convert` takes"),
    Key("", "labels", "path", '"model_labels.txt"', "one label a line; default: <stem>_labels.txt beside the model"),
    Key("", "config", "path", '"model_model_config.json"', "default: <stem>_model_config.json beside the model"),
    Key("", "bundle", "path", '"model_bundle"', "the bundle that `validate` and `generate` take; `convert` writes it"),
    Key("", "project", "path", '"model_project"', "the project that `generate` writes, `build` and `run` take"),
    Key("", "target", "text", '"qemu-an547"', "the board: qemu-an547 (emulated Cortex-M55)"),
    Key("convert", "calibration", "path", '"recordings"', "folder of recordings that calibrate the int8 ranges"),
    Key("convert", "evaluation", "path", '"held_out"', "recordings that measure the loss; default: 30 % of the files"),
    Key("convert", "max_windows", "count", "256", "calibration windows at most"),
    Key("convert", "prologue", "text", '"auto"', "what runs in float32 on the CPU: none, auto, or the name of a cut"),
    Key("convert", "ranges", "text", '"auto"', "auto, or one method for all: minmax, percentile, octav, ..."),
    Key("convert", "fidelity", "text", '"full"', "the report: full, or basic (without layers and cuts)"),
    Key("convert", "folds", "count", "4", "calibration folds, apart by file, that ranges and cut are decided on"),
    Key("convert", "max_cpu_macs", "count", "3000000", "float MACs on the CPU that `auto` may spend on a window"),
    Key("gates", "min_cosine", "share", "0.97", "`convert` fails (exit 4) below this mean cosine of scores"),
    Key("gates", "min_agreement", "share", "0.95", "`convert` fails (exit 4) below this confident top-1 agreement"),
    Key("rules", "select", "names", '["BD1", "BD2"]', "only these rules, by id or prefix"),
    Key("rules", "ignore", "names", '["BD203"]', "without these rules, by id or prefix"),
    Key("rules", "profile", "path", '"rules.toml"', "a file with select, ignore and [[lower]], shared by projects"),
    Key(
        "rules",
        "lower",
        "tables",
        '[{ rule = "BD105", to = "warning", reason = "an older model" }]',
        'findings that count less, each with its reason; also: where = "op 3 *", target = "stm32n6570-dk"',
    ),
    *(Key("tools", tool, "path", f'"/opt/bin/{tool}"', f"the {tool} to use; default: PATH") for tool in TOOLS),
    *(
        Key("vendor", name, "path", f'"{path}"', f"{what}; default: {name.upper()}")
        for name, (path, what) in VENDOR.items()
    ),
)
_BY_NAME = {key.dotted: key for key in KEYS}
_TABLES = tuple(dict.fromkeys(key.table for key in KEYS if key.table))


@dataclass(frozen=True)
class Settings:
    """What a ``birdnet-deploy.toml`` says; paths are absolute, resolved from the file's folder."""

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def get_path(self, name: str) -> Path | None:
        """Gives a path by its dotted key, or None."""
        value = self.values.get(name)
        return value if isinstance(value, Path) else None

    @property
    def model(self) -> Path | None:
        """The ``.keras`` that ``convert`` takes."""
        return self.get_path("model")

    @property
    def bundle(self) -> Path | None:
        """The bundle folder."""
        return self.get_path("bundle")

    @property
    def project(self) -> Path | None:
        """The project folder."""
        return self.get_path("project")

    @property
    def target(self) -> str | None:
        """The board's name."""
        return self.values.get("target")

    @property
    def rules_select(self) -> tuple[str, ...]:
        """Rule ids or prefixes to check; empty means all."""
        return tuple(self.values.get("rules.select", ()))

    @property
    def rules_ignore(self) -> tuple[str, ...]:
        """Rule ids or prefixes to leave out."""
        return tuple(self.values.get("rules.ignore", ()))

    @property
    def rules_lower(self) -> tuple[Mapping[str, Any], ...]:
        """What ``[[rules.lower]]`` says, as it stands there."""
        return tuple(self.values.get("rules.lower", ()))

    @property
    def tools(self) -> dict[str, Path]:
        """Tools by name that are not taken from PATH."""
        return {tool: self.values[f"tools.{tool}"] for tool in TOOLS if f"tools.{tool}" in self.values}

    @property
    def vendor(self) -> dict[str, Path]:
        """Trees of ST's sources by the name of their environment variable."""
        return {name.upper(): self.values[f"vendor.{name}"] for name in VENDOR if f"vendor.{name}" in self.values}


def find_settings(start: Path | None = None) -> Settings:
    """Gives the settings of the nearest ``birdnet-deploy.toml`` at or above ``start`` (the current folder), else none.

    Raises: ConfigError (exit 2) naming the key and the nearest valid one.
    """
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        path = candidate / SETTINGS_FILE
        if path.is_file():
            return read_settings(path)
    return Settings()


def read_settings(path: Path) -> Settings:
    """Gives the settings of one file.

    Raises: ConfigError (exit 2) for text that is no TOML, an unknown key (with the nearest valid one) or a value of
    the wrong kind.
    """
    try:
        data = tomllib.loads(read_input_text(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"not readable TOML ({error})", where=path, fix="mend the line it names") from error
    values: dict[str, Any] = {}
    for name, value in _flatten(data, path):
        key = _BY_NAME.get(name)
        if key is None:
            raise ConfigError(f"unknown key {name!r}", where=path, fix=_suggestion(name))
        values[name] = _checked(key, value, path)
    return Settings(path=path, values=values)


def _flatten(data: Mapping[str, Any], path: Path) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in data.items():
        if isinstance(value, dict):
            if name not in _TABLES:
                raise ConfigError(f"unknown table [{name}]", where=path, fix=_suggestion(name))
            pairs.extend((f"{name}.{inner}", item) for inner, item in value.items())
        else:
            pairs.append((name, value))
    return pairs


def _suggestion(name: str) -> str:
    last = name.rsplit(".", 1)[-1]
    elsewhere = [dotted for dotted, key in _BY_NAME.items() if key.name == last]
    near = elsewhere or difflib.get_close_matches(name, [*_BY_NAME, *_TABLES], n=2, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"valid keys: {', '.join(_BY_NAME)}"


def _checked(key: Key, value: Any, path: Path) -> Any:
    if key.kind == "path" and isinstance(value, str) and value:
        return path.parent / Path(value).expanduser()
    if key.kind == "text" and isinstance(value, str) and value:
        return value
    if key.kind == "count" and type(value) is int and 0 < value < 1_000_000_000:
        return value
    if key.kind == "share" and type(value) in (int, float) and 0 < value <= 1:
        return value
    if key.kind == "names" and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if key.kind == "tables" and isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return tuple(value)
    wanted = {
        "path": "a path", "text": "a text", "count": "a whole number above 0", "share": "a number above 0, at most 1",
        "names": "a list of names", "tables": "a list of tables",
    }[key.kind]  # fmt: skip
    raise ConfigError(f"{key.dotted} is {value!r}, not {wanted}", where=path, fix=f"for example {key.example}")


def settings_template() -> str:
    """Gives the commented ``birdnet-deploy.toml`` that ``init`` writes; every key is there, commented out."""
    lines = [
        "# birdnet-deploy.toml - what the commands use when nothing else is said.",
        "# Paths are relative to this file. Remove the # of a line to set it.",
    ]
    table = None
    for key in KEYS:
        if key.table != table:
            table = key.table
            lines += ["", f"[{table}]"] if table else [""]
        lines += [f"# {key.help}", f"# {key.name} = {key.example}"]
    return "\n".join(lines) + "\n"
