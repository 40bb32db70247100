package io.github.xpstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class AddressTest {
    @ParameterizedTest
    @CsvSource({
        "localhost:7001, localhost, 7001, false",
        "127.0.0.1, 127.0.0.1, 50051, false",
        "[::1]:7001, ::1, 7001, false",
        "xp.example.org:7001, xp.example.org, 7001, true",
        "https://xp.example.org/, xp.example.org, 443, true",
        "grpcs://my_server:7001, my_server, 7001, true",
        "http://localhost:7001, localhost, 7001, false",
        "https://localhost:7001, localhost, 7001, true",
    })
    void isReadAsPeopleWriteIt(String text, String host, int port, boolean isTls) {
        assertEquals(new Address(host, port, isTls), Address.parse(text));
    }

    @Test
    void ofASocketIsItsPath() {
        Address address = Address.parse("unix:/tmp/a #1/x.sock");
        assertEquals("/tmp/a #1/x.sock", address.host());
        assertEquals(true, address.isSocket());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "http://xp.example.org", "grpc://10.0.0.1:1", "me@host:1", "host:1/path", "host:0", "host:65536", "ftp://host"})
    void isRefusedWithItsValueAndACure(String text) {
        var error = assertThrows(XpstoreException.InvalidArgument.class, () -> Address.parse(text));
        assertEquals("address", error.metadata().get("field"));
        assertEquals(text, error.metadata().get("value"));
    }
}
