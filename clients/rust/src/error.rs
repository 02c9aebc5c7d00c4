// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeMap;
use std::{fmt, io};

use prost::Message;

use crate::ttrpc;
use crate::v1::ErrorReason;

pub type Result<T> = std::result::Result<T, Error>;

/// What is known of a failure beside its code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detail {
    /// What was wrong, in one line.
    pub message: String,
    /// Tells apart what has the same code; unspecified where the server gives none that is known here.
    pub reason: ErrorReason,
    /// What the server says beside the reason, as `retry_after_ms`.
    pub metadata: BTreeMap<String, String>,
}

impl<T: Into<String>> From<T> for Detail {
    fn from(message: T) -> Detail {
        Detail { message: message.into(), ..Detail::default() }
    }
}

/// Its message, for callers who want the words of a variant.
impl std::ops::Deref for Detail {
    type Target = str;

    fn deref(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $code:literal $grpc:literal,)*) => {
        /// Why a call failed: gRPC's code, with a line that says what was wrong and, where that is known, what would be
        /// right.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Error {
            $($(#[$doc])* $name(Detail),)*
        }

        impl Error {
            pub(crate) fn new(code: i32, detail: Detail) -> Error {
                match code {
                    $($code => Error::$name(detail),)*
                    _ => Error::Unknown(detail),
                }
            }

            /// gRPC's number.
            pub fn code(&self) -> i32 {
                match self { $(Error::$name(_) => $code,)* }
            }

            /// gRPC's name: `"NOT_FOUND"`.
            pub fn name(&self) -> &'static str {
                match self { $(Error::$name(_) => $grpc,)* }
            }

            /// What was wrong, in one line.
            pub fn message(&self) -> &str {
                &self.detail().message
            }

            fn detail(&self) -> &Detail {
                match self { $(Error::$name(detail) => detail,)* }
            }
        }
    };
}

errors! {
    /// The caller gave up: the stream was detached.
    Cancelled = 1 "CANCELLED",
    Unknown = 2 "UNKNOWN",
    /// The request cannot be served as it is.
    InvalidArgument = 3 "INVALID_ARGUMENT",
    /// The call's time, or an acquire's wait, has passed.
    DeadlineExceeded = 4 "DEADLINE_EXCEEDED",
    /// No such pool, execution or file; or the lease never was, or has ended.
    NotFound = 5 "NOT_FOUND",
    AlreadyExists = 6 "ALREADY_EXISTS",
    PermissionDenied = 7 "PERMISSION_DENIED",
    /// A limit is reached: waiters, leases, space, the size of a message.
    ResourceExhausted = 8 "RESOURCE_EXHAUSTED",
    /// The request is right, but not now, or not for this execution or file.
    FailedPrecondition = 9 "FAILED_PRECONDITION",
    Aborted = 10 "ABORTED",
    OutOfRange = 11 "OUT_OF_RANGE",
    /// The server does not know this call.
    Unimplemented = 12 "UNIMPLEMENTED",
    /// What the server sent makes no sense.
    Internal = 13 "INTERNAL",
    /// The server cannot be reached, or cannot serve this now: the message says which.
    Unavailable = 14 "UNAVAILABLE",
    DataLoss = 15 "DATA_LOSS",
    Unauthenticated = 16 "UNAUTHENTICATED",
}

impl Error {
    /// Tells apart what has the same code: `ErrorReason::IsADirectory` …
    pub fn reason(&self) -> ErrorReason {
        self.detail().reason
    }

    /// What the server says beside the reason, as `retry_after_ms`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.detail().metadata
    }

    /// With the reason, if the server gives one that is known here.
    pub(crate) fn from_status(status: ttrpc::Status) -> Error {
        let mut detail = Detail::from(status.message);
        for any in status.details {
            if any.type_url.rsplit('/').next() != Some("google.rpc.ErrorInfo") {
                continue;
            }
            // Where it cannot be read, the code and the message say enough.
            if let Ok(info) = ttrpc::ErrorInfo::decode(any.value) {
                if info.domain == "berth.dev" {
                    detail.reason = ErrorReason::from_str_name(&info.reason).unwrap_or_default();
                    detail.metadata = info.metadata;
                }
            }
        }
        Error::new(status.code, detail)
    }

    pub(crate) fn server_sent(what: impl fmt::Display) -> Error {
        Error::Internal(format!("the server sent {what}").into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            ErrorReason::Unspecified => f.write_str(self.message()),
            reason => write!(f, "{}: {}", reason.as_str_name(), self.message()),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error {
            Error::InvalidArgument(_) => io::ErrorKind::InvalidInput,
            Error::DeadlineExceeded(_) => io::ErrorKind::TimedOut,
            Error::NotFound(_) => io::ErrorKind::NotFound,
            Error::PermissionDenied(_) => io::ErrorKind::PermissionDenied,
            Error::Unavailable(_) => io::ErrorKind::ConnectionAborted,
            Error::Unimplemented(_) => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
