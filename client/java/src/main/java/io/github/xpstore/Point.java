package io.github.xpstore;

import io.github.xpstore.v1.MetricPoint;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * One metric point.
 *
 * <pre>{@code Point.of("loss", 0.25).withPhase("train").withStep(7)}</pre>
 */
public final class Point {
    private final MetricPoint message;

    Point(MetricPoint message) {
        this.message = message;
    }

    /** A floating-point number; NaN and infinities are kept. */
    public static Point of(String name, double value) {
        return new Point(MetricPoint.newBuilder().setName(name).setFloatValue(value).build());
    }

    /** An integer. */
    public static Point of(String name, long value) {
        return new Point(MetricPoint.newBuilder().setName(name).setIntValue(value).build());
    }

    /** Any other JSON value as text, an integer beyond 64 bits included. */
    public static Point ofJson(String name, String json) {
        return new Point(MetricPoint.newBuilder().setName(name).setJsonValue(json).build());
    }

    /** The same point at a training step, never negative. */
    public Point withStep(long step) {
        return new Point(message.toBuilder().setStep(step).build());
    }

    /** The same point in a phase such as "train" or "test". */
    public Point withPhase(String phase) {
        return new Point(message.toBuilder().setPhase(phase).build());
    }

    /** The same point measured at a time; else it is when the server got it. */
    public Point withTime(Instant time) {
        return withTimeUs(ChronoUnit.MICROS.between(Instant.EPOCH, time));
    }

    /** The same point measured so many microseconds after the epoch. */
    public Point withTimeUs(long timeUs) {
        return new Point(message.toBuilder().setTimeUs(timeUs).build());
    }

    public String name() {
        return message.getName();
    }

    /** A {@link Double}, a {@link Long}, or a {@link String} of JSON. */
    public Object value() {
        return switch (message.getValueCase()) {
            case INT_VALUE -> message.getIntValue();
            case JSON_VALUE -> message.getJsonValue();
            default -> message.getFloatValue();
        };
    }

    public OptionalLong step() {
        return message.hasStep() ? OptionalLong.of(message.getStep()) : OptionalLong.empty();
    }

    public Optional<String> phase() {
        return message.hasPhase() ? Optional.of(message.getPhase()) : Optional.empty();
    }

    public Optional<Instant> time() {
        return message.hasTimeUs() ? Optional.of(Instant.EPOCH.plus(message.getTimeUs(), ChronoUnit.MICROS)) : Optional.empty();
    }

    /** The point as the contract has it. */
    public MetricPoint message() {
        return message;
    }

    @Override
    public String toString() {
        return name() + " = " + value();
    }
}
