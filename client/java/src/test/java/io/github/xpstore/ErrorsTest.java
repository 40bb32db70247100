package io.github.xpstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.github.xpstore.v1.ErrorReason;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class ErrorsTest {
    private static Throwable answer(Status.Code code, String domain, String reason, boolean hasRetry) {
        var info = ErrorInfo.newBuilder().setDomain(domain).setReason(reason).putMetadata("request_id", "r1").putMetadata("field", "f");
        var status = com.google.rpc.Status.newBuilder().setCode(code.value()).setMessage("words").addDetails(Any.pack(info.build()));
        if (hasRetry) {
            var delay = com.google.protobuf.Duration.newBuilder().setSeconds(2);
            status.addDetails(Any.pack(RetryInfo.newBuilder().setRetryDelay(delay).build()));
        }
        return StatusProto.toStatusRuntimeException(status.build());
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = {"ERROR_REASON_UNSPECIFIED", "UNRECOGNIZED"})
    void eachReasonHasAClass(ErrorReason reason) {
        String name = reason.name().replace("ERROR_REASON_", "");
        XpstoreException error = Errors.of(answer(Status.Code.ABORTED, "xpstore", name, false), "host:1");
        assertTrue(error.getClass() != XpstoreException.class, name);
        assertEquals(name, error.reason());
        assertEquals("f", error.metadata().get("field"));
        assertEquals("r1", error.requestId());
        assertEquals("words", error.getMessage());
    }

    @Test
    void whatMayBeRepeated() {
        assertTrue(Errors.of(answer(Status.Code.UNAVAILABLE, "xpstore", "UNAVAILABLE", false), "").isPassing());
        assertTrue(Errors.of(answer(Status.Code.RESOURCE_EXHAUSTED, "xpstore", "RESOURCE_EXHAUSTED", true), "").isPassing());
        assertTrue(Errors.of(Status.UNKNOWN.withDescription("RST_STREAM").asRuntimeException(), "").isPassing());
        assertFalse(Errors.of(answer(Status.Code.INTERNAL, "xpstore", "INTERNAL", false), "").isPassing());
        assertFalse(Errors.of(answer(Status.Code.RESOURCE_EXHAUSTED, "xpstore", "RESOURCE_EXHAUSTED", false), "").isPassing());
        assertFalse(Errors.of(Status.RESOURCE_EXHAUSTED.asRuntimeException(), "").isPassing());
        assertFalse(Errors.of(Status.UNIMPLEMENTED.asRuntimeException(), "").isPassing());
    }

    @Test
    void theServerSaysHowLongToWait() {
        var error = Errors.of(answer(Status.Code.RESOURCE_EXHAUSTED, "xpstore", "RESOURCE_EXHAUSTED", true), "");
        assertEquals(Duration.ofSeconds(2), error.retryAfter().orElseThrow());
    }

    @Test
    void ofOthersSayWhoAnswered() {
        var foreign = Errors.of(answer(Status.Code.NOT_FOUND, "elsewhere", "NOT_FOUND", false), "");
        assertInstanceOf(XpstoreException.NotFound.class, foreign);
        assertEquals("", foreign.requestId());
        var proxy = Errors.of(Status.UNKNOWN.withDescription("HTTP status code 413\ninvalid").asRuntimeException(), "host:1");
        assertInstanceOf(XpstoreException.ResourceExhausted.class, proxy);
        assertTrue(proxy.getMessage().contains("client_max_body_size"));
        var away = Errors.of(Status.UNAVAILABLE.withDescription("io exception").asRuntimeException(), "host:1");
        assertTrue(away.getMessage().contains("host:1"));
    }

    @Test
    void anotherContractIsRefused() {
        Connection.check("1.0");
        Connection.check("1.7-rc");
        for (String version : new String[] {"2.0", "10.0", ""}) {
            assertThrows(XpstoreException.Unimplemented.class, () -> Connection.check(version));
        }
    }
}
