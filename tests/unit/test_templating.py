"""C literals mean their value, templates refuse what is missing or not escaped."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import jinja2
import numpy as np
import pytest

from birdnet_deploy.errors import InternalError
from birdnet_deploy.support import c_literals, templating

HOSTILE = ['Great "Tit"', "a\\", "??/ ??=", "*/ /*", "%s%n", "é ü 鳥", "\n#error x", "tab\there", "\x01" + "1"]


def compile_and_run(tmp_path: Path, body: str) -> bytes:
    source = tmp_path / "x.c"
    source.write_text(f"#include <stdio.h>\n{body}\n", encoding="ascii")
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-trigraphs"]
    subprocess.run(["cc", *flags, str(source), "-o", str(tmp_path / "x")], check=True)
    return subprocess.run([tmp_path / "x"], check=True, capture_output=True).stdout


def test_hostile_strings_survive_the_compiler(tmp_path: Path) -> None:
    literals = ",\n".join(c_literals.c_string(text) for text in HOSTILE)
    body = f"static const char *s[] = {{{literals}}};\nint main(void) {{ for (unsigned i = 0; i < {len(HOSTILE)}; ++i)"
    output = compile_and_run(tmp_path, body + " fwrite(s[i], 1, __builtin_strlen(s[i]) + 1, stdout); return 0; }")
    assert output == b"".join(text.encode() + b"\0" for text in HOSTILE)


def test_hostile_comments_stay_comments(tmp_path: Path) -> None:
    comments = "\n".join(f"/* {c_literals.c_comment(text)} */" for text in HOSTILE)
    assert compile_and_run(tmp_path, comments + '\nint main(void) { puts("ok"); return 0; }') == b"ok\n"


def test_floats_read_back_the_same(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    values = np.concatenate([
        random.normal(size=200), [0.0, -0.0, 1e-38, 3.4e38, 1e-45, 0.1, math.pi, 1.0, 7e-9],
    ]).astype(np.float32)  # fmt: skip
    body = f"static const float v[] = {{\n{c_literals.c_float_array(values)}\n}};\n"
    output = compile_and_run(tmp_path, body + "int main(void) { fwrite(v, 4, sizeof v / 4, stdout); return 0; }")
    assert output == values.tobytes()


def test_no_literal_for_what_c_cannot_say() -> None:
    for value in (math.nan, math.inf):
        with pytest.raises(InternalError):
            c_literals.c_float(value)
    with pytest.raises(InternalError):
        c_literals.c_string("a\0b")


@pytest.fixture
def template(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def write(text: str) -> str:
        (tmp_path / "t.j2").write_text(text)
        templating._environment.cache_clear()
        monkeypatch.setattr(templating, "templates_dir", lambda: tmp_path)
        return "t.j2"

    yield write
    templating._environment.cache_clear()


def test_a_missing_variable_is_named_with_its_template(template) -> None:
    with pytest.raises(InternalError) as caught:
        templating.render(template("int x = {{ colour }};"), {})
    assert "colour" in caught.value.line
    assert "t.j2" in caught.value.line


def test_a_missing_attribute_is_named(template) -> None:
    with pytest.raises(InternalError, match="shape"):
        templating.render(template("{{ t.shape }}"), {"t": {"name": 1}})


@pytest.mark.parametrize("text", ['"', "\\", "a\nb", "??", "*/", "é"])
def test_unescaped_text_is_refused(template, text: str) -> None:
    with pytest.raises(InternalError, match="unescaped"):
        templating.render(template("{{ name }}"), {"name": text})


def test_escaped_text_and_plain_names_pass(template) -> None:
    name = template("{{ label | c_string }} {{ name }} {{ n }}")
    assert templating.render(name, {"label": 'a"b', "name": "conv_1", "n": 3}) == '"a\\042b" conv_1 3'


def test_a_missing_template_is_named() -> None:
    with pytest.raises(InternalError, match="no_such"):
        templating.render("no_such.j2", {})


def test_jinja_is_new_enough() -> None:
    assert tuple(map(int, jinja2.__version__.split(".")[:3])) >= (3, 1, 6)
