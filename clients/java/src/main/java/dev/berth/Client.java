// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Parser;
import dev.berth.BerthException.Code;
import dev.berth.v1.AcquireRequest;
import dev.berth.v1.AcquireResponse;
import dev.berth.v1.AttachRequest;
import dev.berth.v1.ConnectRequest;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.ExecuteRequest;
import dev.berth.v1.HelloRequest;
import dev.berth.v1.HelloResponse;
import dev.berth.v1.ReleaseRequest;
import dev.berth.v1.StatsRequest;
import dev.berth.v1.StatsResponse;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;

/**
 * A Berth server, for any number of calls at a time, from any thread.
 *
 * <pre>{@code
 * try (Client client = new Client(); Lease lease = client.acquire()) {
 *     System.out.print(lease.run(Command.of("python3", "-c", "print(1)")).stdoutText());
 * }
 * }</pre>
 *
 * <p>Calls throw {@link BerthException}. All share one connection, which is made at the first call. When it ends, every
 * open call fails with UNAVAILABLE within moments; the next call connects again, and tries so for the connect time-out.
 * Nothing is ever run twice: a call that failed is made again by its caller only.
 */
public final class Client implements AutoCloseable {
    /** Up to here the standard input goes with the request itself; what is longer follows in pieces. */
    private static final int INLINE_INPUT = 1 << 20;

    private final Channel channel;

    /** For the server at {@code BERTH_SERVER}, else {@code 127.0.0.1:7411}. */
    public Client() {
        this(new ClientOptions());
    }

    /**
     * @param address {@code HOST:PORT}, {@code [IPv6]:PORT}, {@code :PORT} (loopback), {@code tls://} and one of these, or
     *     {@code unix:PATH}
     */
    public Client(String address) {
        this(new ClientOptions().address(address));
    }

    /** @throws BerthException INVALID_ARGUMENT when files of TLS, or the token, cannot be used */
    public Client(ClientOptions options) {
        channel = new Channel(options);
    }

    /** Closes the connection. What runs on it is cancelled; leases that are not detached end soon after. */
    @Override
    public void close() {
        channel.close();
    }

    /** Who is there; free of cost. */
    public HelloResponse hello() {
        HelloRequest request = HelloRequest.newBuilder().setClient(channel.options.name).build();
        return channel.call("Hello", request, HelloResponse.parser(), channel.options.callTimeout);
    }

    /** The server and its pools in numbers. */
    public StatsResponse stats() {
        return channel.call(
                "Stats", StatsRequest.getDefaultInstance(), StatsResponse.parser(), channel.options.callTimeout);
    }

    /** Leases a container of the default pool. */
    public Lease acquire() {
        return acquire(new AcquireOptions());
    }

    /** Leases a container. When the thread is interrupted meanwhile, a lease that comes of it all the same is released. */
    public Lease acquire(AcquireOptions options) {
        AcquireRequest request = options.request.build();
        // The server keeps to the wait; the rest is for the way there and back.
        Duration timeout = options.wait == null ? null : options.wait.plus(channel.options.callTimeout);
        long deadline = timeout == null ? 0 : Channel.deadline(timeout);
        Connection connection = channel.connection(timeout == null ? null : deadline);
        long left = timeout == null ? 0 : Math.max(1, deadline - System.nanoTime());
        CompletableFuture<ByteString> answer = connection.unary(Channel.SERVICE, "Acquire", request, left);
        CompletableFuture<ByteString> mine = answer.copy();
        try {
            Lease lease = new Lease(channel, Channel.await(mine, "Acquire", AcquireResponse.parser(), left));
            if (!request.getDetached()) {
                lease.releaseWhenDropped(connection);
            }
            return lease;
        } catch (BerthException error) {
            if (mine.isCancelled()) {
                answer.thenAccept(payload -> releaseLate(connection, payload));
            }
            throw error;
        }
    }

    private static void releaseLate(Connection connection, ByteString payload) {
        String token = Channel.parse(payload, AcquireResponse.parser()).getLease();
        connection.unary(Channel.SERVICE, "Release", ReleaseRequest.newBuilder().setLease(token).build(), 0);
    }

