"""How a table is declared: columns, references and indexes as all of them have."""

from typing import Any, cast

from sqlalchemy import Column, ForeignKey, Index, Table, Text, Uuid, text
from sqlmodel import Field, SQLModel

# Set before the first table: migrations name constraints by it, and SQLite can only drop named ones.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = SQLModel.metadata

# Bytewise order on both databases: the order of keyset pages must not depend on a locale.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
UUID = Uuid(as_uuid=False)


def column(type_: Any, *constraints: Any, primary_key: bool = False, null: bool = False, **options: Any) -> Any:
    """A column as a field of SQLModel, whose own arguments cannot say all of this."""
    return Field(sa_column=Column(type_, *constraints, primary_key=primary_key, nullable=null, **options))


def reference(target: str, *, primary_key: bool = False, null: bool = False, index: bool = False) -> Any:
    """A foreign key whose row goes with its target."""
    return column(UUID, ForeignKey(target, ondelete="CASCADE"), primary_key=primary_key, null=null, index=index)


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows that a condition picks."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def table(model: type[SQLModel]) -> Table:
    """The table that a class declares."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]  # set by SQLModel's metaclass
