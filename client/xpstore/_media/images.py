"""Images: of Pillow, arrays of pixels, and files that browsers show."""

import io
import os
from typing import Any

from xpstore._media.content import Content, checked, libraries_of, read_file, to_array
from xpstore._media.png import encode_png
from xpstore._values.checks import invalid

# Beyond this no browser shows it.
MAX_SIDE = 16_384
_FORMS = "must be an image of Pillow, an array of pixels, or bytes or a path of PNG, JPEG, WebP or GIF"
_SHAPES = "must have the shape (height, width), (height, width, 1 to 4) or (1, 3 or 4, height, width)"
# Modes of Pillow that PNG has.
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def to_image(image: Any) -> Content:
    """An image as a file.

    Raises:
        InvalidArgument: it is none.
    """
    if isinstance(image, (bytes, bytearray, memoryview)):
        return of_file("image", image, bytes(image))
    if isinstance(image, (str, os.PathLike)):
        return of_file("image", image, read_file("image", image))
    if "PIL" in libraries_of(image):
        return Content("image", "image.png", checked("image", image, _png_of_pillow(image)))
    array = to_array("image", image)
    if array is None:
        raise invalid("image", image, f"{_FORMS}, not {type(image).__name__}")
    return Content("image", "image.png", checked("image", image, encode_png(_pixels(array))))


def of_file(field: str, value: Any, data: bytes) -> Content:
    """An image in the bytes of a file, as they are."""
    if not (suffix := suffix_of(data)):
        raise invalid(field, value, f"{_FORMS}; these bytes are none of those")
    return Content("image", f"image.{suffix}", checked(field, value, data))


def suffix_of(data: bytes) -> str:
    """How files like this are named, by how they begin; "" if it is no image."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def _png_of_pillow(image: Any) -> bytes:
    if image.mode not in _MODES:
        raise invalid("image", image, f"has the mode {image.mode!r}, which PNG has not: log image.convert('RGB')")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _pixels(array: Any) -> Any:
    """Bytes of height, width and channels."""
    shape = array.shape
    if len(shape) == 2:
        array = array[:, :, None]
    elif len(shape) == 3 and shape[2] not in (1, 2, 3, 4) and shape[0] in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if len(array.shape) != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise invalid("image", shape, _SHAPES)
    if not min(array.shape) > 0 or max(array.shape) > MAX_SIDE:
        raise invalid("image", shape, f"must have 1 to {MAX_SIDE} pixels on each side")
    return _bytes(array)


def _bytes(array: Any) -> Any:
    kind = array.dtype.kind
    if array.dtype == "uint8":
        return array
    if kind == "b":
        return array.astype("uint8") * 255
    if kind not in "iuf":
        raise invalid("image", array.dtype, "must be of uint8, or of floats between 0 and 1")
    least, most, bound = array.min(), array.max(), 1 if kind == "f" else 255
    if not (least >= 0 and most <= bound):  # so that NaN is refused too
        told = f"are {least} to {most}" if least == least and most == most else "have NaN among them"
        fix = f"pixels of {array.dtype} must be between 0 and {bound}, and {told}: scale them, or use numpy.clip"
        raise invalid("image", array.shape, fix)
    return (array.astype("float64") * 255 + 0.5).astype("uint8") if kind == "f" else array.astype("uint8")
