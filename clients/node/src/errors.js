// SPDX-License-Identifier: Apache-2.0

import { DecodeError } from "./codec.js";
import { ErrorInfo, ErrorReason } from "./messages.js";

/** gRPC's status codes by their names. */
export const Code = Object.freeze({
  CANCELLED: 1, UNKNOWN: 2, INVALID_ARGUMENT: 3, DEADLINE_EXCEEDED: 4, NOT_FOUND: 5, ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7, RESOURCE_EXHAUSTED: 8, FAILED_PRECONDITION: 9, ABORTED: 10, OUT_OF_RANGE: 11, UNIMPLEMENTED: 12,
  INTERNAL: 13, UNAVAILABLE: 14, DATA_LOSS: 15, UNAUTHENTICATED: 16,
});

const NAMES = new Map(Object.entries(Code).map(([name, number]) => [number, name]));

/** A call failed: `code` is the name of the kind of failure, `message` what was wrong and what would be right. `reason` tells
 * apart what has the same code, where the server gives one that is known here; `metadata` is what it says beside it. */
export class BerthError extends Error {
  constructor(code, message, { reason, metadata = {}, ...options } = {}) {
    super(message, options);
    this.name = "BerthError";
    this.code = code;
    this.reason = reason;
    this.metadata = metadata;
  }

  static of({ code, message, details = [] }) {
    const info = errorInfo(details);
    const reason = info && Object.hasOwn(ErrorReason, info.reason) ? info.reason : undefined;
    return new BerthError(NAMES.get(code) ?? "UNKNOWN", message, { reason, metadata: info?.metadata });
  }

  /** The same failure, told from where it is thrown now. */
  again() {
    return new BerthError(this.code, this.message, { cause: this, reason: this.reason, metadata: this.metadata });
  }
}

function errorInfo(details) {
  for (const { typeUrl, value } of details) {
    if (typeUrl.slice(typeUrl.lastIndexOf("/") + 1) !== "google.rpc.ErrorInfo") continue;
    try {
      const info = ErrorInfo.decode(value);
      if (info.domain === "berth.dev") return info;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      // The code and the message say enough.
    }
  }
  return undefined;
}

/** `Result.check()`: the program did not exit with 0. */
export class ExecutionFailed extends Error {
  constructor(result) {
    super(describeEnd(result.end));
    this.name = "ExecutionFailed";
    this.result = result;
  }
}

/** How an execution ended, in words. */
export function describeEnd(end) {
  let words = end.cause.replaceAll("_", " ");
  if (end.cause === "exited") words += ` with ${end.exitCode}`;
  else if (end.signal !== 0) words += ` (signal ${end.signal})`;
  return end.message === "" ? words : `${words}: ${end.message}`;
}

export const unexpected = (what, options) => new BerthError("INTERNAL", `the server sent ${what}`, options);
export const deadlinePassed = () => new BerthError("DEADLINE_EXCEEDED", "the call's deadline has passed");
