// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import dev.berth.v1.AcquireRequest;
import java.time.Duration;

/** What to lease, and for how long. What is not set is the server's choice. */
public final class AcquireOptions {
    final AcquireRequest.Builder request = AcquireRequest.newBuilder();
    Duration wait;

    public AcquireOptions pool(String pool) {
        request.setPool(pool);
        return this;
    }

    /** How long to wait in line when none is warm. */
    public AcquireOptions waitTime(Duration wait) {
        this.wait = wait;
        request.setWaitMs(Command.millis(wait));
        return this;
    }

    /** The lease outlives its connection; time alone ends it. */
    public AcquireOptions detached() {
        request.setDetached(true);
        return this;
    }

    /** How long the lease lasts without use. */
    public AcquireOptions leaseTime(Duration time) {
        request.setTtlMs(Command.millis(time));
        return this;
    }
}
