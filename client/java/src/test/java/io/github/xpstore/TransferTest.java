package io.github.xpstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class TransferTest {
    private static final long QUICK = 1_000_000;
    private static final long SLOW = 600_000_000;

    private static void send(MessageSize size, int total, long nanos) {
        for (int sent = 0; sent < total; sent += size.bytes()) {
            size.sent(size.bytes(), nanos);
        }
    }

    @Test
    void messagesGrowWhereTheyGetThrough() {
        MessageSize size = new MessageSize();
        assertEquals(64 << 10, size.bytes());
        send(size, (4 << 20) - 1, QUICK);
        assertEquals(128 << 10, size.bytes());
        send(size, 100 << 20, QUICK);
        assertEquals(1 << 20, size.bytes());
    }

    @Test
    void messagesStaySmallWhereTheyTakeLong() {
        MessageSize size = new MessageSize();
        send(size, 20 << 20, QUICK);
        size.sent(size.bytes(), SLOW);
        assertEquals(64 << 10, size.bytes());
        send(size, 10 << 20, SLOW);
        assertEquals(64 << 10, size.bytes());
    }

    @Test
    void aListingReadsToTheEmptyTokenWhateverPagesHave() {
        var pages = List.of(List.of(1, 2), List.<Integer>of(), List.of(3));
        Listing<Integer> listing = new Listing<>((token, size) -> {
            int page = token.isEmpty() ? 0 : Integer.parseInt(token);
            return new Listing.Page<>(pages.get(page), page < 2 ? "" + (page + 1) : "");
        });
        assertEquals(List.of(1, 2, 3), listing.toList());
        assertEquals(6, listing.stream().mapToInt(i -> i).sum());
    }

    @ParameterizedTest
    @ValueSource(strings = {"../a", "a/../b", "/a", "a//b", "", "a/", ".", "a\\b", "C:/a", "x/C:"})
    void pathsThatLeaveTheFolderAreRefused(String path) {
        assertThrows(XpstoreException.DataLoss.class, () -> Version.inside(Path.of("folder"), path));
    }

    @Test
    void otherPathsAreBelowTheFolder() {
        assertEquals(Path.of("folder/a/..b/c.d"), Version.inside(Path.of("folder"), "a/..b/c.d"));
    }
}
