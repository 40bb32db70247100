package io.github.xpstore;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** Attempts at one thing, for as long as a call may take since the start or the last progress. */
final class Attempts {
    private static final long FIRST_BACKOFF_MS = 50;
    private static final long LONGEST_BACKOFF_MS = 2_000;
    private static final long LAST_ATTEMPT_MS = 50;

    private final Duration patience;
    private final Runnable beforeNext;
    private long endNanos;
    private long backoffMs;

    /**
     * @param beforeNext what is done before each attempt but the first
     */
    Attempts(Duration patience, Runnable beforeNext) {
        this.patience = patience;
        this.beforeNext = beforeNext;
        renew();
    }

    /** There was progress: the server may be away for the whole time again. */
    void renew() {
        endNanos = System.nanoTime() + patience.toNanos();
        backoffMs = FIRST_BACKOFF_MS;
    }

    /** What is left, enough for one attempt at least. */
    long remainingMs() {
        return Math.max((endNanos - System.nanoTime()) / 1_000_000, LAST_ATTEMPT_MS);
    }

    /** Waits before the next attempt. Throws the error of this one where another would not do better, or there is no time. */
    void next(XpstoreException error) {
        if (!error.isPassing()) {
            throw error;
        }
        again(error);
    }

    /** As {@link #next}, for an error that another attempt mends whatever it is. */
    void again(XpstoreException error) {
        long spareMs = (endNanos - System.nanoTime()) / 1_000_000 - LAST_ATTEMPT_MS;
        if (spareMs <= 0 || Errors.isUntrusted(error)) {
            throw error;
        }
        long waitMs = Math.max(backoffMs, error.retryAfter().map(Duration::toMillis).orElse(0L));
        try {
            Thread.sleep(Math.min(ThreadLocalRandom.current().nextLong(waitMs / 2, waitMs + 1), spareMs));
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw error;
        }
        backoffMs = Math.min(2 * backoffMs, LONGEST_BACKOFF_MS);
        beforeNext.run();
    }
}
