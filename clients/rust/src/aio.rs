// SPDX-License-Identifier: Apache-2.0

//! The API as futures, which run on any executor: tokio, smol, or a thread that waits.
//!
//! A future that is dropped gives its call up; a lease that comes of an acquire all the same is released.

mod context;
mod execution;
mod file;
mod lease;
mod stream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
pub use context::Context;
pub use execution::Execution;
pub use file::RemoteFile;
pub use lease::Lease;
pub(crate) use lease::{Upload, CHUNK as UPLOAD_CHUNK};
pub use stream::ContainerStream;

use crate::channel::{tell, Channel};
use crate::command::{AcquireOptions, AttachOptions, Command, ConnectOptions};
use crate::frame;
use crate::options::Options;
use crate::queue::{Queue, Source};
use crate::unary::Late;
use crate::v1::{AcquireResponse, HelloRequest, HelloResponse, ReleaseRequest, StatsRequest, StatsResponse};
use crate::{channel, Error, Output, Result};

/// A Berth server, for any number of calls at a time. Clones share one connection, which ends with the last of them and
/// of their leases and executions.
///
/// The connection is made at the first call. When it ends, every open call fails with `Unavailable`; the next call
/// connects again, and tries so for the connect time-out. Nothing is ever run twice by itself.
#[derive(Clone)]
pub struct Client {
    channel: Arc<Channel>,
}

impl Client {
    /// # Errors
    /// `InvalidArgument` when the address is none.
    pub fn new(options: Options) -> Result<Client> {
        Client::with_writer(options, true)
    }

    pub(crate) fn with_writer(options: Options, queued: bool) -> Result<Client> {
        let channel = Arc::new(Channel::new(options, queued)?);
        Ok(Client { channel })
    }

    /// Closes the connection. What runs on it is cancelled; leases that are not detached end soon after.
    pub fn close(&self) {
        self.channel.close();
    }

    fn call_timeout(&self) -> Option<Duration> {
        Some(self.channel.options.call_timeout)
    }

    /// Who is there; free of cost.
    pub async fn hello(&self) -> Result<HelloResponse> {
        let request = HelloRequest { client: self.channel.options.name.clone() };
        self.channel.call("Hello", &request, self.call_timeout()).await
    }

    /// The server and its pools in numbers.
    pub async fn stats(&self) -> Result<StatsResponse> {
        self.channel.call("Stats", &StatsRequest {}, self.call_timeout()).await
    }

    /// Leases a container.
    pub async fn acquire(&self, options: &AcquireOptions) -> Result<Lease> {
        // The server keeps to the wait; the rest is for the way there and back.
        let timeout = options.wait.map(|wait| wait + self.channel.options.call_timeout);
        let late = Some(Box::new(release_late) as Late);
        let answer = self.channel.start(frame::UNARY, "Acquire", &options.request, timeout, late).await?;
        let acquired = channel::decode(answer.payload)?;
        Ok(Lease::new(self.clone(), acquired, !options.request.detached))
    }

    /// A lease that was acquired before, perhaps by another client, from its token. Makes no call, and does not release
    /// it when dropped.
    pub fn lease(&self, token: impl Into<String>) -> Lease {
        let acquired = AcquireResponse { lease: token.into(), ..AcquireResponse::default() };
        Lease::new(self.clone(), acquired, false)
    }

    /// Runs a program in a container of its own, which is acquired and released around it, in one round trip.
    pub async fn execute(&self, command: &Command) -> Result<Execution> {
        self.execute_in("", command).await
    }

    /// The same, and waits for all that it writes and its end.
    pub async fn run(&self, command: &Command) -> Result<Output> {
        refuse_open_stdin(command)?;
        self.execute(command).await?.collect().await
    }

    /// A further stream of an execution without a lease; else see [`Lease::attach`].
    pub async fn attach(&self, execution: &str, options: &AttachOptions) -> Result<Execution> {
        self.attach_in("", execution, options).await
    }

    async fn execute_in(&self, lease: &str, command: &Command) -> Result<Execution> {
        let mut request = command.request.clone();
        request.lease = lease.into();
        if request.window_bytes == 0 {
            request.window_bytes = self.channel.options.window.into();
        }
        let mut rest = Bytes::new();
        let ends = !request.keep_stdin_open;
        if request.stdin.len() > INLINE_INPUT {
            rest = request.stdin.split_off(UPLOAD_CHUNK);
            request.keep_stdin_open = true;
        }
        let deadline = command.deadline.map(|deadline| Instant::now() + deadline);
        let connection = self.channel.connection(deadline).await?;
        let queue =
            Queue::new(connection.clone(), lease.into(), request.window_bytes as u32, Source::Execution, [0, 0, 0]);
        self.channel.send(&connection, frame::REMOTE_CLOSED, "Execute", &request, deadline, queue.clone())?;
        let execution = Execution::new(self.clone(), lease.into(), queue, Some(request.stdin.len() as u64));
        if !rest.is_empty() {
            execution.feed(rest, ends);
        }
        Ok(execution)
    }

    async fn connect_in(&self, lease: &str, options: &ConnectOptions) -> Result<Execution> {
        let mut request = options.request.clone();
        request.lease = lease.into();
        if request.window_bytes == 0 {
            request.window_bytes = self.channel.options.window.into();
        }
        let connection = self.channel.connection(None).await?;
        let window = request.window_bytes as u32;
        let queue = Queue::new(connection.clone(), lease.into(), window, Source::Execution, [0, 0, 0]);
        self.channel.send(&connection, frame::REMOTE_CLOSED, "Connect", &request, None, queue.clone())?;
        Ok(Execution::new(self.clone(), lease.into(), queue, Some(0)))
    }

    async fn attach_in(&self, lease: &str, execution: &str, options: &AttachOptions) -> Result<Execution> {
        let mut request = options.request.clone();
        request.lease = lease.into();
        request.execution = execution.into();
        if request.window_bytes == 0 {
            request.window_bytes = self.channel.options.window.into();
        }
        let connection = self.channel.connection(None).await?;
        let offsets = [request.stdout_offset, request.stderr_offset, request.events_position];
        let queue =
            Queue::new(connection.clone(), lease.into(), request.window_bytes as u32, Source::Execution, offsets);
        self.channel.send(&connection, frame::REMOTE_CLOSED, "Attach", &request, None, queue.clone())?;
        Ok(Execution::new(self.clone(), lease.into(), queue, None))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.channel.options.address).finish()
    }
}

/// Up to here the standard input goes with the request itself; what is longer follows in pieces, as the program reads.
const INLINE_INPUT: usize = 1 << 20;

pub(crate) fn refuse_open_stdin(command: &Command) -> Result<()> {
    if command.request.keep_stdin_open {
        let why = "run has no way to write to a standard input that is kept open: use execute";
        return Err(Error::InvalidArgument(why.into()));
    }
    Ok(())
}

fn release_late(connection: &crate::connection::Connection, payload: bytes::Bytes) {
    if let Ok(AcquireResponse { lease, .. }) = channel::decode(payload) {
        tell(connection, "Release", &ReleaseRequest { lease });
    }
}
