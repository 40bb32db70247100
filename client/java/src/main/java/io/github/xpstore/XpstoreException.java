package io.github.xpstore;

import java.io.Serializable;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/**
 * What can go wrong with a call: a subclass for each reason of the contract. {@link #metadata} says what it is about, such as
 * {@code field}, {@code value} and {@code expected}.
 */
public class XpstoreException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** All that is known of a failure; {@code retryAfter} is null where waiting would not help. */
    record Facts(
            String message,
            String reason,
            Map<String, String> metadata,
            String requestId,
            Duration retryAfter,
            boolean isOurs,
            Throwable cause)
            implements Serializable {
        static Facts of(String message, String reason, Map<String, String> metadata) {
            return new Facts(message, reason, metadata, "", null, true, null);
        }
    }

    private final Facts facts;

    XpstoreException(Facts facts) {
        super(facts.message(), facts.cause());
        this.facts = facts;
    }

    /** Name of the contract's reason, such as "NOT_FOUND"; that of gRPC's status where the server did not answer it. */
    public String reason() {
        return facts.reason();
    }

    /** What it is about. */
    public Map<String, String> metadata() {
        return facts.metadata();
    }

    /** Names the call in the server's log; empty when no server answered. */
    public String requestId() {
        return facts.requestId();
    }

    /** After which time the server asks to repeat the call. */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(facts.retryAfter());
    }

    /** Whether the server answered it, not a proxy, the network or this machine. */
    boolean isOurs() {
        return facts.isOurs();
    }

    /** Whether the same call may do better later. */
    boolean isPassing() {
        return this instanceof Unavailable
                || this instanceof DeadlineExceeded
                || (facts.retryAfter() != null && !"disk".equals(metadata().get("limit")))
                || (this instanceof ServerFault && !isOurs());
    }

    /** A value is malformed. */
    public static final class InvalidArgument extends XpstoreException {
        InvalidArgument(Facts facts) {
            super(facts);
        }

        static InvalidArgument of(String field, String value, String cure) {
            String shown = value.length() > 100 ? value.substring(0, 100) + "..." : value;
            return new InvalidArgument(Facts.of(
                    field + " = \"" + shown + "\": " + cure, "INVALID_ARGUMENT", Map.of("field", field, "value", shown)));
        }
    }

    /** What is named does not exist, or was deleted. */
    public static final class NotFound extends XpstoreException {
        NotFound(Facts facts) {
            super(facts);
        }
    }

    /** A name, hash or id is taken. */
    public static final class AlreadyExists extends XpstoreException {
        AlreadyExists(Facts facts) {
            super(facts);
        }
    }

    /** The request contradicts the present state. */
    public static final class Conflict extends XpstoreException {
        Conflict(Facts facts) {
            super(facts);
        }
    }

    /** The API key is missing, or the server does not know it. */
    public static final class Unauthenticated extends XpstoreException {
        Unauthenticated(Facts facts) {
            super(facts);
        }
    }

    /** The API key is known and may not do this. */
    public static final class PermissionDenied extends XpstoreException {
        PermissionDenied(Facts facts) {
            super(facts);
        }
    }

    /** A limit of the server was met: {@code limit} names it. */
    public static final class ResourceExhausted extends XpstoreException {
        ResourceExhausted(Facts facts) {
            super(facts);
        }
    }

    /** The server is away; it was tried for the time allowed. */
    public static final class Unavailable extends XpstoreException {
        Unavailable(Facts facts) {
            super(facts);
        }
    }

    /** The call's time is over. It may have taken effect; to repeat it is safe. */
    public static final class DeadlineExceeded extends XpstoreException {
        DeadlineExceeded(Facts facts) {
            super(facts);
        }
    }

    /** Bytes are missing, or do not match their digest. */
    public static final class DataLoss extends XpstoreException {
        DataLoss(Facts facts) {
            super(facts);
        }

        static DataLoss of(String message) {
            return new DataLoss(Facts.of(message, "DATA_LOSS", Map.of()));
        }
    }

    /** Another stream or writer holds the place that this one continued from. */
    public static final class Stale extends XpstoreException {
        Stale(Facts facts) {
            super(facts);
        }
    }

    /** The server has no such method, or speaks another version of the contract. */
    public static final class Unimplemented extends XpstoreException {
        Unimplemented(Facts facts) {
            super(facts);
        }
    }

    /** The server failed; its log has the trace under {@link #requestId}. */
    public static final class ServerFault extends XpstoreException {
        ServerFault(Facts facts) {
            super(facts);
        }
    }
}
