"""What the project wants of the data plane, by store and step."""

from bench.figure import Goal

_UP = (Goal(">=", 0.75, "minio"), Goal(">=", 0.9, "minio"))

SPEED: dict[tuple[str, str], tuple[Goal, ...]] = {
    ("disk", "large up"): (Goal(">=", 600), Goal(">=", 1, "MLflow")),
    ("disk", "large down"): (Goal(">=", 600), Goal(">=", 2, "MLflow")),
    ("disk", "large again"): (Goal(">=", 1000),),
    ("disk", "few up"): (Goal(">=", 1, "MLflow"),),
    ("SeaweedFS", "large up"): _UP,
    ("SeaweedFS", "large down"): (Goal(">=", 0.55, "minio"), Goal(">=", 2, "MLflow")),
    ("SeaweedFS", "large again"): (Goal(">=", 1000),),
    ("SeaweedFS", "few up"): (Goal(">=", 15, "minio"),),
    ("MinIO", "large up"): _UP,
    ("MinIO", "large again"): (Goal(">=", 1000),),
    ("MinIO", "few up"): (Goal(">=", 15, "minio"),),
    ("stub that discards", "large up"): _UP,
    ("stub that keeps", "large down"): (Goal(">=", 0.35, "minio"),),
}
INDEXED_MS = (Goal("<", 50),)
SERVER_GROWTH_MIB = {"large": (Goal("<", 96),), "crowd": (Goal("<", 512),)}
CLIENT_PEAK_MIB = (Goal("<", 256),)
SENT_PERCENT = {
    "large again": (Goal("<", 1),),
    "large indexed": (Goal("<", 1),),
    "changed up": (Goal("<=", 8),),
    "inserted up": (Goal("<=", 2),),
}
CALLS = {"many up": (Goal("<=", 200),), "many down": (Goal("<=", 200),)}
