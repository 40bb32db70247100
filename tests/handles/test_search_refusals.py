"""Search: what is refused and where, and what never reaches the database as code."""

import random

import pytest

from support.search.searching import FILTERS, hashes, page_of
from xpstore import errors
from xpstore.client import Client
from xpstore.experiment import Experiment

BAD_FILTERS = [
    ("step >", 7, "a number"),
    ("step >> 3", 7, "a number"),
    ("step = 1 step = 2", 10, "`and`"),
    ("step = 1 and", 13, "a field"),
    ("(step = 1", 10, "`)`"),
    ("step = 1)", 9, "the end"),
    ("step", 5, "`is`"),
    ("= 1", 1, "a field"),
    ("stepp = 1", 1, "a field: name"),
    ("Step = 1", 1, "a field"),
    ("name.x = 1", 6, "no parts"),
    ("name[x] = 1", 5, "`=`"),
    ("config = 1", 1, "config.lr"),
    ("config.a[b] = 1", 10, "phases"),
    ("modules.optimizer = 1", 1, "modules.optimizer.lr"),
    ("metrics.loss > 1", 1, ".last"),
    ("metrics.loss.mean > 1", 14, ".last"),
    ("metrics.loss.last.x > 1", 19, ".last"),
    ("metrics.val/acc.last > 1", 12, "`.`"),
    ("metrics.loss.last = 'a'", 21, "a number"),
    ("metrics.loss.last = true", 21, "a number"),
    ("metrics.loss.last like 'a'", 19, "texts"),
    ("step = 'a'", 8, "a number"),
    ("step > 1e999", 8, "a double"),
    ("name = 1", 8, "a quoted text"),
    ("name = abc", 8, "a quoted text"),
    ("name = 'abc", 8, "not closed"),
    ("name = null", 8, "is null"),
    ("config.a < true", 12, "no order"),
    ("created_at > 'yesterday'", 14, "a time"),
    ("created_at > 5", 14, "a time"),
    ("created_at like '2%'", 12, "texts"),
    ("status = 'done'", 10, "'finished'"),
    ("status < 'lost'", 8, "no order"),
    ("tags != 'a'", 6, "`not` before"),
    ("tags not in ('a')", 10, "`not` before"),
    ("tags > 'a'", 6, "no order"),
    ("config.lr == 0.01", 12, "write `=`"),
    ("name == 'a'", 7, "write `=`"),
    ("step <> 1", 7, "write `!=`"),
    ("step = 1 && step = 2", 10, "write `and`"),
    ("step = 1 || step = 2", 10, "write `or`"),
    ("name like 'a\\b'", 11, "backslash"),
    ("name like 5", 11, "a quoted text"),
    ("step ~ '1'", 6, "texts"),
    ("status ~ 'f'", 8, "texts"),
    ("created_at ~ '2'", 12, "texts"),
    ("metrics.loss.last !~ '1'", 19, "texts"),
    ("tags !~ 'a'", 6, "`not` before"),
    ("name ~ 5", 8, "a quoted text"),
    ("name ~ '(a'", 8, "missing )"),
    ("name ~ '(?=a)'", 8, "(?="),
    ("name ~ '(a{1000}){1000}'", 8, "RE2"),
    ("name ~ a", 8, "a quoted text"),
    ("step in ()", 10, "a number"),
    ("step in (1, 2", 14, "`,`"),
    ("ü = 1", 1, "a field"),
    ("name = '☃' or ☃", 15, "a field"),
    ("name = 'a\x00'", 10, "NUL"),
]


@pytest.mark.parametrize(("filter", "column", "fix"), BAD_FILTERS)
@pytest.mark.client
def test_bad_filter_is_refused_at_a_column(experiment: Experiment, filter: str, column: int, fix: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=f"column {column}: ") as caught:
        hashes(experiment, filter)
    assert caught.value.metadata["field"] == "filter"
    assert caught.value.metadata["column"] == str(column)
    assert fix in str(caught.value).partition(": ")[2]


NINE_KEYS = (", ".join(["step"] * 9), 49)


@pytest.mark.parametrize(
    ("order_by", "column"),
    [("tags", 1), ("step down", 6), ("step,", 6), ("loss", 1), ("step; name", 5), ("metrics.loss", 1), NINE_KEYS],
)
@pytest.mark.client
def test_bad_order_is_refused_at_a_column(experiment: Experiment, order_by: str, column: int) -> None:
    with pytest.raises(errors.InvalidArgument, match=f"column {column}: ") as caught:
        hashes(experiment, order_by=order_by)
    assert caught.value.metadata["field"] == "order_by"


@pytest.mark.client
def test_line_is_named_where_there_are_several(experiment: Experiment) -> None:
    with pytest.raises(errors.InvalidArgument, match="line 2, column 5: ") as caught:
        hashes(experiment, "step = 1\nand stepp = 2")
    assert caught.value.metadata["column"] == "14"


