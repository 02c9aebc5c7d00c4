// SPDX-License-Identifier: Apache-2.0

//! TLS by OpenSSL, which sees no socket: it takes and gives bytes, so that one thread can wait for what comes while others write.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use std::{fs, path::Path};

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{self, ErrorCode, SslConnector, SslFiletype, SslMethod, SslStream, SslVersion};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509VerifyResult, X509};

use crate::options::{Address, ByteStream};
use crate::security::{wrong, Distrust, Wanted};
use crate::Result;

const CHUNK: usize = 64 << 10;
/// How long what a server says last is waited for, when nothing can be written any more.
const LAST_WORDS: Duration = Duration::from_millis(100);

pub(crate) struct Tls {
    connector: SslConnector,
    server_name: String,
    /// A certificate of ours is there.
    is_named: bool,
}

fn no_memory(stack: ErrorStack) -> crate::Error {
    crate::Error::ResourceExhausted(format!("no memory for TLS: {stack}").into())
}

fn unusable(what: &str, path: &Path, why: impl std::fmt::Display) -> crate::Error {
    wrong(format!("{what} in {} cannot be used: {why}", path.display()))
}

/// The last word of what OpenSSL says, which is the first that went wrong.
fn reason(stack: &ErrorStack) -> &'static str {
    stack.errors().first().and_then(|error| error.reason()).unwrap_or("no reason is known")
}

impl Tls {
    pub(crate) fn new(wanted: Wanted) -> Result<Tls> {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(no_memory)?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2)).map_err(no_memory)?;
        if let Some(path) = &wanted.authorities {
            let pem = fs::read(path).map_err(|error| unusable("the authorities", path, error))?;
            let certificates = X509::stack_from_pem(&pem).map_err(|e| unusable("the authorities", path, reason(&e)))?;
            if certificates.is_empty() {
                return Err(unusable("the authorities", path, "it holds no certificate in PEM format"));
            }
            let mut store = X509StoreBuilder::new().map_err(no_memory)?;
            for certificate in certificates {
                store.add_cert(certificate).map_err(|e| unusable("the authorities", path, reason(&e)))?;
            }
            builder.set_cert_store(store.build());
        }
        if let Some(path) = &wanted.certificate {
            builder
                .set_certificate_file(path, SslFiletype::PEM)
                .and_then(|()| builder.set_certificate_chain_file(path))
                .map_err(|error| unusable("the client's certificate", path, reason(&error)))?;
            let path = wanted.key.as_ref().unwrap_or(path);
            let pem = fs::read(path).map_err(|error| unusable("the client's key", path, error))?;
            // A password is not asked for at the terminal, which OpenSSL would do by itself.
            let key = PKey::private_key_from_pem_callback(&pem, |_| Ok(0))
                .map_err(|error| unusable("the client's key", path, reason(&error)))?;
            let is_of_it = builder.set_private_key(&key).and_then(|()| builder.check_private_key());
            is_of_it.map_err(|_| unusable("the client's key", path, "it does not belong to the certificate"))?;
        }
        Ok(Tls { connector: builder.build(), server_name: wanted.server_name, is_named: wanted.certificate.is_some() })
    }

    pub(crate) fn connect(self: &Arc<Tls>, address: &Address, timeout: Duration) -> io::Result<ByteStream> {
        let end = Instant::now() + timeout;
        let socket = address.connect_tcp(timeout)?;
        let mut ssl = self
            .connector
            .configure()
            .and_then(|configuration| configuration.into_ssl(&self.server_name))
            .and_then(|ssl| SslStream::new(ssl, Pipe::default()))?;
        loop {
            let step = ssl.connect();
            (&socket).write_all(&ssl.get_mut().take())?;
            match step {
                Ok(()) => break,
                Err(error) if error.code() == ErrorCode::WANT_READ => {}
                Err(error) => return Err(self.words(&ssl, &error)),
            }
            let left = end.saturating_duration_since(Instant::now());
            let late = || io::Error::new(io::ErrorKind::TimedOut, LATE);
            if left.is_zero() {
                return Err(late());
            }
            socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let mut bytes = vec![0; CHUNK];
            match (&socket).read(&mut bytes) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "it closed the connection in the handshake",
                    ))
                }
                Ok(count) => ssl.get_mut().put(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(late()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        socket.set_read_timeout(None)?;
        let line = Arc::new(Line {
            tls: self.clone(),
            ssl: Mutex::new(ssl),
            sending: Mutex::new(()),
            socket,
            refusal: Mutex::default(),
            refused: Condvar::new(),
        });
        let shutdown = line.clone();
        Ok(ByteStream {
            reader: Box::new(Incoming { line: line.clone(), bytes: vec![0; CHUNK] }),
            writer: Box::new(Outgoing(line)),
            shutdown: Box::new(move || drop(shutdown.socket.shutdown(Shutdown::Both))),
        })
    }

    /// What is wrong with the server's TLS, and what would be right.
    fn words(&self, ssl: &SslStream<Pipe>, error: &ssl::Error) -> io::Error {
        let why = error.ssl_error().map_or("no reason is known", reason);
        let verified = ssl.ssl().verify_result();
        let refused = |what: String| io::Error::new(io::ErrorKind::InvalidData, Distrust(what));
        if verified != X509VerifyResult::OK {
            let what = verified.error_string();
            return refused(match verified.as_raw() {
                // X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
                9 | 10 => format!(
                    "the time of its certificate is over or has not begun ({what}): exchange it, or set this machine's clock"
                ),
                // X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
                62 | 64 => format!(
                    "its certificate is not for \"{}\": connect to a name that it has, or say server_name",
                    self.server_name
                ),
                _ => format!(
                    "its certificate is not trusted ({what}): name the file of its authority as ca_file or in BERTH_TLS_CA"
                ),
            });
        }
        if why == "wrong version number" || why == "packet length too long" {
            return refused("it does not speak TLS: leave tls:// out, or give the server a certificate".into());
        }
        if why == "unsupported protocol" || why.contains("protocol version") {
            return refused("it speaks no TLS that is safe: 1.2 and newer are".into());
        }
        let is_alert = why.contains("alert");
        if is_alert && ["certificate", "handshake failure", "unknown ca"].iter().any(|word| why.contains(word)) {
            return refused(if self.is_named {
                format!("it does not accept this client's certificate ({why})")
            } else {
                format!(
                    "it wants a certificate of this client ({why}): name one as cert_file and key_file, or in BERTH_TLS_CERT \
                     and BERTH_TLS_KEY"
                )
            });
        }
        io::Error::new(io::ErrorKind::InvalidData, format!("TLS failed: {why}"))
    }
}

