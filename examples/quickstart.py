"""Trains classifiers of handwritten digits and keeps everything about them; then gets it back and checks it.

    python quickstart.py train     six models, of each width and learning rate one, on the same data
    python quickstart.py verify    in another process: every digest, and the score of the best model
    python quickstart.py compute   a cross-validation, which no process computes after the first

The server is the one of XPSTORE_API_URL and XPSTORE_API_KEY, else the embedded one.
"""

import argparse
import json
import tempfile
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import permutation_importance
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier

import xpstore
from xpstore import Project, cached
from xpstore.artifact import Artifact, DirectoryArtifact, ExplanationArtifact, TrainedModelArtifact
from xpstore.model import Model

EPOCHS = 15
WIDTHS = (16, 48)
RATES = (1e-3, 3e-3, 1e-2)
BEST = "best"  # the alias of the classifier that is right most often
# Loading makes no object of a type that is neither known to be safe nor named by the caller.
TRUSTED = ["sklearn.neural_network._stochastic_optimizers.AdamOptimizer"]


def write_data(folder: Path) -> None:
    """Writes the data set that scikit-learn ships, split, one file for each array."""
    digits: Any = load_digits()
    split = train_test_split(digits.data, digits.target, test_size=0.25, random_state=0, stratify=digits.target)
    for name, array in zip(("train_x", "test_x", "train_y", "test_y"), split, strict=True):
        np.save(folder / f"{name}.npy", array)


def read_data(folder: Path) -> tuple[Any, ...]:
    return tuple(np.load(folder / f"{name}.npy") for name in ("train_x", "test_x", "train_y", "test_y"))


def fit(model: Model, data: tuple[Any, ...]) -> MLPClassifier:
    """Trains for some epochs, as the model's config says, and logs as it goes."""
    train_x, test_x, train_y, test_y = data
    width, lr, seed = (model.config[name] for name in ("width", "lr", "seed"))
    classifier = MLPClassifier((width,), learning_rate_init=lr, random_state=seed)
    model.modules.log("network", {"layers": [64, width, 10], "activation": "relu"})
    model.modules.log("optimizer", {"name": "adam", "lr": lr, "batch": 200})
    for epoch in range(model.config["epochs"]):
        classifier.partial_fit(train_x, train_y, classes=np.arange(10))
        model.step += 1
        for phase, x, y in (("train", train_x, train_y), ("test", test_x, test_y)):
            model.metrics.log("loss", log_loss(y, classifier.predict_proba(x)), epoch, phase)
            model.metrics.log("accuracy", classifier.score(x, y), epoch, phase)
    return classifier


