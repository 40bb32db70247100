"""Pictures of the page for the README, and on demand of all its views, on models that are really trained.

python -m bench.page.pictures            docs/pictures/: three for the README
python -m bench.page.pictures FOLDER     every view at 1,440, 800 and 400 px in both themes, to look at
"""

import contextlib
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Literal, NamedTuple

from playwright.sync_api import Browser, Page
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from bench.figure import say
from bench.page.browser import HEIGHT, chromium
from quickstart import compute, explain, read_data, write_data
from support.backends import Backend, sqlite_url
from support.web.server import WebServer
from xpstore import Client, Project, init
from xpstore.artifact import Artifact, DirectoryArtifact, ExplanationArtifact, TrainedModelArtifact
from xpstore.model import Model

Theme = Literal["light", "dark"]

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
PROJECT = "digits"
EPOCHS = 60
WIDTHS = (16, 32, 64)
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
# After so many epochs the one that still runs is where it is when the pictures are taken.
SO_FAR = 25
# Who is right as seldom as one who guesses after so many epochs is given up.
PATIENCE, HOPELESS = 15, 0.2
SETTLE_SECONDS = 3
WINDOWS = (1440, 800, 400)
README_HEIGHT = 660
THEMES: tuple[Theme, ...] = ("light", "dark")


