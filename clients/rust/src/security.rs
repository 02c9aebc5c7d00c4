// SPDX-License-Identifier: Apache-2.0

//! TLS and tokens: what the options say of them, and the environment where they do not.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt, fs, io};

use prost::Message;

use crate::options::{Address, ByteStream, Options};
use crate::ttrpc;
use crate::{Error, Result};

/// How this client makes itself known, and knows its server.
pub(crate) struct Security {
    /// Metadata of every request, encoded: it goes behind the rest as it is.
    pub metadata: Arc<[u8]>,
    tls: Option<Arc<Tls>>,
}

/// The server's TLS is not what it must be, which does not get better by being tried again.
#[derive(Debug)]
pub(crate) struct Distrust(pub String);

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Distrust {}

impl Distrust {
    pub(crate) fn of(error: &io::Error) -> Option<&Distrust> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }
}

/// What TLS needs to know.
pub(crate) struct Wanted {
    pub server_name: String,
    pub authorities: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

#[cfg(feature = "tls")]
use crate::tls::Tls;

/// Without the feature there is none.
#[cfg(not(feature = "tls"))]
enum Tls {}

#[cfg(not(feature = "tls"))]
impl Tls {
    fn new(_: Wanted) -> Result<Tls> {
        Err(wrong(
            "this crate was built without TLS: turn on its feature \"tls\", give a connector of your own, or connect through \
             a tunnel that ends on this machine",
        ))
    }

    fn connect(&self, _: &Address, _: Duration) -> io::Result<ByteStream> {
        match *self {}
    }
}

pub(crate) fn wrong(what: impl Into<String>) -> Error {
    Error::InvalidArgument(what.into().into())
}

impl Security {
    pub(crate) fn of(options: &Options, address: &Address) -> Result<Security> {
        let has_files = options.ca_file.is_some() || options.cert_file.is_some() || options.key_file.is_some();
        let is_secure = matches!(address, Address::Tls(..)) || has_files;
        // A connector of the caller's does all of it.
        let tls = match address {
            _ if !is_secure || options.connector.is_some() => None,
            Address::Tcp(host, _) | Address::Tls(host, _) => Some(Arc::new(Tls::new(wanted(options, host)?)?)),
            Address::Unix(_) => return Err(wrong("a unix socket does not speak TLS: leave the files out")),
        };
        let token = token(options.token.as_deref())?;
        if let (Address::Tcp(host, _), Some(_), false, None) = (address, &token, is_secure, &options.connector) {
            if !is_local(host) {
                let why = "a token is not sent there without TLS, since others could read it";
                return Err(wrong(format!("{address}: {why}: connect to tls://{address}")));
            }
        }
        let metadata = token.map_or_else(Vec::new, |token| {
            let pair = ttrpc::KeyValue { key: "authorization".into(), value: format!("Bearer {token}") };
            ttrpc::Request { metadata: vec![pair], ..Default::default() }.encode_to_vec()
        });
        Ok(Security { metadata: metadata.into(), tls })
    }

    pub(crate) fn connect(&self, address: &Address, timeout: Duration) -> io::Result<ByteStream> {
        match &self.tls {
            Some(tls) => tls.connect(address, timeout),
            None => address.connect(timeout),
        }
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().map_or(false, |address| address.is_loopback())
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn wanted(options: &Options, host: &str) -> Result<Wanted> {
    let (mut certificate, mut key) = (options.cert_file.clone(), options.key_file.clone());
    if certificate.is_none() && key.is_none() {
        certificate = variable("BERTH_TLS_CERT");
        key = variable("BERTH_TLS_KEY");
    }
    if certificate.is_none() && key.is_some() {
        return Err(wrong("a key without its certificate: name that too, as cert_file or in BERTH_TLS_CERT"));
    }
    Ok(Wanted {
        server_name: options.server_name.clone().unwrap_or_else(|| host.to_owned()),
        authorities: options.ca_file.clone().or_else(|| variable("BERTH_TLS_CA")),
        certificate,
        key,
    })
}

fn token(given: Option<&str>) -> Result<Option<String>> {
    let (token, origin) = match (given, variable("BERTH_TOKEN"), variable("BERTH_TOKEN_FILE")) {
        (Some(given), _, _) => (given.to_owned(), "the token".to_owned()),
        (None, Some(named), _) => (named.to_string_lossy().into_owned(), "BERTH_TOKEN".to_owned()),
        (None, None, Some(path)) => {
            let origin = format!("the content of BERTH_TOKEN_FILE, {},", path.display());
            let text = fs::read_to_string(&path).map_err(|error| wrong(format!("{origin} cannot be read: {error}")))?;
            if text.trim().is_empty() {
                return Err(wrong(format!("{origin} is empty")));
            }
            (text.trim().to_owned(), origin)
        }
        (None, None, None) => return Ok(None),
    };
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(format!("{origin} is no token: it has characters other than ASCII's visible ones")));
    }
    Ok(Some(token).filter(|token| !token.is_empty()))
}

#[cfg(all(test, not(feature = "tls")))]
mod tests {
    use super::*;

    #[test]
    fn without_the_feature_tls_is_refused_in_words_unless_a_connector_does_it() {
        let address = Address::parse("tls://berth.test:7411").unwrap();
        let mut options = Options::at("tls://berth.test:7411");
        let words = Security::of(&options, &address).err().unwrap().to_string();
        assert!(words.contains("feature \"tls\""), "{words}");
        options.connector = Some(Arc::new(|_| Err(io::ErrorKind::Other.into())));
        options.token = Some("x".into());
        assert!(!Security::of(&options, &address).unwrap().metadata.is_empty());
    }
}
