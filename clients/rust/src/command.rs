// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::Duration;

use bytes::Bytes;

use crate::v1::{
    AcquireRequest, AttachRequest, ConnectRequest, ExecuteRequest, OpenContextRequest, OutputPolicy, Terminal,
    Unwatched,
};
use crate::words;

/// A program to run, and how. What is not set is the server's choice.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct Command {
    pub(crate) request: ExecuteRequest,
    pub(crate) deadline: Option<Duration>,
}

impl Command {
    /// The program and its arguments; a program without a slash is looked up in PATH.
    ///
    /// Any bytes are an argument, UTF-8 or not; so for the environment, directories and paths.
    pub fn new<S: AsRef<OsStr>>(argv: impl IntoIterator<Item = S>) -> Command {
        let argv: Vec<S> = argv.into_iter().collect();
        Command::default().with(|request| {
            match argv.iter().map(|word| word.as_ref().to_str().map(String::from)).collect::<Option<Vec<_>>>() {
                Some(texts) => request.argv = texts,
                None => request.argv_raw = argv.iter().map(words::bytes).collect(),
            }
        })
    }

    /// A line for the container's `/bin/sh`.
    pub fn shell(line: impl Into<String>) -> Command {
        Command::default().with(|request| request.shell = line.into())
    }

    /// Source text, less than 128 KiB, in a language that the server knows: `"python"`, `"sh"` …
    pub fn code(language: impl Into<String>, source: impl Into<String>) -> Command {
        Command::default().with(|request| {
            request.language = language.into();
            request.code = source.into();
        })
    }

    fn with(mut self, set: impl FnOnce(&mut ExecuteRequest)) -> Command {
        set(&mut self.request);
        self
    }

    /// Without a lease: the pool that the container is of.
    pub fn pool(self, pool: impl Into<String>) -> Command {
        self.with(|request| request.pool = pool.into())
    }

    /// Without a lease: how long to wait for a container when none is warm.
    pub fn wait(self, wait: Duration) -> Command {
        self.with(|request| request.wait_ms = millis(wait))
    }

    pub fn env(self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Command {
        self.with(|request| set_variable(&mut request.env, &mut request.env_raw, name.as_ref(), value.as_ref()))
    }

    /// The directory it runs in; absolute.
    pub fn cwd(self, directory: impl AsRef<OsStr>) -> Command {
        self.with(|request| (request.cwd, request.cwd_raw) = words::fields(directory))
    }

    /// The user id it runs as.
    pub fn uid(self, uid: u32) -> Command {
        self.with(|request| request.uid = uid)
    }

    /// The first, and without [`Command::open_stdin`] all, of its standard input. What is over 1 MiB follows in pieces, as
    /// the program reads.
    pub fn stdin(self, bytes: impl Into<Bytes>) -> Command {
        self.with(|request| request.stdin = bytes.into())
    }

    /// More input comes while it runs.
    pub fn open_stdin(self) -> Command {
        self.with(|request| request.keep_stdin_open = true)
    }

    /// It has a terminal of this size: all it writes is stdout, and its input is what is typed.
    pub fn terminal(self, rows: u32, columns: u32) -> Command {
        self.with(|request| {
            let terminal = request.terminal.get_or_insert_with(Terminal::default);
            (terminal.rows, terminal.columns) = (rows, columns);
        })
    }

    /// With [`Command::terminal`]: what is typed is not echoed.
    pub fn no_echo(self) -> Command {
        self.with(|request| request.terminal.get_or_insert_with(Terminal::default).no_echo = true)
    }

    /// Its stdout and stderr are one pipe, in the order of writing: all is stdout.
    pub fn merge_output(self) -> Command {
        self.with(|request| request.merge_output = true)
    }

    /// After this it is ended, with all it started: `TimedOut`.
    pub fn timeout(self, timeout: Duration) -> Command {
        self.with(|request| request.timeout_ms = millis(timeout))
    }

    /// Between TERM and KILL, when it is ended.
    pub fn grace(self, grace: Duration) -> Command {
        self.with(|request| request.grace_ms = millis(grace))
    }

    /// After so long without output it is ended: `IdleTimeout`.
    pub fn idle_timeout(self, timeout: Duration) -> Command {
        self.with(|request| request.idle_timeout_ms = millis(timeout))
    }

    /// CPU time, of all that it started, at which it is ended: `CpuTimeLimit`.
    pub fn cpu_time(self, limit: Duration) -> Command {
        self.with(|request| request.cpu_time_ms = millis(limit))
    }

    /// What it leaves running goes on until the lease ends.
    pub fn keep_background(self) -> Command {
        self.with(|request| request.keep_background = true)
    }

    /// Bytes of each of its streams at most, and what is done then.
    pub fn max_output(self, bytes: u64, policy: OutputPolicy) -> Command {
        self.with(|request| {
            request.max_output_bytes = bytes;
            request.output_policy = policy as i32;
        })
    }

    /// As [`Options::window`](crate::Options), for this execution.
    pub fn window(self, bytes: u32) -> Command {
        self.with(|request| request.window_bytes = bytes.into())
    }

    /// It goes on for so long when nobody watches it, and its end is kept for so long.
    pub fn resumable(self, time: Duration, unwatched: Unwatched) -> Command {
        self.with(|request| {
            request.resumable_ms = millis(time);
            request.unwatched = unwatched as i32;
        })
    }

    /// The time of the whole call; past it, reading fails with `DeadlineExceeded`.
    pub fn deadline(mut self, deadline: Duration) -> Command {
        self.deadline = Some(deadline);
        self
    }
}

/// What to lease, and for how long. What is not set is the server's choice.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct AcquireOptions {
    pub(crate) request: AcquireRequest,
    pub(crate) wait: Option<Duration>,
}

