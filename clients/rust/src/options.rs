// SPDX-License-Identifier: Apache-2.0

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{Error, Result};

pub(crate) const DEFAULT_ADDRESS: &str = "127.0.0.1:7411";

/// How a client reaches its server.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// `HOST:PORT`, `[IPv6]:PORT`, `:PORT` (loopback), `tls://` and one of these, or `unix:PATH`. If not set: `BERTH_SERVER`, else `127.0.0.1:7411`.
    pub address: String,
    /// Who calls, as Hello says for the server's log: `name/version`.
    pub name: String,
    /// How long a call tries to connect, again and again, before it fails with `Unavailable`; 5 s.
    pub connect_timeout: Duration,
    /// The time of a call that answers at once: all but acquires, the opening of contexts, executions, input and files; 30 s.
    pub call_timeout: Duration,
    /// Bytes of output of one execution that may wait here for a slow reader, before its program has to wait too:
    /// 64 KiB to 1 MiB; 256 KiB.
    pub window: u32,
    /// How long a server may say nothing to calls that wait; 60 s. After half of it, it is asked whether it is there; after all
    /// of it the connection counts as lost.
    pub keepalive: Duration,
    /// A file in PEM format, as all of these: the authorities that may have signed the server's certificate. If not set: that of
    /// `BERTH_TLS_CA`, else the system's. Each of these files means TLS, as `tls://` does, which needs the feature `tls`.
    pub ca_file: Option<PathBuf>,
    /// This client's certificate, for servers that want one. If not set: the file that `BERTH_TLS_CERT` names.
    pub cert_file: Option<PathBuf>,
    /// The key of the certificate, if it is not in its file. If not set: the file that `BERTH_TLS_KEY` names.
    pub key_file: Option<PathBuf>,
    /// Whom the server's certificate must name. If not set: the address's host.
    pub server_name: Option<String>,
    /// Says who calls, with every call. If not set: `BERTH_TOKEN`, else what is in the file that `BERTH_TOKEN_FILE` names; empty is
    /// none. Without TLS it goes to this machine only.
    pub token: Option<String>,
    /// Connects in another way than by the address, for example through a TLS of your own.
    pub connector: Option<Arc<Connector>>,
}

/// Makes a byte stream to the server, within a time.
pub type Connector = dyn Fn(Duration) -> io::Result<ByteStream> + Send + Sync;

/// A connection to the server: what one thread reads from, and what others write to meanwhile.
pub struct ByteStream {
    pub reader: Box<dyn Read + Send>,
    pub writer: Box<dyn Write + Send>,
    /// Ends reads and writes that are going on.
    pub shutdown: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByteStream")
    }
}

impl Default for Options {
    fn default() -> Options {
        let named = std::env::var("BERTH_SERVER").ok().filter(|name| !name.is_empty());
        Options {
            address: named.unwrap_or_else(|| DEFAULT_ADDRESS.into()),
            name: concat!("berth-rust/", env!("CARGO_PKG_VERSION")).into(),
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(30),
            window: 256 << 10,
            keepalive: Duration::from_secs(60),
            ca_file: None,
            cert_file: None,
            key_file: None,
            server_name: None,
            token: None,
            connector: None,
        }
    }
}

impl Options {
    /// The defaults, for the server at this address.
    pub fn at(address: impl Into<String>) -> Options {
        Options { address: address.into(), ..Options::default() }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("address", &self.address)
            .field("name", &self.name)
            .field("connect_timeout", &self.connect_timeout)
            .field("call_timeout", &self.call_timeout)
            .field("window", &self.window)
            .field("keepalive", &self.keepalive)
            .field("ca_file", &self.ca_file)
            .field("cert_file", &self.cert_file)
            .field("key_file", &self.key_file)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(String, u16),
    Tls(String, u16),
    Unix(String),
}

const USE: &str = "use HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411, or unix:/path/to/socket";
const USE_TLS: &str = "use tls://HOST:PORT, such as tls://berth.example:7411 or tls://[::1]:7411";

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Address> {
        let secured = text.strip_prefix("tls://");
        let rest = secured.unwrap_or(text);
        let malformed = || {
            let what = if rest.contains("://") { "a URL, not an address" } else { "not an address" };
            let use_ = if text.starts_with("tls:") { USE_TLS } else { USE };
            Err(Error::InvalidArgument(format!("{text:?} is {what}: {use_}").into()))
        };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => malformed(),
                path => Ok(Address::Unix(path.into())),
            };
        }
        if rest.contains("://") {
            return malformed();
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some(parts) => parts,
            None => return malformed(),
        };
        let port = match port.parse() {
            Ok(port) => port,
            Err(_) => return malformed(),
        };
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => host,
            None if host.contains(':') => return malformed(),
            None if host.is_empty() => "127.0.0.1",
            None => host,
        };
        Ok(if secured.is_some() { Address::Tls(host.into(), port) } else { Address::Tcp(host.into(), port) })
    }

    /// The socket itself.
    pub(crate) fn connect_tcp(&self, timeout: Duration) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        if let Address::Tcp(host, port) | Address::Tls(host, port) = self {
            for address in (host.as_str(), *port).to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, timeout) {
                    Ok(stream) => {
                        stream.set_nodelay(true)?;
                        return Ok(stream);
                    }
                    Err(error) => last = error,
                }
            }
        }
        Err(last)
    }

    pub(crate) fn connect(&self, timeout: Duration) -> io::Result<ByteStream> {
        match self {
            Address::Tcp(..) | Address::Tls(..) => {
                let stream = self.connect_tcp(timeout)?;
                let (reader, writer) = (stream.try_clone()?, stream.try_clone()?);
                Ok(ByteStream {
                    reader: Box::new(reader),
                    writer: Box::new(writer),
                    shutdown: Box::new(move || drop(stream.shutdown(Shutdown::Both))),
                })
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                let (reader, writer) = (stream.try_clone()?, stream.try_clone()?);
                Ok(ByteStream {
                    reader: Box::new(reader),
                    writer: Box::new(writer),
                    shutdown: Box::new(move || drop(stream.shutdown(Shutdown::Both))),
                })
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Tls(host, port) if host.contains(':') => write!(f, "tls://[{host}]:{port}"),
            Address::Tls(host, port) => write!(f, "tls://{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_every_client_takes_them_and_refused_in_words() {
        assert_eq!(Address::parse(":1").unwrap().to_string(), "127.0.0.1:1");
        assert_eq!(Address::parse("[::1]:7411").unwrap().to_string(), "[::1]:7411");
        assert_eq!(Address::parse("unix:///run/b").unwrap().to_string(), "unix:/run/b");
        assert_eq!(Address::parse("tls://[::1]:7411").unwrap().to_string(), "tls://[::1]:7411");
        assert_eq!(Address::parse("tls://:1").unwrap(), Address::Tls("127.0.0.1".into(), 1));
        let plain = ["", "host", "host:", "host:70000", "::1:7411", "unix:", "http://berth:7411"];
        let secured = ["tls://", "tls://host", "tls://unix:/x", "tls://tls://host:1", "tls:host:1", "tls://host:1/"];
        for wrong in plain.into_iter().chain(secured) {
            assert!(matches!(Address::parse(wrong), Err(Error::InvalidArgument(_))), "{wrong}");
        }
    }
}
