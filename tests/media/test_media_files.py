"""What is logged becomes the file that the contract names, or is refused by name before anything is stored."""

import datetime
import io
import json
import math
import struct
import uuid
import wave
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy
import pandas
import pyarrow
import pytest
from PIL import Image

from xpstore._media.figures import to_figure
from xpstore._media.histograms import to_histogram
from xpstore._media.images import to_image
from xpstore._media.sounds import to_sound
from xpstore._media.tables import from_table, to_table
from xpstore.errors import InvalidArgument
from xpstore.model import Model

mpl.use("Agg")
CHANCE = numpy.random.default_rng(7)


def decoded(data: bytes) -> Any:
    return numpy.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4), (1, 1, 3), (300, 2, 3)])
def test_pixels_are_in_the_png_as_they_are(shape: tuple[int, ...]) -> None:
    pixels = CHANCE.integers(0, 256, shape, dtype="uint8")
    content = to_image(pixels)
    assert (content.kind, content.path) == ("image", "image.png")
    assert (decoded(content.data) == pixels.squeeze(2) if shape[-1] == 1 else decoded(content.data) == pixels).all()
    assert to_image(pixels[::-1]).data == to_image(pixels[::-1].copy()).data  # whatever its strides


def test_other_arrays_become_the_same_pixels() -> None:
    pixels = CHANCE.integers(0, 256, (4, 6, 3), dtype="uint8")
    expected = to_image(pixels).data
    assert to_image(pixels.transpose(2, 0, 1)).data == expected
    assert to_image(pixels.astype("int64")).data == to_image(pixels / 255).data == expected
    assert to_image((pixels / 255).astype("float32")).data == expected
    assert decoded(to_image(pixels > 128).data).tolist() == ((pixels > 128) * 255).tolist()

    class Tensor:
        """What numpy can read, as tensors of JAX."""

        def __array__(self, *_: Any, **__: Any) -> Any:
            return pixels

    assert to_image(Tensor()).data == expected


def test_files_are_kept_as_they_are_and_known_by_how_they_begin(tmp_path: Path) -> None:
    for form, suffix in (("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("GIF", "gif")):
        buffer = io.BytesIO()
        Image.new("RGB", (3, 2)).save(buffer, form)
        (path := tmp_path / "any name").write_bytes(buffer.getvalue())
        for given in (buffer.getvalue(), path, str(path)):
            assert (to_image(given).path, to_image(given).data) == (f"image.{suffix}", buffer.getvalue())
    assert decoded(to_image(Image.new("LA", (3, 2))).data).shape == (2, 3, 2)


class Colour(Enum):
    RED = "red"


def test_table_says_what_json_cannot() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=2))
    row = {
        "float": math.nan,
        "infinite": -math.inf,
        "mixed": math.inf,
        "text": "NaN",
        "none": None,
        "bool": numpy.bool_(True),
        "int": 1 << 70,
        "numpy": numpy.float32(0.5),
        "time": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=zone),
        "date": datetime.date(2026, 1, 2),
        "bytes": b"\xff\x00",
        "decimal": Decimal("1.10"),
        "uuid": uuid.UUID(int=7),
        "enum": Colour.RED,
        "list": [1, (2, None)],
        "array": numpy.arange(3),
        "numpy time": numpy.datetime64("2026-01-02"),
    }
    data = to_table([row, {**dict.fromkeys(row), "mixed": "Infinity"}, {"more": "\ud800"}]).data
    told = json.loads(data, parse_constant=lambda constant: pytest.fail(constant))
    assert told["columns"] == [*row, "more"] and [told["columns"][place] for place in told["numbers"]] == [
        "float",
        "infinite",
    ]
    first, second, third = from_table(data)
    assert math.isnan(first.pop("float")) and second == {**dict.fromkeys(row), "mixed": "Infinity", "more": None}
    assert third["more"] == "\ud800"
    assert first == {
        "infinite": -math.inf,
        "mixed": "Infinity",
        "text": "NaN",
        "none": None,
        "bool": True,
        "int": 1 << 70,
        "numpy": 0.5,
        "time": "2026-01-02T03:04:05+02:00",
        "date": "2026-01-02",
        "bytes": "base64:/wA=",
        "decimal": "1.10",
        "uuid": str(uuid.UUID(int=7)),
        "enum": "red",
        "list": [1, [2, None]],
        "array": [0, 1, 2],
        "numpy time": "2026-01-02",
        "more": None,
    }


