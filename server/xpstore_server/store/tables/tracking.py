"""Projects and what is tracked in them: experiments, models, iterations, modules, runs; callers' keys and sessions."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Double, Index, Integer, LargeBinary, UniqueConstraint, text
from sqlmodel import SQLModel

from xpstore_server.store.tables.declare import TEXT, UUID, column, partial_index, reference, table


class ApiKey(SQLModel, table=True):
    __tablename__ = "api_key"
    id: str = column(UUID, primary_key=True)
    name: str = column(TEXT, unique=True)
    hash: bytes = column(LargeBinary, unique=True)  # SHA-256 of the key: it has 256 random bits
    created_at_us: int = column(BigInteger)
    revoked_at_us: int | None = column(BigInteger, null=True)


class Session(SQLModel, table=True):
    """What a browser is logged in by (`core/roles/session.py`)."""

    __tablename__ = "session"
    hash: bytes = column(LargeBinary, primary_key=True)  # SHA-256 of its token
    key_hash: bytes = column(LargeBinary)  # of the API key that it acts as
    created_at_us: int = column(BigInteger)
    ends_at_us: int = column(BigInteger, index=True)
    __table_args__ = (Index("ix_session_key_hash", "key_hash", "created_at_us"),)


class ServerSecret(SQLModel, table=True):
    """What all replicas know and nobody else. It is used from a moment on: until then all have read it."""

    __tablename__ = "server_secret"
    name: str = column(TEXT, primary_key=True)
    since_us: int = column(BigInteger, primary_key=True, autoincrement=False)
    value: bytes = column(LargeBinary)


class Project(SQLModel, table=True):
    __tablename__ = "project"
    uid: str = column(UUID, primary_key=True)
    id: str = column(TEXT)
    name: str = column(TEXT)
    description: str = column(TEXT)
    creation_id: str = column(UUID, unique=True)
    created_at_us: int = column(BigInteger)
    created_by: str = column(TEXT)
    updated_at_us: int = column(BigInteger)
    updated_by: str = column(TEXT)
    revision: int = column(Integer)
    deleted_at_us: int | None = column(BigInteger, null=True)
    purged_at_us: int | None = column(BigInteger, null=True)  # since when it cannot come back
    cache_ttl_us: int | None = column(BigInteger, null=True)
    cache_max_age_us: int | None = column(BigInteger, null=True)
    tags: str = column(TEXT, server_default=text("''"))  # separated by line ends, which no tag has
    __table_args__ = (
        # An id is taken by the live project only: free again at once after a delete.
        partial_index("uq_project_live_id", "id", where="deleted_at_us IS NULL", unique=True),
        partial_index("ix_project_live", "created_at_us", "uid", where="deleted_at_us IS NULL"),
    )


class Experiment(SQLModel, table=True):
    __tablename__ = "experiment"
    id: str = column(UUID, primary_key=True)
    project_uid: str = reference("project.uid")
    name: str = column(TEXT)
    created_at_us: int = column(BigInteger)
    created_by: str = column(TEXT)
    updated_at_us: int = column(BigInteger)
    updated_by: str = column(TEXT)
    revision: int = column(Integer)
    description: str = column(TEXT, server_default=text("''"))
    tags: str = column(TEXT, server_default=text("''"))  # separated by line ends, which no tag has
    __table_args__ = (
        UniqueConstraint("project_uid", "name"),
        Index("ix_experiment_created", "project_uid", "created_at_us", "id"),
    )


class ProjectTotal(SQLModel, table=True):
    """How many experiments and models a project has, kept by triggers (migrations 0010 and 0020).

    In 16 parts, by a digit of an id: those who create at once seldom wait for each other. A part by itself says
    nothing: an experiment that is deleted takes its models from one.
    """

    __tablename__ = "project_total"
    project_uid: str = reference("project.uid", primary_key=True)
    part: int = column(Integer, primary_key=True, autoincrement=False)
    experiments: int = column(BigInteger)
    models: int = column(BigInteger)


class ExperimentTotal(SQLModel, table=True):
    """How many models an experiment has, likewise."""

    __tablename__ = "experiment_total"
    experiment_id: str = reference("experiment.id", primary_key=True)
    part: int = column(Integer, primary_key=True, autoincrement=False)
    models: int = column(BigInteger)


class Model(SQLModel, table=True):
    __tablename__ = "model"
    id: str = column(UUID, primary_key=True)
    experiment_id: str = reference("experiment.id")
    project_uid: str = reference("project.uid")
    hash: str = column(TEXT)
    name: str | None = column(TEXT, null=True)
    description: str | None = column(TEXT, null=True)
    step: int = column(BigInteger)
    config_json: str = column(TEXT)
    next_ordinal: int = column(BigInteger)  # of its metric points
    created_at_us: int = column(BigInteger)
    created_by: str = column(TEXT)
    updated_at_us: int = column(BigInteger)
    updated_by: str = column(TEXT)
    revision: int = column(Integer)
    __table_args__ = (
        UniqueConstraint("experiment_id", "hash"),
        Index("ix_model_created", "experiment_id", "created_at_us", "id"),
        Index("ix_model_project_created", "project_uid", "created_at_us", "id"),
    )


class DeletedExperiment(SQLModel, table=True):
    """A deleted experiment that can be brought back, and where it was (`store/limbo.py`). Goes with the undo window."""

    __tablename__ = "deleted_experiment"
    experiment_id: str = reference("experiment.id", primary_key=True)
    project_uid: str = column(UUID)
    name: str = column(TEXT)
    deleted_at_us: int = column(BigInteger, index=True)
    __table_args__ = (Index("ix_deleted_experiment_project", "project_uid", "deleted_at_us", "experiment_id"),)


class DeletedModel(SQLModel, table=True):
    """A model that was deleted by itself, likewise. No reference takes it along: its model would stay for ever."""

    __tablename__ = "deleted_model"
    model_id: str = reference("model.id", primary_key=True)
    experiment_id: str = column(UUID)
    project_uid: str = column(UUID)
    hash: str = column(TEXT)
    deleted_at_us: int = column(BigInteger, index=True)
    __table_args__ = (
        Index("ix_deleted_model_experiment", "experiment_id", "deleted_at_us", "model_id"),
        Index("ix_deleted_model_project", "project_uid", "deleted_at_us", "model_id"),
    )


class ModelTag(SQLModel, table=True):
    __tablename__ = "model_tag"
    model_id: str = reference("model.id", primary_key=True)
    tag: str = column(TEXT, primary_key=True)
    position: int = column(BigInteger)
    __table_args__ = (Index("ix_model_tag_tag", "tag", "model_id"),)


class StepAdvance(SQLModel, table=True):
    """Results of AdvanceModel of the last day, so that a repeated call adds once."""

    __tablename__ = "step_advance"
    id: str = column(UUID, primary_key=True)
    model_id: str = reference("model.id")
    step: int = column(BigInteger)
    created_at_us: int = column(BigInteger)
    delta: int | None = column(BigInteger, null=True)  # none: from before it was kept
    __table_args__ = (Index("ix_step_advance_created", "model_id", "created_at_us"),)


class Iteration(SQLModel, table=True):
    __tablename__ = "iteration"
    id: str = column(UUID, primary_key=True)
    model_id: str = reference("model.id")
    step: int = column(BigInteger)
    created_at_us: int = column(BigInteger)
    __table_args__ = (
        UniqueConstraint("model_id", "step"),
        Index("ix_iteration_created", "model_id", "created_at_us", "id"),
    )


class Module(SQLModel, table=True):
    __tablename__ = "module"
    id: str = column(UUID, primary_key=True)
    model_id: str = reference("model.id")
    iteration_id: str | None = reference("iteration.id", null=True)
    name: str = column(TEXT)
    attributes_json: str = column(TEXT)
    created_at_us: int = column(BigInteger)
    __table_args__ = (
        Index("ix_module_model_id", "model_id"),
        # Those of the model itself: it may have a thousand times as many in its iterations.
        partial_index("ix_module_model", "model_id", "created_at_us", "id", where="iteration_id IS NULL"),
        partial_index("ix_module_name", "model_id", "name", "created_at_us", "id", where="iteration_id IS NULL"),
        partial_index("ix_module_iteration", "iteration_id", "created_at_us", "id", where="iteration_id IS NOT NULL"),
    )


class Attribute(SQLModel, table=True):
    """What search knows of the config of a model and of its newest module of each name (`store/attributes.py`).

    One of number, text and truth is set: the type of the value in JSON.
    """

    __tablename__ = "attribute"
    model_id: str = reference("model.id", primary_key=True)
    path: str = column(TEXT, primary_key=True)
    project_uid: str = column(UUID)
    module_id: str | None = reference("module.id", null=True, index=True)  # none: of the config
    number: float | None = column(Double, null=True)
    text: str | None = column(TEXT, null=True)
    truth: bool | None = column(Boolean, null=True)
    __table_args__ = (
        partial_index("ix_attribute_number", "project_uid", "path", "number", "model_id", where="number IS NOT NULL"),
        partial_index("ix_attribute_text", "project_uid", "path", "text", "model_id", where="text IS NOT NULL"),
        partial_index("ix_attribute_truth", "project_uid", "path", "truth", "model_id", where="truth IS NOT NULL"),
    )


class Run(SQLModel, table=True):
    __tablename__ = "run"
    id: str = column(UUID, primary_key=True)
    model_id: str = reference("model.id")
    ended_status: str | None = column(TEXT, null=True)  # finished | failed
    started_at_us: int = column(BigInteger)
    ended_at_us: int | None = column(BigInteger, null=True)
    heartbeat_at_us: int = column(BigInteger)
    rank: int = column(Integer)
    host: str = column(TEXT)
    user: str = column(TEXT)
    command: str = column(TEXT)
    python: str = column(TEXT)
    packages_json: str = column(TEXT)
    git_commit: str = column(TEXT)
    git_dirty: int = column(Integer)
    error: str = column(TEXT)
    job_json: str = column(TEXT, server_default=text("'{}'"))
    git_diff: str = column(TEXT, server_default=text("''"))
    __table_args__ = (
        Index("ix_run_started", "model_id", "started_at_us", "id"),
        partial_index("ix_run_open", "heartbeat_at_us", "id", where="ended_status IS NULL"),
        CheckConstraint("ended_status IN ('finished', 'failed')", name="ended_status"),
    )


class RunConsole(SQLModel, table=True):
    """A piece of what a run printed (`core/console.py`)."""

    __tablename__ = "run_console"
    run_id: str = reference("run.id", primary_key=True)
    start: int = column(BigInteger, primary_key=True, autoincrement=False)  # in bytes of all that it printed
    stop: int = column(BigInteger)
    body: bytes = column(LargeBinary)  # zstd


class Alert(SQLModel, table=True):
    """What somebody should look at (`core/alert.py`)."""

    __tablename__ = "alert"
    id: str = column(UUID, primary_key=True)
    model_id: str = reference("model.id")
    project_uid: str = column(UUID)
    run_id: str | None = column(UUID, null=True)
    level: str = column(TEXT)  # info | warning | error
    cause: str = column(TEXT)  # client | metric_nan | run_failed | run_lost
    title: str = column(TEXT)
    text: str = column(TEXT)
    step: int | None = column(BigInteger, null=True)
    at_us: int = column(BigInteger)
    created_at_us: int = column(BigInteger)
    __table_args__ = (
        Index("ix_alert_model", "model_id", "created_at_us", "id"),
        Index("ix_alert_project", "project_uid", "created_at_us", "id"),
    )


api_key = table(ApiKey)
session = table(Session)
server_secret = table(ServerSecret)
project = table(Project)
project_total = table(ProjectTotal)
experiment = table(Experiment)
experiment_total = table(ExperimentTotal)
model = table(Model)
deleted_experiment = table(DeletedExperiment)
deleted_model = table(DeletedModel)
model_tag = table(ModelTag)
step_advance = table(StepAdvance)
iteration = table(Iteration)
module = table(Module)
attribute = table(Attribute)
run = table(Run)
run_console = table(RunConsole)
alert = table(Alert)
