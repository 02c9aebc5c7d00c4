// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import dev.berth.v1.ConnectRequest;
import java.time.Duration;

/** Where to connect to in a container, and how. What is not set is the server's choice. */
public final class ConnectOptions {
    final ConnectRequest.Builder request = ConnectRequest.newBuilder();

    private ConnectOptions() {}

    /** A TCP port of the container's loopback. */
    public static ConnectOptions port(int port) {
        ConnectOptions options = new ConnectOptions();
        options.request.setPort(port);
        return options;
    }

    /** The path of a unix socket; absolute. */
    public static ConnectOptions path(String path) {
        return path(Words.bytes(path, "path"));
    }

    /** The same of bytes, for what is not UTF-8. */
    public static ConnectOptions path(byte[] path) {
        ConnectOptions options = new ConnectOptions();
        Words.put(path, options.request::setPath, options.request::setPathRaw);
        return options;
    }

    /** How long to wait until somebody listens there. */
    public ConnectOptions waitTime(Duration wait) {
        request.setWaitMs(Command.millis(wait));
        return this;
    }

    /** After this it is closed. */
    public ConnectOptions timeout(Duration timeout) {
        request.setTimeoutMs(Command.millis(timeout));
        return this;
    }

    /** After so long without a byte either way it is closed. */
    public ConnectOptions idleTimeout(Duration timeout) {
        request.setIdleTimeoutMs(Command.millis(timeout));
        return this;
    }

    /** As {@link ClientOptions#window}, for this connection. */
    public ConnectOptions window(int bytes) {
        request.setWindowBytes(ClientOptions.checkWindow(bytes));
        return this;
    }
}