impl AcquireOptions {
    pub fn new() -> AcquireOptions {
        AcquireOptions::default()
    }

    pub fn pool(mut self, pool: impl Into<String>) -> AcquireOptions {
        self.request.pool = pool.into();
        self
    }

    /// How long to wait in line when none is warm.
    pub fn wait(mut self, wait: Duration) -> AcquireOptions {
        self.wait = Some(wait);
        self.request.wait_ms = millis(wait);
        self
    }

    /// The lease outlives its connection, and its [`Lease`](crate::Lease): time alone ends it.
    pub fn detached(mut self) -> AcquireOptions {
        self.request.detached = true;
        self
    }

    /// How long the lease lasts without use.
    pub fn lease_time(mut self, time: Duration) -> AcquireOptions {
        self.request.ttl_ms = millis(time);
        self
    }
}

/// Where a further stream of an execution begins.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct AttachOptions {
    pub(crate) request: AttachRequest,
}

impl AttachOptions {
    pub fn new() -> AttachOptions {
        AttachOptions::default()
    }

    /// How much of each stream the caller has: the offsets of an earlier [`Execution`](crate::Execution).
    pub fn from(mut self, stdout_offset: u64, stderr_offset: u64) -> AttachOptions {
        self.request.stdout_offset = stdout_offset;
        self.request.stderr_offset = stderr_offset;
        self
    }

    /// How much the caller has of what a piece of code shows beside its output: as [`AttachOptions::from`], the offset of
    /// `OutputStream::Events`.
    pub fn events_from(mut self, position: u64) -> AttachOptions {
        self.request.events_position = position;
        self
    }

    /// Only what is written from now on.
    pub fn from_now(mut self) -> AttachOptions {
        self.request.from_now = true;
        self
    }

    /// Never slows the program: it misses output, and is told, when it is too slow.
    pub fn observe(mut self) -> AttachOptions {
        self.request.observe = true;
        self
    }

    /// As [`Options::window`](crate::Options), for this stream.
    pub fn window(mut self, bytes: u32) -> AttachOptions {
        self.request.window_bytes = bytes.into();
        self
    }
}

/// An interpreter to start, and how. What is not set is the server's choice.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct ContextOptions {
    pub(crate) request: OpenContextRequest,
}

impl ContextOptions {
    /// `language`: `"python"`, `"bash"`, `"sh"` or `"node"`.
    pub fn new(language: impl Into<String>) -> ContextOptions {
        ContextOptions { request: OpenContextRequest { language: language.into(), ..OpenContextRequest::default() } }
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> ContextOptions {
        set_variable(&mut self.request.env, &mut self.request.env_raw, name.as_ref(), value.as_ref());
        self
    }

    /// The directory it begins in; absolute.
    pub fn cwd(mut self, directory: impl AsRef<OsStr>) -> ContextOptions {
        (self.request.cwd, self.request.cwd_raw) = words::fields(directory);
        self
    }

    /// The user id it runs as.
    pub fn uid(mut self, uid: u32) -> ContextOptions {
        self.request.uid = uid;
        self
    }
}

/// Where to connect to in a container, and how. What is not set is the server's choice.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct ConnectOptions {
    pub(crate) request: ConnectRequest,
}

impl ConnectOptions {
    /// A TCP port of the container's loopback.
    pub fn port(port: u16) -> ConnectOptions {
        ConnectOptions { request: ConnectRequest { port: port.into(), ..ConnectRequest::default() } }
    }

    /// The path of a unix socket; absolute.
    pub fn path(path: impl AsRef<OsStr>) -> ConnectOptions {
        let (path, path_raw) = words::fields(path);
        ConnectOptions { request: ConnectRequest { path, path_raw, ..ConnectRequest::default() } }
    }

    /// How long to wait until somebody listens there.
    pub fn wait(mut self, wait: Duration) -> ConnectOptions {
        self.request.wait_ms = millis(wait);
        self
    }

    /// After this it is closed.
    pub fn timeout(mut self, timeout: Duration) -> ConnectOptions {
        self.request.timeout_ms = millis(timeout);
        self
    }

    /// After so long without a byte either way it is closed.
    pub fn idle_timeout(mut self, timeout: Duration) -> ConnectOptions {
        self.request.idle_timeout_ms = millis(timeout);
        self
    }

    /// As [`Options::window`](crate::Options), for this connection.
    pub fn window(mut self, bytes: u32) -> ConnectOptions {
        self.request.window_bytes = bytes.into();
        self
    }
}

/// As text, or, where it is not UTF-8, as bytes.
fn set_variable(texts: &mut BTreeMap<String, String>, raw: &mut Vec<Bytes>, name: &OsStr, value: &OsStr) {
    match (name.to_str(), value.to_str()) {
        (Some(name), Some(value)) => drop(texts.insert(name.into(), value.into())),
        _ => raw.push([&words::bytes(name)[..], b"=", &words::bytes(value)].concat().into()),
    }
}

/// Whole milliseconds for the wire, where 0 means "the server's choice": at least 1.
pub(crate) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).max(1)
}
