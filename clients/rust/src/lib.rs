#![doc = include_str!("../README.md")]
// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations, rust_2018_idioms)]

#[cfg(feature = "async")]
pub mod aio;
#[cfg(not(feature = "async"))]
#[allow(dead_code)] // what only tasks use
mod aio;
mod blocking;
mod channel;
mod command;
mod connection;
mod error;
mod frame;
mod options;
mod piece;
mod queue;
mod security;
mod shown;
mod text;
mod timer;
#[cfg(feature = "tls")]
mod tls;
mod unary;
mod words;

pub use blocking::{Client, ContainerStream, Context, Execution, Lease, Reader, RemoteFile, Writer};
pub use command::{AcquireOptions, AttachOptions, Command, ConnectOptions, ContextOptions};
pub use error::{Detail, Error, Result};
pub use options::{ByteStream, Connector, Options};
pub use piece::Piece;
pub use text::Text;
pub use v1::execute_event::Event;

/// The messages of `proto/berth/v1/pool.proto`, as prost makes them.
#[rustfmt::skip]
#[allow(clippy::all, missing_docs)]
pub mod v1 {
    include!("generated/berth.v1.rs");
}

#[rustfmt::skip]
#[allow(clippy::all)]
mod ttrpc {
    include!("generated/ttrpc.rs");
}

/// All that a program wrote, and how it ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Its cause, exit code, signal, usage, and what was cut off.
    pub ended: v1::Ended,
    /// What a piece of code has shown, in order; one with `update` takes the place of those with its id.
    pub displays: Vec<v1::Display>,
    /// How a piece of code failed.
    pub failure: Option<v1::Failure>,
}

impl Output {
    /// It ran to its end, with exit code 0.
    pub fn is_ok(&self) -> bool {
        self.ended.cause() == v1::EndCause::Exited && self.ended.exit_code == 0
    }

    /// The value of a piece's last expression, as text; `None` where it has none, or it is not shown.
    pub fn value(&self) -> Option<std::borrow::Cow<'_, str>> {
        self.displays.iter().rev().find(|display| display.result).and_then(v1::Display::text)
    }

    /// What it wrote to stdout, as text; what is no UTF-8 is replaced.
    pub fn stdout_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }

    /// What it wrote to stderr, as text; what is no UTF-8 is replaced.
    pub fn stderr_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.stderr)
    }
}
