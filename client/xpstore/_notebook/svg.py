"""Small lines of SVG that need nothing around them, in a blue that is read on white and on black."""

from xpstore._notebook.curve import Curve
from xpstore._notebook.html import Markup, text

WIDTH, HEIGHT, MARGIN = 160, 36, 2
COLOR = "#4c8bf5"


def svg(curve: Curve) -> Markup:
    """The line of the means of a curve, before a band from the smallest to the largest; "" without a number."""
    if not curve.has_numbers:
        return Markup()
    spans = list(curve.spans())
    xs = [x for span in spans for x in curve.xs[span]]
    lows = [low for span in spans for low in curve.lows[span]]
    highs = [high for span in spans for high in curve.highs[span]]
    across, up = _Scale(xs, MARGIN, WIDTH - MARGIN), _Scale([*lows, *highs], HEIGHT - MARGIN, MARGIN)
    drawn = []
    for span in spans:
        places = [across(x) for x in curve.xs[span]]
        if curve.lows[span] != curve.highs[span]:
            band = [
                *zip(places, curve.highs[span], strict=True),
                *zip(places[::-1], curve.lows[span][::-1], strict=True),
            ]
            drawn.append(f'<polygon points="{_points(band, up)}" fill="{COLOR}" fill-opacity="0.25"/>')
        line = list(zip(places, curve.means[span], strict=True))
        if len(line) == 1:
            drawn.append(f'<circle cx="{places[0]:.1f}" cy="{up(line[0][1]):.1f}" r="2" fill="{COLOR}"/>')
        else:
            drawn.append(f'<polyline points="{_points(line, up)}" fill="none" stroke="{COLOR}" stroke-width="1.5"/>')
    title = text(f"{curve.label}: {min(lows):.4g} to {max(highs):.4g}, by {curve.unit}")
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img"><title>{title}</title>{"".join(drawn)}</svg>'
    )


class _Scale:
    """Where numbers are on a drawing."""

    def __init__(self, numbers: list[float], start: float, end: float) -> None:
        self._least = min(numbers)
        # Halves: the distance of the largest double and its negative is none.
        self._half = max(numbers) / 2 - self._least / 2
        self._start, self._length = start, end - start

    def __call__(self, number: float) -> float:
        share = (number / 2 - self._least / 2) / self._half if self._half > 0 else 0.5
        return self._start + share * self._length


def _points(pairs: "list[tuple[float, float]]", up: _Scale) -> str:
    return " ".join(f"{place:.1f},{up(number):.1f}" for place, number in pairs)
