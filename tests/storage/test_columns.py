"""Columns at rest: what was written once must stay readable, and small where numbers follow a rule."""

import math
import random

import numpy as np
import pytest

from xpstore_server.store.columns import (
    decode_floats,
    decode_integers,
    decode_mixed,
    encode_floats,
    encode_integers,
    encode_mixed,
)
from xpstore_server.store.points import BLOCK_POINTS, BLOCK_SPAN, Points, from_values, join

# Bytes that earlier releases wrote.
KEPT = {
    "80" + "0100000000000000" + "02": [1, None, None],
    "c0" + "0500000000000000" + "faffffffffffffff" + "02": [5, -6, None],
    "0a00000000000000" + "0200000000000000" + "00": [10, 12, 14, 16],
    "0700000000000000" + "0900000000000000" + "01": [7, 9],
    "": [None, None],
}


@pytest.mark.parametrize("values", list(KEPT.values()), ids=repr)
def test_bytes_at_rest_read_as_they_always_did(values: list[int | None]) -> None:
    data = next(bytes.fromhex(text) for text, kept in KEPT.items() if kept == values)
    assert listed(data, len(values)) == values
    assert encoded(values) == data


def encoded(values: list[int | None]) -> bytes:
    present = np.array([value is not None for value in values], np.bool_)
    return encode_integers(np.array([value or 0 for value in values], np.int64), present)


def listed(data: bytes, count: int) -> list[int | None]:
    values, present = decode_integers(data, count)
    there = [True] * count if present is None else present.tolist()
    return [value if has else None for value, has in zip(values.tolist(), there, strict=True)]


def test_any_integers_come_back() -> None:
    chance = random.Random(1)
    extremes = [-(2**63), 2**63 - 1, 0, -1, 1]
    for _ in range(2_000):
        count = chance.randint(1, 40)
        start, stride = chance.choice(extremes), chance.choice([0, 1, -3, 2**62])
        series = [(start + stride * place + 2**63) % 2**64 - 2**63 for place in range(count)]
        values = chance.choice([series, [chance.choice(extremes) for _ in range(count)]])
        some = [value if chance.random() < 0.8 else None for value in values]
        for case in (values, some):
            assert listed(encoded(list(case)), count) == case


def test_a_series_of_integers_takes_17_bytes() -> None:
    assert len(encode_integers(np.arange(100_000, dtype=np.int64) * 7)) == 17
    assert len(encode_integers(np.full(100_000, 5, np.int64))) == 17


def test_floats_keep_every_bit() -> None:
    values = np.array([0.1, -0.0, math.inf, -math.inf, math.nan, 5e-324])
    assert decode_floats(encode_floats(values), 6).tobytes() == values.tobytes()


def test_values_of_any_kind_come_back() -> None:
    values = [("int", "1"), ("float", "nan"), ("json", '{"ü": [null]}')]
    assert decode_mixed(encode_mixed(values)) == values


def test_points_are_cut_and_joined_without_loss() -> None:
    parts = [
        from_values([("float", "0.5"), ("float", "inf")], [1, None], [5, 6]),
        from_values([("int", "7")], [2], [7]),
        from_values([("json", "null"), ("int", "8")], [None, None], [8, 9]),
    ]
    whole = join(parts)
    assert (whole.kind, whole.mixed()) == ("json", [pair for part in parts for pair in part.mixed()])
    assert [whole.step(place) for place in range(5)] == [1, None, 2, None, None]
    far = whole.placed(np.array([0, 1, BLOCK_SPAN - 1, BLOCK_SPAN, BLOCK_SPAN + 5]), 0)
    again: list[Points] = list(far.blocks())
    assert [len(part) for part in again] == [3, 2]
    assert join(again).mixed() == whole.mixed()
    for count, sizes in (
        (BLOCK_POINTS, [BLOCK_POINTS]),
        (BLOCK_POINTS + 1, [BLOCK_POINTS // 2 + 1, BLOCK_POINTS // 2]),
        (2 * BLOCK_POINTS + 1, [10_923, 10_923, 10_923]),
    ):
        many = from_values([("int", "1")] * count, [None] * count, [0] * count)
        assert [len(part) for part in many.blocks()] == sizes
    assert whole.numbers().tolist()[:3] == [0.5, math.inf, 7.0] and math.isnan(whole.numbers()[3])
