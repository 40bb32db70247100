package io.github.xpstore;

import com.google.protobuf.ByteString;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/** Reads a source in a thread of its own, so that who sends can tell a slow one from its end. */
final class ReadAhead implements AutoCloseable {
    static final ByteString END = ByteString.copyFromUtf8("end");
    static final ByteString NOTHING_YET = ByteString.copyFromUtf8("nothing yet");

    /** Blocks of 1 MiB that wait to be sent. */
    private static final int AHEAD = 2;

    private final BlockingQueue<ByteString> blocks = new ArrayBlockingQueue<>(AHEAD);
    private final Thread thread;
    private volatile Throwable failure;

    ReadAhead(Source source, long offset) {
        thread = new Thread(() -> read(source, offset), "xpstore-read");
        thread.setDaemon(true);
        thread.start();
    }

    private void read(Source source, long offset) {
        try (InputStream stream = source.open(offset)) {
            while (true) {
                byte[] block = new byte[MessageSize.MOST_BYTES];
                int size = stream.read(block);
                if (size < 0) {
                    break;
                }
                blocks.put(UploadStream.wrap(block, size));
            }
        } catch (InterruptedException closed) {
            return;
        } catch (IOException | RuntimeException | Error thrown) {
            failure = thrown;
        }
        try {
            blocks.put(END);
        } catch (InterruptedException closed) {
            Thread.currentThread().interrupt();
        }
    }

    /** The next bytes, END after the last, NOTHING_YET if there are none in this time. Throws what the source threw. */
    ByteString next(long waitMs) throws IOException, InterruptedException {
        ByteString block = blocks.poll(waitMs, TimeUnit.MILLISECONDS);
        if (block == END && failure != null) {
            if (failure instanceof IOException thrown) {
                throw thrown;
            }
            throw new IOException("the source of an upload failed", failure);
        }
        return block == null ? NOTHING_YET : block;
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
