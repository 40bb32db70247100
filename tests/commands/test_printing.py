"""Tables of terminals: what has no room is below its row, and nothing is cut."""

import pytest

from xpstore._cli.drawing import picture, sparkline
from xpstore._cli.table import table_lines
from xpstore._notebook.curve import of_points

ID = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def table(width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    columns, rows = ("name", "size", "none", "id"), [["a", "10", "", ID], ["日本", "5", "", ID]]
    return list(table_lines(columns, rows, [False, True, False, False]))


def test_columns_that_have_no_room_are_below(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [line.replace("-" * 48, "RULE").replace("─" * 48, "RULE") for line in table(48, monkeypatch)] == [
        "name  size  id",
        "RULE",
        f"a       10  {ID}",
        f"日本     5  {ID}",
    ]
    assert table(47, monkeypatch)[2:] == ["a       10", f"  id {ID}", "日本     5", f"  id {ID}"]
    assert table(5, monkeypatch)[2:4] == ["a", "  size 10"]


def test_head_is_bold_unless_color_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in table(60, monkeypatch)[0]
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    assert table(60, monkeypatch)[0].startswith("\x1b[1mname")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in table(60, monkeypatch)[0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0, 2.0], "▁▅█"),
        ([1.0, 1.0], "▅▅"),
        ([1.0, float("nan"), 2.0], "▁ █"),
        ([-1e308, 1e308], "▁█"),
        ([float("inf")], ""),
        ([], ""),
    ],
)
def test_line_of_blocks(values: list[float], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = of_points("x", range(len(values)), values, [0] * len(values), "step")
    monkeypatch.setattr("xpstore._cli.drawing.can_show", lambda text: True)
    assert sparkline(curve) == expected
    monkeypatch.setattr("xpstore._cli.drawing.can_show", lambda text: False)
    assert sparkline(curve).isascii() and len(sparkline(curve)) == len(expected)


def test_picture_has_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    curve = of_points("x", [5, 6, 7], [1.0, 2.0, 3.0], [0] * 3, "step")
    monkeypatch.setattr("xpstore._cli.drawing.can_show", lambda text: False)
    monkeypatch.setattr("xpstore._cli.table.can_show", lambda text: False)
    assert picture(curve, 14, 3) == ["3 |          *", "  |     *", "1 |*", "  ------------", "   5 steps   7"]
    monkeypatch.setattr("xpstore._cli.drawing.can_show", lambda text: True)
    shown = picture(curve, 14, 3)
    assert (shown[0][-1], shown[2][3]) == ("⠈", "⡀") and max(map(len, shown)) <= 14
