package io.github.xpstore;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DigestTest {
    @Test
    void isThatOfTheVectors() throws IOException {
        JsonObject vectors = JsonParser.parseString(Files.readString(Path.of("../../docs/protocol-vectors.json"))).getAsJsonObject();
        int seen = 0;
        for (JsonElement chunk : vectors.getAsJsonArray("chunks")) {
            byte[] raw = HexFormat.of().parseHex(chunk.getAsJsonObject().get("raw_hex").getAsString());
            Digest digest = Digest.of(Source.of(raw));
            String hex = HexFormat.of().formatHex(digest.value().toByteArray());
            assertEquals(chunk.getAsJsonObject().get("blake3").getAsString(), hex);
            assertEquals(raw.length, digest.sizeBytes());
            seen++;
        }
        assertTrue(seen >= 2);
    }

    @Test
    void ofNothing() throws IOException {
        String hex = HexFormat.of().formatHex(Digest.of(Source.of(new byte[0])).value().toByteArray());
        assertEquals("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262", hex);
    }

    @Test
    void sourcesOpenAtAnyOffset(@TempDir Path folder) throws IOException {
        byte[] bytes = {1, 2, 3, 4, 5};
        Path file = Files.write(folder.resolve("a"), bytes);
        for (Source source : new Source[] {Source.of(bytes), Source.of(file)}) {
            assertArrayEquals(new byte[] {4, 5}, source.open(3).readAllBytes());
            assertEquals(0, source.open(5).readAllBytes().length);
        }
    }
}
