package io.github.xpstore;

import io.github.xpstore.v1.ArtifactServiceGrpc;
import io.github.xpstore.v1.CreateProjectRequest;
import io.github.xpstore.v1.GetArtifactVersionRequest;
import io.github.xpstore.v1.GetModelRequest;
import io.github.xpstore.v1.GetProjectRequest;
import io.github.xpstore.v1.Limits;
import io.github.xpstore.v1.ListProjectsRequest;
import io.github.xpstore.v1.ModelServiceGrpc;
import io.github.xpstore.v1.ProjectServiceGrpc;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.stub.AbstractBlockingStub;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A connection to a server. All handles that come from it share it; it may be used by many threads.
 *
 * <pre>{@code
 * try (Client client = Client.connect("localhost:50051", key)) {
 *     Project project = client.project("mnist");
 * }
 * }</pre>
 *
 * <p>Calls are repeated while the server is away, for as long as a call may take. All errors are {@link XpstoreException}s.
 */
public final class Client implements AutoCloseable {
    private final Connection connection;

    private Client(Connection connection) {
        this.connection = connection;
    }

    /**
     * Connects, and proves address, key and contract by one call.
     *
     * @param address {@code host:port}, {@code http(s)://...}, {@code grpc(s)://...} or {@code unix:path}; without a scheme, all
     *     but loopback is spoken to with TLS
     */
    public static Client connect(String address, String apiKey) {
        return builder().address(address).apiKey(apiKey).connect();
    }

    /** Connects to the server of XPSTORE_API_URL with XPSTORE_API_KEY and, if it is set, the authority XPSTORE_TLS_CA. */
    public static Client connect() {
        return builder().connect();
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Opens the project that has this id, or creates it. */
    public Project project(String id) {
        return project(id, options -> {});
    }

    /** Opens the project that has this id, or creates it with what {@code options} sets: name, description, tags. */
    public Project project(String id, Consumer<CreateProjectRequest.Builder> options) {
        CreateProjectRequest.Builder request = CreateProjectRequest.newBuilder().setName(id).setAllowExisting(true);
        options.accept(request);
        request.setProjectId(id).setCreationId(UUID.randomUUID().toString());
        CreateProjectRequest made = request.build();
        return new Project(connection, connection.call(ProjectServiceGrpc::newBlockingStub, s -> s.createProject(made)).getProject());
    }

    /** Returns the project that has this id; throws NotFound if there is none. */
    public Project findProject(String id) {
        GetProjectRequest request = GetProjectRequest.newBuilder().setProjectId(id).build();
        return new Project(connection, connection.call(ProjectServiceGrpc::newBlockingStub, s -> s.getProject(request)).getProject());
    }

    /** All projects that the key may see, oldest first. */
    public Listing<Project> projects() {
        return new Listing<>((token, size) -> {
            var request = ListProjectsRequest.newBuilder().setPageToken(token).setPageSize(size).build();
            var page = connection.call(ProjectServiceGrpc::newBlockingStub, s -> s.listProjects(request));
            return Listing.page(page.getProjectsList(), p -> new Project(connection, p), page.getNextPageToken());
        });
    }

    /** Returns a model by its id. */
    public Model model(String modelId) {
        GetModelRequest request = GetModelRequest.newBuilder().setModelId(modelId).build();
        return new Model(connection, connection.call(ModelServiceGrpc::newBlockingStub, s -> s.getModel(request)).getModel(), false);
    }

    /** Returns an artifact version by its id. */
    public Version version(String versionId) {
        GetArtifactVersionRequest request = GetArtifactVersionRequest.newBuilder().setVersionId(versionId).build();
        return new Version(connection, connection.call(ArtifactServiceGrpc::newBlockingStub, s -> s.getArtifactVersion(request)).getVersion());
    }

    /** What this server accepts; asked for again after a minute, or when the server was away. */
    public Limits limits() {
        return connection.limits();
    }

    /**
     * Makes any call of the contract, with the retries and errors of this client.
     *
     * <pre>{@code client.call(RunServiceGrpc::newBlockingStub, stub -> stub.getRun(request))}</pre>
     */
    public <S extends AbstractBlockingStub<S>, T> T call(Function<? super Channel, S> service, Function<S, T> method) {
        return connection.call(service, method);
    }

    /** Ends the connection. Metric logs have to be closed before it. */
    @Override
    public void close() {
        connection.close();
    }

    /** How to connect; what is not said comes from XPSTORE_API_URL, XPSTORE_API_KEY and XPSTORE_TLS_CA. */
    public static final class Builder {
        private String address = System.getenv("XPSTORE_API_URL");
        private String apiKey = System.getenv("XPSTORE_API_KEY");
        private Path authority = path(System.getenv("XPSTORE_TLS_CA"));
        private Duration timeout = Duration.ofSeconds(30);

        private Builder() {}

        public Builder address(String address) {
            this.address = Objects.requireNonNull(address);
            return this;
        }

        public Builder apiKey(String apiKey) {
            this.apiKey = Objects.requireNonNull(apiKey);
            return this;
        }

        /** PEM file of the authority that signs the server's certificate; default those of Java. */
        public Builder authority(Path file) {
            authority = Objects.requireNonNull(file);
            return this;
        }

        /** How long a call may take in all, repetitions while the server is away included; default 30 s. */
        public Builder timeout(Duration timeout) {
            this.timeout = Objects.requireNonNull(timeout);
            return this;
        }

        /** Connects, and proves address, key and contract by one call. */
        public Client connect() {
            if (address == null || apiKey == null || apiKey.isEmpty()) {
                String name = address == null ? "address" : "apiKey";
                throw XpstoreException.InvalidArgument.of(name, "", "say it, or set XPSTORE_API_URL and XPSTORE_API_KEY");
            }
            ManagedChannel channel = Channels.open(Address.parse(address), apiKey, authority);
            Connection connection = new Connection(channel, address, timeout);
            try {
                connection.limits();
            } catch (RuntimeException failure) {
                connection.close();
                throw failure;
            }
            return new Client(connection);
        }

        private static Path path(String text) {
            return text == null || text.isEmpty() ? null : Path.of(text);
        }
    }
}
