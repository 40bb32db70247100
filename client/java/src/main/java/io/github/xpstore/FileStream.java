package io.github.xpstore;

import com.google.protobuf.ByteString;
import io.github.xpstore.v1.ArtifactServiceGrpc;
import io.github.xpstore.v1.ReadFileHeader;
import io.github.xpstore.v1.ReadFileRequest;
import io.github.xpstore.v1.ReadFileResponse;
import io.grpc.Context;
import io.grpc.Context.CancellableContext;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Iterator;
import java.util.Objects;

/** A file of a version as a stream, which goes on after breaks; the whole file is verified at its end. */
final class FileStream extends InputStream {
    private final Connection connection;
    private final Attempts attempts;
    private final ReadFileRequest.Builder request = ReadFileRequest.newBuilder();
    private final Digest digest = new Digest();
    private final boolean isWhole;
    private ReadFileHeader header;
    private CancellableContext context;
    private Iterator<ReadFileResponse> answers;
    private byte[] block = {};
    private int position;
    private long offset;
    private long end = -1;
    private boolean isVerified;

    /**
     * @param length -1: to the end
     */
    FileStream(Connection connection, String versionId, String path, long offset, long length) {
        this.connection = connection;
        this.offset = offset;
        attempts = connection.attempts();
        isWhole = offset == 0 && length < 0;
        request.setVersionId(versionId).setPath(path);
        if (length >= 0) {
            request.setLength(length);
        }
    }

    @Override
    public int read() {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] target, int start, int length) {
        Objects.checkFromIndexSize(start, length, target.length);
        if (length == 0) {
            return 0;
        }
        if (!fill()) {
            return -1;
        }
        int count = Math.min(length, block.length - position);
        System.arraycopy(block, position, target, start, count);
        position += count;
        return count;
    }

    @Override
    public long transferTo(OutputStream target) throws IOException {
        long total = 0;
        while (fill()) {
            target.write(block, position, block.length - position);
            total += block.length - position;
            position = block.length;
        }
        return total;
    }

    /** Sees to it that there are bytes; false at the end, which is right. */
    private boolean fill() {
        if (position == block.length) {
            attempts.renew(); // however long the reader was busy
        }
        while (position == block.length) {
            if (end >= 0 && offset == end) {
                verify();
                return false;
            }
            attempt();
        }
        return true;
    }

    /** Takes the next message; opens the stream where there is none. */
    private void attempt() {
        try {
            if (answers == null) {
                open();
            }
            if (!answers.hasNext()) {
                throw XpstoreException.DataLoss.of("The file ends at byte " + offset + ", before its end.");
            }
            take(answers.next());
            attempts.renew();
        } catch (StatusRuntimeException failure) {
            abandon();
            XpstoreException error = Errors.of(failure, connection.address);
            if (Thread.currentThread().isInterrupted()) {
                throw error;
            }
            attempts.next(error);
        }
    }

    private void open() {
        ReadFileRequest next = request.setOffset(offset).build();
        context = Context.current().withCancellation();
        Context before = context.attach();
        try {
            answers = ArtifactServiceGrpc.newBlockingStub(connection.channel).readFile(next);
        } finally {
            context.detach(before);
        }
    }

    private void take(ReadFileResponse answer) {
        if (answer.hasHeader()) {
            ReadFileHeader said = answer.getHeader();
            if (header == null) {
                header = said;
                end = offset + said.getLength();
                if (request.hasLength()) {
                    request.setLength(said.getLength());
                }
            } else if (!said.getDigest().equals(header.getDigest()) || said.getOffset() != offset) {
                throw XpstoreException.DataLoss.of("The server goes on with another file.");
            }
            return;
        }
        ByteString data = answer.getData();
        if (header == null || offset + data.size() > end) {
            throw XpstoreException.DataLoss.of("The server sends other bytes than it announced.");
        }
        block = data.toByteArray();
        position = 0;
        offset += block.length;
        if (request.hasLength()) {
            request.setLength(end - offset);
        }
        if (isWhole) {
            digest.update(block, 0, block.length);
        }
    }

    private void verify() {
        if (isWhole && !isVerified && !digest.value().equals(header.getDigest())) {
            throw XpstoreException.DataLoss.of("The bytes of \"" + header.getPath() + "\" do not match their digest.");
        }
        isVerified = true;
    }

    private void abandon() {
        if (context != null) {
            context.cancel(null);
        }
        context = null;
        answers = null;
    }

    @Override
    public void close() {
        abandon();
    }
}
