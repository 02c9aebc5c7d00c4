use std::{fmt, io};

pub type Result<T> = std::result::Result<T, Error>;

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $code:literal $grpc:literal,)*) => {
        /// Why a call failed: gRPC's code, with a line that says what was wrong and, where that is known, what would be
        /// right.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Error {
            $($(#[$doc])* $name(String),)*
        }

        impl Error {
            pub(crate) fn new(code: i32, message: String) -> Error {
                match code {
                    $($code => Error::$name(message),)*
                    _ => Error::Unknown(message),
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
                match self { $(Error::$name(message) => message,)* }
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
    pub(crate) fn server_sent(what: impl fmt::Display) -> Error {
        Error::Internal(format!("the server sent {what}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
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
