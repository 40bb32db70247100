"""Every limit of the service, in one place. GetLimits tells clients."""

from xpstore.format import tree

MIB = 1 << 20

MESSAGE_BYTES = 4 * MIB
CHUNK_BYTES = MIB
# The recommended cut: FastCDC 2020.
CHUNK_AVERAGE_BYTES = 192 << 10  # random bytes are then cut into 246 KiB on average
CHUNK_MIN_BYTES = 96 << 10
CHUNK_NORMALIZATION = 2
STREAM_BYTES = 256 * MIB
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
TAGS = 1_000  # of a model
# Of a version: together less than 300 kB of an answer. `core/versions/details.py` tells no more of one that has more.
LINKS = 1_000
ALIASES = 1_000
USED_VERSIONS = 1_000
# What a filter of search may cost to read: its bytes, how deep conditions nest, how often it compares.
FILTER_BYTES = 16_384
FILTER_DEPTH = 30
FILTER_COMPARISONS = 50
ORDER_KEYS = 8
STEP = 1 << 62
TIME_US = 253_402_300_799_999_999  # the end of the year 9999, beyond which clients have no dates

FINGERPRINT_LENGTH = 64  # hexadecimal digits
TOKEN_BYTES = 16
TOKENS = 1_000
HOLDER_LENGTH = 256
ERROR_LENGTH = 4_096
PROCESS_PARTS = 1_000
PROCESS_BYTES = 256 << 10
PART_NAME_LENGTH = 512
PART_TEXT_LENGTH = 256
FINGERPRINTS = 1_000
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
UPLOAD_EXPIRES_AFTER_US = 24 * 3600 * 1_000_000
ADVANCE_KEPT_US = 24 * 3600 * 1_000_000
MODELS = 1_000
BUCKETS = 10_000
# Blocks appended to a series before they are put together, and how many points of different kinds one then holds.
SMALL_BLOCKS = 32
MIXED_POINTS = 256
