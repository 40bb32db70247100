package io.github.xpstore;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.github.xpstore.v1.ArtifactServiceGrpc;
import io.github.xpstore.v1.UploadFileHeader;
import io.github.xpstore.v1.UploadFileRequest;
import io.github.xpstore.v1.UploadFileResponse;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.io.IOException;

/** One stream of an upload: from an offset to the end, or until something breaks. */
final class UploadStream implements ClientResponseObserver<UploadFileRequest, UploadFileResponse> {
    /** After so long without data a sign of life is sent: proxies end a stream after a minute of silence. */
    private static final long LIFE_MS = 15_000;

    /** How long the line may take nothing at all; keepalive notices a dead one. */
    private static final long STALL_MS = 300_000;

    /** How long the answer may take beside reading the file once more: what is in buffers goes over a thin line first. */
    private static final long ANSWER_MS = 300_000;

    private static final long READ_BYTES_PER_MS = 100_000;

    private final Connection connection;
    private final UploadFileHeader header;
    private final MessageSize size = new MessageSize();
    private ClientCallStreamObserver<UploadFileRequest> call;
    private UploadFileResponse answer;
    private Throwable failure;
    private boolean isEnded;

    UploadStream(Connection connection, UploadFileHeader header) {
        this.connection = connection;
        this.header = header;
    }

    /** Sends everything from the header's offset on, and returns the answer, which may come early. */
    UploadFileResponse send(Source source) throws IOException {
        ArtifactServiceGrpc.newStub(connection.channel).uploadFile(this);
        try (ReadAhead blocks = new ReadAhead(source, header.getOffset())) {
            call.onNext(UploadFileRequest.newBuilder().setHeader(header).build());
            long sent = header.getOffset();
            while (!isEnded()) {
                ByteString block = blocks.next(LIFE_MS);
                if (block == ReadAhead.END) {
                    call.onNext(UploadFileRequest.newBuilder().setFinish(true).build());
                    call.onCompleted();
                    await(() -> isEnded, ANSWER_MS + sent / READ_BYTES_PER_MS);
                } else if (block == ReadAhead.NOTHING_YET) {
                    push(UploadFileRequest.getDefaultInstance());
                } else {
                    sendBlock(block);
                    sent += block.size();
                }
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw Errors.of(Status.CANCELLED.withCause(interrupted).asRuntimeException(), connection.address);
        } finally {
            call.cancel("the upload is over", null);
        }
        synchronized (this) {
            if (answer == null) {
                throw Errors.of(failure, connection.address);
            }
            return answer;
        }
    }

    private void sendBlock(ByteString block) throws InterruptedException {
        for (int start = 0; start < block.size() && !isEnded(); ) {
            int end = Math.min(start + size.bytes(), block.size());
            long began = System.nanoTime();
            push(UploadFileRequest.newBuilder().setData(block.substring(start, end)).build());
            size.sent(end - start, System.nanoTime() - began);
            start = end;
        }
    }

    /** Sends a message, and waits until the line took it. */
    private void push(UploadFileRequest message) throws InterruptedException {
        call.onNext(message);
        await(() -> isEnded || call.isReady(), STALL_MS);
    }

    private synchronized void await(Condition isTrue, long mostMs) throws InterruptedException {
        long end = System.nanoTime() + mostMs * 1_000_000;
        while (!isTrue.holds()) {
            long leftMs = (end - System.nanoTime()) / 1_000_000;
            if (leftMs <= 0) {
                end(null, Status.UNAVAILABLE.withDescription("nothing moves on the line").asRuntimeException());
                return;
            }
            wait(leftMs);
        }
    }

    private interface Condition {
        boolean holds();
    }

    private synchronized boolean isEnded() {
        return isEnded;
    }

    private synchronized void end(UploadFileResponse response, Throwable thrown) {
        if (response != null) {
            answer = response;
        } else {
            isEnded = true;
            failure = thrown;
        }
        notifyAll();
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<UploadFileRequest> stream) {
        call = stream;
        stream.setOnReadyHandler(() -> {
            synchronized (this) {
                notifyAll();
            }
        });
    }

    @Override
    public void onNext(UploadFileResponse response) {
        end(response, null);
    }

    @Override
    public void onError(Throwable thrown) {
        end(null, thrown);
    }

    @Override
    public void onCompleted() {
        end(null, Status.INTERNAL.withDescription("the answer is missing").asRuntimeException());
    }

    /** As bytes that nobody changes any more. */
    static ByteString wrap(byte[] bytes, int length) {
        return UnsafeByteOperations.unsafeWrap(bytes, 0, length);
    }
}
