package io.github.xpstore;

import io.github.xpstore.v1.CreateModelRequest;
import io.github.xpstore.v1.GetModelRequest;
import io.github.xpstore.v1.ListModelsRequest;
import io.github.xpstore.v1.ModelHash;
import io.github.xpstore.v1.ModelServiceGrpc;
import io.github.xpstore.v1.SearchModelsRequest;
import java.util.UUID;
import java.util.function.Consumer;

/** Models that are compared with each other. */
public final class Experiment {
    private final Connection connection;
    private final io.github.xpstore.v1.Experiment message;

    Experiment(Connection connection, io.github.xpstore.v1.Experiment message) {
        this.connection = connection;
        this.message = message;
    }

    public String id() {
        return message.getId();
    }

    public String name() {
        return message.getName();
    }

    /** Everything that the server said of it. */
    public io.github.xpstore.v1.Experiment message() {
        return message;
    }

    /** Opens the model of this hash, or creates it. */
    public Model model(String hash) {
        return model(hash, options -> {});
    }

    /** Opens the model of this hash, or creates it with what {@code options} sets: name, description, configJson, tags. */
    public Model model(String hash, Consumer<CreateModelRequest.Builder> options) {
        CreateModelRequest.Builder request = CreateModelRequest.newBuilder().setAllowExisting(true);
        options.accept(request);
        request.setExperimentId(id()).setHash(hash).setModelId(UUID.randomUUID().toString());
        CreateModelRequest made = request.build();
        var answer = connection.call(ModelServiceGrpc::newBlockingStub, s -> s.createModel(made));
        return new Model(connection, answer.getModel(), answer.getCreated());
    }

    /** Returns the model of this hash; throws NotFound if there is none. */
    public Model findModel(String hash) {
        ModelHash key = ModelHash.newBuilder().setExperimentId(id()).setHash(hash).build();
        GetModelRequest request = GetModelRequest.newBuilder().setModelHash(key).build();
        return found(connection.call(ModelServiceGrpc::newBlockingStub, s -> s.getModel(request)).getModel());
    }

    /** All models, oldest first. */
    public Listing<Model> models() {
        return new Listing<>((token, size) -> {
            var request = ListModelsRequest.newBuilder().setExperimentId(id()).setPageToken(token).setPageSize(size).build();
            var page = connection.call(ModelServiceGrpc::newBlockingStub, s -> s.listModels(request));
            return Listing.page(page.getModelsList(), this::found, page.getNextPageToken());
        });
    }

    /**
     * Models that a filter holds for, in an order.
     *
     * @param filter such as {@code metrics.accuracy.max > 0.9 and not tags = "old"}; empty: all
     * @param orderBy such as {@code metrics.loss.min, step desc}; empty: oldest first
     */
    public Listing<Model> search(String filter, String orderBy) {
        return new Listing<>((token, size) -> {
            var request = SearchModelsRequest.newBuilder()
                    .setExperimentId(id())
                    .setFilter(filter)
                    .setOrderBy(orderBy)
                    .setPageToken(token)
                    .setPageSize(size)
                    .build();
            var page = connection.call(ModelServiceGrpc::newBlockingStub, s -> s.searchModels(request));
            return Listing.page(page.getModelsList(), this::found, page.getNextPageToken());
        });
    }

    private Model found(io.github.xpstore.v1.Model model) {
        return new Model(connection, model, false);
    }

    @Override
    public String toString() {
        return "Experiment(" + name() + ")";
    }
}
