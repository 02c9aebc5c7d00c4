// SPDX-License-Identifier: Apache-2.0

// From a program's bytes to what a terminal of VS Code takes: text, in whole characters, with CR LF at the ends of lines.

"use strict";

/** VS Code draws no faster, and every write is a message to its window. */
const PAUSE_MS = 16;
/** So much text may wait for the next write; whoever brings more waits himself, and so in the end does the program. VS Code has no
 * such limit for terminals of extensions: what is written too fast piles up in its memory. */
const MOST_WAITING = 256 << 10;

class Writer {
  /**
   * @param {(text: string) => void} write
   * @param {() => number} [now] in milliseconds
   */
  constructor(write, now = () => performance.now()) {
    this.write = write;
    this.now = now;
    this.decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    /** Of a terminal in the container the ends of lines are what they should be, and a lone LF means just that. */
    this.convertsLines = true;
    this.text = "";
    this.last = -Infinity;
    this.isAtLineStart = true;
    this.endedWithCR = false;
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
    /** @type {(() => void)[]} */
    this.waiting = [];
  }

  /**
   * Bytes of the program. What they resolve to is awaited before more is brought.
   * @param {Uint8Array} data
   * @returns {Promise<void> | undefined}
   */
  bytes(data) {
    return this.add(this.decoder.decode(data, { stream: true }), this.convertsLines);
  }

  /** Words of our own, on a line of their own.
   * @param {string} words */
  line(words) {
    this.restOfCharacter();
    this.add(`${this.isAtLineStart ? "" : "\n"}${words}\n`, true);
  }

  /** All that was brought is written when this returns; an unfinished character is U+FFFD, and the last line has an end. */
  finish({ endsLine = true } = {}) {
    this.restOfCharacter();
    if (endsLine && !this.isAtLineStart) this.add("\n", true);
    this.flush();
  }

  /** What is behind a gap, or our own words, is not the rest of a character before it. */
  restOfCharacter() {
    this.add(this.decoder.decode(), this.convertsLines);
  }

  /**
   * @param {string} text
   * @param {boolean} convertsLines
   */
  add(text, convertsLines) {
    if (text === "") return undefined;
    const first = convertsLines && this.endedWithCR && text.startsWith("\n") ? "\n" : "";
    this.text += convertsLines ? first + text.slice(first.length).replace(/(?<!\r)\n/g, "\r\n") : text;
    this.endedWithCR = text.endsWith("\r");
    this.isAtLineStart = text.endsWith("\n");
    if (this.timer === undefined) {
      const pause = this.last + PAUSE_MS - this.now();
      if (pause <= 0) this.flush();
      else this.timer = setTimeout(() => this.flush(), pause);
    }
    if (this.text.length < MOST_WAITING) return undefined;
    return new Promise((resolve) => this.waiting.push(() => resolve(undefined)));
  }

  flush() {
    clearTimeout(this.timer);
    this.timer = undefined;
    const text = this.text;
    this.text = "";
    if (text !== "") {
      this.last = this.now();
      this.write(text);
    }
    for (const go of this.waiting.splice(0)) go();
  }
}

module.exports = { MOST_WAITING, Writer };
