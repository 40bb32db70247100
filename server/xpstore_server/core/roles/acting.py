"""In which project a call acts, and what its caller may do there.

A call acts in one project: that which its request names, or that of what it names. All else is to it as what does not
exist, and so is everything to a caller without a role in the project: the same code runs, and finds nothing.
"""

from collections.abc import Callable
from enum import IntEnum
from functools import partial
from sys import intern

from sqlalchemy import Select, Table, bindparam, func, select

from xpstore_server.core.access import ADMIN
from xpstore_server.core.errors import PermissionDenied
from xpstore_server.store import tables
from xpstore_server.store.database import Database
from xpstore_server.store.transaction import Transaction

# Ids whose projects are remembered: with 200 bytes each, 20 MB.
REMEMBERED = 100_000


class Role(IntEnum):
    """What somebody may do in a project, as in access.proto. Each may do what those before it may."""

    NONE = 0
    VIEWER = 1
    EDITOR = 2
    OWNER = 3
    ADMIN = 4


RoleOf = Callable[[str, str | None], Role]


def role_of(principal: str, project_uid: str | None) -> Role:
    """The role of a principal in a project; None: in none, as to create one. Today every key owns everything."""
    return Role.ADMIN if principal == ADMIN else Role.OWNER


def _below(table: Table) -> Select[tuple[str]]:
    owner = select(tables.model.c.project_uid).join(table, table.c.model_id == tables.model.c.id)
    return owner.where(table.c.id == bindparam("key"))


def _in(table: Table) -> Select[tuple[str]]:
    return select(table.c.project_uid).where(table.c.id == bindparam("key"))


def _kept(table: Table, notes: Table) -> Select[tuple[str]]:
    """Of what is deleted its note says it."""
    (key,) = notes.primary_key.columns
    was = select(notes.c.project_uid).where(key == bindparam("key")).scalar_subquery()
    return select(func.coalesce(was, table.c.project_uid)).where(table.c.id == bindparam("key"))


# Of what is deleted too: it may be brought back.
_OWNER = {
    "experiment_id": _kept(tables.experiment, tables.deleted_experiment),
    "model_id": _kept(tables.model, tables.deleted_model),
    "iteration_id": _below(tables.iteration),
    "run_id": _below(tables.run),
    "module_id": _below(tables.module),
    "artifact_id": _in(tables.artifact),
    "version_id": _in(tables.artifact_version),
    "upload_id": _in(tables.upload),
}
KINDS = frozenset(_OWNER)


def _look_up(tx: Transaction, kind: str, id_: str) -> str | None:
    found: str | None = tx.execute(_OWNER[kind], {"key": id_}).scalar()
    return found


def nowhere(project_uid: str) -> bool:
    """The fence of a call that acts in no project that there is, or in none that its caller may see."""
    return False


class Anywhere:
    """The fence of a call that acts wherever its caller may, as a list of the models that many ids name."""

    def __init__(self, principal: str, needed: Role, role_of: RoleOf) -> None:
        self._principal = principal
        self._needed = needed
        self._role_of = role_of

    def __call__(self, project_uid: str) -> bool:
        return self._role_of(self._principal, project_uid) >= self._needed


class Within:
    """The fence of a call that acts in one project.

    What was deleted and purged may have come back elsewhere under its id. So the first row that is met says the
    project, if it is another than that which was remembered.

    Attributes:
        project_uid: of that project, as far as is known by now.
    """

    def __init__(self, project_uid: str, elsewhere: Callable[[str], bool] = nowhere) -> None:
        self.project_uid = project_uid
        self._elsewhere = elsewhere
        self._is_met = False

    def __call__(self, project_uid: str) -> bool:
        if project_uid != self.project_uid:
            if self._is_met or not self._elsewhere(project_uid):
                return False
            self.project_uid = project_uid
        self._is_met = True
        return True


class Owners:
    """Which project an id is in: asked of the database once, and remembered while it is in use."""

    def __init__(self, database: Database, role_of: RoleOf = role_of) -> None:
        self._database = database
        self._role_of = role_of
        self._known: dict[tuple[str, str], str] = {}

    def role(self, principal: str, project_uid: str | None) -> Role:
        """What a principal may do in a project."""
        return self._role_of(principal, project_uid)

    async def fence(self, principal: str, needed: Role, kind: str, id_: str) -> Callable[[str], bool]:
        """The fence of a call that names one thing: a project (`project_uid`) or something in one.

        Raises:
            PermissionDenied: the caller may see the project, and not do this.
        """
        if kind == "project_uid":
            return self._entered(principal, needed, id_)
        known = self._known.pop((kind, id_), None)
        # What its caller may not see takes as long as what is not there, whoever else uses it.
        if known is None or not self._role_of(principal, known):
            known = await self._database.read_async(partial(_look_up, kind=kind, id_=id_))
            if known is None:
                return nowhere
        self._remember((kind, id_), known)
        return self._entered(principal, needed, known, (kind, id_))

    def anywhere(self, principal: str, needed: Role) -> Callable[[str], bool]:
        """The fence of a call that names no project, or many things."""
        return Anywhere(principal, needed, self._role_of)

    def _entered(
        self, principal: str, needed: Role, project_uid: str, key: tuple[str, str] | None = None
    ) -> Callable[[str], bool]:
        role = self._role_of(principal, project_uid)
        if not role:
            return nowhere
        if role < needed:
            raise denied(needed)
        if key is None:
            return Within(project_uid)

        def is_there_now(other_uid: str) -> bool:
            self._known.pop(key, None)
            return self._role_of(principal, other_uid) >= needed

        return Within(project_uid, is_there_now)

    def _remember(self, key: tuple[str, str], project_uid: str) -> None:
        self._known[key] = intern(project_uid)
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]  # what was not used for longest


def denied(needed: Role) -> PermissionDenied:
    """The error of a caller who may see a project and not do this in it."""
    return PermissionDenied(f"This needs the role {needed.name.lower()} in the project.", role=needed.name.lower())
