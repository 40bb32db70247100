"""Figures: of Matplotlib as pictures, of Plotly as what its own library draws again."""

import io
from typing import Any

from xpstore._media.content import Content, checked, libraries_of
from xpstore._values.checks import invalid


def to_figure(figure: Any) -> Content:
    """A figure as a file.

    Raises:
        InvalidArgument: it is none of Matplotlib or Plotly, or cannot be drawn.
    """
    libraries = libraries_of(figure)
    if "plotly" in libraries and callable(getattr(figure, "to_json", None)):
        return Content("figure", "figure.json", checked("figure", figure, figure.to_json().encode()))
    if "matplotlib" in libraries and not hasattr(figure, "savefig"):
        figure = getattr(figure, "figure", None)  # axes know theirs
    if "matplotlib" not in libraries or not hasattr(figure, "savefig"):
        raise invalid("figure", figure, f"must be a figure of Matplotlib or Plotly, not {type(figure).__name__}")
    buffer = io.BytesIO()
    try:
        figure.savefig(buffer, format="png")
    except Exception as error:  # whatever is wrong with what is drawn
        raise invalid("figure", figure, f"cannot be drawn ({type(error).__name__}: {error})") from error
    return Content("image", "image.png", checked("figure", figure, buffer.getvalue()))
