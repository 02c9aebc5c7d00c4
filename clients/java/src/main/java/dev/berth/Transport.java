// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;

/** A byte stream to the server, for one thread that reads and one at a time that writes. Interrupts do not break it. */
interface Transport extends Frame.Reader.Source, Closeable {
    void write(byte[] bytes) throws IOException;

    /** Ends reads and writes of other threads, too. */
    @Override
    void close();

    static Transport connect(ClientOptions options, Security security, int timeoutMillis) throws IOException {
        if (options.address instanceof ServerAddress.Unix unix) {
            return new UnixTransport(unix.path());
        }
        return new SocketTransport((ServerAddress.Tcp) options.address, security, timeoutMillis);
    }
}

/** TCP, plain or through TLS. */
final class SocketTransport implements Transport {
    private final Socket raw = new Socket();
    private final InputStream in;
    private final OutputStream out;

    SocketTransport(ServerAddress.Tcp address, Security security, int timeoutMillis) throws IOException {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMillis);
        boolean connected = false;
        try {
            raw.connect(new InetSocketAddress(address.host(), address.port()), timeoutMillis);
            raw.setTcpNoDelay(true);
            raw.setKeepAlive(true);
            Socket socket = raw;
            if (security.context() != null) {
                socket = handshake(address, security, end);
            }
            in = socket.getInputStream();
            out = socket.getOutputStream();
            connected = true;
        } finally {
            if (!connected) {
                close();
            }
        }
    }

    private Socket handshake(ServerAddress.Tcp address, Security security, long end) throws IOException {
        SSLSocket socket = (SSLSocket)
                security.context().getSocketFactory().createSocket(raw, security.serverName(), address.port(), true);
        SSLParameters parameters = socket.getSSLParameters();
        if (security.verifiesHost()) {
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
        }
        parameters.setProtocols(Stream.of(parameters.getProtocols())
                .filter(protocol -> protocol.equals("TLSv1.2") || protocol.equals("TLSv1.3"))
                .toArray(String[]::new));
        socket.setSSLParameters(parameters);
        // A socket's time-out is that of each read; a server that sends little by little would have no end.
        AtomicBoolean isLate = new AtomicBoolean();
        Future<?> limit = Connection.WATCHER.schedule(() -> {
            isLate.set(true);
            close();
        }, end - System.nanoTime(), TimeUnit.NANOSECONDS);
        try {
            socket.startHandshake();
        } catch (IOException error) {
            throw isLate.get()
                    ? new SocketTimeoutException("it did not finish the handshake of TLS in time; perhaps it speaks none")
                    : error;
        } finally {
            limit.cancel(false);
        }
        return socket;
    }

    @Override
    public int read(byte[] into) throws IOException {
        return in.read(into);
    }

    @Override
    public void write(byte[] bytes) throws IOException {
        out.write(bytes);
        out.flush();
    }

    @Override
    public void close() {
        try {
            raw.close(); // below TLS: its own close could wait for a writer
        } catch (IOException ignored) {
            // It is gone either way.
        }
    }
}

/** A unix socket. It does not block, since a thread that is interrupted in a blocking channel closes it for all. */
final class UnixTransport implements Transport {
    private final SocketChannel channel;
    private final Selector readable;
    private final Selector writable;

    UnixTransport(String path) throws IOException {
        channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        Selector reading = null;
        Selector writing = null;
        boolean connected = false;
        try {
            channel.connect(UnixDomainSocketAddress.of(path));
            channel.configureBlocking(false);
            reading = Selector.open();
            writing = Selector.open();
            channel.register(reading, SelectionKey.OP_READ);
            channel.register(writing, SelectionKey.OP_WRITE);
            connected = true;
        } finally {
            readable = reading;
            writable = writing;
            if (!connected) {
                close();
            }
        }
    }

    @Override
    public int read(byte[] into) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(into);
        int count;
        while ((count = channel.read(buffer)) == 0) {
            await(readable);
        }
        return count;
    }

    @Override
    public void write(byte[] bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        while (true) {
            channel.write(buffer);
            if (!buffer.hasRemaining()) {
                return;
            }
            await(writable);
        }
    }

    private static void await(Selector selector) throws IOException {
        boolean interrupted = Thread.interrupted();
        try {
            selector.select(key -> {});
        } catch (ClosedSelectorException closed) {
            throw new EOFException("closed");
        } finally {
            interrupted |= Thread.interrupted();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Override
    public void close() {
        for (Closeable part : new Closeable[] {channel, readable, writable}) {
            try {
                if (part != null) {
                    part.close();
                }
            } catch (IOException ignored) {
                // It is gone either way.
            }
        }
    }
}
