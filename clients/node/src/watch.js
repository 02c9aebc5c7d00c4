// SPDX-License-Identifier: Apache-2.0

// One stream of events of an execution or a file: what it is, how far it was consumed, what credit is due.

import { StreamCall } from "./calls.js";
import { DecodeError } from "./codec.js";
import { BerthError, unexpected } from "./errors.js";
import { AcknowledgeRequest, DetachRequest, ExecuteEvent, FileEvent } from "./messages.js";
import { SHOWN, STREAMS, endOf, fileInfoOf, shownOf, streamName } from "./results.js";

/** So many events are acknowledged at the latest: a server has no more than 60 on their way, however small they are. */
const EVENTS_PER_CREDIT = 30;

export class Watch {
  end;
  file;
  execution;
  member = "";
  /** Nothing follows. */
  isOver = false;
  #call;
  #client;
  #connection;
  #method;
  #payload;
  #lease;
  #limits;
  #isFile;
  #watcher = 0;
  #consumed;
  #acknowledged;
  #threshold;
  /** Where each event ended that was not consumed yet, by stream; and how many were since the last credit. */
  #ends = [[], [], []];
  #taken = 0;
  #isGivenUp = false;
  #beginning;
  /** Taken, and not yet asked for. */
  #events = [];
  #pulling;
  #isPiped = false;
  #pipeError;
  #hear;
  /** Resolves when it has started, or never will. */
  #heard = new Promise((resolve) => (this.#hear = resolve));

  /** @param about `method`, its encoded request as `payload`, `lease`, `window`, `offsets` of both streams and the position of
   * what is shown, `isFile` */
  constructor(client, limits, { method, payload, lease, window, offsets = [0, 0, 0], isFile = false }) {
    this.#client = client;
    this.#limits = limits;
    this.#method = method;
    this.#payload = payload;
    this.#lease = lease;
    this.#threshold = window / 4;
    this.#consumed = [...offsets];
    this.#acknowledged = [...offsets];
    this.#isFile = isFile;
    this.#call = new StreamCall(limits, () => this.giveUp());
  }

  get lease() {
    return this.#lease;
  }