def test_frames_become_the_same_table() -> None:
    columns = {"a": [1, 2], "b": [0.5, math.inf], "c": ["x", None]}
    rows = [{"a": 1, "b": 0.5, "c": "x"}, {"a": 2, "b": math.inf, "c": None}]
    for table in (columns, rows, pandas.DataFrame(columns), pyarrow.table(columns)):
        assert from_table(to_table(table).data) == rows
    indexed = pandas.DataFrame(columns).set_index("c")
    assert [list(row) for row in from_table(to_table(indexed).data)] == [["c", "a", "b"]] * 2
    missing = pandas.DataFrame({"t": pandas.to_datetime(["2026-01-02", None]), "n": pandas.array([1, None])})
    assert from_table(to_table(missing).data) == [{"t": "2026-01-02T00:00:00", "n": 1}, {"t": None, "n": None}]
    assert from_table(to_table({}).data) == from_table(to_table([]).data) == []


@pytest.mark.parametrize("values", [CHANCE.normal(size=(40, 30)), numpy.arange(100), numpy.full(3, 3, dtype="float32")])
def test_histogram_counts_as_numpy_does(values: Any) -> None:
    told = json.loads(to_histogram(values, 16).data)
    assert sum(told["counts"]) == values.size and len(told["edges"]) == 17
    assert json.loads(to_histogram(values.ravel().tolist(), 16).data) == told
    if values.min() < values.max():
        assert told["counts"] == numpy.histogram(values, 16)[0].tolist()
    pair = numpy.histogram(values, 5)
    assert json.loads(to_histogram(pair, 64).data) == {"edges": pair[1].tolist(), "counts": pair[0].tolist()}


def test_histogram_says_how_many_numbers_are_in_no_bin() -> None:
    told = json.loads(to_histogram(numpy.array([1, 2, math.nan, math.inf]), 2).data)
    assert told == {"edges": [1.0, 1.5, 2.0], "counts": [1, 1], "not_finite": 2}


def test_samples_become_wav() -> None:
    tone = numpy.sin(numpy.arange(800) / 10)
    for samples, channels in ((tone, 1), (numpy.stack([tone, -tone]), 2), ((tone * 32_767).round().astype("int16"), 1)):
        with wave.open(io.BytesIO(to_sound(samples, 8_000).data)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (channels, 2, 8_000)
            frames = struct.unpack(f"<{800 * channels}h", file.readframes(800))
        assert frames[::channels] == tuple((tone * 32_767).round().astype(int))


@pytest.mark.parametrize(
    ("data", "suffix"), [(b"ID3\x03", "mp3"), (b"\xff\xfb\x90", "mp3"), (b"OggS", "ogg"), (b"fLaC", "flac")]
)
def test_sounds_are_kept_as_they_are(data: bytes, suffix: str) -> None:
    assert (to_sound(data, None).path, to_sound(data, None).data) == (f"audio.{suffix}", data)


def test_figure_of_matplotlib_is_an_image() -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1), dpi=50)
    axes = figure.add_subplot()
    axes.plot([1, 2])
    assert decoded(to_figure(figure).data).shape == (50, 100, 4)
    assert to_figure(axes).kind == "image"


IMAGE, TABLE, HISTOGRAM, AUDIO = "log_image", "log_table", "log_histogram", "log_audio"
GREY = numpy.zeros((2, 2), dtype="uint8")


