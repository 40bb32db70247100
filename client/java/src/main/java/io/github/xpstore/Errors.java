package io.github.xpstore;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.github.xpstore.XpstoreException.Facts;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.security.cert.CertificateException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLException;

/** From what gRPC says to the typed errors of this package. */
final class Errors {
    private static final String DOMAIN = "xpstore";
    private static final Pattern HTTP = Pattern.compile("HTTP status code (\\d{3})");

    private static final Map<String, Function<Facts, XpstoreException>> BY_REASON = Map.ofEntries(
            Map.entry("INVALID_ARGUMENT", XpstoreException.InvalidArgument::new),
            Map.entry("NOT_FOUND", XpstoreException.NotFound::new),
            Map.entry("ALREADY_EXISTS", XpstoreException.AlreadyExists::new),
            Map.entry("CONFLICT", XpstoreException.Conflict::new),
            Map.entry("UNAUTHENTICATED", XpstoreException.Unauthenticated::new),
            Map.entry("PERMISSION_DENIED", XpstoreException.PermissionDenied::new),
            Map.entry("RESOURCE_EXHAUSTED", XpstoreException.ResourceExhausted::new),
            Map.entry("UNAVAILABLE", XpstoreException.Unavailable::new),
            Map.entry("DEADLINE_EXCEEDED", XpstoreException.DeadlineExceeded::new),
            Map.entry("DATA_LOSS", XpstoreException.DataLoss::new),
            Map.entry("STALE", XpstoreException.Stale::new),
            Map.entry("UNIMPLEMENTED", XpstoreException.Unimplemented::new),
            Map.entry("INTERNAL", XpstoreException.ServerFault::new));

    private Errors() {}

    /** The typed error of a call that failed. */
    static XpstoreException of(Throwable thrown, String address) {
        if (thrown instanceof XpstoreException typed) {
            return typed;
        }
        ErrorInfo info = null;
        Duration retryAfter = null;
        com.google.rpc.Status answer = StatusProto.fromThrowable(thrown);
        if (answer != null) {
            for (Any detail : answer.getDetailsList()) {
                try {
                    if (detail.is(ErrorInfo.class) && detail.unpack(ErrorInfo.class).getDomain().equals(DOMAIN)) {
                        info = detail.unpack(ErrorInfo.class);
                    } else if (detail.is(RetryInfo.class)) {
                        com.google.protobuf.Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
                        retryAfter = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
                    }
                } catch (InvalidProtocolBufferException malformed) {
                    // The trailer of something between client and server.
                }
            }
        }
        Status status = Status.fromThrowable(thrown);
        return info != null ? ofService(info, status, retryAfter, thrown) : ofOthers(status, address, thrown);
    }

    private static XpstoreException ofService(ErrorInfo info, Status status, Duration retryAfter, Throwable thrown) {
        Map<String, String> metadata = new HashMap<>(info.getMetadataMap());
        String requestId = metadata.remove("request_id");
        String message = status.getDescription() == null ? status.getCode().name() : status.getDescription();
        Facts facts = new Facts(
                message, info.getReason(), Map.copyOf(metadata), requestId == null ? "" : requestId, retryAfter, true, thrown);
        return BY_REASON.getOrDefault(info.getReason(), XpstoreException::new).apply(facts);
    }

    /** The error of an answer that is not the service's: gRPC's own, or that of a proxy between. */
    private static XpstoreException ofOthers(Status status, String address, Throwable thrown) {
        String message = status.getDescription() == null ? status.getCode().name() : status.getDescription();
        String kind =
                switch (status.getCode()) {
                    case OUT_OF_RANGE -> "INVALID_ARGUMENT";
                    case FAILED_PRECONDITION, ABORTED -> "CONFLICT";
                    case CANCELLED -> "UNAVAILABLE";
                    case UNKNOWN, OK -> "INTERNAL";
                    default -> status.getCode().name();
                };
        String reason = status.getCode().name();
        Matcher http = HTTP.matcher(message);
        if (http.find() && http.group(1).equals("413")) {
            kind = "RESOURCE_EXHAUSTED";
            reason = kind;
            message = "A proxy before " + address + " takes no bodies of this size (HTTP 413): lift its limit, as by "
                    + "`client_max_body_size 0;` in nginx.";
        } else if (kind.equals("UNIMPLEMENTED")) {
            message = "No xpstore answers at " + address + ": is it passed on as gRPC, with its path? (" + message + ")";
        } else if (kind.equals("UNAVAILABLE") && isUntrusted(thrown)) {
            message = "The certificate of " + address + " is not trusted: is the right authority given? (" + deepest(thrown) + ")";
        } else if (kind.equals("UNAVAILABLE") && !http.find(0)) {
            message = "The server at " + address + " does not answer. Is it running? (" + deepest(thrown) + ")";
        }
        return BY_REASON.get(kind).apply(new Facts(message, reason, Map.of(), "", null, false, thrown));
    }

    /** Whether what failed is the other side's certificate, which waiting does not mend. */
    static boolean isUntrusted(Throwable thrown) {
        for (Throwable one = thrown; one != null; one = one.getCause()) {
            if (one instanceof SSLException || one instanceof CertificateException) {
                return true;
            }
        }
        return false;
    }

    private static String deepest(Throwable thrown) {
        Throwable one = thrown;
        while (one.getCause() != null) {
            one = one.getCause();
        }
        return one.getMessage();
    }
}
