/** gRPC's status codes by their names. */
export const Code = Object.freeze({
  CANCELLED: 1, UNKNOWN: 2, INVALID_ARGUMENT: 3, DEADLINE_EXCEEDED: 4, NOT_FOUND: 5, ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7, RESOURCE_EXHAUSTED: 8, FAILED_PRECONDITION: 9, ABORTED: 10, OUT_OF_RANGE: 11, UNIMPLEMENTED: 12,
  INTERNAL: 13, UNAVAILABLE: 14, DATA_LOSS: 15, UNAUTHENTICATED: 16,
});

const NAMES = new Map(Object.entries(Code).map(([name, number]) => [number, name]));

/** A call failed: `code` is the name of the kind of failure, `message` what was wrong and what would be right. */
export class BerthError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = "BerthError";
    this.code = code;
  }

  static of(number, message) {
    return new BerthError(NAMES.get(number) ?? "UNKNOWN", message);
  }

  /** The same failure, told from where it is thrown now. */
  again() {
    return new BerthError(this.code, this.message, { cause: this });
  }
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
