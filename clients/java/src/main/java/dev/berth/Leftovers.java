// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicBoolean;

/** Gives back what was dropped without being closed, when the collector finds it. */
final class Leftovers {
    private static final System.Logger LOG = System.getLogger("dev.berth");
    private static final Cleaner CLEANER = Cleaner.create();

    private Leftovers() {}

    /** @param giveBack must not hold {@code owner}; false says that there was nothing to give back */
    static void watch(Object owner, String words, java.util.function.BooleanSupplier giveBack) {
        CLEANER.register(owner, () -> {
            if (giveBack.getAsBoolean()) {
                LOG.log(System.Logger.Level.WARNING, words + " was dropped without being closed");
            }
        });
    }

    /** A lease's or context's part that outlives it. */
    static final class Held {
        private final AtomicBoolean isHeld = new AtomicBoolean(true);

        void release() {
            isHeld.set(false);
        }

        boolean isHeld() {
            return isHeld.get();
        }

        /** True the first time, if nobody released it. */
        boolean take() {
            return isHeld.getAndSet(false);
        }
    }
}
