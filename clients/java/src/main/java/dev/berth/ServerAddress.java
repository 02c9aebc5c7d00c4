// SPDX-License-Identifier: Apache-2.0

package dev.berth;

/** Where a Berth server listens. */
sealed interface ServerAddress {
    String DEFAULT = "127.0.0.1:7411";
    String TLS = "tls://";

    record Tcp(String host, int port, boolean tls) implements ServerAddress {
        /** Whether what is sent there stays on this machine. */
        boolean isLocal() {
            return host.equals("localhost") || host.equals("::1") || host.matches("127\\.[0-9.]+");
        }

        @Override
        public String toString() {
            return (tls ? TLS : "") + (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
        }
    }

    record Unix(String path) implements ServerAddress {
        @Override
        public String toString() {
            return "unix:" + path;
        }
    }

    /** {@code HOST:PORT}, {@code [IPv6]:PORT}, {@code :PORT} (loopback), {@code tls://} and one of these, or {@code unix:PATH}. */
    static ServerAddress parse(String text) {
        if (text.startsWith("unix:")) {
            String path = text.substring(text.startsWith("unix://") ? 7 : 5);
            if (path.isEmpty()) {
                throw malformed(text, "not an address");
            }
            return new Unix(path);
        }
        boolean tls = text.startsWith(TLS);
        String rest = tls ? text.substring(TLS.length()) : text;
        if (rest.contains("://")) {
            throw malformed(text, "a URL, not an address");
        }
        int colon = rest.lastIndexOf(':');
        if (colon < 0) {
            throw malformed(text, "not an address");
        }
        String host = rest.substring(0, colon);
        String digits = rest.substring(colon + 1);
        int port = digits.matches("[0-9]{1,5}") ? Integer.parseInt(digits) : -1;
        if (port < 0 || port > 65535) {
            throw malformed(text, "not an address");
        }
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        } else if (host.contains(":")) {
            throw malformed(text, "not an address");
        }
        return new Tcp(host.isEmpty() ? "127.0.0.1" : host, port, tls);
    }

    private static BerthException malformed(String text, String what) {
        return new BerthException(
                BerthException.Code.INVALID_ARGUMENT,
                "\"" + text + "\" is " + what + ": use "
                        + (text.startsWith("tls:")
                                ? "tls://HOST:PORT, such as tls://berth.example:7411 or tls://[::1]:7411"
                                : "HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411, or unix:/path/to/socket"));
    }
}