class View(NamedTuple):
    """One look at the page: its path, a key that is pressed there, and whether more than the window is shown."""

    path: str
    key: str = ""
    is_whole: bool = False


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    with tempfile.TemporaryDirectory(prefix="xpstore-pictures-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        url = sqlite_url(folder / "xpstore.db")
        backend = Backend(name="sqlite-disk", database_url=url, blob_url=(folder / "blobs").as_uri())
        server = stack.enter_context(WebServer(backend, folder))
        client = init(server.api_key, server.address)
        stack.callback(client.close)
        shown = fill(client, folder, stack)
        browser = stack.enter_context(chromium())
        origin = f"http://127.0.0.1:{server.http_port}"
        if len(sys.argv) > 1:
            shoot_all(browser, origin, server.api_key, views(*shown), Path(sys.argv[1]))
        else:
            shoot_three(browser, origin, server.api_key, views(*shown))


def fill(client: Client, folder: Path, stack: contextlib.ExitStack) -> tuple[Model, Artifact, Model]:
    """Trains a grid of models, one that fails, and one that runs until the stack is left.

    Returns the best, what explains it, and the one that runs.
    """
    project = stack.enter_context(Project(id=PROJECT, name="Handwritten digits"))
    (folder / "data").mkdir()
    (folder / "explanation").mkdir()
    write_data(folder / "data")
    data = read_data(folder / "data")
    saved = DirectoryArtifact.save(folder / "data", "digits-data")
    finished = [
        train(project, data, {"width": width, "lr": lr, "optimizer": "adam"}, saved, folder)
        for width in WIDTHS
        for lr in RATES
    ]
    with contextlib.suppress(ArithmeticError, ValueError):
        train(project, data, {"width": 64, "lr": 3.0, "optimizer": "sgd"}, saved, folder)
    running = model_of(project, {"width": 64, "lr": 3e-2, "optimizer": "sgd"})
    stack.enter_context(running.run())
    fit(running, data, SO_FAR)
    for _ in range(2):
        compute(project)  # and once it has nothing to compute
    DirectoryArtifact.save(folder / "data", "a draft").delete()
    client.flush(60)
    best, classifier, explanation = max(finished, key=lambda kept: float(kept[1].metadata["test_accuracy"]))
    for artifact in (classifier, explanation):
        artifact.alias("best")
    return best, explanation, running


def model_of(project: Project, config: dict[str, Any]) -> Model:
    name = f"mlp-{config['width']} {config['optimizer']} lr {config['lr']:g}"
    return project.experiment("mlp").model(config={**config, "epochs": EPOCHS}, name=name)


def train(
    project: Project, data: tuple[Any, ...], config: dict[str, Any], saved: Artifact, folder: Path
) -> tuple[Model, Artifact, Artifact]:
    """A whole run, with the classifier and what explains it as artifacts."""
    model = model_of(project, config)
    say(f"training {model.name}")
    with model.run():
        classifier = fit(model, data, EPOCHS)
        score = {"test_accuracy": round(classifier.score(data[1], data[3]), 4)}
        kept = TrainedModelArtifact.save(classifier, "classifier", model=model, metadata=score, used=[saved])
        explain(classifier, data, folder / "explanation")
        why = ExplanationArtifact.save(folder / "explanation", "explanation", model=model, used=[saved, kept])
    return model, kept, why


def fit(model: Model, data: tuple[Any, ...], epochs: int) -> Any:
    train_x, test_x, train_y, test_y = data
    config = model.config
    classifier = MLPClassifier(
        (config["width"],), solver=config["optimizer"], learning_rate_init=config["lr"], random_state=0
    )
    for epoch in range(epochs):
        classifier.partial_fit(train_x, train_y, classes=range(10))
        model.step += 1
        for phase, x, y in (("train", train_x, train_y), ("test", test_x, test_y)):
            model.metrics.log("loss", log_loss(y, classifier.predict_proba(x), labels=range(10)), epoch, phase)
            model.metrics.log("accuracy", score := classifier.score(x, y), epoch, phase)
        if epoch == PATIENCE and score < HOPELESS:
            raise ArithmeticError(f"accuracy is {score:.3f} after {epoch} epochs: lower the learning rate")
    return classifier


def views(best: Model, explanation: Artifact, running: Model) -> dict[str, View]:
    """What is looked at, beside the rooms of the project that the page itself names."""
    project = f"/p/{PROJECT}"
    return {
        "projects": View("/"),
        "workbench": View(project),
        "compare": View(f"{project}?v=compare"),
        "scatter": View(f"{project}?v=scatter"),
        "parallel": View(f"{project}?v=parallel"),
        "groups": View(f"{project}?g=config.optimizer"),
        "keys": View(project, key="?"),
        "model": View(f"/m/{best.id}"),
        "model-whole": View(f"/m/{best.id}", is_whole=True),
        "running": View(f"/m/{running.id}"),
        "explanation": View(f"{project}/artifacts/explanation/{explanation.version}?f=importance.png"),
        "lineage": View(f"{project}/artifacts/explanation/{explanation.version}?v=lineage"),
    }


def shoot_three(browser: Browser, origin: str, key: str, known: dict[str, View]) -> None:
    """Those of the README, one of them dark."""
    PICTURES.mkdir(exist_ok=True)
    wanted: list[tuple[str, str, Theme]] = [
        ("workbench", "workbench", "light"),
        ("model", "model", "dark"),
        ("explanation", "artifacts", "light"),
    ]
    for view, name, theme in wanted:
        page = signed_in(browser, origin, key, WINDOWS[0], theme)
        page.set_viewport_size({"width": WINDOWS[0], "height": README_HEIGHT})
        shoot(page, known[view], PICTURES / f"{name}.png")
        page.context.close()


def shoot_all(browser: Browser, origin: str, key: str, known: dict[str, View], folder: Path) -> None:
    """Every view, to be looked at; what a page complained of is said."""
    folder.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        for width in WINDOWS:
            page = signed_in(browser, origin, key, width, theme)
            page.on("console", lambda message: say(message.text) if message.type == "error" else None)
            for name, view in {**known, **rooms(page)}.items():
                shoot(page, view, folder / f"{name}-{width}-{theme}.png")
            page.context.close()


def rooms(page: Page) -> dict[str, View]:
    """What the project's page links to at its top, by name."""
    page.goto(f"/p/{PROJECT}")
    links = page.locator("nav a")
    links.first.wait_for()
    return {link.inner_text().lower(): View(link.get_attribute("href") or "") for link in links.all()}


def signed_in(browser: Browser, origin: str, key: str, width: int, theme: Theme) -> Page:
    context = browser.new_context(base_url=origin, viewport={"width": width, "height": HEIGHT}, color_scheme=theme)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Projects").wait_for()
    return page


def shoot(page: Page, view: View, file: Path) -> None:
    say(f"shooting {file.name}")
    page.goto(view.path)
    page.wait_for_load_state("networkidle")
    if view.key:
        page.keyboard.press(view.key)
    page.wait_for_timeout(SETTLE_SECONDS * 1000)
    page.screenshot(path=file, full_page=view.is_whole)


if __name__ == "__main__":
    main()
