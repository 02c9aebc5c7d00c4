// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageLite;
import dev.berth.BerthException.Code;
import dev.berth.v1.AcknowledgeRequest;
import dev.berth.v1.DetachRequest;
import dev.berth.v1.Ended;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.Output;
import dev.berth.v1.OutputStream;
import dev.berth.v1.SignalRequest;
import dev.berth.v1.Started;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What has come of an execution and was not read yet: at most the window, since credit is given back only for what was
 * read. A server that knows no windows is held back by not reading from the connection, as the last resort.
 */
final class EventQueue implements Connection.Receiver {
    /** Makes an event of a message of the stream. */
    interface Decoder {
        ExecuteEvent decode(ByteString message) throws InvalidProtocolBufferException;
    }

    /** So many events are acknowledged at the latest: a server has no more than 60 on their way, however small they are. */
    private static final int EVENTS_PER_CREDIT = 30;

    private final String lease;
    private final int window;
    private final Long deadline;
    private final Decoder decoder;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ArrayDeque<ExecuteEvent> events = new ArrayDeque<>();
    private Connection connection;
    private int call;
    private Started started;
    private Ended ended;
    private BerthException error;
    /** Of a connection: the other side has sent all. */
    private boolean outputEnded;
    private boolean over;
    private boolean abandoned;
    private long buffered;
    /** Where the caller is in each stream, and in what a piece of code shows beside them. */
    private final long[] offsets = new long[3];
    private long unacknowledged;
    private int unacknowledgedEvents;
    private Runnable listener = () -> {};

    EventQueue(String lease, int window, Long deadline, Decoder decoder) {
        this.lease = lease;
        this.window = window;
        this.deadline = deadline;
        this.decoder = decoder;
    }

    void start(Connection connection, String method, MessageLite request) {
        lock.lock();
        try {
            this.connection = connection;
        } finally {
            lock.unlock();
        }
        long left = deadline == null ? 0 : Math.max(1, deadline - System.nanoTime());
        int id = connection.stream(Channel.SERVICE, method, request, left, this);
        lock.lock();
        try {
            call = id;
        } finally {
            lock.unlock();
        }
    }

    /** Told after each event that comes, and after the end; by the reading thread, so it must be quick. */
    void listen(Runnable listener) {
        lock.lock();
        try {
            this.listener = listener;
        } finally {
            lock.unlock();
        }
        listener.run();
    }

    // From the connection

    @Override
    public void message(ByteString data) {
        ExecuteEvent event;
        try {
            event = decoder.decode(data);
        } catch (InvalidProtocolBufferException broken) {
            fail(Connection.internal("an event that is none: " + broken.getMessage()));
            return;
        }
        boolean detach = false;
        Runnable listener;
        lock.lock();
        try {
            if (over) {
                return;
            }
            switch (event.getEventCase()) {
                case STARTED -> {
                    started = event.getStarted();
                    detach = abandoned;
                }
                case OUTPUT_ENDED -> outputEnded = true;
                case ENDED -> {
                    ended = event.getEnded();
                    over = true;
                }
                default -> {}
            }
            while (buffered > 2L * ClientOptions.MAX_WINDOW && !abandoned && !over) {
                changed.awaitUninterruptibly();
            }
            if (!abandoned) {
                events.add(event);
                buffered += size(event);
            }
            changed.signalAll();
            listener = this.listener;
        } finally {
            lock.unlock();
        }
        if (detach) {
            detach();
        }
        listener.run();
    }

    @Override
    public void end(BerthException error, ByteString payload) {
        fail(error != null ? error : Connection.internal("the end of the stream without an end of the program"));
    }

    private void fail(BerthException error) {
        Runnable listener;
        lock.lock();
        try {
            if (over) {
                return;
            }
            over = true;
            this.error = error;
            changed.signalAll();
            listener = this.listener;
        } finally {
            lock.unlock();
        }
        listener.run();
    }

    // From the caller

    /** The first event of those that come; null at the end. */
    ExecuteEvent next() {
        return take(null, true);
    }

    /** The next output of one stream, or what was dropped of it; null at the end. */
    ExecuteEvent next(OutputStream stream) {
        return take(stream, true);
    }

    /** The next event, if there is one now; see {@link #isFinished}. */
    ExecuteEvent poll() {
        return take(null, false);
    }

