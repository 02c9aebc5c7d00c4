// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import dev.berth.v1.ExecuteEvent;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** An execution's events, as a subscriber asks for them; no thread waits for them. */
final class EventPublisher implements Flow.Publisher<ExecuteEvent> {
    private final Execution execution;
    private final EventQueue queue;
    private final Executor executor;
    private final AtomicBoolean subscribed = new AtomicBoolean();

    EventPublisher(Execution execution, EventQueue queue, Executor executor) {
        this.execution = execution;
        this.queue = queue;
        this.executor = executor;
    }

    @Override
    public void subscribe(Flow.Subscriber<? super ExecuteEvent> subscriber) {
        if (!subscribed.compareAndSet(false, true)) {
            subscriber.onSubscribe(new Flow.Subscription() {
                @Override
                public void request(long count) {}

                @Override
                public void cancel() {}
            });
            subscriber.onError(new IllegalStateException("the events of an execution are for one subscriber"));
            return;
        }
        Delivery delivery = new Delivery(subscriber);
        subscriber.onSubscribe(delivery);
        queue.listen(delivery::wake);
    }

    private final class Delivery implements Flow.Subscription, Runnable {
        private final Flow.Subscriber<? super ExecuteEvent> subscriber;
        private final AtomicLong demand = new AtomicLong();
        /** Reasons to look again; whoever makes it 1 runs the delivery, so that it runs once at a time. */
        private final AtomicInteger wakes = new AtomicInteger();
        private volatile boolean done;
        private volatile IllegalArgumentException misuse;

        Delivery(Flow.Subscriber<? super ExecuteEvent> subscriber) {
            this.subscriber = subscriber;
        }

        @Override
        public void request(long count) {
            if (count <= 0) {
                misuse = new IllegalArgumentException("a request for " + count + " events");
            } else {
                demand.accumulateAndGet(count, (a, b) -> a + b < 0 ? Long.MAX_VALUE : a + b);
            }
            wake();
        }

        @Override
        public void cancel() {
            done = true;
            execution.close();
        }

        void wake() {
            if (wakes.getAndIncrement() == 0) {
                executor.execute(this);
            }
        }

        @Override
        public void run() {
            int seen = wakes.get();
            do {
                deliver();
                seen = wakes.addAndGet(-seen);
            } while (seen != 0);
        }

        private void deliver() {
            try {
                while (!done) {
                    if (misuse != null) {
                        throw misuse;
                    }
                    if (queue.isFinished()) {
                        queue.poll(); // throws, if it failed
                        done = true;
                        subscriber.onComplete();
                        return;
                    }
                    ExecuteEvent event = demand.get() > 0 ? queue.poll() : null;
                    if (event == null) {
                        return;
                    }
                    demand.decrementAndGet();
                    subscriber.onNext(event);
                }
            } catch (RuntimeException error) {
                if (!done) {
                    cancel();
                    subscriber.onError(error);
                }
            }
        }
    }
}
