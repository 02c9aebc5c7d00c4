// SPDX-License-Identifier: Apache-2.0

// Connections to servers, one each, made when they are first needed.

"use strict";

class Clients {
  constructor() {
    /** @type {Map<string, import("berth").Client>} */
    this.clients = new Map();
    this.isClosed = false;
  }

  /** Where that is, in words.
   * @param {string | undefined} server */
  address(server) {
    return server ?? (process.env.BERTH_SERVER || "127.0.0.1:7411");
  }

  /** @param {string} address @returns {Promise<import("berth").Client>} */
  async at(address) {
    // The client is made of ES modules, which VS Code's host loads only so.
    const { Client } = await import("berth");
    if (this.isClosed) throw new Error("the window closes");
    let client = this.clients.get(address);
    if (client === undefined) this.clients.set(address, (client = new Client({ address })));
    return client;
  }

  close() {
    this.isClosed = true;
    for (const client of this.clients.values()) client.close();
    this.clients.clear();
  }
}

module.exports = { Clients };
