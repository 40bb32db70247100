"""Indexes by which lists find what they return, however much else there is; sums over cache entries."""

import sqlalchemy as sa
from alembic import op

from xpstore_server.store.tables import UUID

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OLD = {
    "ix_artifact_version_created": "artifact_version",
    "ix_artifact_alias_version_id": "artifact_alias",
    "ix_artifact_link_version_id": "artifact_link",
    "ix_artifact_link_model_id": "artifact_link",
    "ix_project_created": "project",
    "ix_module_model": "module",
    "ix_module_iteration": "module",
}
# Name, table, columns, and of which rows.
NEW = [
    ("ix_artifact_type", "artifact", "project_uid type created_at_us id", ""),
    ("ix_artifact_version_project", "artifact_version", "project_uid state created_at_us id", ""),
    ("ix_artifact_version_artifact", "artifact_version", "artifact_id state created_at_us id", ""),
    ("ix_artifact_version_newest", "artifact_version", "artifact_id state version", ""),
    ("ix_artifact_version_number", "artifact_version", "project_uid version", ""),
    ("ix_artifact_alias_version", "artifact_alias", "version_id alias", ""),
    ("ix_artifact_alias_alias", "artifact_alias", "alias version_id", ""),
    ("ix_artifact_link_version", "artifact_link", "version_id created_at_us id", ""),
    ("ix_artifact_link_both", "artifact_link", "version_id model_id", ""),
    ("ix_artifact_link_model", "artifact_link", "model_id step version_id", ""),
    ("ix_artifact_link_step", "artifact_link", "step version_id", "step IS NOT NULL"),
    ("ix_project_live", "project", "created_at_us uid", "deleted_at_us IS NULL"),
    ("ix_module_model_id", "module", "model_id", ""),
    ("ix_module_model", "module", "model_id created_at_us id", "iteration_id IS NULL"),
    ("ix_module_name", "module", "model_id name created_at_us id", "iteration_id IS NULL"),
    ("ix_module_iteration", "module", "iteration_id created_at_us id", "iteration_id IS NOT NULL"),
]


def upgrade() -> None:
    for name, table in OLD.items():
        op.drop_index(name, table)
    for name, table, columns, where in NEW:
        condition = sa.text(where) if where else None
        op.create_index(name, table, columns.split(), sqlite_where=condition, postgresql_where=condition)
    _sum_entries()


# What an entry adds to the sums of its part; `{sign}` is 1 or -1, `{e}` the entry, `{size}` the bytes of its version.
PART = "{find}('0123456789abcdef', substr({e}.fingerprint, 1, 1))"
ADDED = "{sign}, {sign} * {e}.hits, {sign} * CAST({e}.hits AS double precision) * {e}.duration_us, {sign} * {size}"
ADD = """ON CONFLICT (project_uid, part, fingerprint_format) DO UPDATE SET
    entries = cache_total.entries + excluded.entries, hits = cache_total.hits + excluded.hits,
    saved_us = cache_total.saved_us + excluded.saved_us, size_bytes = cache_total.size_bytes + excluded.size_bytes"""
# Only those that are there: where a project goes, its sums may have gone before its entries.
TAKE = """UPDATE cache_total SET entries = entries - 1, hits = hits - OLD.hits,
    saved_us = saved_us - CAST(OLD.hits AS double precision) * OLD.duration_us, size_bytes = size_bytes - {size}
    WHERE project_uid = OLD.project_uid AND part = {part} AND fingerprint_format = OLD.fingerprint_format"""
COUNT_HITS = """UPDATE cache_total SET hits = hits + NEW.hits - OLD.hits,
    saved_us = saved_us + CAST(NEW.hits - OLD.hits AS double precision) * NEW.duration_us
    WHERE project_uid = NEW.project_uid AND part = {part} AND fingerprint_format = NEW.fingerprint_format"""


