// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var certificates struct {
	once   sync.Once
	folder string
	err    error
}

func TestMain(m *testing.M) {
	status := m.Run()
	if certificates.folder != "" {
		os.RemoveAll(certificates.folder)
	}
	os.Exit(status)
}

// pem is the path of a file that clients/conformance/certificates.py has made.
func pem(t *testing.T, name string) string {
	t.Helper()
	certificates.once.Do(func() {
		if certificates.folder, certificates.err = os.MkdirTemp("", "berth-go-"); certificates.err != nil {
			return
		}
		output, err := exec.Command("../../conformance/certificates.py", certificates.folder).CombinedOutput()
		if err != nil {
			certificates.err = fmt.Errorf("%w: %s", err, output)
		}
	})
	if certificates.err != nil {
		t.Fatal(certificates.err)
	}
	return filepath.Join(certificates.folder, name)
}

// secure is a server with one of the certificates.
func secure(t *testing.T, certificate string, change func(*tls.Config)) *fake {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(pem(t, certificate+".pem"), pem(t, certificate+".key"))
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if change != nil {
		change(config)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	return serveFake(t, listener, hello)
}

func wantsClient(t *testing.T, highest uint16) func(*tls.Config) {
	authority, err := os.ReadFile(pem(t, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return func(config *tls.Config) {
		config.ClientAuth, config.ClientCAs, config.MaxVersion = tls.RequireAndVerifyClientCert, x509.NewCertPool(), highest
		config.ClientCAs.AppendCertsFromPEM(authority)
	}
}

func (f *fake) secured(options Options) *Client {
	f.t.Helper()
	client, err := New("tls://"+f.listener.Addr().String(), options)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { client.Close() })
	return client
}

// refused wants a failure at once, in these words.
func refused(t *testing.T, client *Client, words ...string) error {
	t.Helper()
	begin := time.Now()
	if client.options.ConnectTimeout == 5*time.Second {
		client.options.ConnectTimeout = 60 * time.Second
	}
	_, err := client.Hello(contextFor(t))
	wantCode(t, err, Unavailable)
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	if time.Since(begin) > 20*time.Second {
		t.Errorf("what cannot get better was tried again: %v", err)
	}
	return err
}

func TestTheEnvironmentNamesTheServerItsAuthorityOurCertificateAndOurToken(t *testing.T) {
	server := secure(t, "server", wantsClient(t, 0))
	t.Setenv("BERTH_SERVER", "tls://"+server.listener.Addr().String())
	t.Setenv("BERTH_TLS_CA", pem(t, "ca.pem"))
	t.Setenv("BERTH_TLS_CERT", pem(t, "client.pem"))
	t.Setenv("BERTH_TLS_KEY", pem(t, "client.key"))
	t.Setenv("BERTH_TOKEN", "of-the-environment")
	client, err := Dial(contextFor(t), "")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Hello(contextFor(t)); err != nil {
		t.Fatal(err)
	}
	_, _ = client.Execute(contextFor(t), Argv("true")) // a stream, which this server answers as a call
	server.mu.Lock()
	defer server.mu.Unlock()
	if len(server.said) < 2 {
		t.Errorf("the server was asked for %q", server.seen)
	}
	for i, token := range server.said {
		if token != "Bearer of-the-environment" {
			t.Errorf("%s came with %q", server.seen[i], token)
		}
	}
}

func TestATokenComesFromTheOptionElseTheEnvironmentElseAFile(t *testing.T) {
	server := startFake(t, hello)
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("of-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(options Options) {
		if _, err := server.client(options).Hello(contextFor(t)); err != nil {
			t.Fatal(err)
		}
	}
	ask(Options{})
	t.Setenv("BERTH_TOKEN_FILE", path)
	ask(Options{})
	t.Setenv("BERTH_TOKEN", "of-the-environment")
	ask(Options{})
	ask(Options{Token: "of-the-option"})
	want := []string{"", "Bearer of-the-file", "Bearer of-the-environment", "Bearer of-the-option"}
	if fmt.Sprint(server.said) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", server.said, want)
	}
}

func TestWhatCannotBeUsedIsSaidBeforeAnythingIsSent(t *testing.T) {
	for words, options := range map[string]Options{
		"nothing.pem":             {CAFile: pem(t, "nothing.pem")},
		"no certificate":          {CAFile: pem(t, "client.key")},
		"does not match":          {CertFile: pem(t, "client.pem"), KeyFile: pem(t, "server.key")},
		"without its certificate": {KeyFile: pem(t, "client.key")},
		"or files":                {TLS: &tls.Config{}, CAFile: pem(t, "ca.pem")},
		"Options.Token is no":     {Token: "two\nlines"},
	} {
		_, err := New("tls://127.0.0.1:1", options)
		wantCode(t, err, InvalidArgument)
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q does not say %q", err, words)
		}
	}
	for _, address := range []string{"10.0.0.1:7411", "127.example.com:1", "[2001:db8::1]:1"} {
		_, err := New(address, Options{Token: "x"})
		wantCode(t, err, InvalidArgument)
		if !strings.Contains(err.Error(), "without TLS") {
			t.Error(err)
		}
	}
	for _, address := range []string{"tls://10.0.0.1:7411", "localhost:1", "127.0.0.2:1", "[::1]:1", ":1", "unix:/run/berth.sock"} {
		if _, err := New(address, Options{Token: "x"}); err != nil {
			t.Error(err)
		}
	}
}

