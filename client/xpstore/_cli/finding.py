"""What is called by its name: projects, experiments, models and artifacts; and what may have been meant."""

import contextlib
import re
from itertools import islice
from uuid import UUID

from xpstore._cli.contents import newest_artifacts, versions_told
from xpstore._values.display_names import ADJECTIVES, NOUNS, display_name
from xpstore._values.meant import meant
from xpstore.artifact import Artifact
from xpstore.errors import Error, InvalidArgument, NotFound
from xpstore.experiment import Experiment
from xpstore.model import FoundModels, Model
from xpstore.project import Project, get_all_projects

# Models of one name that are told.
TOLD_MODELS = 5

_MADE_UP = re.compile(r"([a-z]+)-([a-z]+)-(\d{1,2})")


def find_project(id: str) -> Project:
    """The project of this id.

    Raises:
        NotFound: there is none; the message has ids like it.
    """
    try:
        return Project.get_by_id(id)
    except NotFound as error:
        raise NotFound(f"{_sentence(error)}: {meant(id, (one.id for one in get_all_projects()))}") from None


def find_experiment(project: Project, name: str) -> Experiment:
    """The experiment of this name.

    Raises:
        NotFound: there is none; the message has names like it.
    """
    found = project.experiments.read(name)
    if found is None:
        known = meant(name, (one.name for one in project.experiments.list()))
        raise NotFound(f"There is no experiment {name!r} in project {project.id!r}: {known}")
    return found


def models_of(project: Project, experiment: str | None) -> FoundModels:
    """The models of a project, or of one of its experiments."""
    return project.models if experiment is None else find_experiment(project, experiment).models


def find_model(first: str, second: str | None = None, experiment: str | None = None) -> Model:
    """The model that two words of a command line name.

    Args:
        first: the model's id, if there is no second; else the id of its project.
        second: its id, its hash, its name, or what it is called without one.
        experiment: where it is, of a project.

    Raises:
        InvalidArgument: there are several, and their ids are told; or the only word is no id.
        NotFound: there is none.
    """
    if second is not None:
        return model_in(find_project(first), second, experiment)
    if (id := as_id(first)) is None:
        raise InvalidArgument(f"MODEL = {first!r}: must be its id, or PROJECT MODEL with its hash or name there")
    return Model.get_by_id(id)


def find_model_or_project(first: str, second: str | None = None, experiment: str | None = None) -> Model | Project:
    """The model that the words of a command line name as those of `find_model` do, or the project that one does.

    Raises:
        InvalidArgument: several models are called so, or an experiment is named and no model.
        NotFound: there is neither.
    """
    if second is not None:
        return find_model(first, second, experiment)
    if experiment is not None:
        raise InvalidArgument(
            f"--experiment = {experiment!r}: says where MODEL is; name one in {find_project(first).id!r}"
        )
    if (id := as_id(first)) is None:
        return find_project(first)
    with contextlib.suppress(NotFound):
        return Model.get_by_id(id)
    with contextlib.suppress(NotFound):  # an id may be made like that of a model
        return Project.get_by_id(first)
    raise NotFound(f"There is no model and no project with the id {first!r}.")


def model_in(project: Project, word: str, experiment: str | None = None) -> Model:
    """The model of a project of this id, hash or name, raising as `find_model` does."""
    models = models_of(project, experiment)
    if (id := as_id(word)) is not None:
        with contextlib.suppress(NotFound):
            found = Model.get_by_id(id)
            if found.project_uid == project.uid:
                return found
    quoted = "'{}'".format(word.replace("'", "''"))
    named = list(models.search(f"hash = {quoted}", limit=TOLD_MODELS + 1))
    named = named or list(models.search(f"name = {quoted}", order_by="created_at desc", limit=TOLD_MODELS + 1))
    named = named or _called(models, word)
    if len(named) > 1:
        ids = ", ".join(str(one.id) for one in named[:TOLD_MODELS]) + " and more" * (len(named) > TOLD_MODELS)
        raise InvalidArgument(f"MODEL = {word!r}: several in {project.id!r} are called that, name one by its id: {ids}")
    if named:
        return named[0]
    cure = f"`xpstore search '{project.id}'` lists those there are"
    raise NotFound(f"There is no model with the id, hash or name {word!r} in project {project.id!r}: {cure}.")


def _called(models: FoundModels, word: str) -> list[Model]:
    """Models without a name that are called this: no server stores that, so all their ids are looked at."""
    found = _MADE_UP.fullmatch(word)
    if found is None or found[1] not in ADJECTIVES or found[2] not in NOUNS:
        return []
    ids = (row["id"] for row in models.table("name is null", columns=["step"]))
    called = (id for id in ids if display_name(None, id) == word)
    return [Model.get_by_id(id) for id in islice(called, TOLD_MODELS + 1)]


def as_id(word: str) -> UUID | None:
    """The id that a word is, None if it is none."""
    try:
        return UUID(word)
    except ValueError:
        return None


def split_reference(text: str) -> tuple[str, str]:
    """Splits "name@selector"; the selector is empty for the newest version."""
    name, separator, selector = text.rpartition("@")
    return (name, selector) if separator else (text, "")


def find_artifact(project: Project, reference: str) -> Artifact:
    """The version that "name", "name@3", "name@v3" or "name@alias" stands for.

    Raises:
        NotFound: there is none; the message says which there are.
    """
    name, selector = split_reference(reference)
    number = selector.removeprefix("v")
    # No alias reads like a version: not "7", not "v7", not "latest".
    version = int(number) if number.isdecimal() else None
    alias = None if version is not None or selector in ("", "latest") else selector
    try:
        return Artifact.get_by_name(name, version=version, alias=alias, project=project)
    except NotFound as error:
        raise NotFound(f"{_sentence(error)}: {_what_there_is(project, name)}") from None


def _what_there_is(project: Project, name: str) -> str:
    try:
        return versions_told(Artifact.get_by_name(name, project=project))
    except NotFound:
        return meant(name, (one.name for one in newest_artifacts(project)))


def _sentence(error: Error) -> str:
    return str(error).rstrip(".")
