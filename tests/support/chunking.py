"""The cut of chunks as the server asks for it."""

from support.raw import KIB, MIB
from xpstore.v1.limits_pb2 import Chunking

LEAST, AVERAGE, MOST = 96 * KIB, 192 * KIB, MIB
CHUNKING = Chunking(min_size_bytes=LEAST, average_size_bytes=AVERAGE, max_size_bytes=MOST, normalization=2)
