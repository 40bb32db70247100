"""What a driver's error means: the database is away, it refuses, or it is full."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from xpstore_server.store.errors import (
    StoreError,
    StoreFull,
    StoreRefused,
    StoreTooComplex,
    StoreTooLong,
    StoreUnavailable,
)

# Units that fail so are run again, whole: serialization failure and deadlock; and once on a host that can only be read.
RETRIED_STATES = frozenset({"40001", "40P01"})
READ_ONLY = "25006"

# SQLSTATE, or its class (appendix A of PostgreSQL's manual) -> what it means. What is not named here passes as it is.
_FULL_STATES = {"53100": "disk full"}
_REFUSED_STATES = {
    READ_ONLY: "it can only be read",
    "28": "it does not take this user or password",
    "3D000": "there is no such database",
    "42501": "this user may not do that",
    "42P01": "a table is missing: its schema is not the one of this release",
    "42703": "a column is missing: its schema is not the one of this release",
    "58": "its disk fails",
    "XX001": "its data are damaged",
    "XX002": "an index is damaged",
}
_TOO_LONG_STATES = {"57014": "a statement took too long"}
_TOO_COMPLEX_STATES = {"54": "a statement is too long or too deep"}
_AWAY_STATES = {
    "08": "the connection broke",
    "25P03": "a transaction stood still for too long",
    "53": "it lacks memory or connections",
    "55P03": "a lock was not had in time",
    "57P": "it is shutting down or starting up",
}
_STATES: dict[type[StoreError], dict[str, str]] = {
    StoreFull: _FULL_STATES,
    StoreRefused: _REFUSED_STATES,
    StoreTooLong: _TOO_LONG_STATES,
    StoreTooComplex: _TOO_COMPLEX_STATES,
    StoreUnavailable: _AWAY_STATES,
}
# A connection that is refused has no SQLSTATE in psycopg: the words of PostgreSQL and PgBouncer in English.
_WORDS = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "authentication failed": "28000",
    "no pg_hba.conf entry": "28000",
    "is not permitted to log in": "28000",
    "no such user": "28000",
    "no such database": "3D000",
    "permission denied for database": "42501",
    "too many clients": "53300",
    "too many connections": "53300",
    "remaining connection slots": "53300",
    "the database system is": "57P03",  # starting up, shutting down, in recovery mode, not yet accepting connections
}
_SQLITE_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")  # the latter is the WAL's index, which cannot grow
_SQLITE_REFUSED = {
    "SQLITE_READONLY": "it can only be read",
    "SQLITE_PERM": "this user may not do that",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_NOTADB": "the file is not an SQLite database",
    "SQLITE_IOERR": "its disk fails",
}
# SQLite has one code for all that is wrong with a statement: the rest is words.
_SCHEMA_WORDS = ("no such table", "no such column", "has no column", "no such index")
_COMPLEX_WORDS = ("parser stack overflow", "too large", "too many", "too complex", "too big", "at most")
_CURES = {
    "28": "check USER and PASSWORD; special characters are written %40 for @, %2F for / and so on",
    "3D000": "make it: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0",
    "42501": "let the user own the database, or GRANT CREATE ON SCHEMA public",
    READ_ONLY: "name the primary",
    "53300": "raise max_connections of PostgreSQL, or lower XPSTORE_DATABASE_CONNECTIONS",
    "53100": "make room on its disk",
    "SQLITE_FULL": "make room on its disk",
    "SQLITE_READONLY": "let this user write the file and its folder",
    "SQLITE_CANTOPEN": "let this user write the file and its folder",
    "SQLITE_NOTADB": "name another file",
    "SQLITE_CORRUPT": "restore a backup",
}


def meaning(error: BaseException) -> StoreError | None:
    """The store's error that a driver's is, None for one that says something about the statement."""
    if isinstance(error, PoolTimeout):
        return StoreUnavailable("All connections of this server are in use (XPSTORE_DATABASE_CONNECTIONS).")
    if not isinstance(error, DBAPIError):
        return None
    state, name = sqlstate(error), getattr(error.orig, "sqlite_errorname", None)
    if state is not None:
        return _of_postgres(state, error)
    if name is not None:
        return _of_sqlite(name, first_line(error))
    if isinstance(error, OperationalError | InterfaceError):
        return StoreUnavailable(f"The database does not answer: {first_line(error)}.")
    return None


def as_start_error(error: DBAPIError) -> StoreError:
    """The same at a start: one line with the setting and what to do."""
    failure = meaning(error)
    code = sqlstate(error) or getattr(error.orig, "sqlite_errorname", None) or ""
    cure = next((cure for key, cure in _CURES.items() if code.startswith(key)), "is it the one that is meant?")
    kind = StoreRefused if failure is None else type(failure)
    if kind is StoreUnavailable and not code:
        return kind(f"XPSTORE_DATABASE_URL: the database does not answer: {first_line(error)}")
    return kind(f"XPSTORE_DATABASE_URL: the database says no: {first_line(error)} ({cure})")


def sqlstate(error: DBAPIError) -> str | None:
    """The five letters by which PostgreSQL says what is wrong."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        text = str(error.orig)
        state = next((state for words, state in _WORDS.items() if words in text), None)
        if state is None and "FATAL:" in text and '" does not exist' in text:
            state = "28000" if "role " in text else "3D000"
    return state


def first_line(error: DBAPIError) -> str:
    """What the driver says, in short."""
    line = str(error.orig).strip().partition("\n")[0]
    return line.removesuffix(".")[:300]


def _of_postgres(state: str, error: DBAPIError) -> StoreError | None:
    line = first_line(error)
    if state in RETRIED_STATES:
        return StoreUnavailable("The database could not serialize this. Repeat it.")
    for kind, table in _STATES.items():
        for key, reason in table.items():
            if state.startswith(key):
                return kind(f"The database says no, {reason} ({state}: {line}).")
    return StoreRefused(f"The database says no ({state}: {line}).") if isinstance(error, OperationalError) else None


def _of_sqlite(name: str, line: str) -> StoreError | None:
    if name.startswith(_SQLITE_FULL):
        return StoreFull(f"disk full: the database cannot be written ({name}).")
    if name.startswith("SQLITE_CONSTRAINT"):
        return None
    if name.startswith("SQLITE_INTERRUPT"):
        return StoreTooLong("The database says no, a statement took too long.")
    if name == "SQLITE_TOOBIG" or (name == "SQLITE_ERROR" and any(words in line for words in _COMPLEX_WORDS)):
        return StoreTooComplex(f"The database says no, a statement is too long or too deep ({line}).")
    refused = next((reason for key, reason in _SQLITE_REFUSED.items() if name.startswith(key)), None)
    if name == "SQLITE_ERROR" and any(words in line for words in _SCHEMA_WORDS):
        refused = "its schema is not the one of this release"
    if refused is not None and name != "SQLITE_IOERR_NOMEM":
        return StoreRefused(f"The database says no, {refused} ({name}: {line}).")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_NOMEM", "SQLITE_IOERR_NOMEM")):
        return StoreUnavailable(f"The database does not answer ({name}: {line}).")
    return None
