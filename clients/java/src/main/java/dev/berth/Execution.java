// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import dev.berth.v1.Display;
import dev.berth.v1.Dropped;
import dev.berth.v1.Ended;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.Failure;
import dev.berth.v1.OutputStream;
import dev.berth.v1.ResizeTerminalRequest;
import dev.berth.v1.ResizeTerminalResponse;
import dev.berth.v1.SignalRequest;
import dev.berth.v1.SignalResponse;
import dev.berth.v1.Terminal;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.Reference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;

/**
 * A program, or a piece of code in a context, that runs. What it writes is read in one of three ways: as events, in order and of
 * both streams; as two {@link InputStream}s; or by a {@link Flow.Publisher}. A program that is not read has to wait, as it would for
 * a slow terminal; as with any process, a caller that reads only stdout must not be surprised by one that fills stderr: read
 * both, or call {@link #waitFor} for the rest.
 *
 * <p>Everything here throws {@link BerthException} when the call itself fails (no such lease, no container to be had,
 * the connection lost). Any end of the program is an event, a failure to start it included.
 *
 * <p>Closed before its end, the program is cancelled, with all it started; one that is resumable goes on.
 */
public final class Execution implements AutoCloseable, Iterable<ExecuteEvent> {
    private final Channel channel;
    final String lease;
    /** Which would be released under it if nobody held it. */
    private final Lease of;
    /** The context that it runs in, likewise. */
    private Context context;
    private final EventQueue queue;
    private final StdinStream stdin;
    private final OutputReader stdout;
    private final OutputReader stderr;

    Execution(Channel channel, Lease of, EventQueue queue, long stdinOffset) {
        this.channel = channel;
        this.of = of;
        this.lease = Lease.token(of);
        this.queue = queue;
        stdin = new StdinStream(this, channel, stdinOffset);
        stdout = new OutputReader(this, queue, OutputStream.STDOUT);
        stderr = new OutputReader(this, queue, OutputStream.STDERR);
        Leftovers.watch(this, "an execution", queue::abandon);
    }

    /** Of a piece of code. */
    Execution in(Context context) {
        this.context = context;
        return this;
    }

    /** Sends the standard input that did not go with the request, on a thread of its own. */
    void feed(ByteString rest, boolean end) {
        stdin.feed(rest, end);
    }

    /** For {@link Lease#attach}, on any connection; secret, like a lease. Waits until it has started. */
    public String id() {
        return held(queue.awaitStarted()).getExecution();
    }

    /** The container it runs in, for logs. Waits until it has started. */
    public String member() {
        return held(queue.awaitStarted()).getMember();
    }

    // Output

