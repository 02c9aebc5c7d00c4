// SPDX-License-Identifier: Apache-2.0

import { Limits, StreamCall, within } from "./calls.js";
import { Context, openContext } from "./context.js";
import { BerthError } from "./errors.js";
import { FileReader } from "./execution.js";
import {
  AttachRequest, ChangeModeRequest, ChangeModeResponse, ConnectRequest, ListContextsRequest, ListContextsResponse, ListDirectoryRequest,
  ListDirectoryResponse, ListExecutionsRequest, ListExecutionsResponse, MakeDirectoryRequest, MakeDirectoryResponse,
  OpenContextRequest, OpenContextResponse, ReadArchiveRequest, ReadFileRequest, ReleaseRequest,
  ReleaseResponse, RemoveFileRequest, RemoveFileResponse, RenameFileRequest, RenameFileResponse, RenewRequest, RenewResponse,
  StatRequest, StatResponse, WriteArchiveRequest, WriteArchiveResponse, WriteFileRequest, WriteFileResponse,
} from "./messages.js";
import {
  CHUNK, checkedWindow, connectRequest, milliseconds, openContextRequest, pathField, programOptions, toBuffer, wellFormed, wrong,
} from "./options.js";
import { contextInfoOf, executionInfoOf, fileInfoOf } from "./results.js";
import { ContainerSocket, endError } from "./socket.js";
import { Watch } from "./watch.js";

export class Lease {
  #client;
  #token;
  #state = { isReleased: false };

  constructor(client, token, { member = "", ttlMs = 0, warm = false } = {}) {
    this.#client = client;
    this.#token = token;
    this.member = member;
    this.ttl = ttlMs;
    this.warm = warm;
  }

  /** Whoever knows it may use the lease. No property of its own, so that it does not get into logs. */
  get token() {
    return this.#token;
  }

  /** What must be known of it when it is gone. */
  get state() {
    return this.#state;
  }

  // MARK: Programs

  run(program, options) {
    return this.#client.collect(this, () => programOptions(program, options));
  }

  execute(program, options) {
    return this.#client.start(this, programOptions(program, options));
  }

