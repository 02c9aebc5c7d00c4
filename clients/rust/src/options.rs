// SPDX-License-Identifier: Apache-2.0

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use crate::{Error, Result};

pub(crate) const DEFAULT_ADDRESS: &str = "127.0.0.1:7411";

/// How a client reaches its server.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// `HOST:PORT`, `[IPv6]:PORT`, `:PORT` (loopback) or `unix:PATH`. If not set: `BERTH_SERVER`, else `127.0.0.1:7411`.
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
    /// Connects in another way than by the address, for example through TLS.
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
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(String, u16),
    Unix(String),
}

const USE: &str = "use HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411, or unix:/path/to/socket";

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Address> {
        let malformed = || {
            let what = if text.contains("://") { "a URL, not an address" } else { "not an address" };
            Err(Error::InvalidArgument(format!("{text:?} is {what}: {USE}").into()))
        };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => malformed(),
                path => Ok(Address::Unix(path.into())),
            };
        }
        if text.contains("://") {
            return malformed();
        }
        let (host, port) = match text.rsplit_once(':') {
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
        Ok(Address::Tcp(host.into(), port))
    }

    pub(crate) fn connect(&self, timeout: Duration) -> io::Result<ByteStream> {
        match self {
            Address::Tcp(host, port) => {
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, timeout) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            let (reader, writer) = (stream.try_clone()?, stream.try_clone()?);
                            return Ok(ByteStream {
                                reader: Box::new(reader),
                                writer: Box::new(writer),
                                shutdown: Box::new(move || drop(stream.shutdown(Shutdown::Both))),
                            });
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
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
        for wrong in ["", "host", "host:", "host:70000", "::1:7411", "unix:", "http://berth:7411"] {
            assert!(matches!(Address::parse(wrong), Err(Error::InvalidArgument(_))), "{wrong}");
        }
    }
}
