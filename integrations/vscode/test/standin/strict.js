// SPDX-License-Identifier: Apache-2.0

"use strict";

/** An object that refuses what it does not have, as a typo would only show at the user's. */
function strict(name, object, { writable = [] } = {}) {
  const isQuiet = (key) => typeof key === "symbol" || ["then", "toJSON", "inspect", "constructor", "asymmetricMatch"].includes(key);
  return new Proxy(object, {
    get(target, key) {
      if (!(key in target) && !isQuiet(key)) throw new Error(`${name} has no ${String(key)} that this stand-in knows`);
      const value = Reflect.get(target, key, target);
      return typeof value === "function" && !isClass(value) ? value.bind(target) : value;
    },
    set(target, key, value) {
      if (!writable.includes(key)) throw new Error(`${name}.${String(key)} is not to be set`);
      return Reflect.set(target, key, value, target);
    },
    has: (target, key) => key in target,
    deleteProperty: (_, key) => {
      throw new Error(`${name}.${String(key)} is not to be deleted`);
    },
  });
}

const isClass = (value) => /^class\b/.test(Function.prototype.toString.call(value));

/** Of objects that the extension makes: only these keys. */
function known(what, object, keys) {
  if (object === null || typeof object !== "object") throw new TypeError(`${what} must be an object`);
  for (const key of Object.keys(object)) if (!keys.includes(key)) throw new Error(`${what} has no ${key} that this stand-in knows`);
  return object;
}

function expect(condition, words) {
  if (!condition) throw new TypeError(words);
}

/** Resolves when the condition holds; `changed` is called whenever it may. */
class Waiters {
  #waiters = new Set();

  changed() {
    for (const look of [...this.#waiters]) look();
  }

  until(what, condition, timeout = 30_000) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => finish(() => reject(new Error(`not within ${timeout} ms: ${what()}`))), timeout);
      const finish = (done) => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        done();
      };
      const look = () => {
        const value = condition();
        if (value) finish(() => resolve(value));
      };
      this.#waiters.add(look);
      look();
    });
  }
}

module.exports = { Waiters, expect, known, strict };
