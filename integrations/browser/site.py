# SPDX-License-Identifier: Apache-2.0
"""A web server that keeps connections alive, streams, and speaks WebSocket; with the page that uses all of that."""
import base64
import hashlib
import http.server
import json
import threading

IMAGES = 24
PAGE = """<!DOCTYPE html>
<title>berth</title>
<link rel="stylesheet" href="/style.css">
<body>
<p id="images"></p><p id="stream"></p><p id="events"></p><p id="socket"></p><p id="upload"></p><p id="colour"></p>
<script type="module">
import {double} from "/module.js";
const say = (id, text) => document.getElementById(id).textContent = text;
const hex = (bytes) => [...new Uint8Array(bytes)].map((b) => b.toString(16).padStart(2, "0")).join("");
const image = (number) => new Promise((done, failed) => {
  const one = new Image();
  one.onload = () => done(one.width);
  one.onerror = () => failed(new Error(`image ${number}`));
  one.src = `/image-${number}.svg`;
});
async function stream() {
  const reader = (await fetch("/stream")).body.getReader();
  const seen = [];
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return seen.join("|");
    seen.push(new TextDecoder().decode(value).trim());
    // The server sends the next piece when it has heard of this one.
    await fetch("/heard", {method: "POST", body: ""});
  }
}
const events = () => new Promise((done) => {
  const source = new EventSource("/events"), seen = [];
  source.onmessage = (event) => {
    seen.push(event.data);
    if (seen.length == 3) { source.close(); done(seen.join()); }
  };
});
const socket = () => new Promise((done, failed) => {
  const one = new WebSocket(`ws://${location.host}/socket`);
  one.onopen = () => one.send("hello");
  one.onmessage = (event) => done(event.data);
  one.onerror = () => failed(new Error("socket"));
});
async function upload() {
  const body = new Uint8Array(5_000_000).map((_, i) => i * 7 & 255);
  const told = await (await fetch("/upload", {method: "POST", body})).text();
  return told == hex(await crypto.subtle.digest("SHA-256", body));
}
try {
  const widths = Promise.all([...Array(IMAGES).keys()].map(image)).then((all) => all.map((w) => double(w)).join());
  await Promise.all([
    widths.then((text) => say("images", text)), stream().then((text) => say("stream", text)),
    events().then((text) => say("events", text)), socket().then((text) => say("socket", text)),
    upload().then((text) => say("upload", text)),
  ]);
  say("colour", getComputedStyle(document.body).color);
} catch (error) {
  document.title = `${error}`;
}
await fetch("/done", {method: "POST", body: ""});
</script>
<script async src="/last.js"></script>
""".replace("IMAGES", str(IMAGES))

heard = threading.Semaphore(0)
done = threading.Event()
connections = set()
requests = 0
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def parse_request(self):
        global requests
        with lock:
            requests += 1
            connections.add(self.client_address)
        return super().parse_request()

    def do_GET(self):
        if self.path == "/":
            self.answer("text/html; charset=utf-8", PAGE.encode())
        elif self.path == "/style.css":
            self.answer("text/css", b"body { color: rgb(1, 2, 3) }")
        elif self.path == "/module.js":
            self.answer("text/javascript", b"export const double = (x) => 2 * x;")
        elif self.path.startswith("/image-"):
            number = int(self.path[7:-4])
            self.answer("image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="1"/>' % (number + 1))
        elif self.path == "/stream":
            self.begin("application/octet-stream")
            for number in range(4):
                self.chunk(b"piece %d\n" % number)
                heard.acquire()
            self.chunk(b"")
        elif self.path == "/events":
            self.begin("text/event-stream")
            for number in range(3):
                self.chunk(b"data: event %d\n\n" % number)
            self.chunk(b"")
        elif self.path == "/socket":
            self.speak()
        elif self.path == "/last.js":
            # The page has loaded when this has come: so a browser that is asked for the loaded page waits for all of it.
            done.wait()
            self.answer("text/javascript", b"")
        elif self.path == "/counts":
            self.answer("application/json", json.dumps({"requests": requests, "connections": len(connections)}).encode())
        else:
            self.send_error(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/heard":
            heard.release()
        elif self.path == "/done":
            done.set()
        self.answer("text/plain", hashlib.sha256(body).hexdigest().encode())

    def speak(self):
        """RFC 6455, as much as one short message each way needs."""
        key = self.headers["Sec-WebSocket-Key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key).digest()).decode())
        self.end_headers()
        size = self.rfile.read(2)[1] & 127
        mask, data = self.rfile.read(4), self.rfile.read(size)
        text = b"you said " + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        self.wfile.write(bytes([0x81, len(text)]) + text)
        self.rfile.read(1)
        self.close_connection = True


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