PIECES = [
    "step",
    "name",
    "tags",
    "status",
    "config.a",
    "modules.a.b",
    "metrics.a.last",
    "metrics",
    ".",
    "[",
    "]",
    "(",
    ")",
    ",",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not",
    "like",
    "is",
    "null",
    "and\nor",
    "true",
    "false",
    "asc",
    "desc",
    "1",
    "-1.5e3",
    "1e999",
    "'a'",
    '"b"',
    "'",
    '"',
    "\\",
    ";",
    "$",
    "%",
    "_",
    "☃",
    "is_null",
    ".5",
    'config."a"[b]',
    "created_at",
    "'2026-01-01'",
    "\n",
]


def test_any_text_is_a_filter_or_is_refused(client: Client, experiment: Experiment) -> None:
    chance = random.Random(3)
    for _ in range(FILTERS):
        text = " ".join(chance.choices(PIECES, k=chance.randint(1, 8)))
        for field in ("filter", "order_by"):
            try:
                page_of(client, experiment, **{field: text})
            except errors.InvalidArgument as error:
                assert error.metadata["field"] == field
                assert 1 <= int(error.metadata["column"]) <= len(text) + 1


COMPARISON = "metrics.loss.last > 0.5"


LEAVES = [
    "step = 1",
    "metrics.a.last > 1",
    "metrics.a[t].min < 1",
    "config.a not like '%x%'",
    "tags = 'a'",
    "status = 'lost'",
]


@pytest.mark.parametrize(
    "filter",
    [
        "name = '" + "x" * 16_384 + "'",
        "not " * 5_000 + "step = 1",
        " or ".join([COMPARISON] * 51),
        "(step = 1 and " * 30 + "step = 3" + ")" * 30,
        f"step = 0.{'0' * 31}1",
        f"step = {'0' * 5_000}1",
        f"config.a in (1, {'9' * 33})",
        "(step = 1 and not (step = 2 or " * 70 + "step = 3" + "))" * 70,
    ],
)
@pytest.mark.client
def test_filter_that_is_too_large_is_refused(experiment: Experiment, filter: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="at most"):
        hashes(experiment, filter)


@pytest.mark.parametrize(
    "filter",
    [
        " and ".join([COMPARISON] * 50),
        " or ".join([COMPARISON] * 50),
        " or ".join(f"(config.a{number} = 1 and not tags = 'x')" for number in range(25)),
        *(f"({leaf} and ({leaf} or " * 14 + leaf + "))" * 14 for leaf in LEAVES),
        *("((" * 14 + leaf + f" or {leaf}) and {leaf})" * 14 for leaf in LEAVES),
        f"step = 1{'0' * 31} or config.a = .{'9' * 32} or metrics.a.max < -{'9' * 32}",
        "not (" * 60 + COMPARISON + ")" * 60,
        "(" * 8_000 + "step = 1" + ")" * 8_000,
        f"step in ({', '.join(['1'] * 5_000)})",
        f"config.a like '{'%a' * 7_000}'",
        f"config.a like '{'%_' * 7_000}b'",
    ],
)
def test_largest_filters_are_answered(experiment: Experiment, filter: str) -> None:
    experiment.model("h", config={"a": "a" * 900})
    hashes(experiment, filter)


HOSTILE = [
    "'; DROP TABLE model; --",
    "' OR '1'='1",
    '" OR "1"="1',
    "%(name)s :name ? $1 {0}",
    "\\'; --",
    "') UNION SELECT hash FROM api_key --",
    "/* */ ; PRAGMA writable_schema=1",
    "%",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_filter_never_reaches_the_database_but_as_a_value(experiment: Experiment, text: str) -> None:
    experiment.model("other", config={"x": 1})
    model = experiment.model(text, text, tags=[text], config={text: text})
    model.modules.log(text, {text: text})
    model.metrics.log(text, 1, phase=text)
    quoted = "'" + text.replace("'", "''") + "'"
    fields = ("name", "hash", "tags", f"config.{quoted}", f"modules.{quoted}.{quoted}")
    for field in fields:
        assert hashes(experiment, f"{field} = {quoted}") == [text]
        assert hashes(experiment, f"not {field} = {quoted}") == ["other"]
    path = f"metrics.{quoted}[{quoted}].max"
    assert hashes(experiment, f"{path} = 1", order_by=f"{path} desc, config.{quoted}") == [text]
    for bare in (f"{text} = 1", f"step = {text}", f"step = 1 {text}", f"config.{text} = 1"):
        with pytest.raises(errors.InvalidArgument):
            hashes(experiment, bare)
    assert len(hashes(experiment)) == 2