def _sum_entries() -> None:
    name = "cache_total"
    op.create_table(
        name,
        sa.Column("project_uid", UUID, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fingerprint_format", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.Column("saved_us", sa.Double(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_uid"], ["project.uid"], name=f"fk_{name}_project_uid", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_uid", "part", "fingerprint_format", name=f"pk_{name}"),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    find = "instr" if is_sqlite else "strpos"
    added = ADDED.format(sign=1, e="e", size="v.size_bytes")
    op.execute(f"""INSERT INTO cache_total
        SELECT e.project_uid, {PART.format(find=find, e="e")}, e.fingerprint_format, {added}
        FROM cache_entry e JOIN artifact_version v ON v.id = e.version_id WHERE v.state = 'live' {ADD}""")
    for statement in _sqlite(find) if is_sqlite else _postgres(find):
        op.execute(statement)


def _sqlite(find: str) -> list[str]:
    size = "(SELECT size_bytes FROM artifact_version WHERE id = {}.version_id)"
    is_live = "(SELECT state FROM artifact_version WHERE id = {}.version_id) = 'live'"
    new, old = PART.format(find=find, e="NEW"), PART.format(find=find, e="OLD")
    added = ADDED.format(sign=1, e="NEW", size=size.format("NEW"))
    moved = ADDED.format(sign="(CASE NEW.state WHEN 'live' THEN 1 ELSE -1 END)", e="e", size="NEW.size_bytes")
    return [
        f"""CREATE TRIGGER cache_total_insert AFTER INSERT ON cache_entry WHEN {is_live.format("NEW")} BEGIN
            INSERT INTO cache_total VALUES (NEW.project_uid, {new}, NEW.fingerprint_format, {added}) {ADD}; END""",
        f"""CREATE TRIGGER cache_total_delete AFTER DELETE ON cache_entry WHEN {is_live.format("OLD")} BEGIN
            {TAKE.format(size=size.format("OLD"), part=old)}; END""",
        f"""CREATE TRIGGER cache_total_hits AFTER UPDATE OF hits ON cache_entry WHEN {is_live.format("NEW")} BEGIN
            {COUNT_HITS.format(part=new)}; END""",
        f"""CREATE TRIGGER cache_total_state AFTER UPDATE OF state ON artifact_version
            WHEN (OLD.state = 'live') <> (NEW.state = 'live') BEGIN
            INSERT INTO cache_total SELECT e.project_uid, {PART.format(find=find, e="e")}, e.fingerprint_format, {moved}
            FROM cache_entry e WHERE e.version_id = NEW.id {ADD}; END""",
    ]


def _postgres(find: str) -> list[str]:
    # A version's row is locked: else one that is deleted at the same moment as its entry would be taken twice.
    new, old = PART.format(find=find, e="NEW"), PART.format(find=find, e="OLD")
    added = ADDED.format(sign=1, e="NEW", size="v.size_bytes")
    moved = ADDED.format(sign="sign", e="e", size="NEW.size_bytes")
    return [
        f"""CREATE FUNCTION cache_total_of_entry() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE v record;
            BEGIN
                SELECT state, size_bytes INTO v FROM artifact_version
                    WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.version_id ELSE NEW.version_id END FOR SHARE;
                IF NOT FOUND OR v.state <> 'live' THEN RETURN NULL; END IF;
                IF TG_OP = 'INSERT' THEN
                    INSERT INTO cache_total VALUES (NEW.project_uid, {new}, NEW.fingerprint_format, {added}) {ADD};
                ELSIF TG_OP = 'DELETE' THEN
                    {TAKE.format(size="v.size_bytes", part=old)};
                ELSE
                    {COUNT_HITS.format(part=new)};
                END IF;
                RETURN NULL;
            END $$""",
        f"""CREATE FUNCTION cache_total_of_version() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE sign integer := CASE NEW.state WHEN 'live' THEN 1 ELSE -1 END; e cache_entry%ROWTYPE;
            BEGIN
                FOR e IN SELECT * FROM cache_entry WHERE version_id = NEW.id ORDER BY fingerprint LOOP
                    INSERT INTO cache_total
                        VALUES (e.project_uid, {PART.format(find=find, e="e")}, e.fingerprint_format, {moved}) {ADD};
                END LOOP;
                RETURN NULL;
            END $$""",
        """CREATE TRIGGER cache_total_entry AFTER INSERT OR DELETE OR UPDATE OF hits ON cache_entry
            FOR EACH ROW EXECUTE FUNCTION cache_total_of_entry()""",
        """CREATE TRIGGER cache_total_state AFTER UPDATE OF state ON artifact_version
            FOR EACH ROW WHEN ((OLD.state = 'live') <> (NEW.state = 'live'))
            EXECUTE FUNCTION cache_total_of_version()""",
    ]
