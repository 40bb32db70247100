"""What tests of the page look at: a few models that were logged, and ten thousand put straight into the database."""

import random
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.models import rows_of_models

from support.rows import fill
from support.web.http import Http
from xpstore import Client
from xpstore.artifact import DirectoryArtifact
from xpstore_server.store.database import Database

SMALL, LARGE = "campaign 7", "ten thousand"
MODELS, STEPS = 12, 50
LARGE_MODELS = 10_000
# Which of the words of a readable name these bytes choose: the second, the last, and 99.
NAMED, ITS_NAME = "0001003f-0063-4000-8000-000000000000", "ample-willow-99"
SEED = 12345678901234567890
FILE, CONTENT = "näme 1.txt", "what was saved"


def fill_small(client: Client, http: Http, files: Path) -> None:
    """Models whose loss ends at 0.12, 0.22, ...: the last still runs and has a file, the one before failed."""
    project = client.project(SMALL)
    experiment = project.experiment("first")
    for number in range(MODELS):
        model = experiment.model(config={"number": number, "optimizer": ["adam", "sgd"][number % 2], "data": "digits"})
        for step in range(STEPS):
            model.metrics.log("loss", (number + 1) / 10 + 1 / (1 + step), step=step, phase="train")
            model.metrics.log("accuracy", step / STEPS, step=step)
        if number == MODELS - 1:
            ask(http, "RunService/CreateRun", modelId=str(model.id), runId=str(uuid.uuid4()))  # no client ends it
            continue
        with suppress(MemoryError), model.run():
            if number == MODELS - 2:
                raise MemoryError("out of memory")
    files.mkdir()
    (files / FILE).write_text(CONTENT)
    DirectoryArtifact.save(files, "weights", model=model, project=project, aliases=["best"])
    named = {"modelId": NAMED, "hash": "named", "configJson": f'{{"seed": {SEED}}}'}
    ask(http, "ModelService/CreateModel", experimentId=str(experiment.id), **named)


def ask(http: Http, method: str, **request: Any) -> Any:
    answer = http.call(method, request)
    assert answer.status == 200, answer.body
    return answer.json


def make_experiment(http: Http, project_id: str) -> str:
    """The id of an experiment in a new project."""
    made = ask(
        http, "ProjectService/CreateProject", projectId=project_id, name=project_id, creationId=str(uuid.uuid4())
    )
    experiment = str(uuid.uuid4())
    uid = made["project"]["uid"]
    ask(http, "ExperimentService/CreateExperiment", projectUid=uid, experimentId=experiment, name="first")
    return experiment


def fill_large(client: Client, database_url: str) -> None:
    """Models called `model 0` and on, created in another order."""
    database = Database(database_url)
    experiment = client.project(LARGE).experiment("rows")
    fill(database, rows_of_models(database, experiment, LARGE_MODELS, 2, random.Random(1))[1])
    database.close()
