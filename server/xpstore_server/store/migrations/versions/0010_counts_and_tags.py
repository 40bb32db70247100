"""Descriptions, tags and counts of experiments and projects; what an advance added; users of a version in order."""

import sqlalchemy as sa
from alembic import op

from xpstore_server.store.tables import TEXT, UUID

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

LIMBO = "'00000000000000000000000000000000'"
USED = "ix_artifact_lineage_used_version_id"


def upgrade() -> None:
    for table, name in (("project", "tags"), ("experiment", "description"), ("experiment", "tags")):
        op.add_column(table, sa.Column(name, TEXT, nullable=False, server_default=sa.text("''")))
    op.add_column("step_advance", sa.Column("delta", sa.BigInteger(), nullable=True))
    op.drop_index(USED, "artifact_lineage")
    op.create_index("ix_artifact_lineage_used", "artifact_lineage", ["used_version_id", "version_id"])
    _count()


def _count() -> None:
    _table("experiment", "id", "models")
    _table("project", "uid", "experiments", "models")
    op.execute(f"""INSERT INTO experiment_total SELECT experiment_id, 0, count(*) FROM model
        WHERE experiment_id <> {LIMBO} GROUP BY experiment_id""")
    op.execute(f"""INSERT INTO project_total SELECT e.project_uid, 0, count(*), sum(coalesce(t.models, 0))
        FROM experiment e LEFT JOIN experiment_total t ON t.experiment_id = e.id
        WHERE e.project_uid <> {LIMBO} GROUP BY e.project_uid""")
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _sqlite() if is_sqlite else _postgres():
        op.execute(statement)


def _table(of: str, key: str, *counts: str) -> None:
    name, owner = f"{of}_total", f"{of}_{key}"
    op.create_table(
        name,
        sa.Column(owner, UUID, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(count, sa.BigInteger(), nullable=False) for count in counts),
        sa.ForeignKeyConstraint([owner], [f"{of}.{key}"], name=f"fk_{name}_{owner}", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(owner, "part", name=f"pk_{name}"),
    )


# Rows are only ever taken from what nobody sees, where nothing is counted: a delete moves a row there first.
ADD_MODEL = """INSERT INTO experiment_total VALUES ({row}.experiment_id, {part}, {sign})
    ON CONFLICT (experiment_id, part) DO UPDATE SET models = experiment_total.models + excluded.models"""
ADD_TO_PROJECT = """INSERT INTO project_total VALUES ({row}.project_uid, {part}, {experiments}, {models})
    ON CONFLICT (project_uid, part) DO UPDATE SET experiments = project_total.experiments + excluded.experiments,
    models = project_total.models + excluded.models"""
ITS_MODELS = "(SELECT -coalesce(sum(models), 0) FROM experiment_total WHERE experiment_id = OLD.id)"


def _added(row: str, part: str, sign: int) -> str:
    project = ADD_TO_PROJECT.format(row=row, part=part, experiments=0, models=sign)
    return f"{ADD_MODEL.format(row=row, part=part, sign=sign)}; {project};"


def _sqlite() -> list[str]:
    part = "instr('0123456789abcdef', substr({row}.id, 1, 1))"
    new, old = part.format(row="NEW"), part.format(row="OLD")
    one = ADD_TO_PROJECT.format(row="NEW", part=new, experiments=1, models=0)
    all_of_it = ADD_TO_PROJECT.format(row="OLD", part=old, experiments=-1, models=ITS_MODELS)
    is_there = "(SELECT project_uid FROM experiment WHERE id = OLD.experiment_id) = OLD.project_uid"
    return [
        f"""CREATE TRIGGER model_count_insert AFTER INSERT ON model BEGIN {_added("NEW", new, 1)} END""",
        f"""CREATE TRIGGER model_count_hide AFTER UPDATE OF experiment_id ON model
            WHEN OLD.experiment_id <> NEW.experiment_id AND {is_there} BEGIN {_added("OLD", old, -1)} END""",
        f"""CREATE TRIGGER experiment_count_insert AFTER INSERT ON experiment
            WHEN NEW.project_uid <> {LIMBO} BEGIN {one}; END""",
        f"""CREATE TRIGGER experiment_count_hide AFTER UPDATE OF project_uid ON experiment
            WHEN OLD.project_uid <> NEW.project_uid BEGIN {all_of_it}; END""",
    ]


def _postgres() -> list[str]:
    part = "strpos('0123456789abcdef', substr({row}.id::text, 1, 1))"
    new, old = part.format(row="NEW"), part.format(row="OLD")
    one = ADD_TO_PROJECT.format(row="NEW", part=new, experiments=1, models=0)
    all_of_it = ADD_TO_PROJECT.format(row="OLD", part=old, experiments=-1, models=ITS_MODELS)
    # The experiment is locked: else one that is deleted at the same moment as its model would take that twice.
    return [
        f"""CREATE FUNCTION count_model() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'INSERT' THEN
                    {_added("NEW", new, 1)}
                ELSE
                    PERFORM 1 FROM experiment WHERE id = OLD.experiment_id AND project_uid = OLD.project_uid
                        FOR KEY SHARE;
                    IF FOUND THEN {_added("OLD", old, -1)} END IF;
                END IF;
                RETURN NULL;
            END $$""",
        f"""CREATE FUNCTION count_experiment() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'INSERT' THEN
                    {one};
                ELSE
                    {all_of_it};
                END IF;
                RETURN NULL;
            END $$""",
        """CREATE TRIGGER model_count_insert AFTER INSERT ON model FOR EACH ROW EXECUTE FUNCTION count_model()""",
        """CREATE TRIGGER model_count_hide AFTER UPDATE OF experiment_id ON model
            FOR EACH ROW WHEN (OLD.experiment_id <> NEW.experiment_id) EXECUTE FUNCTION count_model()""",
        f"""CREATE TRIGGER experiment_count_insert AFTER INSERT ON experiment
            FOR EACH ROW WHEN (NEW.project_uid <> {LIMBO}) EXECUTE FUNCTION count_experiment()""",
        """CREATE TRIGGER experiment_count_hide AFTER UPDATE OF project_uid ON experiment
            FOR EACH ROW WHEN (OLD.project_uid <> NEW.project_uid) EXECUTE FUNCTION count_experiment()""",
    ]
