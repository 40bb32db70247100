"""Every limit of the service, in one place. GetLimits tells clients."""

from xpstore.format import tree

MIB = 1 << 20

CONTRACT_VERSION = "1.1"
IDS = 1_000  # in one list of a request
MESSAGE_BYTES = 4 * MIB
PING_INTERVAL_US = 10 * 1_000_000  # clients of ours ping every 30 s
CHUNK_BYTES = MIB
# The recommended cut: FastCDC 2020.
CHUNK_AVERAGE_BYTES = 192 << 10  # random bytes are then cut into 246 KiB on average
CHUNK_MIN_BYTES = 96 << 10
CHUNK_NORMALIZATION = 2
STREAM_BYTES = 256 * MIB
CHUNKS = 4_096  # in one message
# Streams that bring bytes: how many of all keys are read at once, and how many more may wait for their turn.
UPLOADS_IN_ALL = 16
UPLOADS_WAITING = 48
# What a stream must bring a second, over so long, while others wait.
UPLOAD_PACE = 64 << 10
UPLOAD_PACE_SECONDS = 30.0
# Of requests above 64 KiB, in all, until their calls end: those beyond wait, then are refused.
REQUEST_BYTES = 32 * MIB
WAITING_CALLS = 4_000  # of WaitForCacheEntry, in all: they hold no thread
CALL_US = 60 * 1_000_000
COMMIT_CALL_US = 300 * 1_000_000
WAIT_CALL_US = 25 * 1_000_000
SILENCE_US = 60 * 1_000_000  # of a stream of requests
DIGESTS = 16_384  # 32 bytes each and framing: 0.6 MiB
MANIFEST_PAGE_BYTES = MIB
MANIFEST_ROOT_BYTES = MIB
PATH_BYTES = tree.PATH_BYTES
NAME_LENGTH = 256
HASH_LENGTH = 1_024
ALIAS_LENGTH = 128
TYPE_LENGTH = 64
TEXT_LENGTH = 16_384
JSON_BYTES = MIB
PAGE_SIZE = 100
PAGE_SIZE_MAX = 1_000
# A page ends before this unless one row alone is heavier. The heaviest is a model: config 1 MiB, tags 1 MiB and text.
PAGE_BYTES = 2 * MIB
POINTS = 10_000
BATCH_POINTS = 1 << 18  # packed ones; no more than a block may reach over
SERIES = 1_000  # of one record, and of one call of LogMetrics
NEW_MODULES = 100  # of one model of CreateModels
TAGS = 1_000  # of a model, an experiment or a project
TAG_BYTES = 64 << 10  # of an experiment or a project, together
# Of a version.
LINKS = 1_000
ALIASES = 1_000
USED_VERSIONS = 1_000
# Of each of these, in a row of an answer; the rest are in lists of their own. A page of 1,000 rows stays light.
FIRST = 100
# What a filter of search may cost to read: its bytes, how deep conditions nest, how often it compares.
FILTER_BYTES = 16_384
FILTER_DEPTH = 30
FILTER_COMPARISONS = 50
ORDER_KEYS = 8
COLUMNS = 100  # of one search
SKIP = 1_000_000  # models passed over
AGGREGATED_MODELS = 100_000
GROUPS = 1_000
FIELD_VALUES = 12  # told of a field, of different ones
PATTERN_VALUES = 20_000  # different ones that the regular expressions of a filter look at
STEP = 1 << 62
TIME_US = 253_402_300_799_999_999  # the end of the year 9999, beyond which clients have no dates

FINGERPRINT_LENGTH = 64  # hexadecimal digits
TOKEN_BYTES = 16
HOLDER_LENGTH = 256
ERROR_LENGTH = 4_096
DIFF_LENGTH = 256 << 10
# Of what a run printed: kept in all, and of that from its start; in one event.
CONSOLE_BYTES = 2 * MIB
CONSOLE_HEAD_BYTES = CONSOLE_BYTES // 8
CONSOLE_TEXT_BYTES = 64 << 10
ALERTS = 1_000  # of a model
NAN_ALERTS = 100  # of these, of metrics that are NaN: a model may have thousands
PROCESS_PARTS = 1_000
PROCESS_BYTES = 256 << 10
PART_NAME_LENGTH = 512
PART_TEXT_LENGTH = 256
# The newest format of fingerprints (docs/fingerprint.md). Entries of those before are found by no client of today.
FINGERPRINT_FORMAT = 2
# How long it is counted what came out when a hit was computed again.
VERIFICATION_KEPT_US = 90 * 24 * 3600 * 1_000_000
# Among how many entries of a process the one most like a miss is looked for.
NEAREST = 100
WAIT_US = 20 * 1_000_000
# How long a lease that ended badly, or that nobody renews, is remembered.
LEASE_KEPT_US = 3600 * 1_000_000

CLOCK_AHEAD_US = 24 * 3600 * 1_000_000  # how far the clock of a run's machine may be ahead of ours
RUN_LOST_AFTER_US = 300 * 1_000_000
# What an UploadFile has received and not yet stored: `rpc/uploads/packing.py` counts it.
PACK_BYTES = 24 * MIB
CHUNK_KEPT_US = 24 * 3600 * 1_000_000  # that no version has: `store/sweep.py` leaves it an hour longer
UPLOAD_EXPIRES_AFTER_US = 24 * 3600 * 1_000_000
ADVANCE_KEPT_US = 24 * 3600 * 1_000_000
BUCKETS = 10_000
# Blocks appended to a series before they are put together, and how many points of different kinds one then holds.
SMALL_BLOCKS = 32
MIXED_POINTS = 256