    /** The next event: started, then output, last ended; null after that. Waits for it. */
    public ExecuteEvent next() {
        try {
            return queue.next();
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** What was waited for, with the execution held until then. */
    private <T> T held(T value) {
        Reference.reachabilityFence(this);
        return value;
    }

    /**
     * What it writes as text, in the order it came; read this instead of the events or streams. A character whose bytes
     * come in two pieces is held back until it is whole; what is not UTF-8 becomes U+FFFD.
     */
    public Iterable<Text> texts() {
        return () -> new TextDecoder(this);
    }

    /** The events, in order; see {@link #next}. All iterators share them. */
    @Override
    public Iterator<ExecuteEvent> iterator() {
        return new Iterator<>() {
            private ExecuteEvent ahead;

            @Override
            public boolean hasNext() {
                if (ahead == null) {
                    ahead = Execution.this.next();
                }
                return ahead != null;
            }

            @Override
            public ExecuteEvent next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                ExecuteEvent event = ahead;
                ahead = null;
                return event;
            }
        };
    }

    /**
     * What it writes to stdout; a read throws {@link IOException} when the call failed, or output was dropped. What a piece of
     * code shows beside its output is lost to who reads so: take the events.
     */
    public InputStream stdout() {
        return stdout;
    }

    /** What it writes to stderr; see {@link #stdout}. */
    public InputStream stderr() {
        return stderr;
    }

    /** The events for one subscriber, which is told on the executor; cancelling closes the execution. */
    public Flow.Publisher<ExecuteEvent> publisher(Executor executor) {
        return new EventPublisher(this, queue, executor);
    }

    /** Reads all that is left. */
    public Result collect() {
        ByteArrayOutputStream[] outputs = {new ByteArrayOutputStream(), new ByteArrayOutputStream()};
        List<Display> displays = new ArrayList<>();
        Failure failure = null;
        Ended ended = null;
        for (ExecuteEvent event; (event = next()) != null; ) {
            switch (event.getEventCase()) {
                case OUTPUT -> {
                    try {
                        event.getOutput().getData().writeTo(outputs[event.getOutput().getStreamValue() & 1]);
                    } catch (IOException impossible) {
                        throw new AssertionError(impossible);
                    }
                }
                case DISPLAY -> displays.add(event.getDisplay());
                case FAILURE -> failure = event.getFailure();
                case ENDED -> ended = event.getEnded();
                default -> {}
            }
        }
        return new Result(
                outputs[0].toByteArray(), outputs[1].toByteArray(), ended == null ? queue.ended() : ended,
                List.copyOf(displays), Optional.ofNullable(failure));
    }

    /** Waits for the end of the program; output that nobody has read by then is dropped. */
    public Ended waitFor() {
        return held(queue.awaitEnded());
    }

    /** The end of the program, if it is known. */
    public Optional<Ended> ended() {
        return Optional.ofNullable(queue.ended());
    }

    /** How much of its stdout was read here, or dropped: where to go on, with {@link AttachOptions#from}. */
    public long stdoutOffset() {
        return queue.offset(OutputStream.STDOUT) - stdout.available();
    }

    /** As {@link #stdoutOffset}. */
    public long stderrOffset() {
        return queue.offset(OutputStream.STDERR) - stderr.available();
    }

    /** As {@link #stdoutOffset}, of what a piece of code shows: where to go on, with {@link AttachOptions#eventsFrom}. */
    public long eventsPosition() {
        return queue.offset(OutputStream.EVENTS);
    }

    // Input

    /**
     * Its standard input, if it was kept open. A write returns when the server has taken the bytes, which takes as long
     * as the program does not read; closing it is the end of file.
     */
    public java.io.OutputStream stdin() {
        return stdin;
    }

    /** Sends a signal, 1 to 64; 9 ends everything the program started. Waits until it has started. */
    public void signal(int number) {
        signal(SignalRequest.newBuilder().setSignal(number));
    }

    /** Sends a signal by its name: {@code "INT"}, {@code "SIGINT"} … */
    public void signal(String name) {
        signal(SignalRequest.newBuilder().setName(name));
    }

    /** Ends the program and all it started: TERM, a grace, KILL. Its end is still an event. */
    public void cancel() {
        signal(SignalRequest.newBuilder().setCancel(true));
    }

    /** As {@link #cancel()}, with this time between TERM and KILL. */
    public void cancel(Duration grace) {
        signal(SignalRequest.newBuilder().setCancel(true).setGraceMs(Command.millis(grace)));
    }

    private void signal(SignalRequest.Builder request) {
        channel.call(
                "Signal", request.setLease(lease).setExecution(id()).build(), SignalResponse.parser(),
                channel.options.callTimeout);
    }

    /** Tells its terminal the new size. */
    public void resize(int rows, int columns) {
        ResizeTerminalRequest request = ResizeTerminalRequest.newBuilder()
                .setLease(lease)
                .setExecution(id())
                .setTerminal(Terminal.newBuilder().setRows(rows).setColumns(columns))
                .build();
        channel.call("Resize", request, ResizeTerminalResponse.parser(), channel.options.callTimeout);
    }

    /** Gives it up: see the class. */
    @Override
    public void close() {
        queue.abandon();
    }

    static String describe(Dropped dropped) {
        return dropped.getBytes() + " bytes of " + dropped.getStream().name().toLowerCase()
                + " were no longer held, from offset " + dropped.getOffset() + " on";
    }
}
