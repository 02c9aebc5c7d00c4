package dev.berth;

/** Why a call failed: gRPC's code, and a line that says what was wrong and, where that is known, what would be right. */
public final class BerthException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** gRPC's status codes, in the order of their numbers. */
    public enum Code {
        OK,
        /** The caller gave up: it was interrupted, or a stream was detached. */
        CANCELLED,
        UNKNOWN,
        /** The request cannot be served as it is. */
        INVALID_ARGUMENT,
        /** The call's time, or an acquire's wait, has passed. */
        DEADLINE_EXCEEDED,
        /** No such pool, execution or file; or the lease never was, or has ended. */
        NOT_FOUND,
        ALREADY_EXISTS,
        PERMISSION_DENIED,
        /** A limit is reached: waiters, leases, space, the size of a message. */
        RESOURCE_EXHAUSTED,
        /** The request is right, but not now, or not for this execution or file. */
        FAILED_PRECONDITION,
        ABORTED,
        OUT_OF_RANGE,
        /** The server does not know this call. */
        UNIMPLEMENTED,
        INTERNAL,
        /** The server cannot be reached, or cannot serve this now: the message says which. */
        UNAVAILABLE,
        DATA_LOSS,
        UNAUTHENTICATED;

        private static final Code[] ALL = values();

        static Code of(int number) {
            return number >= 0 && number < ALL.length ? ALL[number] : UNKNOWN;
        }
    }

    private final Code code;

    BerthException(Code code, String message) {
        this(code, message, null);
    }

    BerthException(Code code, String message, Throwable cause) {
        super(message, cause);
        this.code = code;
    }

    /** The same failure, told to one more caller: with that one's stack. */
    BerthException again() {
        return new BerthException(code, getMessage(), this);
    }

    static BerthException interrupted(InterruptedException cause) {
        Thread.currentThread().interrupt();
        return new BerthException(Code.CANCELLED, "the thread was interrupted", cause);
    }

    public Code code() {
        return code;
    }

    @Override
    public String toString() {
        return "BerthException: " + code + ": " + getMessage();
    }
}
