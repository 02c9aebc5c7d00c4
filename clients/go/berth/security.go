// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// credentials are how a client makes itself known, and knows its server.
type credentials struct {
	tls      *tls.Config // nil: plain
	metadata map[string]string
}

// readCredentials reads the files that the options and the environment name.
func (c *Client) readCredentials() error {
	var read credentials
	var err error
	if read.tls, err = tlsConfig(c.scheme, c.host, c.options); err != nil {
		return err
	}
	token, err := tokenOf(c.options.Token)
	if err != nil {
		return err
	}
	if token != "" {
		read.metadata = map[string]string{"authorization": "Bearer " + token}
		if read.tls == nil && c.network == "tcp" && !isLocal(c.host) {
			return newError(InvalidArgument,
				"a token is not sent to %s without TLS, since others could read it: connect to tls://%s", c.address, c.address)
		}
	}
	c.credentials.Store(&read)
	return nil
}

// tlsConfig is how to speak TLS with the server; nil for plain connections.
func tlsConfig(scheme bool, host string, o Options) (*tls.Config, error) {
	named := o.CAFile != "" || o.CertFile != "" || o.KeyFile != ""
	if o.TLS != nil {
		if named {
			return nil, newError(InvalidArgument, "Options.TLS holds authorities and certificates: say it, or files")
		}
		config := o.TLS.Clone()
		switch {
		case o.ServerName != "":
			config.ServerName = o.ServerName
		case config.ServerName == "":
			config.ServerName = host
		}
		return config, nil
	}
	if !scheme && !named {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.ServerName}
	if config.ServerName == "" {
		config.ServerName = host
	}
	if config.ServerName == "" {
		return nil, newError(InvalidArgument, "TLS through a unix socket needs Options.ServerName, whom the certificate must name")
	}
	authorities := o.CAFile
	if authorities == "" {
		authorities = os.Getenv("BERTH_TLS_CA")
	}
	if authorities != "" {
		pem, err := os.ReadFile(authorities)
		if err != nil {
			return nil, unusable("the authorities", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, unusable("the authorities", fmt.Errorf("%s holds no certificate in PEM format", authorities))
		}
	}
	certificate, key := o.CertFile, o.KeyFile
	if certificate == "" && key == "" {
		certificate, key = os.Getenv("BERTH_TLS_CERT"), os.Getenv("BERTH_TLS_KEY")
	}
	switch {
	case certificate != "" && key == "":
		key = certificate
	case certificate == "" && key != "":
		return nil, newError(InvalidArgument, "a key without its certificate: name that too, with Options.CertFile or BERTH_TLS_CERT")
	}
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, unusable(fmt.Sprintf("the client's certificate and key in %s and %s", certificate, key), err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func unusable(what string, err error) *Error {
	return &Error{Code: InvalidArgument, Message: what + " cannot be used: " + err.Error(), cause: err}
}

// tokenOf is the token to send with every call: the option's, the environment's, that of a file, or none.
func tokenOf(option string) (string, error) {
	token, origin := option, "Options.Token"
	if token == "" {
		token, origin = os.Getenv("BERTH_TOKEN"), "BERTH_TOKEN"
	}
	if path := os.Getenv("BERTH_TOKEN_FILE"); token == "" && path != "" {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", unusable("BERTH_TOKEN_FILE", err)
		}
		token, origin = string(bytes.TrimSpace(content)), "the content of BERTH_TOKEN_FILE, "+path+","
		if token == "" {
			return "", newError(InvalidArgument, "%s is empty", origin)
		}
	}
	if strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		return "", newError(InvalidArgument, "%s is no token: it has characters other than ASCII's visible ones", origin)
	}
	return token, nil
}

// isLocal says whether what is sent to a host stays on this machine.
func isLocal(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// distrust says what is wrong with the TLS of a server, and what would be right; "" if that is not what is wrong. None of it
// gets better by being tried again.
func distrust(err error, config *tls.Config) string {
	if config == nil {
		return ""
	}
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &authority):
		return fmt.Sprintf("its certificate is not trusted (%v): name the file of its authority in BERTH_TLS_CA or Options.CAFile", authority)
	case errors.As(err, &host):
		return fmt.Sprintf("its certificate is not for %q (%v): connect to a name that it has, or say Options.ServerName",
			config.ServerName, host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the time of its certificate is over or has not begun (%v): exchange it, or set this machine's clock", invalid)
	case errors.As(err, &invalid):
		return fmt.Sprintf("its certificate is not trusted (%v)", invalid)
	case errors.As(err, &record):
		return "it does not speak TLS: leave tls:// out, or give the server a certificate"
	case !errors.As(err, &op) || op.Op != "remote error":
		return ""
	}
	alert := op.Err.Error()
	switch {
	case strings.Contains(alert, "protocol version"):
		return "it speaks no TLS that is safe: 1.2 and newer are"
	case !strings.Contains(alert, "certificate") && !strings.Contains(alert, "handshake failure"):
		return ""
	case len(config.Certificates) > 0 || config.GetClientCertificate != nil:
		return fmt.Sprintf("it does not accept this client's certificate (%s)", alert)
	default:
		return fmt.Sprintf("it wants a certificate of this client (%s): name one in BERTH_TLS_CERT and BERTH_TLS_KEY, "+
			"or in Options.CertFile and Options.KeyFile", alert)
	}
}
