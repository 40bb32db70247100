package io.github.xpstore;

import io.github.xpstore.v1.LogMetricsRequest;
import io.github.xpstore.v1.MetricPoint;
import io.github.xpstore.v1.MetricServiceGrpc;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * Logs metric points of one model in batches, each point exactly once and in order, whatever breaks meanwhile. It may be used by
 * many threads.
 *
 * <p>Points are durable when {@link #flush} or {@link #close} returns. When one of them throws, points that are not stored stay for
 * the next flush, but for a batch that the server refuses, with InvalidArgument or NotFound: none of it is stored.
 */
public final class MetricLog implements AutoCloseable {
    private static final int BATCH_BYTES = 1 << 20;

    private final Connection connection;
    private final String modelId;
    private final String writerId = UUID.randomUUID().toString();
    private final List<MetricPoint> waiting = new ArrayList<>();
    private int waitingBytes;
    private long next;

    MetricLog(Connection connection, String modelId) {
        this.connection = connection;
        this.modelId = modelId;
    }

    /** Logs a number without a step. */
    public void log(String name, double value) {
        log(Point.of(name, value));
    }

    /** Logs a number at a step. */
    public void log(String name, double value, long step) {
        log(Point.of(name, value).withStep(step));
    }

    /** Logs a point: it is sent with others, when they are many or at {@link #flush}. */
    public synchronized void log(Point point) {
        MetricPoint message = point.message();
        if (message.getName().isEmpty()) {
            throw XpstoreException.InvalidArgument.of("name", "", "a metric has a name");
        }
        if (message.getStep() < 0) {
            throw XpstoreException.InvalidArgument.of("step", "" + message.getStep(), "a step is never negative");
        }
        waiting.add(message);
        waitingBytes += message.getSerializedSize();
        if (waiting.size() >= connection.limits().getMaxPoints() || waitingBytes >= BATCH_BYTES) {
            flush();
        }
    }

    /** Sends what waits; all points logged so far are durable when it returns. */
    public synchronized void flush() {
        int most = connection.limits().getMaxPoints();
        while (!waiting.isEmpty()) {
            int count = batch(most);
            LogMetricsRequest request = LogMetricsRequest.newBuilder()
                    .setModelId(modelId)
                    .setWriterId(writerId)
                    .setFirstPoint(next)
                    .addAllPoints(waiting.subList(0, count))
                    .build();
            long answered = send(request);
            if (answered != next + count) {
                throw new XpstoreException.Stale(XpstoreException.Facts.of(
                        "The server goes on from point " + answered + " of this log, not from " + (next + count)
                                + ": another program logs by the same writer.",
                        "STALE",
                        Map.of("expected", "" + answered)));
            }
            next = answered;
            drop(count);
        }
    }

    private long send(LogMetricsRequest request) {
        try {
            return connection.call(MetricServiceGrpc::newBlockingStub, s -> s.logMetrics(request)).getNextPoint();
        } catch (XpstoreException.InvalidArgument | XpstoreException.NotFound refused) {
            // They would be refused again, and hold up all that is logged after them.
            drop(request.getPointsCount());
            throw refused;
        }
    }

    private void drop(int count) {
        waiting.subList(0, count).clear();
        waitingBytes = waiting.stream().mapToInt(MetricPoint::getSerializedSize).sum();
    }

    /** How many of those that wait go together. */
    private int batch(int most) {
        int count = 0;
        int bytes = 0;
        while (count < Math.min(most, waiting.size()) && (count == 0 || bytes < BATCH_BYTES)) {
            bytes += waiting.get(count++).getSerializedSize();
        }
        return count;
    }

    /** Sends what waits. */
    @Override
    public void close() {
        flush();
    }
}
