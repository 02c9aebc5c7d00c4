// SPDX-License-Identifier: Apache-2.0

export const DEFAULT_ADDRESS = "127.0.0.1:7411";

/** `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`: what net.connect wants. Undefined is BERTH_SERVER, else the default. */
export function parseAddress(text = process.env.BERTH_SERVER || DEFAULT_ADDRESS) {
  if (typeof text !== "string") throw new TypeError("address must be a string: HOST:PORT or unix:PATH");
  if (text.startsWith("unix:") && text.length > 5) return { path: text.slice(5) };
  const url = /^(\w+):\/\/([^/]*)/.exec(text);
  if (url !== null) {
    throw new TypeError(`${JSON.stringify(text)} is a URL, and Berth does not speak ${url[1]}: say ${JSON.stringify(url[2])}`);
  }
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = match === null ? 0 : Number(match[3]);
  if (match === null || match[2] === "unix" || port < 1 || port > 65535) {
    throw new TypeError(`${JSON.stringify(text)} is no address: HOST:PORT or unix:PATH`);
  }
  return { host: match[1] ?? match[2], port };
}

export function describeAddress({ path, host, port }) {
  if (path !== undefined) return `unix:${path}`;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