def explain(classifier: MLPClassifier, data: tuple[Any, ...], folder: Path) -> None:
    """Writes how much each pixel matters, as numbers and as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    _, test_x, _, test_y = data
    importance = permutation_importance(classifier, test_x, test_y, n_repeats=3, random_state=0).importances_mean
    results = {"method": "permutation importance", "importances": importance.round(6).tolist()}
    (folder / "results.json").write_text(json.dumps(results))
    figure, axes = plt.subplots(figsize=(4, 4))
    axes.imshow(importance.reshape(8, 8), cmap="viridis")
    axes.set_title("Accuracy lost when a pixel is shuffled")
    # No date and no version in the file: the same picture has the same bytes.
    figure.savefig(folder / "importance.png", metadata={"Software": None})
    plt.close(figure)


def train(project: Project) -> None:
    experiment = project.experiment("digits")
    grid = [(width, lr) for width in WIDTHS for lr in RATES]
    seed = len(experiment.models.list()) // len(grid)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        write_data(folder / "data")
        for width, lr in grid:
            config = {"width": width, "lr": lr, "seed": seed, "epochs": EPOCHS}
            model = experiment.model(config=config, name=f"mlp {width} wide, lr {lr:g}", tags=["quickstart"])
            train_one(model, folder)
    best = next(iter(experiment.models.search(order_by="metrics.accuracy[test].last desc")))
    (classifier,) = [artifact for artifact in best.artifacts.list() if artifact.name == "digits-classifier"]
    classifier.alias(BEST)
    print(f"Best of them: {best.name}, classifier version {classifier.version}, now called {BEST!r}")


def train_one(model: Model, folder: Path) -> None:
    """Fits one model on the data of a folder, and saves that, the classifier and what explains it."""
    started = datetime.now(UTC)
    (folder / "explanation").mkdir(exist_ok=True)
    with model.run() as run:
        saved: list[Artifact] = [DirectoryArtifact.save(folder / "data", "digits-data", model=model)]
        data = read_data(folder / "data")
        classifier = fit(model, data)
        iteration = model.iterations.create(model.step)
        iteration.modules.log("evaluation", {"rows": len(data[1])})
        score = classifier.score(data[1], data[3])
        saved.append(
            TrainedModelArtifact.save(
                classifier,
                "digits-classifier",
                model=model,
                iteration=iteration,
                step=model.step,
                metadata={"test_accuracy": score},
                used=saved[:1],
            )
        )
        explain(classifier, data, folder / "explanation")
        saved.append(
            ExplanationArtifact.save(
                folder / "explanation", "digits-explanation", model=model, iteration=iteration, used=saved[1:]
            )
        )
    print(f"{model.name}: run on {run.host}, step {model.step}, test accuracy {score:.4f}")
    for artifact in saved:
        is_new = artifact.created_at >= started
        state = "stored" if is_new else "unchanged: nothing sent"
        print(f"  {artifact.name:<20} version {artifact.version}  {artifact.size_bytes:>9,} bytes  {state}")


def check_files(artifact: Artifact, folder: Path) -> None:
    """Compares what arrived with the digests that were saved, without the client's help."""
    files = artifact.download(folder)
    for file in artifact.files():
        actual = blake3((files / file.path).read_bytes()).hexdigest()
        if actual != file.digest:
            raise SystemExit(f"{artifact.name}: {file.path} is damaged")


def verify(project: Project) -> None:
    found = {artifact.name: artifact for artifact in project.artifacts.list()}  # the newest of each
    classifier = found["digits-classifier"] = Artifact.get_by_name("digits-classifier", alias=BEST)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for artifact in found.values():
            check_files(artifact, folder / artifact.name)
            print(
                f"  {artifact.name:<20} version {artifact.version}  {len(artifact.files())} files, every digest right"
            )
        _, test_x, _, test_y = read_data(folder / "digits-data")
        score = classifier.load(trusted=TRUSTED).score(test_x, test_y)
    expected = classifier.metadata["test_accuracy"]
    if score != expected:
        raise SystemExit(f"the model scores {score}, not {expected}")
    model = classifier.model
    assert model is not None
    print(f"  {model.name} ({model.status}) scores {score:.4f} again; {len(model.metrics.list())} metric points")


@cached(name="cross-validation")
def cross_validate(seed: int, folds: int) -> Any:
    digits: Any = load_digits()
    classifier = MLPClassifier((48,), random_state=seed, max_iter=EPOCHS)
    return cross_val_score(classifier, digits.data, digits.target, cv=folds)


def compute(project: Project) -> None:
    began = time.perf_counter()
    scores = cross_validate(seed=0, folds=3)
    took = time.perf_counter() - began
    artifact, computed = cross_validate.artifact(0, folds=3), project.cache.statistics().here.computed
    print(f"  cross-validation     {scores.mean():.4f}, artifact {artifact.id}, {computed} computations, {took:.3f} s")


ACTIONS = {"train": train, "verify": verify, "compute": compute}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=[*ACTIONS])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    xpstore.init()
    with Project(id="quickstart", name="Quickstart") as project:
        ACTIONS[arguments.action](project)


if __name__ == "__main__":
    main()