func TestAWrongCertificateIsRefusedWithWhatIsWrongAndWhatWouldBeRight(t *testing.T) {
	trusting := Options{CAFile: pem(t, "ca.pem")}
	err := refused(t, secure(t, "server", nil).secured(Options{}), "is not trusted", "BERTH_TLS_CA")
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("%v does not unwrap to why", err)
	}
	refused(t, secure(t, "self-signed", nil).secured(trusting), "is not trusted")
	refused(t, secure(t, "other", nil).secured(trusting), `not for "127.0.0.1"`, "ServerName")
	refused(t, secure(t, "expired", nil).secured(trusting), "expired", "clock")
	for _, options := range []Options{trusting, {CAFile: trusting.CAFile, ServerName: "berth.test"}} {
		if _, err := secure(t, "server", nil).secured(options).Hello(contextFor(t)); err != nil {
			t.Error(err)
		}
	}
}

func TestAServerThatWantsACertificateOfOursSaysSo(t *testing.T) {
	ca := pem(t, "ca.pem")
	for _, highest := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server := secure(t, "server", wantsClient(t, highest))
		good := Options{CAFile: ca, CertFile: pem(t, "client.pem"), KeyFile: pem(t, "client.key")}
		if _, err := server.secured(good).Hello(contextFor(t)); err != nil {
			t.Error(err)
		}
		refused(t, server.secured(Options{CAFile: ca}), "wants a certificate of this client", "BERTH_TLS_CERT")
	}
	// A certificate of an unknown authority is one that Go does not even offer, unless it is told to.
	own, err := tls.LoadX509KeyPair(pem(t, "self-signed.pem"), pem(t, "self-signed.key"))
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &own, nil
	}}
	refused(t, secure(t, "server", wantsClient(t, 0)).secured(Options{TLS: config}), "does not accept this client's certificate")
}

// says is a server that says this to whoever says anything.
func says(t *testing.T, data []byte) *fake {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = nc.Read(make([]byte, 1<<16))
			_, _ = nc.Write(data)
			nc.Close()
		}
	}()
	return &fake{t: t, listener: listener}
}

func TestTLSToAServerWithoutAndPlainToAServerWithItAreToldApart(t *testing.T) {
	refused(t, says(t, make([]byte, 30)).secured(Options{CAFile: pem(t, "ca.pem")}), "does not speak TLS")
	refused(t, says(t, []byte{0x15, 3, 1, 0, 2, 2, 0x46}).client(Options{}), "it speaks TLS", "tls://")
}

func TestTheConnectTimeOutCountsForTheHandshakeToo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	mute := &fake{t: t, listener: listener}
	refused(t, mute.secured(Options{CAFile: pem(t, "ca.pem"), ConnectTimeout: 300 * time.Millisecond}), "handshake")
}

func TestTheNextConnectionIsMadeInTheSameWayWithWhatTheFilesHoldThen(t *testing.T) {
	server := secure(t, "server", wantsClient(t, 0))
	folder := t.TempDir()
	token, own := filepath.Join(folder, "token"), filepath.Join(folder, "own.pem")
	write := func(path string, parts ...string) {
		var all []byte
		for _, part := range parts {
			content, err := os.ReadFile(pem(t, part))
			if err != nil {
				content = []byte(part)
			}
			all = append(all, content...)
		}
		if err := os.WriteFile(path, all, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(token, "first")
	write(own, "client.pem", "client.key")
	t.Setenv("BERTH_TOKEN_FILE", token)
	client := server.secured(Options{CAFile: pem(t, "ca.pem"), CertFile: own})
	hello := func() {
		within(t, 10*time.Second, "connecting", func() {
			for _, err := client.Hello(contextFor(t)); err != nil; _, err = client.Hello(contextFor(t)) {
			}
		})
	}
	lose := func(connections int) {
		server.mu.Lock()
		if len(server.conns) != connections {
			t.Errorf("%d connections", len(server.conns))
		}
		for _, nc := range server.conns {
			nc.Close()
		}
		server.mu.Unlock()
		within(t, 10*time.Second, "noticing", func() { <-client.current.done })
	}
	hello()
	lose(1)
	write(token, "second")
	hello()
	lose(2)
	write(own, "nothing")
	_, err := client.Hello(contextFor(t))
	wantCode(t, err, InvalidArgument)
	if want := []string{"Bearer first", "Bearer second"}; fmt.Sprint(server.said) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", server.said, want)
	}
}
