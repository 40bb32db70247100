"""What TensorBoard's writers take, as media take it."""

import math
import sys
from typing import Any

from xpstore._media.content import Content, to_array
from xpstore._media.histograms import MAX_BINS, to_histogram
from xpstore._values.checks import invalid

DEFAULT_BINS = 64
# Around each image of a grid.
GAP = 2


def pixels_of(image: Any, order: str) -> Any:
    """An image as (height, width) or (height, width, channels), of a tensor whose axes are named in their order."""
    array = _axes(image, order, "HWC" if "C" in order.upper() else "HW")
    return array.clip(0, 1) if array.dtype.kind == "f" else array


def grid_of(images: Any, order: str) -> Any:
    """Images beside and below each other, as one."""
    array = _axes(images, order, "NHWC" if "C" in order.upper() else "NHW")
    if array.dtype.kind == "f":
        array = array.clip(0, 1)
    count, height, width = array.shape[:3]
    columns = max(math.ceil(math.sqrt(count)), 1)
    rows = math.ceil(count / columns)
    shape = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, *array.shape[3:])
    import numpy  # here, as it comes with the array

    grid = numpy.zeros(shape, dtype=array.dtype)
    for number, image in enumerate(array):
        top, left = number // columns * (height + GAP), number % columns * (width + GAP)
        grid[top : top + height, left : left + width] = image
    return grid


def histogram_of(values: Any, bins: Any, max_bins: int | None) -> Content:
    """A histogram, of bins as TensorBoard takes them: a way to choose them, how many, or their edges."""
    if isinstance(bins, str):  # its own widths grow from zero on, and are no use to whoever reads the edges
        return to_histogram(values, min(max_bins or DEFAULT_BINS, MAX_BINS))
    if isinstance(bins, int):
        return to_histogram(values, min(bins, max_bins or MAX_BINS))
    import numpy  # here: it may be missing where nobody says edges

    array = to_array("values", values)
    return to_histogram(numpy.histogram(values if array is None else array, numpy.asarray(bins)), DEFAULT_BINS)


def samples_of(sound: Any) -> Any:
    """Samples of a tensor of shape (1, samples) or the like, within what 16 bits hold."""
    array = to_array("samples", sound)
    if array is None:
        return sound
    return array.squeeze().clip(-1, 1) if array.dtype.kind == "f" else array.squeeze()


def close_figure(figure: Any) -> None:
    """Has pyplot let go of a figure, if it has it."""
    if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
        pyplot.close(figure)


def _axes(tensor: Any, order: str, wanted: str) -> Any:
    array = to_array("image", tensor)
    names = order.upper()
    if array is None or len(array.shape) != len(names) or sorted(names) != sorted(wanted):
        shape = getattr(array, "shape", None)
        raise invalid("dataformats", order, f"must name the axes of a tensor of shape {shape}, of {wanted!r}")
    return array.transpose([names.index(axis) for axis in wanted])
