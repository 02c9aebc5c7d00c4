// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import dev.berth.v1.AttachRequest;

/** Where a further stream of an execution begins. */
public final class AttachOptions {
    final AttachRequest.Builder request = AttachRequest.newBuilder();

    /** How much of each stream the caller has: {@link Execution#stdoutOffset} of an earlier one. */
    public AttachOptions from(long stdoutOffset, long stderrOffset) {
        request.setStdoutOffset(stdoutOffset).setStderrOffset(stderrOffset);
        return this;
    }

    /** How much the caller has of what a piece of code shows: {@link Execution#eventsPosition} of an earlier one. */
    public AttachOptions eventsFrom(long position) {
        request.setEventsPosition(position);
        return this;
    }

    /** Only what is written from now on. */
    public AttachOptions fromNow() {
        request.setFromNow(true);
        return this;
    }

    /** Never slows the program: it misses output, and is told, when it is too slow. */
    public AttachOptions observe() {
        request.setObserve(true);
        return this;
    }

    /** As {@link ClientOptions#window}, for this stream. */
    public AttachOptions window(int bytes) {
        request.setWindowBytes(ClientOptions.checkWindow(bytes));
        return this;
    }
}