    /** A lease that was acquired before, perhaps by another client, from its token; makes no call. */
    public Lease lease(String token) {
        return new Lease(channel, AcquireResponse.newBuilder().setLease(token).build());
    }

    /** Runs a program in a container of its own, which is acquired and released around it, in one round trip. */
    public Execution execute(Command command) {
        return execute(channel, null, command);
    }

    /** {@link #execute}, and waits for all that it writes and its end. */
    public Result run(Command command) {
        return run(channel, null, command);
    }

    /** A further stream of an execution without a lease; else see {@link Lease#attach}. */
    public Execution attach(String execution, AttachOptions options) {
        return attach(channel, null, execution, options);
    }

    static Execution connect(Channel channel, Lease of, ConnectOptions options) {
        ConnectRequest.Builder request = options.request.clone().setLease(of.token());
        if (request.getWindowBytes() == 0) {
            request.setWindowBytes(channel.options.window);
        }
        EventQueue queue = new EventQueue(of.token(), (int) request.getWindowBytes(), null, Client::decode);
        queue.start(channel.connection(null), "Connect", request.build());
        return new Execution(channel, of, queue, 0);
    }

    static Execution attach(Channel channel, Lease of, String execution, AttachOptions options) {
        String lease = Lease.token(of);
        AttachRequest.Builder request = options.request.clone().setLease(lease).setExecution(execution);
        if (request.getWindowBytes() == 0) {
            request.setWindowBytes(channel.options.window);
        }
        EventQueue queue = new EventQueue(lease, (int) request.getWindowBytes(), null, Client::decode);
        queue.startAt(request.getStdoutOffset(), request.getStderrOffset(), request.getEventsPosition());
        queue.start(channel.connection(null), "Attach", request.build());
        return new Execution(channel, of, queue, StdinStream.UNKNOWN);
    }

    static void checkInput(Command command) {
        if (command.request.getKeepStdinOpen()) {
            throw new IllegalArgumentException(
                    "run has no way to write to a standard input that is kept open: use execute");
        }
    }

    static Result run(Channel channel, Lease lease, Command command) {
        checkInput(command);
        try (Execution execution = execute(channel, lease, command)) {
            return execution.collect();
        }
    }

    static Execution execute(Channel channel, Lease of, Command command) {
        return execute(channel, of, command, "");
    }

    /** @param context the id of the one that runs it; empty of a program */
    static Execution execute(Channel channel, Lease of, Command command, String context) {
        String lease = Lease.token(of);
        ExecuteRequest.Builder request = command.request.clone().setLease(lease).setContext(context);
        if (request.getWindowBytes() == 0) {
            request.setWindowBytes(channel.options.window);
        }
        ByteString stdin = request.getStdin();
        boolean keepsOpen = request.getKeepStdinOpen();
        int inline = stdin.size() > INLINE_INPUT ? StdinStream.CHUNK : stdin.size();
        if (inline < stdin.size()) {
            request.setStdin(stdin.substring(0, inline)).setKeepStdinOpen(true);
        }
        Long deadline = command.deadline == null ? null : Channel.deadline(command.deadline);
        Connection connection = channel.connection(deadline);
        EventQueue queue = new EventQueue(lease, (int) request.getWindowBytes(), deadline, Client::decode);
        queue.start(connection, "Execute", request.build());
        Execution execution = new Execution(channel, of, queue, inline);
        if (inline < stdin.size()) {
            execution.feed(stdin.substring(inline), !keepsOpen);
        }
        return execution;
    }

    /** Its output is the very bytes that came, not a copy. */
    static ExecuteEvent decode(ByteString message) throws InvalidProtocolBufferException {
        return decode(message, ExecuteEvent.parser());
    }

    static <M> M decode(ByteString message, Parser<M> parser) throws InvalidProtocolBufferException {
        CodedInputStream input = message.newCodedInput();
        input.enableAliasing(true);
        return parser.parseFrom(input);
    }

    /** A lease's release is done or pointless: it has ended with its connection, or before. */
    static boolean isOver(BerthException error) {
        return error.code() == Code.UNAVAILABLE || error.code() == Code.NOT_FOUND;
    }

    /** For tests: calls that have not ended. */
    int openCalls() {
        return channel.openCalls();
    }
}
