"""Lists of artifacts leave media of models out, and do not walk past them."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

OTHERS = sa.text("type <> 'model_media'")


def upgrade() -> None:
    op.drop_index("ix_artifact_created", "artifact")
    columns = ["project_uid", "created_at_us", "id"]
    op.create_index("ix_artifact_created", "artifact", columns, sqlite_where=OTHERS, postgresql_where=OTHERS)
