package io.github.xpstore;

import io.github.xpstore.v1.Artifact;
import io.github.xpstore.v1.ArtifactName;
import io.github.xpstore.v1.ArtifactServiceGrpc;
import io.github.xpstore.v1.CreateExperimentRequest;
import io.github.xpstore.v1.DeleteProjectRequest;
import io.github.xpstore.v1.ExperimentName;
import io.github.xpstore.v1.ExperimentServiceGrpc;
import io.github.xpstore.v1.GetArtifactVersionRequest;
import io.github.xpstore.v1.GetExperimentRequest;
import io.github.xpstore.v1.ListArtifactVersionsRequest;
import io.github.xpstore.v1.ListArtifactsRequest;
import io.github.xpstore.v1.ListExperimentsRequest;
import io.github.xpstore.v1.ProjectServiceGrpc;
import java.util.UUID;
import java.util.function.Consumer;

/** The directory of a campaign: experiments and artifacts. */
public final class Project {
    private final Connection connection;
    private final io.github.xpstore.v1.Project message;

    Project(Connection connection, io.github.xpstore.v1.Project message) {
        this.connection = connection;
        this.message = message;
    }

    /** The caller's own id. */
    public String id() {
        return message.getId();
    }

    /** Made by the server, unique for ever. */
    public String uid() {
        return message.getUid();
    }

    public String name() {
        return message.getName();
    }

    /** Everything that the server said of it. */
    public io.github.xpstore.v1.Project message() {
        return message;
    }

    /** Opens the experiment of this name, or creates it. */
    public Experiment experiment(String name) {
        return experiment(name, options -> {});
    }

    /** Opens the experiment of this name, or creates it with what {@code options} sets: description, tags. */
    public Experiment experiment(String name, Consumer<CreateExperimentRequest.Builder> options) {
        CreateExperimentRequest.Builder request = CreateExperimentRequest.newBuilder().setAllowExisting(true);
        options.accept(request);
        request.setProjectUid(uid()).setName(name).setExperimentId(UUID.randomUUID().toString());
        CreateExperimentRequest made = request.build();
        return new Experiment(
                connection,
                connection.call(ExperimentServiceGrpc::newBlockingStub, s -> s.createExperiment(made)).getExperiment());
    }

    /** Returns the experiment of this name; throws NotFound if there is none. */
    public Experiment findExperiment(String name) {
        ExperimentName key = ExperimentName.newBuilder().setProjectUid(uid()).setName(name).build();
        GetExperimentRequest request = GetExperimentRequest.newBuilder().setExperimentName(key).build();
        return new Experiment(
                connection, connection.call(ExperimentServiceGrpc::newBlockingStub, s -> s.getExperiment(request)).getExperiment());
    }

    /** All experiments, oldest first. */
    public Listing<Experiment> experiments() {
        return new Listing<>((token, size) -> {
            var request = ListExperimentsRequest.newBuilder().setProjectUid(uid()).setPageToken(token).setPageSize(size).build();
            var page = connection.call(ExperimentServiceGrpc::newBlockingStub, s -> s.listExperiments(request));
            return Listing.page(page.getExperimentsList(), e -> new Experiment(connection, e), page.getNextPageToken());
        });
    }

    /** The newest version of each artifact, the oldest artifact first. */
    public Listing<Version> artifacts() {
        return new Listing<>((token, size) -> {
            var request = ListArtifactsRequest.newBuilder().setProjectUid(uid()).setPageToken(token).setPageSize(size).build();
            var page = connection.call(ArtifactServiceGrpc::newBlockingStub, s -> s.listArtifacts(request));
            return Listing.page(page.getArtifactsList(), this::latest, page.getNextPageToken());
        });
    }

    private Version latest(Artifact artifact) {
        return new Version(connection, artifact.getLatest());
    }

    /** All versions of an artifact, oldest first. */
    public Listing<Version> versions(String name) {
        return new Listing<>((token, size) -> {
            var request = ListArtifactVersionsRequest.newBuilder()
                    .setProjectUid(uid())
                    .setName(name)
                    .setPageToken(token)
                    .setPageSize(size)
                    .build();
            var page = connection.call(ArtifactServiceGrpc::newBlockingStub, s -> s.listArtifactVersions(request));
            return Listing.page(page.getVersionsList(), v -> new Version(connection, v), page.getNextPageToken());
        });
    }

    /** The newest version of an artifact; throws NotFound if there is none. */
    public Version artifact(String name) {
        return version(ArtifactName.newBuilder().setName(name));
    }

    /** The version of an artifact that has this number. */
    public Version artifact(String name, long version) {
        return version(ArtifactName.newBuilder().setName(name).setVersion(version));
    }

    /** The version of an artifact that this alias points to. */
    public Version artifact(String name, String alias) {
        return version(ArtifactName.newBuilder().setName(name).setAlias(alias));
    }

    private Version version(ArtifactName.Builder name) {
        var request = GetArtifactVersionRequest.newBuilder().setArtifactName(name.setProjectId(id())).build();
        return new Version(
                connection, connection.call(ArtifactServiceGrpc::newBlockingStub, s -> s.getArtifactVersion(request)).getVersion());
    }

    /** Begins an upload of one file as a version of the artifact of this name. */
    public Upload upload(String name) {
        return new Upload(connection, uid(), name);
    }

    /** Deletes the project with everything in it; the server can bring it back for a while. */
    public void delete() {
        var request = DeleteProjectRequest.newBuilder().setProjectUid(uid()).build();
        connection.call(ProjectServiceGrpc::newBlockingStub, s -> s.deleteProject(request));
    }

    @Override
    public String toString() {
        return "Project(" + id() + ")";
    }
}
