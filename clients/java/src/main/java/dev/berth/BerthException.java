// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.berth.ttrpc.Any;
import dev.berth.ttrpc.ErrorInfo;
import dev.berth.ttrpc.Status;
import dev.berth.v1.ErrorReason;
import java.util.Map;

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
    private final ErrorReason reason;
    private final transient Map<String, String> metadata;

    BerthException(Code code, String message) {
        this(code, message, null);
    }

    BerthException(Code code, String message, Throwable cause) {
        this(code, message, cause, ErrorReason.ERROR_REASON_UNSPECIFIED, Map.of());
    }

    private BerthException(
            Code code, String message, Throwable cause, ErrorReason reason, Map<String, String> metadata) {
        super(message, cause);
        this.code = code;
        this.reason = reason;
        this.metadata = metadata;
    }

    /** With the reason, if the server gives one that is known here. */
    static BerthException of(Status status) {
        ErrorReason reason = ErrorReason.ERROR_REASON_UNSPECIFIED;
        Map<String, String> metadata = Map.of();
        for (Any detail : status.getDetailsList()) {
            String type = detail.getTypeUrl();
            if (!type.substring(type.lastIndexOf('/') + 1).equals("google.rpc.ErrorInfo")) {
                continue;
            }
            try {
                ErrorInfo info = ErrorInfo.parseFrom(detail.getValue());
                if (info.getDomain().equals("berth.dev")) {
                    reason = ErrorReason.valueOf(info.getReason());
                    metadata = info.getMetadataMap();
                }
            } catch (InvalidProtocolBufferException | IllegalArgumentException unknown) {
                // The code and the message say enough.
            }
        }
        return new BerthException(Code.of(status.getCode()), status.getMessage(), null, reason, metadata);
    }

    /** The same failure, told to one more caller: with that one's stack. */
    BerthException again() {
        return new BerthException(code, getMessage(), this, reason, metadata);
    }

    static BerthException interrupted(InterruptedException cause) {
        Thread.currentThread().interrupt();
        return new BerthException(Code.CANCELLED, "the thread was interrupted", cause);
    }

    public Code code() {
        return code;
    }

    /** Tells apart what has the same code; ERROR_REASON_UNSPECIFIED where the server gives none that is known here. */
    public ErrorReason reason() {
        return reason;
    }

    /** What the server says beside the reason, as {@code retry_after_ms}. */
    public Map<String, String> metadata() {
        return metadata == null ? Map.of() : metadata;
    }

    @Override
    public String toString() {
        String kind = reason == ErrorReason.ERROR_REASON_UNSPECIFIED ? code.toString() : code + " (" + reason + ")";
        return "BerthException: " + kind + ": " + getMessage();
    }
}
