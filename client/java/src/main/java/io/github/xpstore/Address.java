package io.github.xpstore;

import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a server is: {@code host:port}, {@code http(s)://...}, {@code grpc(s)://...} or {@code unix:path}. Without a scheme,
 * loopback is spoken to in plaintext and everything else with TLS.
 *
 * @param host name or number, or the path of a socket
 * @param port -1 for a socket
 */
record Address(String host, int port, boolean isTls) {
    private static final int DEFAULT_PORT = 50051;
    private static final Set<String> SCHEMES = Set.of("", "http", "https", "grpc", "grpcs");
    private static final Pattern PARTS = Pattern.compile("(?:(\\w+)://)?(\\[[0-9A-Fa-f:.]+]|[\\w.-]+)(?::(\\d{1,5}))?/?");

    boolean isSocket() {
        return port < 0;
    }

    static Address parse(String text) {
        if (text.startsWith("unix:")) {
            return new Address(text.substring("unix:".length()), -1, false);
        }
        Matcher parts = PARTS.matcher(text);
        String scheme = parts.matches() && parts.group(1) != null ? parts.group(1) : "";
        if (!parts.matches() || !SCHEMES.contains(scheme)) {
            throw refused(text, "write host:port, https://host, grpcs://host:port or unix:path, without a user or a path");
        }
        String host = parts.group(2).replaceAll("[\\[\\]]", "");
        boolean isLoopback = host.equals("localhost") || host.equals("::1") || host.matches("127(\\.\\d{1,3}){3}");
        boolean isTls = scheme.equals("https") || scheme.equals("grpcs") || (scheme.isEmpty() && !isLoopback);
        if (!isTls && !isLoopback) {
            throw refused(text, "the API key would travel in plaintext; use https:// or grpcs:// beyond loopback");
        }
        int port = scheme.equals("https") ? 443 : DEFAULT_PORT;
        if (parts.group(3) != null) {
            port = Integer.parseInt(parts.group(3));
        }
        if (port < 1 || port > 65_535) {
            throw refused(text, "a port is 1 to 65535");
        }
        return new Address(host, port, isTls);
    }

    private static XpstoreException refused(String text, String cure) {
        return XpstoreException.InvalidArgument.of("address", text, cure);
    }
}
