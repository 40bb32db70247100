package io.github.xpstore;

/**
 * How large the messages of an upload are: only whole ones count when a line breaks, and a thin one breaks often. They begin small
 * and grow where they get through.
 */
final class MessageSize {
    static final int FIRST_BYTES = 64 << 10;
    static final int MOST_BYTES = 1 << 20;
    private static final long GROWN_BYTES = 4 << 20;
    private static final long QUICK_NANOS = 500_000_000;

    private int bytes = FIRST_BYTES;
    private long since;

    int bytes() {
        return bytes;
    }

    /** So many bytes of one message went through in this time. */
    void sent(int size, long nanos) {
        since += size;
        if (nanos > QUICK_NANOS) {
            bytes = FIRST_BYTES;
            since = 0;
        } else if (since >= GROWN_BYTES && bytes < MOST_BYTES) {
            bytes *= 2;
            since = 0;
        }
    }
}
