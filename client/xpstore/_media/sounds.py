"""Sounds: samples as 16-bit WAV, and files that browsers play."""

import io
import os
import wave
from typing import Any

from xpstore._media.content import Content, checked, read_file, to_array
from xpstore._values.checks import invalid, to_int64

MAX_CHANNELS = 8
MAX_RATE = 768_000
_FORMS = "must be an array of samples, or bytes or a path of WAV, MP3, OGG or FLAC"


def to_sound(samples: Any, sample_rate: Any) -> Content:
    """A sound as a file.

    Raises:
        InvalidArgument: it is none, or samples come without their rate.
    """
    if isinstance(samples, (bytes, bytearray, memoryview)):
        return _of_file(samples, bytes(samples))
    if isinstance(samples, (str, os.PathLike)):
        return _of_file(samples, read_file("samples", samples))
    array = to_array("samples", samples)
    if array is None:
        raise invalid("samples", samples, f"{_FORMS}, not {type(samples).__name__}")
    if sample_rate is None:
        raise invalid("sample_rate", sample_rate, "must say how many samples there are in a second")
    rate = to_int64("sample_rate", sample_rate)
    if not 1 <= rate <= MAX_RATE:
        raise invalid("sample_rate", rate, f"must be between 1 and {MAX_RATE} in a second")
    return Content("audio", "audio.wav", checked("samples", samples, _wave(_frames(array), rate)))


def suffix_of(data: bytes) -> str:
    """How files like this are named, by how they begin; "" if it is no sound."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data.startswith(b"OggS"):
        return "ogg"
    if data.startswith(b"fLaC"):
        return "flac"
    # A frame of layer 3 begins with eleven bits that are set.
    is_frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2
    return "mp3" if data.startswith(b"ID3") or is_frame else ""


def _of_file(value: Any, data: bytes) -> Content:
    if not (suffix := suffix_of(data)):
        raise invalid("samples", value, f"{_FORMS}; these bytes are none of those")
    return Content("audio", f"audio.{suffix}", checked("samples", value, data))


def _frames(array: Any) -> Any:
    """Samples of 16 bits, of each moment those of all channels."""
    shape = array.shape
    if len(shape) == 1:
        array = array[:, None]
    elif len(shape) == 2 and shape[0] <= MAX_CHANNELS < shape[1]:
        array = array.T
    if len(array.shape) != 2 or not 1 <= array.shape[1] <= MAX_CHANNELS:
        raise invalid("samples", shape, f"must be one channel, or up to {MAX_CHANNELS} as (samples, channels)")
    if array.dtype == "int16":
        return array.astype("<i2")
    if array.dtype.kind != "f":
        raise invalid("samples", array.dtype, "must be floats between -1 and 1, or of int16")
    if array.size and not (array.min() >= -1 and array.max() <= 1):  # so that NaN is refused too
        told = f"are {array.min()} to {array.max()}"
        raise invalid("samples", shape, f"must be between -1 and 1, and {told}: scale them, or use numpy.clip")
    return (array.astype("float64") * 32_767).round().astype("<i2")


def _wave(frames: Any, rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(frames.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.tobytes())
    return buffer.getvalue()
