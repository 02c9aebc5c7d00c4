// SPDX-License-Identifier: Apache-2.0

// TLS and tokens, against servers whose certificates are right and wrong.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import test, { after, afterEach, before, beforeEach } from "node:test";

import { parseAddress, describeAddress } from "../src/address.js";
import { Client } from "../src/index.js";
import * as messages from "../src/messages.js";
import { encodeFrame } from "../src/wire.js";
import { Double } from "./double.js";

let folder;
const doubles = [], clients = [], fronts = [];
const file = (name) => join(folder, name);
const pem = (name) => readFileSync(file(name));
const environment = { ...process.env };

before(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-"));
  execFileSync(fileURLToPath(new URL("../../conformance/certificates.py", import.meta.url)), [folder]);
});

after(() => rmSync(folder, { recursive: true }));

beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith("BERTH_")) delete process.env[name];
});

afterEach(async () => {
  Object.assign(process.env, environment);
  for (const client of clients.splice(0)) client.close();
  for (const child of fronts.splice(0)) {
    child.stdin.end();
    await once(child, "exit");
  }
  for (const double of doubles.splice(0)) await double.close();
});

async function serve(certificate, { handlers, ...options } = {}) {
  const tls = certificate && { key: pem(`${certificate}.key`), cert: pem(`${certificate}.pem`), ...options };
  doubles.push(await Double.start(handlers, { tls }));
  return doubles.at(-1);
}

/** The address of a program that speaks TLS in front of a server that does not. */
async function front(double, certificate, ...options) {
  const program = fileURLToPath(new URL("../../conformance/relay.py", import.meta.url));
  const names = [file(`${certificate}.pem`), file(`${certificate}.key`)];
  const child = spawn(program, [double.address, ...names, ...options], { stdio: ["pipe", "pipe", "inherit"] });
  fronts.push(child);
  return (await once(child.stdout, "data"))[0].toString().trim();
}

function connect(address, options) {
  clients.push(new Client({ address, ...options }));
  return clients.at(-1);
}

/** Fails at once, in these words. */
async function refused(address, words, options) {
  const begin = performance.now();
  await assert.rejects(connect(address, { connectTimeout: 60_000, ...options }).hello(), (error) => {
    assert.equal(error.code, "UNAVAILABLE");
    for (const word of words) assert.ok(error.message.includes(word), `"${error.message}" does not say "${word}"`);
    return true;
  });
  assert.ok(performance.now() - begin < 20_000, "what cannot get better is not tried again");
}

test("an address with TLS is one of a host and a port", () => {
  assert.equal(describeAddress(parseAddress("tls://[::1]:7411")), "tls://[::1]:7411");
  for (const wrong of ["tls://", "tls://host", "tls://unix:/x", "tls://tls://host:1", "tls:host:1", "tls://host:1/"]) {
    assert.throws(() => parseAddress(wrong), /tls:\/\/HOST:PORT/, wrong);
  }
});

test("the environment names the server, its authority, our certificate and our token", async () => {
  const seen = [];
  const handlers = {
    Hello: (asked) => { seen.push(asked); asked.answer(messages.HelloResponse, { server: "double/1" }); },
    Execute: (asked) => { seen.push(asked); asked.started(); asked.output(0, "a"); asked.exited(); },
  };
  const double = await serve("server", { handlers, requestCert: true, rejectUnauthorized: true, ca: pem("ca.pem") });
  Object.assign(process.env, {
    BERTH_SERVER: `tls://${double.address}`, BERTH_TLS_CA: file("ca.pem"), BERTH_TLS_CERT: file("client.pem"),
    BERTH_TLS_KEY: file("client.key"), BERTH_TOKEN: "of-the-environment",
  });
  assert.equal((await connect().run(["a"])).text, "a");
  assert.deepEqual(seen.map((asked) => asked.method), ["Hello", "Execute"]);
  for (const { metadata } of seen) {
    assert.deepEqual(metadata, [{ key: "authorization", value: "Bearer of-the-environment" }]);
  }
});

test("a token comes from the option, else the environment, else a file", async () => {
  const seen = [];
  const handlers = { Hello: (asked) => { seen.push(asked.metadata[0]?.value); asked.answer(messages.HelloResponse, {}); } };
  const { address } = await serve(undefined, { handlers });
  // Each connection has a Hello of its own before the one that was asked for.
  const ask = async (options, wanted) => {
    await connect(address, options).hello();
    assert.deepEqual(seen.splice(0), [wanted, wanted]);
  };
  await ask({}, undefined);
  writeFileSync(file("token"), "of-the-file\n");
  process.env.BERTH_TOKEN_FILE = file("token");
  await ask({}, "Bearer of-the-file");
  process.env.BERTH_TOKEN = "of-the-environment";
  await ask({}, "Bearer of-the-environment");
  await ask({ token: "of-the-option" }, "Bearer of-the-option");
  await ask({ token: "" }, undefined);
});

