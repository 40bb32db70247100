"""Deleted experiments and models come back: where they were, where they wait, and counts that follow both ways."""

import sqlalchemy as sa
from alembic import op

from xpstore_server.store.tables import TEXT, UUID

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

LIMBO, KEPT = "'00000000000000000000000000000000'", "'ffffffffffffffffffffffffffffffff'"
HIDDEN = f"({LIMBO}, {KEPT})"


def upgrade() -> None:
    for place in (LIMBO, KEPT):
        op.execute(f"""INSERT INTO project (uid, id, name, description, creation_id, created_at_us, created_by,
            updated_at_us, updated_by, revision, deleted_at_us, purged_at_us)
            VALUES ({place}, '', '', '', {place}, 0, '', 0, '', 1, 0, 0) ON CONFLICT DO NOTHING""")
        op.execute(f"""INSERT INTO experiment (id, project_uid, name, created_at_us, created_by, updated_at_us,
            updated_by, revision) VALUES ({place}, {place}, {place}, 0, '', 0, '', 1) ON CONFLICT DO NOTHING""")
    op.execute(f"DELETE FROM project_total WHERE project_uid = {KEPT}")  # nothing is counted there
    _table("experiment", sa.Column("name", TEXT, nullable=False), of=["project_uid"])
    _table("model", sa.Column("hash", TEXT, nullable=False), of=["experiment_id", "project_uid"])
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _sqlite() if is_sqlite else _postgres():
        op.execute(statement)


def _table(kind: str, word: "sa.Column[str]", of: list[str]) -> None:
    name, key = f"deleted_{kind}", f"{kind}_id"
    op.create_table(
        name,
        sa.Column(key, UUID, nullable=False),
        *(sa.Column(owner, UUID, nullable=False) for owner in of),
        word,
        sa.Column("deleted_at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint([key], [f"{kind}.id"], name=f"fk_{name}_{key}", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(key, name=f"pk_{name}"),
    )
    for owner in of:
        op.create_index(f"ix_{name}_{owner.partition('_')[0]}", name, [owner, "deleted_at_us", key])
    op.create_index(f"ix_{name}_deleted_at_us", name, ["deleted_at_us"])


# As in 0010, for rows that leave what is counted and for those that come back.
MODELS_ADDED = "ON CONFLICT (experiment_id, part) DO UPDATE SET models = experiment_total.models + excluded.models"
ADDED = """ON CONFLICT (project_uid, part) DO UPDATE SET experiments = project_total.experiments + excluded.experiments,
    models = project_total.models + excluded.models"""
ITS_MODELS = "(SELECT coalesce(sum(models), 0) FROM experiment_total WHERE experiment_id = NEW.id)"


def _sqlite() -> list[str]:
    part = "instr('0123456789abcdef', substr(NEW.id, 1, 1))"
    moves = list[str]()
    for row, sign in (("OLD", -1), ("NEW", 1)):
        there = f"FROM experiment e WHERE e.id = {row}.experiment_id AND e.id NOT IN {HIDDEN}"
        moves.append(f"INSERT INTO experiment_total SELECT e.id, {part}, {sign} {there} {MODELS_ADDED};")
        its = f"{there} AND e.project_uid = {row}.project_uid"
        moves.append(f"INSERT INTO project_total SELECT e.project_uid, {part}, 0, {sign} {its} {ADDED};")
    whole = [
        f"""INSERT INTO project_total SELECT {row}.project_uid, {part}, {sign}, {sign} * {ITS_MODELS}
            WHERE {row}.project_uid NOT IN {HIDDEN} {ADDED};"""
        for row, sign in (("OLD", -1), ("NEW", 1))
    ]
    return [
        "DROP TRIGGER model_count_hide",
        "DROP TRIGGER experiment_count_hide",
        f"""CREATE TRIGGER model_count_move AFTER UPDATE OF experiment_id ON model
            WHEN OLD.experiment_id <> NEW.experiment_id BEGIN {" ".join(moves)} END""",
        f"""CREATE TRIGGER experiment_count_move AFTER UPDATE OF project_uid ON experiment
            WHEN OLD.project_uid <> NEW.project_uid BEGIN {" ".join(whole)} END""",
    ]


def _postgres() -> list[str]:
    part = "strpos('0123456789abcdef', substr(NEW.id::text, 1, 1))"
    moves, whole = list[str](), list[str]()
    for row, sign in (("OLD", -1), ("NEW", 1)):
        # The experiment is locked: else one that is deleted at the same moment as its model would take that twice.
        moves.append(f"""
            IF {row}.experiment_id NOT IN {HIDDEN} THEN
                SELECT project_uid INTO there FROM experiment WHERE id = {row}.experiment_id FOR KEY SHARE;
                IF FOUND THEN
                    INSERT INTO experiment_total VALUES ({row}.experiment_id, {part}, {sign}) {MODELS_ADDED};
                    IF there = {row}.project_uid THEN
                        INSERT INTO project_total VALUES ({row}.project_uid, {part}, 0, {sign}) {ADDED};
                    END IF;
                END IF;
            END IF;""")
        whole.append(f"""
            IF {row}.project_uid NOT IN {HIDDEN} THEN
                INSERT INTO project_total VALUES ({row}.project_uid, {part}, {sign}, {sign} * {ITS_MODELS}) {ADDED};
            END IF;""")
    return [
        "DROP TRIGGER model_count_hide ON model",
        "DROP TRIGGER experiment_count_hide ON experiment",
        f"""CREATE FUNCTION move_model() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE there uuid;
            BEGIN {"".join(moves)} RETURN NULL; END $$""",
        f"""CREATE FUNCTION move_experiment() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN {"".join(whole)} RETURN NULL; END $$""",
        """CREATE TRIGGER model_count_move AFTER UPDATE OF experiment_id ON model
            FOR EACH ROW WHEN (OLD.experiment_id <> NEW.experiment_id) EXECUTE FUNCTION move_model()""",
        """CREATE TRIGGER experiment_count_move AFTER UPDATE OF project_uid ON experiment
            FOR EACH ROW WHEN (OLD.project_uid <> NEW.project_uid) EXECUTE FUNCTION move_experiment()""",
    ]
