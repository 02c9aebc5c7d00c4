// SPDX-License-Identifier: Apache-2.0

export { Client } from "./client.js";
export { Context } from "./context.js";
export { Code, BerthError, ExecutionFailed, describeEnd } from "./errors.js";
export { Execution, FileReader } from "./execution.js";
export { ErrorReason } from "./messages.js";
export { Lease } from "./lease.js";
export { ContainerSocket } from "./socket.js";
export { Result } from "./results.js";
