// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import com.google.protobuf.MessageLite;
import com.google.protobuf.Parser;
import dev.berth.v1.CloseContextRequest;
import dev.berth.v1.CloseContextResponse;
import dev.berth.v1.CompleteRequest;
import dev.berth.v1.CompleteResponse;
import dev.berth.v1.ForkContextRequest;
import dev.berth.v1.ForkContextResponse;
import dev.berth.v1.InspectRequest;
import dev.berth.v1.InspectResponse;
import dev.berth.v1.OpenContextRequest;
import dev.berth.v1.OpenContextResponse;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/**
 * An interpreter in a lease: runs pieces of code, one at a time, each with what those before it have left.
 *
 * <pre>{@code
 * try (Context context = lease.context("python")) {
 *     context.run("x = 6");
 *     System.out.println(context.run("x * 7").value().orElse(""));
 * }
 * }</pre>
 *
 * <p>It ends when it is closed, by what a piece does ({@code Ended.getContextLost}), or with its lease, which it holds. One
 * that was opened and is garbage-collected without being closed is closed, with a warning to the logger {@code dev.berth}.
 */
public final class Context implements AutoCloseable {
    private final Channel channel;
    private final Lease lease;
    private final String id;
    private final String language;
    private final String version;
    private final Leftovers.Held held = new Leftovers.Held();

    Context(Channel channel, Lease lease, String id, String language, String version) {
        this.channel = channel;
        this.lease = lease;
        this.id = id;
        this.language = language;
        this.version = version;
    }

    /** When the thread is interrupted meanwhile, a context that comes of it all the same is closed. */
    static Context open(Channel channel, Lease lease, ContextOptions options) {
        OpenContextRequest request = options.request.clone().setLease(lease.token()).build();
        return made(channel, lease, "OpenContext", request, OpenContextResponse.parser(), response ->
                new Context(channel, lease, response.getContext(), request.getLanguage(), response.getVersion()));
    }

    private static <R> Context made(
            Channel channel, Lease lease, String method, MessageLite request, Parser<R> parser, Function<R, Context> of) {
        Connection connection = channel.connection(null);
        // The server has a limit of its own.
        CompletableFuture<ByteString> answer = connection.unary(Channel.SERVICE, method, request, 0);
        CompletableFuture<ByteString> mine = answer.copy();
        try {
            Context context = of.apply(Channel.await(mine, method, parser, 0));
            context.closeWhenDropped(connection);
            return context;
        } catch (BerthException error) {
            if (mine.isCancelled()) {
                answer.thenAccept(payload -> {
                    String late = of.apply(Channel.parse(payload, parser)).id;
                    connection.unary(Channel.SERVICE, "CloseContext", closeRequest(lease.token(), late), 0);
                });
            }
            throw error;
        } finally {
            Reference.reachabilityFence(lease);
        }
    }

    private void closeWhenDropped(Connection connection) {
        Leftovers.Held part = held;
        Leftovers.Held of = lease.held;
        CloseContextRequest request = closeRequest(lease.token(), id);
        String words = lease.member().isEmpty() ? "a context" : "a context of " + lease.member();
        Leftovers.watch(this, words, () -> {
            // It goes with its lease.
            boolean isLeft = part.take() && of.isHeld() && connection.isOpen();
            if (isLeft) {
                connection.unary(Channel.SERVICE, "CloseContext", request, 0);
            }
            return isLeft;
        });
    }

    private static CloseContextRequest closeRequest(String lease, String context) {
        return CloseContextRequest.newBuilder().setLease(lease).setContext(context).build();
    }

    /** A call, with the context held until it is answered. */
    private <R> R call(String method, MessageLite request, Parser<R> parser) {
        try {
            return channel.call(method, request, parser, channel.options.callTimeout);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** For {@link Lease#existingContext}, on any connection. */
    public String id() {
        return id;
    }

    /** {@code "python"} …; empty of one that was taken up. */
    public String language() {
        return language;
    }

    /** Of the interpreter; empty where it does not tell, and of one that was taken up. */
    public String version() {
        return version;
    }

    /** Starts a piece of code. Beside its output its events are {@code Display}, {@code Failure} and {@code Prompt}. */
    public Execution execute(String code) {
        return execute(Piece.of(code));
    }

    public Execution execute(Piece piece) {
        return Client.execute(channel, lease, piece.command, id).in(this);
    }

    /** Runs a piece of code: what it wrote and showed, whether it failed, and how it ended. */
    public Result run(String code) {
        return run(Piece.of(code));
    }

    public Result run(Piece piece) {
        Client.checkInput(piece.command);
        try (Execution execution = execute(piece)) {
            return execution.collect();
        }
    }

    /** What could stand at the end of code, which is not run. */
    public CompleteResponse complete(String code) {
        return complete(code, length(code));
    }

    /** @param cursor a place in it, in bytes of UTF-8 */
    public CompleteResponse complete(String code, long cursor) {
        CompleteRequest request = CompleteRequest.newBuilder()
                .setLease(lease.token())
                .setContext(id)
                .setCode(Words.text(code, "code"))
                .setCursor(cursor)
                .build();
        return call("Complete", request, CompleteResponse.parser());
    }

    /** What is known about the name at the end of code: see {@link Shown}. */
    public InspectResponse inspect(String code) {
        return inspect(code, length(code), false);
    }

    /**
     * @param cursor a place in it, in bytes of UTF-8
     * @param detail the source too, where there is one
     */
    public InspectResponse inspect(String code, long cursor, boolean detail) {
        InspectRequest request = InspectRequest.newBuilder()
                .setLease(lease.token())
                .setContext(id)
                .setCode(Words.text(code, "code"))
                .setCursor(cursor)
                .setDetail(detail)
                .build();
        return call("Inspect", request, InspectResponse.parser());
    }

    /**
     * Copies it with all that it holds, in milliseconds: what a piece does in one, the other does not see. The copy is a context
     * of its own, and is closed like one. When the thread is interrupted meanwhile, a copy that comes of it all the same is
     * closed.
     *
     * @throws BerthException FAILED_PRECONDITION while a piece runs in it (CONTEXT_BUSY), and while threads do
     *     (CONTEXT_START_FAILED, with their names); UNIMPLEMENTED: only Python can be copied
     */
    public Context fork() {
        ForkContextRequest request =
                ForkContextRequest.newBuilder().setLease(lease.token()).setContext(id).build();
        try {
            return made(channel, lease, "ForkContext", request, ForkContextResponse.parser(), response ->
                    new Context(channel, lease, response.getContext(), language, response.getVersion()));
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    private static long length(String code) {
        return code.getBytes(StandardCharsets.UTF_8).length;
    }

    /** Ends it, with all that it started; NOT_FOUND when it has ended. */
    public void end() {
        call("CloseContext", closeRequest(lease.token(), id), CloseContextResponse.parser());
        held.release();
    }

    /** {@link #end}; that it has ended before is no error. */
    @Override
    public void close() {
        try {
            end();
        } catch (BerthException error) {
            if (!Client.isOver(error)) {
                throw error;
            }
            held.release();
        }
    }
}
