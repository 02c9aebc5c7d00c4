// SPDX-License-Identifier: Apache-2.0

export const DEFAULT_ADDRESS = "127.0.0.1:7411";
const USE = "use HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411, or unix:/path/to/socket";
const USE_TLS = "use tls://HOST:PORT, such as tls://berth.example:7411 or tls://[::1]:7411";
const TLS = "tls://";

/** `HOST:PORT`, `[IPV6]:PORT`, `tls://` and one of these, or `unix:PATH`: what net.connect wants. Undefined is BERTH_SERVER, else the default. */
export function parseAddress(text = process.env.BERTH_SERVER || DEFAULT_ADDRESS) {
  if (typeof text !== "string") throw new TypeError(`address must be a string: ${USE}`);
  if (text.startsWith("unix:") && text.length > 5) return { path: text.slice(5) };
  const isTls = text.startsWith(TLS);
  const rest = isTls ? text.slice(TLS.length) : text;
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(rest);
  const port = match === null ? 0 : Number(match[3]);
  if (match === null || match[2] === "unix" || match[2]?.includes("/") || port < 1 || port > 65535) {
    const what = rest.includes("://") ? "a URL, not an address" : "not an address";
    throw new TypeError(`${JSON.stringify(text)} is ${what}: ${text.startsWith("tls:") ? USE_TLS : USE}`);
  }
  return { host: match[1] ?? match[2], port, ...(isTls && { isTls }) };
}

export function describeAddress({ path, host, port, isTls }) {
  if (path !== undefined) return `unix:${path}`;
  return `${isTls ? TLS : ""}${host.includes(":") ? `[${host}]` : host}:${port}`;
}
