"""Counts of models go by the last digit of their ids: the first is that of the time, and all would go to one row.

On PostgreSQL alone, where who counts in a row waits for who did before, until that is committed. A part by itself says
nothing, so what was counted by the first digit stays where it is.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

IN_EXPERIMENT = """INSERT INTO experiment_total VALUES ({row}.experiment_id, its_part, {sign})
    ON CONFLICT (experiment_id, part) DO UPDATE SET models = experiment_total.models + excluded.models;"""
IN_PROJECT = """INSERT INTO project_total VALUES ({row}.project_uid, its_part, 0, {sign})
    ON CONFLICT (project_uid, part) DO UPDATE SET models = project_total.models + excluded.models;"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    made, hidden = ((IN_EXPERIMENT + IN_PROJECT).format(row=row, sign=sign) for row, sign in (("NEW", 1), ("OLD", -1)))
    op.execute(f"""CREATE OR REPLACE FUNCTION count_model() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            its_part integer := strpos('0123456789abcdef', right(NEW.id::text, 1));
        BEGIN
            IF TG_OP = 'INSERT' THEN
                {made}
            ELSE
                PERFORM 1 FROM experiment WHERE id = OLD.experiment_id AND project_uid = OLD.project_uid
                    FOR KEY SHARE;
                IF FOUND THEN {hidden} END IF;
            END IF;
            RETURN NULL;
        END $$""")