test("what cannot be used is said before anything is sent", () => {
  const address = "tls://127.0.0.1:1";
  const cases = [
    [{ tls: { cert: pem("client.pem"), key: pem("server.key") } }, /do not belong together/],
    [{ tls: { key: pem("client.key") } }, /without its certificate/],
    [{ token: "two\nlines" }, /token is no token/],
    [{ token: 7 }, /must be a string/],
  ];
  for (const [options, words] of cases) assert.throws(() => new Client({ address, ...options }), words);
  for (const [variable, value, words] of [
    ["BERTH_TLS_CA", file("nothing.pem"), /BERTH_TLS_CA.*nothing\.pem/], ["BERTH_TLS_CA", file("client.conf"), /BERTH_TLS_CA/],
    ["BERTH_TLS_CA", file("serial"), /no certificate/], ["BERTH_TLS_KEY", file("client.key"), /without its certificate/],
    ["BERTH_TOKEN_FILE", file("no-token"), /no-token/],
  ]) {
    process.env[variable] = value;
    assert.throws(() => new Client(address), words);
    delete process.env[variable];
  }
  for (const away of ["10.0.0.1:7411", "127.example.com:1", "[2001:db8::1]:1"]) {
    assert.throws(() => new Client({ address: away, token: "x" }), /not sent to .* without TLS/);
  }
  for (const here of ["tls://10.0.0.1:7411", "localhost:1", "127.0.0.2:1", "[::1]:1", "unix:/run/berth.sock"]) {
    new Client({ address: here, token: "x" });
  }
});

test("a wrong certificate is refused with what is wrong and what would be right", async () => {
  const ca = pem("ca.pem");
  const good = await serve("server");
  await refused(`tls://${good.address}`, ["is not trusted", "BERTH_TLS_CA"]);
  await refused(good.address, ["is not trusted"], { tls: true });
  await refused(`tls://${(await serve("self-signed")).address}`, ["is not trusted", "self-signed"], { tls: { ca } });
  await refused(`tls://${(await serve("other")).address}`, ['not for "127.0.0.1"', "servername"], { tls: { ca } });
  await refused(`tls://${(await serve("expired")).address}`, ["expired", "clock"], { tls: { ca } });
  await connect(`tls://${good.address}`, { tls: { ca } }).hello();
  await connect(good.address, { tls: { ca, servername: "berth.test" } }).hello();
});

test("a server that wants a certificate of ours says so", async () => {
  const ca = pem("ca.pem");
  // Node's own server refuses a certificate without a word: it looks at it after the handshake.
  for (const version of ["1.2", "1.3"]) {
    const address = `tls://${await front(await serve(), "server", "--client-ca", file("ca.pem"), "--highest", version)}`;
    await connect(address, { tls: { ca, cert: pem("client.pem"), key: pem("client.key") } }).hello();
    await refused(address, ["wants a certificate of this client", "BERTH_TLS_CERT"], { tls: { ca } });
    const own = { cert: pem("self-signed.pem"), key: pem("self-signed.key") };
    await refused(address, ["does not accept this client's certificate"], { tls: { ca, ...own } });
  }
});

test("TLS to a server without, and plain to a server with it, are told apart", async () => {
  /** A server that says this to whoever says anything. */
  const says = async (data) => {
    const server = net.createServer((socket) => socket.on("error", () => {}).once("data", () => socket.end(data)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return server;
  };
  const servers = [await says(Buffer.alloc(30)), await says(Buffer.from([0x15, 3, 1, 0, 2, 2, 0x46]))];
  const [plain, secure] = servers.map((server) => `127.0.0.1:${server.address().port}`);
  await refused(`tls://${plain}`, ["does not speak TLS"], { tls: { ca: pem("ca.pem") } });
  await refused(secure, ["it speaks TLS", "tls://"]);
  for (const server of servers) server.close();
});

test("what a server says that takes no connection is said", async () => {
  const refusal = messages.Response.encode({ status: { code: 9, message: "this port speaks TLS" } });
  const server = net.createServer((socket) => {
    socket.on("error", () => {}).once("data", () => socket.end(encodeFrame(1, 2, 0, refusal)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect(`127.0.0.1:${server.address().port}`);
  await assert.rejects(client.hello(), { code: "FAILED_PRECONDITION", message: "this port speaks TLS" });
  server.close();
});

test("the connect time-out counts for the handshake too", async () => {
  const sockets = [];
  const mute = net.createServer((socket) => sockets.push(socket));
  mute.listen(0, "127.0.0.1");
  await once(mute, "listening");
  const options = { tls: { ca: pem("ca.pem") }, connectTimeout: 300 };
  await refused(`tls://127.0.0.1:${mute.address().port}`, ["handshake"], options);
  for (const socket of sockets) socket.destroy();
  mute.close();
});

test("the next connection is made in the same way, with what the files hold then", async () => {
  const seen = [];
  const handlers = { Hello: (asked) => { seen.push(asked.metadata[0].value); asked.answer(messages.HelloResponse, {}); } };
  const double = await serve("server", { handlers });
  process.env.BERTH_TOKEN_FILE = file("exchanged");
  process.env.BERTH_TLS_CA = file("exchanged.pem");
  writeFileSync(file("exchanged"), "first");
  writeFileSync(file("exchanged.pem"), pem("ca.pem"));
  const client = connect(`tls://${double.address}`);
  const again = async () => {
    for (;;) {
      try {
        return await client.hello();
      } catch (error) {
        if (error.code !== "UNAVAILABLE") throw error;
        await sleep(1);
      }
    }
  };
  await client.hello();
  double.sockets[0].destroy();
  writeFileSync(file("exchanged"), "second");
  await again();
  assert.deepEqual(seen, ["Bearer first", "Bearer first", "Bearer second", "Bearer second"]);
  double.sockets[1].destroy();
  writeFileSync(file("exchanged.pem"), "nothing");
  await assert.rejects(again(), /exchanged\.pem, holds no certificate/);
  assert.equal(double.sockets.length, 2);
});
