// SPDX-License-Identifier: Apache-2.0

use std::time::Duration;

use bytes::Bytes;

use crate::v1::{ExecuteRequest, OutputPolicy, Unwatched};
use crate::Command;

/// A piece of code for a [`Context`](crate::Context), and how it is run; what is not set is the server's choice. A string is
/// one. What belongs to the interpreter (its environment, its directory, its user) is said when the context is opened.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct Piece(pub(crate) Command);

impl Piece {
    /// At most 1 MiB of code.
    pub fn new(code: impl Into<String>) -> Piece {
        let request = ExecuteRequest { code: code.into(), ..ExecuteRequest::default() };
        Piece(Command { request, ..Command::default() })
    }

    /// The first, and without [`Piece::open_stdin`] all, of its standard input.
    pub fn stdin(self, bytes: impl Into<Bytes>) -> Piece {
        Piece(self.0.stdin(bytes))
    }

    /// More input comes while it runs: the answer to an [`Event::Prompt`](crate::Event), with its line feed.
    pub fn open_stdin(self) -> Piece {
        Piece(self.0.open_stdin())
    }

    /// After this it is interrupted: `TimedOut`.
    pub fn timeout(self, timeout: Duration) -> Piece {
        Piece(self.0.timeout(timeout))
    }

    /// Between the interrupt and the end of the whole context, when it is to end and does not.
    pub fn grace(self, grace: Duration) -> Piece {
        Piece(self.0.grace(grace))
    }

    /// After so long without output it is interrupted: `IdleTimeout`.
    pub fn idle_timeout(self, timeout: Duration) -> Piece {
        Piece(self.0.idle_timeout(timeout))
    }

    /// CPU time at which it is interrupted: `CpuTimeLimit`.
    pub fn cpu_time(self, limit: Duration) -> Piece {
        Piece(self.0.cpu_time(limit))
    }

    /// Bytes of each of its streams at most, and what is done then.
    pub fn max_output(self, bytes: u64, policy: OutputPolicy) -> Piece {
        Piece(self.0.max_output(bytes, policy))
    }

    /// As [`Options::window`](crate::Options), for this piece.
    pub fn window(self, bytes: u32) -> Piece {
        Piece(self.0.window(bytes))
    }

    /// It goes on for so long when nobody watches it, and its end is kept for so long.
    pub fn resumable(self, time: Duration, unwatched: Unwatched) -> Piece {
        Piece(self.0.resumable(time, unwatched))
    }

    /// The time of the whole call; past it, reading fails with `DeadlineExceeded`.
    pub fn deadline(self, deadline: Duration) -> Piece {
        Piece(self.0.deadline(deadline))
    }
}

impl From<&str> for Piece {
    fn from(code: &str) -> Piece {
        Piece::new(code)
    }
}

impl From<String> for Piece {
    fn from(code: String) -> Piece {
        Piece::new(code)
    }
}
