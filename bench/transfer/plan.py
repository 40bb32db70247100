"""How large, and how often: what a run of the benchmark does."""

from dataclasses import dataclass

MIB = 1 << 20
STORES = ("disk", "SeaweedFS", "MinIO", "stub", "wire")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Sizes and repetitions.

    Attributes:
        file_bytes: the large file.
        region_bytes: size of each of the regions that are changed in place.
        changed_share: how much of the file they make up.
        inserted_bytes: what is put at its front.
        few_files, few_file_bytes: a folder of small files.
        many_files, many_file_bytes: a folder of many smaller ones.
        slow_files: as many of the latter as peers get that need a call for each: their rate does not depend on it.
        clients: how many at once for throughput, of `client_bytes` each.
        crowd: how many at once to see the server's memory, of `crowd_bytes` each.
        repetitions: of what has a goal, for us and for those the goal names.
        peer_repetitions: of MLflow, and of clients at once.
        is_full: whether the figures mean something: goals are shown, and those take part that have to be installed or
            built first, MLflow and MinIO.
        stores: which of the stores take part; "wire" stands for counting bytes and calls.
        steps: how the names of the steps begin that are done.
        has_mlflow: whether MLflow takes part in a full run.
    """

    file_bytes: int
    region_bytes: int = MIB
    changed_share: float = 0.05
    inserted_bytes: int = MIB
    few_files: int
    few_file_bytes: int = 16 << 10
    many_files: int
    many_file_bytes: int = 4 << 10
    slow_files: int
    clients: int
    client_bytes: int
    crowd: int
    crowd_bytes: int
    repetitions: int
    peer_repetitions: int
    is_full: bool
    stores: tuple[str, ...] = STORES
    steps: tuple[str, ...] = ("",)
    has_mlflow: bool = True


FULL = Plan(
    file_bytes=1 << 30,
    few_files=2_000,
    many_files=20_000,
    slow_files=2_000,
    clients=8,
    client_bytes=128 * MIB,
    crowd=16,
    crowd_bytes=64 * MIB,
    repetitions=5,
    peer_repetitions=3,
    is_full=True,
)
QUICK = Plan(
    file_bytes=24 * MIB,
    few_files=40,
    many_files=200,
    slow_files=20,
    clients=2,
    client_bytes=3 * MIB,
    crowd=3,
    crowd_bytes=2 * MIB,
    repetitions=1,
    peer_repetitions=1,
    is_full=False,
)
