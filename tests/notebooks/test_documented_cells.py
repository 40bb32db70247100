"""The cells of docs/notebooks.md run as they stand."""

import re
from pathlib import Path

import matplotlib
from matplotlib import pyplot

from xpstore.experiment import Experiment
from xpstore.project import Project

PAGE = Path(__file__).parents[2] / "docs" / "notebooks.md"


def test_documented_cells_run(project: Project, experiment: Experiment) -> None:
    matplotlib.use("Agg")
    for number in range(3):
        model = experiment.model(config={"lr": number / 4})
        for phase in ("train", "test"):
            for step in range(5):
                model.metrics.log("loss", 1 / (step + 1), step, phase)
                model.metrics.log("accuracy", step, step, phase)
    cells = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    names = {"project": project, "experiment": experiment, "model": model}
    for cell in cells:
        exec(cell, names)
    assert len(cells) == 4 and len(pyplot.get_fignums()) == 4
    pyplot.close("all")
