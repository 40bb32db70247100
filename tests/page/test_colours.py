"""The colours of models differ for everybody, and are seen on both backs."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

SOURCES = Path(__file__).parents[2] / "server" / "web" / "src"
Colours = NDArray[np.float64]

# What is left of linear RGB at full severity: Machado, Oliveira and Fernandes, 2009.
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
LEAST_DIFFERENCE = 11.0  # of CIEDE2000; about 2 can just be told apart side by side
LEAST_CONTRAST = 3.0  # WCAG 2.2, of graphics


def linear(hexes: list[str]) -> Colours:
    parts = np.array([[int(one[at : at + 2], 16) / 255 for at in (1, 3, 5)] for one in hexes])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb: Colours) -> Colours:
    ratios = np.clip(rgb, 0, 1) @ XYZ.T / XYZ.sum(axis=1)
    bent = np.where(ratios > 0.008856, np.cbrt(ratios), 7.787 * ratios + 16 / 116)
    return np.stack([116 * bent[:, 1] - 16, 500 * (bent[:, 0] - bent[:, 1]), 200 * (bent[:, 1] - bent[:, 2])], axis=1)


def difference(one: Colours, other: Colours) -> float:
    """CIEDE2000 of two colours of CIELAB: Sharma, Wu and Dalal, 2005."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    factor = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25**7))
    a1, a2 = a1 * factor, a2 * factor
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    angle = (h1 + h2) / 2 if abs(h1 - h2) <= 180 else ((h1 + h2) / 2 + 180) % 360
    waves = [(-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63)]
    weight = 1 + sum(size * np.cos(np.radians(times * angle + shift)) for size, times, shift in waves)
    s_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * weight
    turned = 60 * np.exp(-(((angle - 275) / 25) ** 2))
    r_t = -np.sin(np.radians(turned)) * 2 * np.sqrt(chroma**7 / (chroma**7 + 25**7))
    terms = (l2 - l1) / s_l, (c2 - c1) / s_c, hue / s_h
    return float(np.sqrt(sum(term**2 for term in terms) + r_t * terms[1] * terms[2]))


# Pairs of the test data of that paper, with their differences.
@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_difference_is_that_of_the_standard(one: tuple[float, ...], other: tuple[float, ...], expected: float) -> None:
    assert difference(np.array(one), np.array(other)) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("theme", "back"), [("LIGHT", "--raised"), ("DARK", "--raised")])
def test_colours_of_models_differ_for_everybody(theme: str, back: str) -> None:
    source = (SOURCES / "common" / "colours.ts").read_text()
    block = re.search(rf"const {theme} = \[(.*?)\]", source, re.DOTALL)
    backs = re.findall(rf"{back}: (#\w+)", (SOURCES / "page.css").read_text())
    assert block is not None and len(backs) == 2
    colours = re.findall(r"#[0-9a-f]{6}", block[1])
    assert len(colours) == 12
    for who, matrix in SEEN_BY.items():
        seen = lab(linear(colours) @ matrix.T)
        least = min(difference(seen[one], seen[other]) for one, other in combinations(range(12), 2))
        assert least >= LEAST_DIFFERENCE, who
    light = linear([*colours, backs[theme == "DARK"]]) @ XYZ[1] + 0.05
    contrasts = np.maximum(light[:-1] / light[-1], light[-1] / light[:-1])
    assert contrasts.min() >= LEAST_CONTRAST
