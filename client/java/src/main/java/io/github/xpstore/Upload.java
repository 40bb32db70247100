package io.github.xpstore;

import com.google.protobuf.ByteString;
import io.github.xpstore.v1.ArtifactDraft;
import io.github.xpstore.v1.ArtifactLink;
import io.github.xpstore.v1.ArtifactServiceGrpc;
import io.github.xpstore.v1.ArtifactVersion;
import io.github.xpstore.v1.GetUploadRequest;
import io.github.xpstore.v1.GetUploadResponse;
import io.github.xpstore.v1.UploadFileHeader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.function.Consumer;

/**
 * One file on its way to become a version of an artifact.
 *
 * <pre>{@code
 * Version version = project.upload("weights").type("trained_model").aliases("best").send(Path.of("model.safetensors"));
 * }</pre>
 *
 * <p>It goes on where it was when its connection breaks or the server restarts, and gives up after the time-out of calls without
 * progress. The file is read twice: its BLAKE3 goes ahead, so that the server publishes no other bytes.
 */
public final class Upload {
    private final Connection connection;
    private final UploadFileHeader.Builder header = UploadFileHeader.newBuilder();
    private final ArtifactDraft.Builder draft = ArtifactDraft.newBuilder().setType("artifact");
    private boolean isResumed;

    Upload(Connection connection, String projectUid, String name) {
        this.connection = connection;
        header.setProjectUid(projectUid).setUploadId(UUID.randomUUID().toString());
        draft.setName(name);
    }

    /** Kind of thing: lower-case letters, digits and "_"; default "artifact". */
    public Upload type(String type) {
        draft.setType(type);
        return this;
    }

    /** Path of the file inside the artifact; default the name of the file, or "data". */
    public Upload path(String path) {
        header.setPath(path);
        return this;
    }

    public Upload description(String description) {
        draft.setDescription(description);
        return this;
    }

    /** A JSON object as text. */
    public Upload metadataJson(String json) {
        draft.setMetadataJson(json);
        return this;
    }

    /** Aliases to point to the version. */
    public Upload aliases(String... aliases) {
        draft.addAllAliases(List.of(aliases));
        return this;
    }

    /** Says that it belongs to a model. */
    public Upload link(Model model) {
        draft.addLinks(ArtifactLink.newBuilder().setModelId(model.id()));
        return this;
    }

    /** Says which versions it was made from. */
    public Upload used(Version... versions) {
        for (Version version : versions) {
            draft.addUsedVersionIds(version.id());
        }
        return this;
    }

    /** Makes a new version even if the newest has this content. */
    public Upload force() {
        draft.setForce(true);
        return this;
    }

    /** Goes on with an upload that another process began with the same options and bytes; default a new one. */
    public Upload id(UUID uploadId) {
        header.setUploadId(uploadId.toString());
        isResumed = true;
        return this;
    }

    /** The BLAKE3 that the bytes have, 32 bytes, where it is known: they are then read once. */
    public Upload blake3(byte[] digest) {
        header.setBlake3(ByteString.copyFrom(digest));
        return this;
    }

    /** Anything else that a version can be told, by the contract's message. */
    public Upload draft(Consumer<ArtifactDraft.Builder> options) {
        options.accept(draft);
        return this;
    }

    /** Uploads a file. */
    public Version send(Path file) throws IOException {
        if (header.getPath().isEmpty()) {
            path(Objects.toString(file.getFileName(), ""));
        }
        return send(Source.of(file));
    }

    /** Uploads bytes. */
    public Version send(byte[] bytes) {
        try {
            return send(Source.of(bytes));
        } catch (IOException impossible) {
            throw new AssertionError(impossible);
        }
    }

    /** Uploads what a source has. */
    public Version send(Source source) throws IOException {
        if (header.getPath().isEmpty()) {
            path("data");
        }
        if (header.getBlake3().isEmpty()) {
            Digest digest = Digest.of(source);
            header.setBlake3(digest.value()).setSizeBytes(digest.sizeBytes());
        }
        header.setDraft(draft);
        Attempts attempts = connection.attempts();
        long durable = 0;
        header.setOffset(0);
        if (isResumed) {
            durable = ask().getOffset(); // one that is finished is answered to the header, if that is the same
        }
        while (true) {
            try {
                UploadStream stream = new UploadStream(connection, header.setOffset(durable).build());
                return made(stream.send(source).getVersion());
            } catch (XpstoreException error) {
                goOn(attempts, error);
            }
            GetUploadResponse upload = ask();
            if (upload.hasVersion()) {
                return made(upload.getVersion());
            }
            if (upload.getOffset() > durable) {
                attempts.renew();
            }
            durable = upload.getOffset();
        }
    }

    private static void goOn(Attempts attempts, XpstoreException error) {
        if (error instanceof XpstoreException.Stale) {
            attempts.again(error); // another stream was ahead, or the server lost what was not durable
        } else {
            attempts.next(error);
        }
    }

    /** How far the server got. */
    private GetUploadResponse ask() {
        GetUploadRequest request = GetUploadRequest.newBuilder().setUploadId(header.getUploadId()).build();
        try {
            return connection.call(ArtifactServiceGrpc::newBlockingStub, s -> s.getUpload(request));
        } catch (XpstoreException.NotFound headerDidNotArrive) {
            return GetUploadResponse.getDefaultInstance();
        }
    }

    private Version made(ArtifactVersion version) {
        return new Version(connection, version, version.getId().equals(header.getUploadId()));
    }
}
