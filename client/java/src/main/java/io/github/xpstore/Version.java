package io.github.xpstore;

import io.github.xpstore.v1.ArtifactServiceGrpc;
import io.github.xpstore.v1.ArtifactVersion;
import io.github.xpstore.v1.DeleteArtifactVersionRequest;
import io.github.xpstore.v1.FileType;
import io.github.xpstore.v1.ListArtifactFilesRequest;
import io.github.xpstore.v1.SetArtifactAliasRequest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;

/** One version of an artifact: an immutable tree of files. */
public final class Version {
    private final Connection connection;
    private final ArtifactVersion message;
    private final boolean isCreated;

    Version(Connection connection, ArtifactVersion message) {
        this(connection, message, false);
    }

    Version(Connection connection, ArtifactVersion message, boolean isCreated) {
        this.connection = connection;
        this.message = message;
        this.isCreated = isCreated;
    }

    /**
     * A file or an empty directory of a version.
     *
     * @param digest BLAKE3 in hexadecimal; empty for a directory
     */
    public record Entry(String path, boolean isDirectory, boolean isExecutable, long sizeBytes, String digest) {}

    public String id() {
        return message.getId();
    }

    /** Name of the artifact. */
    public String name() {
        return message.getName();
    }

    public String type() {
        return message.getType();
    }

    /** 1, 2, 3, ... in the artifact. */
    public long number() {
        return message.getVersion();
    }

    /** Tree digest in hexadecimal: the identity of the content. */
    public String digest() {
        return HexFormat.of().formatHex(message.getDigest().toByteArray());
    }

    public long sizeBytes() {
        return message.getSizeBytes();
    }

    /** JSON object as text. */
    public String metadataJson() {
        return message.getMetadataJson();
    }

    public List<String> aliases() {
        return List.copyOf(message.getAliasesList());
    }

    /** Whether the upload that gave this handle made the version, as opposed to finding one with this content. */
    public boolean isCreated() {
        return isCreated;
    }

    /** Everything that the server said of it. */
    public ArtifactVersion message() {
        return message;
    }

    /** Files and empty directories, in the order of their paths' UTF-8 bytes. */
    public Listing<Entry> files() {
        return new Listing<>((token, size) -> {
            var request =
                    ListArtifactFilesRequest.newBuilder().setVersionId(id()).setPageToken(token).setPageSize(size).build();
            var page = connection.call(ArtifactServiceGrpc::newBlockingStub, s -> s.listArtifactFiles(request));
            return Listing.page(
                    page.getFilesList(),
                    f -> new Entry(
                            f.getPath(),
                            f.getType() == FileType.FILE_TYPE_DIRECTORY,
                            f.getExecutable(),
                            f.getSizeBytes(),
                            HexFormat.of().formatHex(f.getDigest().toByteArray())),
                    page.getNextPageToken());
        });
    }

    /**
     * Opens a file. Reading goes on after a break, and throws DataLoss at the end where the bytes do not match their digest: do not
     * rely on them before.
     *
     * @param path may be empty where the version has one file
     */
    public InputStream open(String path) {
        return new FileStream(connection, id(), path, 0, -1);
    }

    /** Opens a range of a file, which has no digest of its own and is not verified. A range past the end is cut there. */
    public InputStream open(String path, long offset, long length) {
        return new FileStream(connection, id(), path, offset, length);
    }

    /** Reads a file into memory, verified. */
    public byte[] read(String path) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (InputStream stream = open(path)) {
            stream.transferTo(bytes);
        }
        return bytes.toByteArray();
    }

    /** Brings a file to {@code target}, verified; until then nothing is there, or what was there before. */
    public void download(String path, Path target) throws IOException {
        Path partial = target.resolveSibling(".xpstore-" + UUID.randomUUID() + ".partial");
        try {
            try (InputStream stream = open(path);
                    OutputStream file = Files.newOutputStream(partial)) {
                stream.transferTo(file);
            }
            move(partial, target);
        } finally {
            Files.deleteIfExists(partial);
        }
    }

    private static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (AtomicMoveNotSupportedException unusual) {
            Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Brings all files and empty directories into a folder, which is made if it is not there. Each file is verified. */
    public void downloadAll(Path folder) throws IOException {
        Files.createDirectories(folder);
        for (Entry entry : files()) {
            Path target = inside(folder, entry.path());
            if (entry.isDirectory()) {
                Files.createDirectories(target);
                continue;
            }
            Files.createDirectories(target.getParent());
            download(entry.path(), target);
            if (entry.isExecutable() && !target.toFile().setExecutable(true, false)) {
                throw new IOException(target + " cannot be made executable");
            }
        }
    }

    /** The place of a path in a folder; refused where a server that lies would have it elsewhere. */
    static Path inside(Path folder, String path) {
        for (String part : path.split("/", -1)) {
            if (part.isEmpty() || part.equals(".") || part.equals("..") || part.contains("\\") || part.matches("[A-Za-z]:.*")) {
                throw XpstoreException.DataLoss.of("The server names a file \"" + path + "\", which is no path inside an artifact.");
            }
        }
        return folder.resolve(path);
    }

    /** Points an alias to this version, wherever it pointed before. */
    public Version setAlias(String alias) {
        var request = SetArtifactAliasRequest.newBuilder().setVersionId(id()).setAlias(alias).build();
        return new Version(
                connection, connection.call(ArtifactServiceGrpc::newBlockingStub, s -> s.setArtifactAlias(request)).getVersion());
    }

    /** Deletes the version; the server can bring it back for a while. */
    public void delete() {
        var request = DeleteArtifactVersionRequest.newBuilder().setVersionId(id()).build();
        connection.call(ArtifactServiceGrpc::newBlockingStub, s -> s.deleteArtifactVersion(request));
    }

    @Override
    public String toString() {
        return "Version(" + name() + ", " + number() + ")";
    }
}