const LATE: &str = "it did not finish the handshake of TLS in time; perhaps it speaks none";

/// What OpenSSL takes for its socket.
#[derive(Default)]
struct Pipe {
    incoming: Vec<u8>,
    taken: usize,
    outgoing: Vec<u8>,
}

impl Pipe {
    fn put(&mut self, bytes: &[u8]) {
        if self.taken == self.incoming.len() {
            self.incoming.clear();
            self.taken = 0;
        }
        self.incoming.extend_from_slice(bytes);
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut rest = &self.incoming[self.taken..];
        if rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = rest.read(into)?;
        self.taken += count;
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection. `ssl` is never held while anything waits; `sending` keeps the order of what is sent.
struct Line {
    tls: Arc<Tls>,
    ssl: Mutex<SslStream<Pipe>>,
    sending: Mutex<()>,
    socket: TcpStream,
    /// What the server said last, where it refused this client.
    refusal: Mutex<Option<String>>,
    refused: Condvar,
}

struct Incoming {
    line: Arc<Line>,
    bytes: Vec<u8>,
}

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ssl = self.line.ssl.lock().unwrap();
            let has_to_send = match ssl.ssl_read(into) {
                Ok(count) => return Ok(count),
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => return Ok(0),
                Err(error) if error.code() != ErrorCode::WANT_READ => {
                    let error = self.line.tls.words(&ssl, &error);
                    *self.line.refusal.lock().unwrap() = Distrust::of(&error).map(|distrust| distrust.0.clone());
                    self.line.refused.notify_all();
                    return Err(error);
                }
                Err(_) => !ssl.get_mut().outgoing.is_empty(),
            };
            drop(ssl);
            if has_to_send {
                self.line.answer();
            }
            let count = (&self.line.socket).read(&mut self.bytes)?;
            if count == 0 {
                return Ok(0);
            }
            self.line.ssl.lock().unwrap().get_mut().put(&self.bytes[..count]);
        }
    }
}

impl Line {
    /// Sends what only TLS knows of, unless somebody sends now: then it goes with the next that is sent, for who reads must not
    /// wait for who writes.
    fn answer(&self) {
        if let Ok(_sending) = self.sending.try_lock() {
            let bytes = self.ssl.lock().unwrap().get_mut().take();
            drop((&self.socket).write_all(&bytes)); // what is wrong shows at the next read
        }
    }
}

impl Line {
    /// A server that refuses this client's certificate has said so before it closed: the reader may find it.
    fn explained(&self, error: io::Error) -> io::Error {
        let refusal = self.refusal.lock().unwrap();
        let (refusal, _) = self.refused.wait_timeout_while(refusal, LAST_WORDS, |words| words.is_none()).unwrap();
        match &*refusal {
            Some(words) => io::Error::new(io::ErrorKind::InvalidData, Distrust(words.clone())),
            None => error,
        }
    }
}

struct Outgoing(Arc<Line>);

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = &*self.0;
        let _sending = line.sending.lock().unwrap();
        let (count, secret) = {
            let mut ssl = line.ssl.lock().unwrap();
            let count = match ssl.ssl_write(bytes) {
                Ok(count) => count,
                Err(error) => return Err(line.tls.words(&ssl, &error)),
            };
            (count, ssl.get_mut().take())
        };
        (&line.socket).write_all(&secret).map_err(|error| line.explained(error))?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
