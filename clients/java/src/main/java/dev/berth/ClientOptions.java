// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import javax.net.ssl.SSLContext;

/** How a {@link Client} reaches its server. Each setter returns the options, so that they chain. */
public final class ClientOptions {
    static final int MIN_WINDOW = 64 << 10;
    static final int MAX_WINDOW = 1 << 20;

    ServerAddress address;
    String name = "berth-java/0.1.0";
    Duration connectTimeout = Duration.ofSeconds(5);
    Duration callTimeout = Duration.ofSeconds(30);
    int window = 256 << 10;
    Duration keepalive = Duration.ofSeconds(60);
    SSLContext tls;
    boolean verifyHost = true;
    Path authorities;
    Path certificate;
    Path key;
    String serverName;
    String token;

    /** For the server at {@code BERTH_SERVER}, else {@code 127.0.0.1:7411}. */
    public ClientOptions() {
        String named = System.getenv("BERTH_SERVER");
        address(named == null || named.isEmpty() ? ServerAddress.DEFAULT : named);
    }

    ClientOptions(ClientOptions other) {
        address = other.address;
        name = other.name;
        connectTimeout = other.connectTimeout;
        callTimeout = other.callTimeout;
        window = other.window;
        keepalive = other.keepalive;
        tls = other.tls;
        verifyHost = other.verifyHost;
        authorities = other.authorities;
        certificate = other.certificate;
        key = other.key;
        serverName = other.serverName;
        token = other.token;
    }

    /**
     * @param address {@code HOST:PORT}, {@code [IPv6]:PORT}, {@code :PORT} (loopback), {@code tls://} and one of these,
     *     or {@code unix:PATH}
     * @throws BerthException INVALID_ARGUMENT when it is none of these
     */
    public ClientOptions address(String address) {
        this.address = ServerAddress.parse(address);
        return this;
    }

    /** Who calls, as Hello says for the server's log: {@code name/version}. */
    public ClientOptions name(String name) {
        this.name = Objects.requireNonNull(name);
        return this;
    }

    /** How long a call tries to connect, again and again, before it fails with UNAVAILABLE; 5 s if not set. */
    public ClientOptions connectTimeout(Duration timeout) {
        connectTimeout = Objects.requireNonNull(timeout);
        return this;
    }

    /**
     * The time that a call has which answers at once (all but acquires, the opening of contexts, executions, input and files);
     * 30 s if not set.
     */
    public ClientOptions callTimeout(Duration timeout) {
        callTimeout = Objects.requireNonNull(timeout);
        return this;
    }

    /**
     * Bytes of output of one execution that may wait here for a slow reader, before its program has to wait too: 64 KiB
     * to 1 MiB; 256 KiB if not set.
     */
    public ClientOptions window(int bytes) {
        window = checkWindow(bytes);
        return this;
    }

    /**
     * How long a server may say nothing to calls that wait; 60 s if not set. After half of it, it is asked whether it is
     * there; after all of it the connection counts as lost.
     */
    public ClientOptions keepalive(Duration time) {
        if (time.isNegative() || time.isZero()) {
            throw new IllegalArgumentException("a keepalive of " + time + " would give every call up");
        }
        keepalive = time;
        return this;
    }

    /**
     * Connects through TLS, as {@code tls://} does, with the authorities that this file in PEM format holds, in place of the
     * system's; if not set, those in the file that {@code BERTH_TLS_CA} names.
     */
    public ClientOptions authorities(Path file) {
        authorities = Objects.requireNonNull(file);
        return this;
    }

    /**
     * This client's certificate, for servers that want one, in PEM format; if not set, the file that {@code BERTH_TLS_CERT} names.
     */
    public ClientOptions certificate(Path file) {
        certificate = Objects.requireNonNull(file);
        return this;
    }

    /** The key of the certificate, if it is not in its file; if not set, the file that {@code BERTH_TLS_KEY} names. */
    public ClientOptions key(Path file) {
        key = Objects.requireNonNull(file);
        return this;
    }

    /** Whom the server's certificate must name; the address's host if not set. */
    public ClientOptions serverName(String name) {
        serverName = Objects.requireNonNull(name);
        return this;
    }

    /**
     * Says who calls, with every call; if not set, {@code BERTH_TOKEN}, else what is in the file that {@code BERTH_TOKEN_FILE}
     * names. Empty is none.
     */
    public ClientOptions token(String token) {
        this.token = Objects.requireNonNull(token);
        return this;
    }

    /** Connects through TLS in a way of your own, and checks the server's name. */
    public ClientOptions tls(SSLContext context) {
        tls = Objects.requireNonNull(context);
        return this;
    }

    /** With TLS: whether the server's certificate must be for its host name; true if not set. */
    public ClientOptions verifyHost(boolean verify) {
        verifyHost = verify;
        return this;
    }

    static int checkWindow(int bytes) {
        if (bytes < MIN_WINDOW || bytes > MAX_WINDOW) {
            throw new IllegalArgumentException("a window is 65536 to 1048576 bytes, not " + bytes);
        }
        return bytes;
    }
}
