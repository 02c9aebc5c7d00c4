// SPDX-License-Identifier: Apache-2.0

package dev.berth;

/** Where a Berth server listens. */
sealed interface ServerAddress {
    String DEFAULT = "127.0.0.1:7411";

    record Tcp(String host, int port) implements ServerAddress {
        @Override
        public String toString() {
            return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
        }
    }

    record Unix(String path) implements ServerAddress {
        @Override
        public String toString() {
            return "unix:" + path;
        }
    }

    /** {@code HOST:PORT}, {@code [IPv6]:PORT}, {@code :PORT} (loopback) or {@code unix:PATH}. */
    static ServerAddress parse(String text) {
        if (text.startsWith("unix:")) {
            String path = text.substring(text.startsWith("unix://") ? 7 : 5);
            if (path.isEmpty()) {
                throw malformed(text, "not an address");
            }
            return new Unix(path);
        }
        if (text.contains("://")) {
            throw malformed(text, "a URL, not an address");
        }
        int colon = text.lastIndexOf(':');
        if (colon < 0) {
            throw malformed(text, "not an address");
        }
        String host = text.substring(0, colon);
        String digits = text.substring(colon + 1);
        int port = digits.matches("[0-9]{1,5}") ? Integer.parseInt(digits) : -1;
        if (port < 0 || port > 65535) {
            throw malformed(text, "not an address");
        }
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        } else if (host.contains(":")) {
            throw malformed(text, "not an address");
        }
        return new Tcp(host.isEmpty() ? "127.0.0.1" : host, port);
    }

    private static BerthException malformed(String text, String what) {
        return new BerthException(
                BerthException.Code.INVALID_ARGUMENT,
                "\"" + text + "\" is " + what
                        + ": use HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411, or unix:/path/to/socket");
    }
}
