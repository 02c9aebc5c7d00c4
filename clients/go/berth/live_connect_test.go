// SPDX-License-Identifier: Apache-2.0

package berth_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth.dev/go/berth"
	berthv1 "berth.dev/go/berth/v1"
)

const webServer = `
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self): self.answer(f"you asked for {self.path}".encode())
    def do_POST(self): self.answer(self.rfile.read(int(self.headers["Content-Length"])))
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()`

func TestAWebServerInAContainerIsAskedWithNetHTTP(t *testing.T) {
	client, ctx := dial(t, launchBerth(t).address)
	lease, err := client.Acquire(ctx, berth.AcquireOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Close()
	if _, err := lease.Connect(ctx, berth.ConnectOptions{Port: 8000}); berth.ReasonOf(err) != berthv1.ErrorReason_CONNECTION_REFUSED {
		t.Errorf("got %v", err)
	}
	if _, err := lease.DialContext(ctx, "unix", "/tmp/none"); berth.ReasonOf(err) != berthv1.ErrorReason_NO_SUCH_FILE {
		t.Errorf("got %v", err)
	}
	server, err := lease.Execute(ctx, berth.Source("python", webServer))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	web := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return lease.Connect(ctx, berth.ConnectOptions{Port: 8000, Wait: 10 * time.Second})
	}}}
	response, err := web.Get("http://container/a")
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(response.Body)
	if string(answer) != "you asked for /a" {
		t.Errorf("got %q", answer)
	}
	body := []byte(strings.Repeat("0123456789abcdef", 1<<18))
	response, err = web.Post("http://container/b", "text/plain", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(response.Body); err != nil || !bytes.Equal(answer, body) {
		t.Errorf("%d bytes came back, %v", len(answer), err)
	}
	open, err := lease.Connect(ctx, berth.ConnectOptions{Port: 8000})
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Release(ctx); err != nil {
		t.Fatal(err)
	}
	// Its end is no good end.
	if _, err := open.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "the connection ended: cancelled") {
		t.Errorf("got %v", err)
	}
}
