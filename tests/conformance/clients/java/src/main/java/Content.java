import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.github.xpstore.Source;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.apache.commons.codec.digest.Blake3;

/** Content of the conformance suite: parts of BLAKE3's extendable output of seeds. */
final class Content {
    private Content() {}

    static byte[] make(JsonArray parts) {
        int total = 0;
        for (JsonElement part : parts) {
            total += part.getAsJsonObject().get("size_bytes").getAsInt();
        }
        byte[] content = new byte[total];
        int start = 0;
        for (JsonElement part : parts) {
            JsonObject said = part.getAsJsonObject();
            int size = said.get("size_bytes").getAsInt();
            String seed = said.get("seed").getAsString();
            if (!seed.equals("zeros")) {
                Blake3.initHash().update(seed.getBytes(StandardCharsets.UTF_8)).doFinalize(content, start, size);
            }
            start += size;
        }
        return content;
    }

    static byte[] digest(InputStream stream) throws IOException {
        return Blake3.hash(stream.readAllBytes());
    }

    /** The same bytes, of which those after {@code after} take their time. */
    static Source paused(Source source, long after, double seconds) {
        return offset -> new FilterInputStream(source.open(offset)) {
            private long position = offset;
            private boolean isPaused = offset >= after;

            @Override
            public int read(byte[] target, int start, int length) throws IOException {
                if (position == after && !isPaused) {
                    isPaused = true;
                    try {
                        Thread.sleep((long) (seconds * 1000));
                    } catch (InterruptedException closed) {
                        throw new IOException(closed);
                    }
                }
                int most = isPaused ? length : (int) Math.min(length, after - position);
                int count = super.read(target, start, most);
                position += Math.max(count, 0);
                return count;
            }
        };
    }
}
