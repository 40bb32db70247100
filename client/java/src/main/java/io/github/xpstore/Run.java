package io.github.xpstore;

import io.github.xpstore.v1.FinishRunRequest;
import io.github.xpstore.v1.HeartbeatRunRequest;
import io.github.xpstore.v1.RunServiceGrpc;
import io.github.xpstore.v1.RunStatus;
import java.util.Locale;

/**
 * One attempt at training a model. One that is closed without {@link #finish} has failed.
 *
 * <pre>{@code
 * try (Run run = model.run()) {
 *     train();
 *     run.finish();
 * }
 * }</pre>
 */
public final class Run implements AutoCloseable {
    private static final int LONGEST_ERROR = 16_384;

    private final Connection connection;
    private io.github.xpstore.v1.Run message;

    Run(Connection connection, io.github.xpstore.v1.Run message) {
        this.connection = connection;
        this.message = message;
    }

    public String id() {
        return message.getId();
    }

    /** "running", "finished", "failed" or "lost". */
    public String status() {
        return nameOf(message.getStatus());
    }

    /** Everything that the server said of it. */
    public io.github.xpstore.v1.Run message() {
        return message;
    }

    /** Says that it is alive. A run that is not heard of for {@code Limits.run_lost_after_us} is shown as lost. */
    public String heartbeat() {
        var request = HeartbeatRunRequest.newBuilder().setRunId(id()).build();
        return nameOf(connection.call(RunServiceGrpc::newBlockingStub, s -> s.heartbeatRun(request)).getStatus());
    }

    /** Ends it well. The first end counts. */
    public void finish() {
        end(RunStatus.RUN_STATUS_FINISHED, "");
    }

    /** Ends it by an error, of which the first 16,384 characters are kept. */
    public void fail(String error) {
        boolean isLong = error.codePointCount(0, error.length()) > LONGEST_ERROR;
        end(RunStatus.RUN_STATUS_FAILED, isLong ? error.substring(0, error.offsetByCodePoints(0, LONGEST_ERROR)) : error);
    }

    private void end(RunStatus status, String error) {
        var request = FinishRunRequest.newBuilder().setRunId(id()).setStatus(status).setError(error).build();
        message = connection.call(RunServiceGrpc::newBlockingStub, s -> s.finishRun(request)).getRun();
    }

    /** Ends it as failed, unless it has ended. */
    @Override
    public void close() {
        if (message.getStatus() == RunStatus.RUN_STATUS_RUNNING) {
            fail("It was closed before it was finished.");
        }
    }

    static String nameOf(RunStatus status) {
        return status == RunStatus.RUN_STATUS_UNSPECIFIED ? "" : status.name().replace("RUN_STATUS_", "").toLowerCase(Locale.ROOT);
    }

    @Override
    public String toString() {
        return "Run(" + id() + ", " + status() + ")";
    }
}