@pytest.mark.parametrize(
    ("method", "value", "more", "told"),
    [
        (IMAGE, "no such file.png", {}, "image = 'no such file.png': must be the path of a file"),
        (IMAGE, b"GIF", {}, "these bytes are none of those"),
        (IMAGE, [[1, 2]], {}, "must be an image of Pillow.*not list"),
        (IMAGE, numpy.zeros((2, 2, 5), dtype="uint8"), {}, "must have the shape"),
        (IMAGE, numpy.zeros((0, 2)), {}, "1 to 16384 pixels"),
        (IMAGE, numpy.full((2, 2), 1.5), {}, "between 0 and 1, and are 1.5 to 1.5: scale them"),
        (IMAGE, numpy.full((2, 2), math.nan), {}, "have NaN among them"),
        (IMAGE, numpy.full((2, 2), 256), {}, "between 0 and 255"),
        (IMAGE, numpy.array([["a"]]), {}, "must be of uint8, or of floats"),
        (IMAGE, Image.new("CMYK", (2, 2)), {}, "log image.convert"),
        (IMAGE, GREY, {"step": -1}, "step = -1: must be between 0 and"),
        (IMAGE, GREY, {"name": ""}, "name = '': must not be empty"),
        (IMAGE, GREY, {"name": "x" * 214}, "at most 213 characters"),
        (IMAGE, GREY, {"name": 5}, "name = 5: must be text"),
        (IMAGE, GREY, {"caption": 5}, "caption = 5: must be text"),
        ("log_figure", object(), {}, "must be a figure of Matplotlib or Plotly, not object"),
        (TABLE, [1], {}, "must be a DataFrame of pandas"),
        (TABLE, "text", {}, "must be a DataFrame of pandas.*not str"),
        (TABLE, {"a": range(10_001)}, {}, r"at most 10,000 rows, has 10,001: .*DatasetArtifact.save"),
        (TABLE, pandas.DataFrame({"a": range(10_001)}), {}, "at most 10,000 rows"),
        (TABLE, dict.fromkeys(map(str, range(257)), ()), {}, "at most 256 columns"),
        (TABLE, {"a": ["x" * (17 << 20)]}, {}, "at most 16 MiB"),
        (TABLE, {"a": [1], "b": []}, {}, "as many values in each column"),
        (TABLE, {1: [1], "1": [2]}, {}, "names two columns"),
        (TABLE, {"a": [object()]}, {}, r"table\['a'\], row 0 = .*shows no object"),
        (TABLE, {"a": [[math.nan]]}, {}, r"table\['a'\], row 0 = .*must be JSON"),
        (HISTOGRAM, [], {}, "a finite number among its 0"),
        (HISTOGRAM, numpy.array([math.nan]), {}, "a finite number among its 1"),
        (HISTOGRAM, ["a"], {}, "values = .*must be numbers"),
        (HISTOGRAM, [1.0], {"bins": 0}, "bins = 0: must be between 1 and 4096"),
        (HISTOGRAM, [1.0, 1.0 + 1e-15], {"bins": 64}, "no room for 64 bins"),
        (HISTOGRAM, ([1, 2], [0, 1]), {}, "one edge more"),
        (HISTOGRAM, ([1], [1, 0]), {}, "edges must be finite and rise"),
        (HISTOGRAM, ([-1], [0, 1]), {}, "not negative"),
        ("log_text", 5, {}, "text = 5: must be text, not int"),
        ("log_text", "x" * ((1 << 20) + 1), {}, "at most 1048576 bytes"),
        (AUDIO, numpy.zeros(3), {}, "sample_rate = None: must say"),
        (AUDIO, numpy.zeros(3), {"sample_rate": 0}, "sample_rate = 0"),
        (AUDIO, numpy.full(3, 1.5), {"sample_rate": 1}, "between -1 and 1, and are 1.5 to 1.5"),
        (AUDIO, numpy.zeros(3, dtype="int64"), {"sample_rate": 1}, "floats between -1 and 1, or of int16"),
        (AUDIO, numpy.zeros((9, 9)), {"sample_rate": 1}, "up to 8 as"),
        (AUDIO, b"RIFF", {}, "these bytes are none of those"),
    ],
)
def test_what_is_no_medium_is_refused_by_name(
    offline: Model, spool: Path, method: str, value: Any, more: dict[str, Any], told: str
) -> None:
    arguments = {"name": "n", "step": 1, **more}
    name = arguments.pop("name")
    with pytest.raises(InvalidArgument, match=told) as caught:
        getattr(offline, method)(name, value, **arguments)
    assert caught.value.metadata["field"]
    assert not list(spool.glob("*/.media*"))