  /** Begins the call, the first time. */
  begin() {
    return (this.#beginning ??= this.#begin());
  }

  async #begin() {
    const connection = await this.#client.connected(this.#limits);
    if (this.#isGivenUp) return;
    connection.start(this.#call, this.#method, this.#payload, this.#limits.remaining);
    this.#connection = connection;
    this.#payload = undefined;
  }

  /** The next event for the caller, undefined at the end. What it tells of is consumed when `consume` says so. */
  async next() {
    for (;;) {
      if (this.#events.length > 0) return this.#events.shift();
      if (this.isOver) return undefined;
      await this.#pull();
    }
  }

  /** The execution's id, once it has started, whoever takes the events. */
  async id() {
    while (this.execution === undefined) {
      if (this.#pipeError) throw this.#pipeError;
      if (this.isOver) throw unexpected("the end of an execution that had not begun");
      await (this.#isPiped ? this.#heard : Promise.race([this.#heard, this.#pull()]));
    }
    return this.execution;
  }

  /** Takes one message, for all who ask meanwhile. */
  #pull() {
    return (this.#pulling ??= this.#advance().finally(() => (this.#pulling = undefined)));
  }

  async #advance() {
    if (this.#connection === undefined) await this.#beginOrEnd();
    const message = await this.#call.next();
    if (message === undefined) throw unexpected("the end of a stream without the end of what it was about");
    const event = this.#decode(message);
    if (event !== undefined) this.#events.push(event);
  }

  async #beginOrEnd() {
    try {
      await this.begin();
    } catch (error) {
      this.#call.finish(error);
      throw error;
    }
  }

  /** Hands every event to `take` as it comes; `done(error)` follows the last one. */
  async pipe(take, done) {
    this.#isPiped = true;
    let isDone = false;
    const finish = (error) => {
      if (isDone) return;
      isDone = true;
      this.#pipeError = error;
      this.#hear();
      done(error);
    };
    try {
      await this.begin();
    } catch (error) {
      return finish(error);
    }
    for (const event of this.#events.splice(0)) take(event);
    if (this.isOver) return finish();
    this.#call.pipe((message) => {
      if (isDone) return;
      try {
        const event = message === undefined ? undefined : this.#decode(message);
        if (event !== undefined) take(event);
      } catch (error) {
        return finish(error);
      }
      if (this.isOver) finish();
      else if (message === undefined) {
        finish(this.#call.error ?? unexpected("the end of a stream without the end of what it was about"));
      }
    });
  }

  #decode(message) {
    let event;
    try {
      event = (this.#isFile ? FileEvent : ExecuteEvent).decode(message);
    } catch (error) {
      if (error instanceof DecodeError) throw unexpected(`an event that is none: ${error.message}`, { cause: error });
      throw error;
    }
    if (event.output) {
      const { stream, offset, data } = event.output;
      this.#ends[stream].push(offset + data.length);
      return { type: "output", stream: STREAMS[stream], offset, data };
    }
    if (event.outputEnded) return { type: "output_ended" };
    const shown = shownOf(event);
    if (shown) {
      this.#ends[SHOWN].push(shown.position);
      return shown;
    }
    if (event.dropped) {
      const { stream, offset, bytes } = event.dropped;
      // Not output, and so no part of the window: credit counts on from behind it.
      this.#consumed[stream] = Math.max(this.#consumed[stream], offset + bytes);
      this.#acknowledged[stream] = Math.max(this.#acknowledged[stream], offset + bytes);
      return { type: "dropped", stream: streamName(stream), offset, bytes };
    }
    const started = event.started ?? event.start;
    if (started) {
      this.execution = started.execution;
      this.#hear();
      this.#watcher = started.watcher;
      this.member = started.member ?? "";
      if (started.info) this.file = fileInfoOf(started.info);
    } else if (event.ended) {
      this.end = endOf(event.ended);
      this.isOver = true;
    } else if (this.#isFile && event.end) {
      this.isOver = true;
    }
    return undefined;
  }

  /** The caller has taken an event. */
  taken(event) {
    if (event.type === "output") this.consume(event.stream, event.offset + event.data.length);
    else if (event.position !== undefined) this.#consume(SHOWN, event.position);
  }

  /** The caller has this stream's output up to an offset. */
  consume(stream, offset) {
    this.#consume(STREAMS.indexOf(stream), offset);
  }

  /** Credit goes back when it is a quarter of the window, or many events. Never for less: a server that gets credit for each
   * small piece has only small pieces to send. */
  #consume(index, offset) {
    this.#consumed[index] = Math.max(this.#consumed[index], offset);
    const [stdoutOffset, stderrOffset, eventsPosition] = this.#consumed;
    const ends = this.#ends[index];
    let count = 0;
    while (count < ends.length && ends[count] <= offset) count++;
    if (count > 0) ends.splice(0, count);
    this.#taken += count;
    const due = this.#consumed.reduce((sum, consumed, index) => sum + consumed - this.#acknowledged[index], 0);
    if ((due < this.#threshold && this.#taken < EVENTS_PER_CREDIT) || this.isOver || this.#isGivenUp) return;
    this.#taken = 0;
    this.#acknowledged = [...this.#consumed];
    this.#connection.post("Acknowledge", AcknowledgeRequest.encode({
      lease: this.#lease, execution: this.execution, watcher: this.#watcher, stdoutOffset, stderrOffset, eventsPosition,
    }));
  }

  /** Ends the stream, if it is not at its end: as soon as it has said who it is. False if there was nothing to end. */
  giveUp() {
    if (this.#isGivenUp) return false;
    this.#isGivenUp = true;
    if (this.isOver || this.#call.error instanceof BerthError && this.#call.error.code === "UNAVAILABLE") return false;
    let isTold = false;
    const tell = () => {
      if (isTold || this.execution === undefined || this.isOver) return;
      isTold = true;
      const request = { lease: this.#lease, execution: this.execution, watcher: this.#watcher };
      this.#connection.post("Detach", DetachRequest.encode(request));
    };
    this.#call.abandon((message) => {
      if (isTold || message === undefined) return;
      try {
        this.#decode(message);
      } catch {
        return; // Nobody is there to be told.
      }
      tell();
    });
    tell();
    return true;
  }
}