  attach(execution, {
    stdoutOffset = 0, stderrOffset = 0, eventsPosition = 0, fromNow = false, observe = false, window, ...limits
  } = {}) {
    const windowBytes = checkedWindow(window ?? this.#client.window);
    const request = {
      lease: this.#token, execution: wellFormed(execution, "execution"), stdoutOffset, stderrOffset, eventsPosition, fromNow,
      observe, windowBytes,
    };
    return this.#client.watch(
      new Watch(this.#client, new Limits(limits), {
        method: "Attach", payload: AttachRequest.encode(request), lease: this.#token, window: windowBytes,
        offsets: [stdoutOffset, stderrOffset, eventsPosition],
      }), this);
  }

  async executions() {
    const request = { lease: this.#token };
    const response = await this.#client.call("ListExecutions", ListExecutionsRequest, request, ListExecutionsResponse);
    return response.executions.map(executionInfoOf);
  }

  // MARK: Connections

  /** Resolves when the connection is made. The signal and the deadline bound that alone. */
  async connect({ path, port, wait, timeout, idleTimeout, window, deadline, signal } = {}) {
    const request = connectRequest(
      this.#token, { path, port, wait, timeout, idleTimeout }, checkedWindow(window ?? this.#client.window));
    const watch = new Watch(this.#client, new Limits(), {
      method: "Connect", payload: ConnectRequest.encode(request), lease: this.#token, window: request.windowBytes,
    });
    const socket = new ContainerSocket(this.#client.watch(watch, this, 0), watch);
    const limits = new Limits({ deadline, signal });
    try {
      limits.throwIfOver();
      await within(limits, watch.id());
    } catch (error) {
      socket.on("error", () => {}).destroy();
      throw watch.end ? endError(watch.end) : error;
    }
    return socket;
  }

  // MARK: Contexts

  async context(language, { env, cwd, uid, ...limits } = {}) {
    const request = openContextRequest(this.#token, language, { env, cwd, uid });
    const response = await openContext(
      this.#client, "OpenContext", OpenContextRequest, request, OpenContextResponse, limits);
    return new Context(this.#client, this, response.context, { language, version: response.version });
  }

  contextById(id) {
    return new Context(this.#client, this, wellFormed(id, "id"));
  }

  async contexts() {
    const response = await this.#client.call("ListContexts", ListContextsRequest, { lease: this.#token }, ListContextsResponse);
    return response.contexts.map(contextInfoOf);
  }

  // MARK: The lease

  async renew(ttl) {
    const request = { lease: this.#token, ttlMs: milliseconds(ttl, "ttl") };
    return (await this.#client.call("Renew", RenewRequest, request, RenewResponse)).ttlMs;
  }

  async release() {
    await this.#client.call("Release", ReleaseRequest, { lease: this.#token }, ReleaseResponse);
    this.#state.isReleased = true;
  }

  /** As leaving a block does it: no error when it has ended by itself, or goes with its connection. */
  async releaseQuietly() {
    if (this.#state.isReleased) return;
    try {
      await this.release();
    } catch (error) {
      if (!(error instanceof BerthError && ["NOT_FOUND", "UNAVAILABLE"].includes(error.code))) throw error;
      this.#state.isReleased = true;
    }
  }

  async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    await this.releaseQuietly();
  }

  // MARK: Files

  async writeFile(path, data, { mode = 0o644, createParents = false, signal } = {}) {
    const request = { lease: this.#token, ...pathField("path", path), mode: checkedMode(mode), createParents };
    await this.#upload("WriteFile", WriteFileRequest, request, WriteFileResponse, data, signal);
  }

  async writeArchive(path, data, { signal } = {}) {
    const request = { lease: this.#token, ...pathField("path", path) };
    return (await this.#upload("WriteArchive", WriteArchiveRequest, request, WriteArchiveResponse, data, signal)).files;
  }

  /** In pieces, each when the one before was taken. */
  async #upload(method, requestType, request, responseType, data, signal) {
    let answer;
    for await (const { piece, more } of pieces(data)) {
      answer = await this.#client.call(method, requestType, { ...request, data: piece, more }, responseType, { signal });
      request.upload = answer.upload;
      request.offset = answer.offset;
    }
    return answer;
  }

  async readFile(path, options) {
    return this.openFile(path, options).read();
  }

  openFile(path, { offset = 0, length = 0, ...limits } = {}) {
    const request = { lease: this.#token, ...pathField("path", path), offset, length, windowBytes: this.#client.window };
    return this.#read("ReadFile", ReadFileRequest.encode(request), limits);
  }

  readArchive(path, limits) {
    const request = { lease: this.#token, ...pathField("path", path), windowBytes: this.#client.window };
    return this.#read("ReadArchive", ReadArchiveRequest.encode(request), limits);
  }

  #read(method, payload, limits) {
    const about = { method, payload, lease: this.#token, window: this.#client.window, isFile: true };
    return new FileReader(new Watch(this.#client, new Limits(limits), about), this);
  }

  async listDirectory(path) {
    const request = ListDirectoryRequest.encode({ lease: this.#token, ...pathField("path", path) });
    const limits = new Limits();
    const connection = await this.#client.connected(limits);
    const call = new StreamCall(limits, () => {});
    connection.start(call, "ListDirectory", request);
    const entries = [];
    for (let message; (message = await call.next()) !== undefined; ) {
      entries.push(...ListDirectoryResponse.decode(message).entries.map(fileInfoOf));
    }
    return entries;
  }

  async stat(path, { follow = false } = {}) {
    const request = { lease: this.#token, ...pathField("path", path), follow };
    return fileInfoOf((await this.#client.call("Stat", StatRequest, request, StatResponse)).info);
  }

  async makeDirectory(path, { mode = 0o755, parents = false } = {}) {
    const request = { lease: this.#token, ...pathField("path", path), mode: checkedMode(mode), parents };
    await this.#client.call("MakeDirectory", MakeDirectoryRequest, request, MakeDirectoryResponse);
  }

  async rename(from, to, { noReplace = false } = {}) {
    const request = { lease: this.#token, ...pathField("from", from), ...pathField("to", to), noReplace };
    await this.#client.call("RenameFile", RenameFileRequest, request, RenameFileResponse);
  }

  async changeMode(path, mode) {
    const request = { lease: this.#token, ...pathField("path", path), mode: checkedMode(mode) };
    await this.#client.call("ChangeMode", ChangeModeRequest, request, ChangeModeResponse);
  }

  async remove(path, { recursive = false } = {}) {
    const request = { lease: this.#token, ...pathField("path", path), recursive };
    await this.#client.call("RemoveFile", RemoveFileRequest, request, RemoveFileResponse);
  }
}

function checkedMode(mode) {
  if (!Number.isInteger(mode)) throw wrong("mode", "a number, as 0o644", mode);
  return mode;
}

/** What goes in one call each, and whether more follow; at least one. Of bytes, a string, or what can be iterated for them. */
async function* pieces(data) {
  let rest = Buffer.alloc(0);
  const chunks = typeof data === "string" || ArrayBuffer.isView(data) ? [data] : data;
  if (!(chunks?.[Symbol.asyncIterator] || chunks?.[Symbol.iterator])) {
    throw wrong("data", "a string, bytes, or a stream of them", data);
  }
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? toBuffer(chunk) : Buffer.concat([rest, toBuffer(chunk)]);
    // The last piece is kept back until it is known to be that.
    while (rest.length > CHUNK) {
      yield { piece: rest.subarray(0, CHUNK), more: true };
      rest = rest.subarray(CHUNK);
    }
  }
  yield { piece: rest, more: false };
}
