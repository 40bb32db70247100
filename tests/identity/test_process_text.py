"""The text of code, as docs/process.md says it."""

import ast
import re
from pathlib import Path

import pytest

from xpstore._identity.syntax import serialize


def test_the_documented_text_is_that_of_the_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "process.md").read_text()
    (example,) = re.findall(r"```text\n(.*)\n```", page)
    assert serialize(ast.parse("x + 1.0", mode="eval").body) == example


TEXTS = [
    ("1", "(Constant int 1)"),
    ("True", "(Constant bool True)"),
    ("0x1f", "(Constant int 1f)"),
    ("1.", "(Constant float 1.0)"),
    ("1e999", "(Constant float inf)"),
    ("2j", "(Constant complex 0.0 2.0)"),
    ("u'\u00e9'", r"(Constant str '\xe9')"),
    ("b'a'", "(Constant bytes b'a')"),
    ("...", "(Constant ellipsis Ellipsis)"),
    ("None", "(Constant NoneType None)"),
    ("{**a}", "(Dict keys=[NoneType None] values=[(Name id=str 'a')])"),
    ("f'a' f'' 'b{{'", "(JoinedStr values=[(Constant str 'ab{{')])"),
    (
        "f'{x:>{y}}'",
        "(JoinedStr values=[(FormattedValue conversion=int -1 format_spec=(JoinedStr values=[(Constant str '>')"
        "(FormattedValue conversion=int -1 value=(Name id=str 'y'))]) value=(Name id=str 'x'))])",
    ),
]


@pytest.mark.parametrize(("expression", "text"), TEXTS, ids=[expression for expression, _ in TEXTS])
def test_constants_and_texts_are_written_with_their_type(expression: str, text: str) -> None:
    assert serialize(ast.parse(expression, mode="eval").body) == text
