package io.github.xpstore;

import io.github.xpstore.v1.GetLimitsRequest;
import io.github.xpstore.v1.Limits;
import io.github.xpstore.v1.LimitsServiceGrpc;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.AbstractBlockingStub;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/** Calls to one server with one key, repeated while it is away: every call of the contract may be. */
final class Connection {
    /** First number of the contract that this client is made for: one with another is another. */
    private static final String CONTRACT = "1";

    /** How long limits are relied on: whoever reconnects may have been answered by another server, and is not told. */
    private static final long LIMITS_NANOS = 60_000_000_000L;

    final String address;
    final ManagedChannel channel;
    private final Duration timeout;
    private volatile Limits limits;
    private volatile long limitsEndNanos;

    Connection(ManagedChannel channel, String address, Duration timeout) {
        this.channel = channel;
        this.address = address;
        this.timeout = timeout;
    }

    /** Attempts at something that needs the server. */
    Attempts attempts() {
        // By itself the channel waits longer and longer, up to two minutes, before it connects again.
        return new Attempts(timeout, () -> {
            limitsEndNanos = System.nanoTime();
            channel.resetConnectBackoff();
        });
    }

    /** Makes a call that one message answers. */
    <S extends AbstractBlockingStub<S>, T> T call(Function<? super Channel, S> made, Function<S, T> method) {
        S stub = made.apply(channel);
        Attempts attempts = attempts();
        while (true) {
            try {
                return method.apply(stub.withDeadlineAfter(attempts.remainingMs(), TimeUnit.MILLISECONDS));
            } catch (StatusRuntimeException failure) {
                XpstoreException error = Errors.of(failure, address);
                if (Thread.currentThread().isInterrupted()) {
                    throw error;
                }
                attempts.next(error);
            }
        }
    }

    /** The server's limits; throws Unimplemented where it speaks another contract. */
    Limits limits() {
        Limits known = limits;
        if (known == null || System.nanoTime() - limitsEndNanos >= 0) {
            known = call(LimitsServiceGrpc::newBlockingStub, stub -> stub.getLimits(GetLimitsRequest.getDefaultInstance())).getLimits();
            check(known.getContractVersion());
            limits = known;
            limitsEndNanos = System.nanoTime() + LIMITS_NANOS;
        }
        return known;
    }

    static void check(String version) {
        if (!version.split("\\.", 2)[0].equals(CONTRACT)) {
            throw new XpstoreException.Unimplemented(XpstoreException.Facts.of(
                    "The server speaks version \"" + version + "\" of the contract, and this client version " + CONTRACT
                            + ": take a release of the client that is made for that server.",
                    "UNIMPLEMENTED",
                    Map.of("contract_version", version)));
        }
    }

    void close() {
        channel.shutdownNow();
    }
}