    /** There is nothing left, nor does anything come. */
    boolean isFinished() {
        lock.lock();
        try {
            return over && events.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    private ExecuteEvent take(OutputStream stream, boolean wait) {
        while (true) {
            ExecuteEvent event;
            boolean acknowledge;
            lock.lock();
            try {
                event = remove(stream);
                acknowledge = takeCredit();
                if (event == null && !acknowledge) {
                    if (over && error != null) {
                        throw error.again();
                    }
                    if (over || !wait || outputEnded && stream != null) {
                        return null;
                    }
                    checkOpen();
                    await();
                    continue;
                }
            } finally {
                lock.unlock();
            }
            if (acknowledge) {
                acknowledge();
            }
            if (event != null) {
                return event;
            }
        }
    }

    /**
     * The next event, of one stream or of all. What a piece of code shows before it goes, when it is of one stream: nobody who
     * reads bytes would ever take it, and its credit would not come back.
     */
    private ExecuteEvent remove(OutputStream stream) {
        if (stream == null) {
            ExecuteEvent event = events.poll();
            if (event != null) {
                consume(event);
            }
            return event;
        }
        for (Iterator<ExecuteEvent> iterator = events.iterator(); iterator.hasNext(); ) {
            ExecuteEvent event = iterator.next();
            boolean wanted = event.hasOutput() && event.getOutput().getStream() == stream
                    || event.hasDropped() && event.getDropped().getStream() == stream;
            if (wanted || position(event) >= 0) {
                iterator.remove();
                consume(event);
            }
            if (wanted) {
                return event;
            }
        }
        return null;
    }

    private void consume(ExecuteEvent event) {
        switch (event.getEventCase()) {
            case DROPPED -> offsets[index(event.getDropped().getStreamValue())] =
                    event.getDropped().getOffset() + event.getDropped().getBytes();
            case OUTPUT -> {
                Output output = event.getOutput();
                took(output.getStreamValue(), output.getOffset() + output.getData().size(), size(event));
            }
            case DISPLAY, FAILURE, PROMPT -> took(OutputStream.EVENTS_VALUE, position(event), size(event));
            default -> {}
        }
    }

    private void took(int stream, long end, int size) {
        offsets[index(stream)] = end;
        buffered -= size;
        changed.signalAll(); // to the reading thread, if it is held up
        unacknowledged += size;
        unacknowledgedEvents++;
    }

    private static int index(int stream) {
        return Math.min(stream & 0xff, 2);
    }

    /** Of what a piece of code shows beside its output; -1 of all else. */
    private static long position(ExecuteEvent event) {
        return switch (event.getEventCase()) {
            case DISPLAY -> event.getDisplay().getPosition();
            case FAILURE -> event.getFailure().getPosition();
            case PROMPT -> event.getPrompt().getPosition();
            default -> -1;
        };
    }

    /** What it counts against the window. */
    private static int size(ExecuteEvent event) {
        return switch (event.getEventCase()) {
            case OUTPUT -> event.getOutput().getData().size();
            case DISPLAY, FAILURE, PROMPT -> event.getSerializedSize();
            default -> 0;
        };
    }

    /**
     * Never for little: a server that gets credit for each small piece has only small pieces to send.
     *
     * @return whether credit is to be given back, now.
     */
    private boolean takeCredit() {
        boolean much = unacknowledged >= window / 4 || unacknowledgedEvents >= EVENTS_PER_CREDIT;
        boolean due = much && !over && started != null && started.getWatcher() != 0;
        if (due) {
            unacknowledged = 0;
            unacknowledgedEvents = 0;
        }
        return due;
    }

    private void acknowledge() {
        AcknowledgeRequest.Builder request = AcknowledgeRequest.newBuilder()
                .setLease(lease)
                .setExecution(started.getExecution())
                .setWatcher(started.getWatcher());
        lock.lock();
        try {
            request.setStdoutOffset(offsets[0]).setStderrOffset(offsets[1]).setEventsPosition(offsets[2]);
        } finally {
            lock.unlock();
        }
        connection.unary(Channel.SERVICE, "Acknowledge", request.build(), 0);
    }

    private void checkOpen() {
        if (abandoned) {
            throw new BerthException(Code.CANCELLED, "the execution was closed here");
        }
    }

    /** Waits for a change; past the deadline, that is an error. */
    private void await() {
        try {
            if (deadline == null) {
                changed.await();
            } else if (changed.awaitNanos(deadline - System.nanoTime()) <= 0 && !over) {
                over = true;
                error = new BerthException(Code.DEADLINE_EXCEEDED, "the call's time has passed");
                connection.forget(call);
                changed.signalAll();
            }
        } catch (InterruptedException interrupted) {
            throw BerthException.interrupted(interrupted);
        }
    }

    /** Waits until it has started, and leaves the event for who reads. */
    Started awaitStarted() {
        lock.lock();
        try {
            while (started == null) {
                if (over) {
                    throw error == null ? Connection.internal("an end without a start") : error.again();
                }
                checkOpen();
                await();
            }
            return started;
        } finally {
            lock.unlock();
        }
    }

    /** What is left goes unread; the end of the program. */
    Ended awaitEnded() {
        while (next() != null) {
            // Credit goes back for it, so that the program goes on.
        }
        return ended;
    }

    Ended ended() {
        lock.lock();
        try {
            return ended;
        } finally {
            lock.unlock();
        }
    }

    long offset(OutputStream stream) {
        lock.lock();
        try {
            return offsets[stream.getNumber()];
        } finally {
            lock.unlock();
        }
    }

    void startAt(long stdout, long stderr, long events) {
        offsets[0] = stdout;
        offsets[1] = stderr;
        offsets[2] = events;
    }

    /** Nobody reads any more: what is here goes, and the server is told to send no more. @return false if it was over */
    boolean abandon() {
        boolean detach;
        boolean wasOver;
        lock.lock();
        try {
            if (abandoned) {
                return false;
            }
            abandoned = true;
            wasOver = over;
            events.clear();
            buffered = 0;
            detach = !over && started != null;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        if (detach) {
            detach();
        }
        return !wasOver;
    }

    private void detach() {
        DetachRequest request = DetachRequest.newBuilder()
                .setLease(lease)
                .setExecution(started.getExecution())
                .setWatcher(started.getWatcher())
                .build();
        CompletableFuture<ByteString> answer = connection.unary(Channel.SERVICE, "Detach", request, 0);
        answer.whenComplete((payload, error) -> {
            // A server from before Detach ends its program only so.
            if (error instanceof BerthException failure && failure.code() == Code.UNIMPLEMENTED) {
                SignalRequest kill = SignalRequest.newBuilder()
                        .setLease(lease)
                        .setExecution(request.getExecution())
                        .setSignal(9)
                        .build();
                connection.unary(Channel.SERVICE, "Signal", kill, TimeUnit.SECONDS.toNanos(30));
            }
        });
    }
}
