// SPDX-License-Identifier: Apache-2.0

// The settings, checked: what is wrong is said in words, with the setting's name, before anything is sent.

"use strict";

const vscode = require("vscode");

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** No execution lasts longer. */
const LONGEST = 24 * UNITS.h;

/** A setting, or a property of a task, that can't be right. Its message is for the user. */
class SettingError extends Error {
  /**
   * @param {string} message
   * @param {string} [setting] its full name, where it is a setting
   */
  constructor(message, setting) {
    super(message);
    this.name = "SettingError";
    this.setting = setting;
  }
}

/**
 * Milliseconds of "250ms", "5s", "2m" or "1h".
 * @param {unknown} value
 * @param {string} what
 * @param {{ least: number, setting?: string }} limits
 */
function duration(value, what, { least, setting }) {
  const match = typeof value === "string" ? /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(value.trim()) : null;
  if (match === null) {
    throw new SettingError(`${what} is ${JSON.stringify(value)}, which is not a duration: write 250ms, 5s, 2m or 1h`, setting);
  }
  const time = Math.round(Number(match[1]) * UNITS[/** @type {keyof typeof UNITS} */ (match[2])]);
  if (time < least || time > LONGEST) {
    throw new SettingError(`${what} is ${value}: it must be between ${least} ms and 24h`, setting);
  }
  return time;
}

/**
 * @param {unknown} value
 * @param {string} what
 * @param {string} [setting]
 * @returns {Record<string, string>}
 */
function textMap(value, what, setting) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new SettingError(`${what} must be an object, as { "NAME": "value" }`, setting);
  }
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== "string") throw new SettingError(`${what}: the value of ${name} must be text`, setting);
  }
  return /** @type {Record<string, string>} */ (value);
}

/**
 * @param {unknown} value
 * @param {string} what
 * @param {string} [setting]
 * @returns {string[]}
 */
function globs(value, what, setting) {
  const list = typeof value === "string" ? [value] : value;
  if (!Array.isArray(list) || list.some((glob) => typeof glob !== "string" || glob === "")) {
    throw new SettingError(`${what} must be a list of globs, as ["**/*.py"]`, setting);
  }
  return list;
}

/**
 * @param {unknown} value
 * @param {string} what
 * @param {string} [setting]
 */
function text(value, what, setting) {
  if (typeof value !== "string") throw new SettingError(`${what} must be text`, setting);
  return value;
}

/** As the client has it: HOST:PORT, [IPV6]:PORT, tls:// and one of these, or unix:PATH.
 * @param {string} address */
function checkAddress(address) {
  if (/^unix:./.test(address)) return;
  const place = address.replace(/^tls:\/\//, "");
  const url = /^\w+:\/\/([^/]*)/.exec(place);
  if (url !== null) throw new SettingError(`berth.server is a URL: write ${JSON.stringify(url[1])} instead`, "berth.server");
  const match = /^(?:\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(place);
  if (match === null || Number(match[1]) < 1 || Number(match[1]) > 65535) {
    throw new SettingError(
      `berth.server is ${JSON.stringify(address)}, which is not an address: write HOST:PORT or unix:PATH`, "berth.server");
  }
}

/**
 * @typedef {object} Settings
 * @property {string | undefined} server
 * @property {string} pool
 * @property {number} timeout
 * @property {number} wait
 * @property {number} keep
 * @property {boolean} terminal
 * @property {Record<string, string>} languages
 * @property {string[]} files
 * @property {string} exclude
 * @property {number} maxUpload in bytes
 * @property {Record<string, string>} env
 * @property {string} shell
 */

/**
 * Throws SettingError.
 * @param {import("vscode").Uri} [scope] what the settings are for
 * @returns {Settings}
 */
function readSettings(scope) {
  const all = vscode.workspace.getConfiguration("berth", scope);
  /** @template T @param {string} name @param {(value: unknown, what: string, setting: string) => T} check */
  const get = (name, check) => check(all.get(name), `berth.${name}`, `berth.${name}`);
  const server = get("server", text).trim();
  if (server !== "") checkAddress(server);
  const maxUpload = all.get("maxUpload");
  if (typeof maxUpload !== "number" || !(maxUpload >= 1 && maxUpload <= 1024)) {
    throw new SettingError("berth.maxUpload must be a number of MiB, 1 to 1024", "berth.maxUpload");
  }
  const terminal = all.get("terminal");
  if (typeof terminal !== "boolean") throw new SettingError("berth.terminal must be true or false", "berth.terminal");
  const shell = get("shell", text);
  if (shell.trim() === "") throw new SettingError("berth.shell is empty: write what a shell terminal runs, as bash", "berth.shell");
  return {
    server: server === "" ? undefined : server,
    pool: get("pool", text).trim(),
    timeout: duration(all.get("timeout"), "berth.timeout", { least: 1, setting: "berth.timeout" }),
    wait: duration(all.get("wait"), "berth.wait", { least: 1, setting: "berth.wait" }),
    keep: duration(all.get("keep"), "berth.keep", { least: 0, setting: "berth.keep" }),
    terminal,
    languages: get("languages", textMap),
    files: get("files", globs),
    exclude: get("exclude", text),
    maxUpload: Math.round(maxUpload * (1 << 20)),
    env: get("env", textMap),
    shell,
  };
}

/** The languages that have a line, for menus; none while the setting is wrong, which whoever runs something is told. */
function knownLanguages() {
  const lines = vscode.workspace.getConfiguration("berth").get("languages");
  if (lines === null || typeof lines !== "object") return [];
  return Object.entries(lines).filter(([, line]) => typeof line === "string" && line.trim() !== "").map(([name]) => name);
}

module.exports = { LONGEST, SettingError, duration, globs, knownLanguages, readSettings, text, textMap };
