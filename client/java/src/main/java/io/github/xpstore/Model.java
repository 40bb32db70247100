package io.github.xpstore;

import io.github.xpstore.v1.AdvanceModelRequest;
import io.github.xpstore.v1.CreateRunRequest;
import io.github.xpstore.v1.ListMetricsRequest;
import io.github.xpstore.v1.ListRunsRequest;
import io.github.xpstore.v1.ListSeriesRequest;
import io.github.xpstore.v1.MetricServiceGrpc;
import io.github.xpstore.v1.ModelServiceGrpc;
import io.github.xpstore.v1.RunServiceGrpc;
import io.github.xpstore.v1.SeriesSummary;
import io.github.xpstore.v1.UpdateModelTagsRequest;
import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;

/** What is trained; known by its hash inside its experiment. */
public final class Model {
    private final Connection connection;
    private final io.github.xpstore.v1.Model message;
    private final boolean isCreated;

    Model(Connection connection, io.github.xpstore.v1.Model message, boolean isCreated) {
        this.connection = connection;
        this.message = message;
        this.isCreated = isCreated;
    }

    public String id() {
        return message.getId();
    }

    public String hash() {
        return message.getHash();
    }

    /** JSON object as text. */
    public String configJson() {
        return message.getConfigJson();
    }

    public List<String> tags() {
        return List.copyOf(message.getTagsList());
    }

    /** The live counter of training steps, as it was when this handle was made. */
    public long step() {
        return message.getStep();
    }

    /** Status of its newest run: "running", "finished", "failed" or "lost"; empty when it never ran. */
    public String status() {
        return Run.nameOf(message.getStatus());
    }

    /** Whether the call that gave this handle made the model, as opposed to finding it. */
    public boolean isCreated() {
        return isCreated;
    }

    /** Everything that the server said of it. */
    public io.github.xpstore.v1.Model message() {
        return message;
    }

    /** Begins a run. */
    public Run run() {
        return run(options -> {});
    }

    /** Begins a run with what {@code options} sets: environment, startedAtUs. */
    public Run run(Consumer<CreateRunRequest.Builder> options) {
        CreateRunRequest.Builder request = CreateRunRequest.newBuilder();
        options.accept(request);
        CreateRunRequest made = request.setModelId(id()).setRunId(UUID.randomUUID().toString()).build();
        return new Run(connection, connection.call(RunServiceGrpc::newBlockingStub, s -> s.createRun(made)).getRun());
    }

    /** All runs, oldest first. */
    public Listing<Run> runs() {
        return new Listing<>((token, size) -> {
            var request = ListRunsRequest.newBuilder().setModelId(id()).setPageToken(token).setPageSize(size).build();
            var page = connection.call(RunServiceGrpc::newBlockingStub, s -> s.listRuns(request));
            return Listing.page(page.getRunsList(), r -> new Run(connection, r), page.getNextPageToken());
        });
    }

    /** A log of metric points, to be closed when all are logged. */
    public MetricLog metrics() {
        return new MetricLog(connection, id());
    }

    /** All points of a name, in the order of logging. */
    public Listing<Point> points(String name) {
        return new Listing<>((token, size) -> {
            var request = ListMetricsRequest.newBuilder()
                    .setModelId(id())
                    .setName(name)
                    .setPageToken(token)
                    .setPageSize(size)
                    .build();
            var page = connection.call(MetricServiceGrpc::newBlockingStub, s -> s.listMetrics(request));
            return Listing.page(page.getMetricsList(), m -> new Point(m.getPoint()), page.getNextPageToken());
        });
    }

    /** What there is of each name and phase: how many points, the last one, the smallest and the largest value. */
    public Listing<SeriesSummary> series() {
        return new Listing<>((token, size) -> {
            var request = ListSeriesRequest.newBuilder().addModelIds(id()).setPageToken(token).setPageSize(size).build();
            var page = connection.call(MetricServiceGrpc::newBlockingStub, s -> s.listSeries(request));
            return Listing.page(page.getSeriesList(), s -> s, page.getNextPageToken());
        });
    }

    /** Adds to the live counter of steps, and returns it. */
    public long advance(long delta) {
        var request = AdvanceModelRequest.newBuilder()
                .setModelId(id())
                .setAdvanceId(UUID.randomUUID().toString())
                .setDelta(delta)
                .build();
        return connection.call(ModelServiceGrpc::newBlockingStub, s -> s.advanceModel(request)).getStep();
    }

    /** Adds and removes tags, and returns all of them. */
    public List<String> updateTags(List<String> added, List<String> removed) {
        var request = UpdateModelTagsRequest.newBuilder().setModelId(id()).addAllAdd(added).addAllRemove(removed).build();
        return List.copyOf(connection.call(ModelServiceGrpc::newBlockingStub, s -> s.updateModelTags(request)).getTagsList());
    }

    @Override
    public String toString() {
        return "Model(" + hash() + ")";
    }
}
