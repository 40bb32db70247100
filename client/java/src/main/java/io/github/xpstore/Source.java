package io.github.xpstore;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/** Bytes that can be read again from any place, as an upload does that goes on after a break. */
@FunctionalInterface
public interface Source {
    /** Opens the bytes from {@code offset} on. */
    InputStream open(long offset) throws IOException;

    /** The bytes of a file. */
    static Source of(Path file) {
        return offset -> {
            FileChannel channel = FileChannel.open(file);
            channel.position(offset);
            return Channels.newInputStream(channel);
        };
    }

    /** These bytes. */
    static Source of(byte[] bytes) {
        return offset -> {
            int start = Math.toIntExact(Math.min(offset, bytes.length));
            return new ByteArrayInputStream(bytes, start, bytes.length - start);
        };
    }
}
