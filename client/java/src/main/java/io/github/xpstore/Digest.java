package io.github.xpstore;

import com.google.protobuf.ByteString;
import java.io.IOException;
import java.io.InputStream;
import org.apache.commons.codec.digest.Blake3;

/** BLAKE3 with 32 bytes of output, of what has gone through, and how much that was. */
final class Digest {
    private final Blake3 hasher = Blake3.initHash();
    private long sizeBytes;

    static Digest of(Source source) throws IOException {
        Digest digest = new Digest();
        byte[] buffer = new byte[1 << 20];
        try (InputStream stream = source.open(0)) {
            for (int size = stream.read(buffer); size >= 0; size = stream.read(buffer)) {
                digest.update(buffer, 0, size);
            }
        }
        return digest;
    }

    void update(byte[] bytes, int offset, int length) {
        hasher.update(bytes, offset, length);
        sizeBytes += length;
    }

    long sizeBytes() {
        return sizeBytes;
    }

    ByteString value() {
        return ByteString.copyFrom(hasher.doFinalize(32));
    }
}
