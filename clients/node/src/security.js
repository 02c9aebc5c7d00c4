// SPDX-License-Identifier: Apache-2.0

// TLS and tokens: what a client was told of them, and what the environment says where it was not.

import { readFileSync } from "node:fs";
import tls from "node:tls";

import { describeAddress } from "./address.js";

/** Options for tls.connect; undefined without TLS. Throws for what cannot be used. */
export function tlsOptions(address, given) {
  if (!given && !address.isTls) return undefined;
  const options = { minVersion: "TLSv1.2", ...(given === true ? {} : given || {}) };
  if (address.path !== undefined && !options.servername && !options.checkServerIdentity) {
    throw new TypeError("TLS through a unix socket needs tls.servername, whom the certificate must name");
  }
  if (options.secureContext) return options;
  const named = process.env;
  if (options.ca === undefined && named.BERTH_TLS_CA) options.ca = authorities(named.BERTH_TLS_CA);
  if (options.cert === undefined && options.key === undefined && options.pfx === undefined) {
    if (named.BERTH_TLS_CERT) {
      options.cert = read("BERTH_TLS_CERT");
      options.key = named.BERTH_TLS_KEY ? read("BERTH_TLS_KEY") : options.cert;
    } else if (named.BERTH_TLS_KEY) {
      throw new TypeError("BERTH_TLS_KEY is a key without its certificate: name that too, in BERTH_TLS_CERT");
    }
  } else if (options.key !== undefined && options.cert === undefined && options.pfx === undefined) {
    throw new TypeError("tls.key is a key without its certificate: give that too, as tls.cert");
  }
  try {
    options.secureContext = tls.createSecureContext(options);
  } catch (error) {
    const why = /KEY_VALUES_MISMATCH/.test(error.code) ? "they do not belong together" : error.message;
    throw new TypeError(`certificate and key of tls, in PEM format, cannot be used: ${why}`, { cause: error });
  }
  return options;
}

function read(variable) {
  try {
    return readFileSync(process.env[variable]);
  } catch (error) {
    throw new TypeError(`${variable} cannot be read: ${error.message}`, { cause: error });
  }
}

/** Node takes a file without a certificate for no authorities at all, and then trusts nobody, without a word. */
function authorities(path) {
  const pem = read("BERTH_TLS_CA");
  if (!pem.includes("-----BEGIN ")) throw new TypeError(`BERTH_TLS_CA, ${path}, holds no certificate in PEM format`);
  return pem;
}

/** Whether what is sent to an address stays on this machine. */
function isLocal({ path, host }) {
  return path !== undefined || host === "localhost" || host === "::1" || /^127\.[\d.]+$/.test(host);
}

/** The metadata of every request. */
export function metadata(token, address, isSecure) {
  let origin = "token";
  if (token === undefined && process.env.BERTH_TOKEN) [token, origin] = [process.env.BERTH_TOKEN, "BERTH_TOKEN"];
  if (token === undefined && process.env.BERTH_TOKEN_FILE) {
    origin = `the content of BERTH_TOKEN_FILE, ${process.env.BERTH_TOKEN_FILE},`;
    token = read("BERTH_TOKEN_FILE").toString().trim();
    if (token === "") throw new TypeError(`${origin} is empty`);
  }
  if (token === undefined || token === "") return [];
  if (typeof token !== "string") throw new TypeError("token must be a string");
  if (!/^[!-~]+$/.test(token)) throw new TypeError(`${origin} is no token: it has characters other than ASCII's visible ones`);
  if (!isSecure && !isLocal(address)) {
    const text = describeAddress(address);
    throw new TypeError(`a token is not sent to ${text} without TLS, since others could read it: connect to tls://${text}`);
  }
  return [{ key: "authorization", value: `Bearer ${token}` }];
}

/** What is wrong with the TLS of a server, and what would be right; undefined where that is not what is wrong. None of it gets
 * better by being tried again. */
export function distrust({ code = "", message }, address, options) {
  if (options === undefined) return undefined;
  if (/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(code)) {
    return `the time of its certificate is over or has not begun (${message}): exchange it, or set this machine's clock`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const name = options.servername || address.host;
    return `its certificate is not for "${name}" (${message}): connect to a name that it has, or say tls.servername`;
  }
  if (/^CERT_|SELF_SIGNED|^UNABLE_TO_|^INVALID_CA/.test(code)) {
    return `its certificate is not trusted (${message}): give its authority as tls.ca, or name the file in BERTH_TLS_CA`;
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG") {
    return "it does not speak TLS: leave tls:// out, or give the server a certificate";
  }
  if (/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION/.test(code)) return "it speaks no TLS that is safe: 1.2 and newer are";
  if (/ALERT.*(CERTIFICATE|HANDSHAKE_FAILURE|UNKNOWN_CA)/.test(code)) {
    const alert = code.replace(/^ERR_SSL_/, "").replaceAll("_", " ").toLowerCase();
    return options.cert !== undefined || options.pfx !== undefined
      ? `it does not accept this client's certificate (${alert})`
      : `it wants a certificate of this client (${alert}): give one as tls.cert and tls.key, or name the files in ` +
        "BERTH_TLS_CERT and BERTH_TLS_KEY";
  }
  return undefined;
}
