// SPDX-License-Identifier: Apache-2.0

use bytes::Bytes;

use super::{Execution, Lease};
use crate::command::ConnectOptions;
use crate::v1::{EndCause, Ended, OutputStream};
use crate::{Error, Result};

impl Lease {
    /// Connects to what listens in the container: a TCP port of its loopback, or a unix socket.
    ///
    /// # Errors
    /// `FailedPrecondition` (`ErrorReason::ConnectionRefused`, `NotASocket`), `NotFound` (`NoSuchFile`), `PermissionDenied`.
    pub async fn connect(&self, options: &ConnectOptions) -> Result<ContainerStream> {
        let execution = self.client.connect_in(self.token(), options).await?;
        match execution.id().await {
            Ok(_) => Ok(ContainerStream { execution }),
            // One that was given up while it waited has an end, and no start.
            Err(error) => Err(execution.ended().and_then(|ended| failure(&ended)).unwrap_or(error)),
        }
    }
}

/// A byte stream to something that listens in a container. One task may read while another writes. Dropped, it is closed.
#[derive(Debug)]
pub struct ContainerStream {
    execution: Execution,
}

impl ContainerStream {
    /// What comes next; 0 at the end.
    ///
    /// # Errors
    /// `Aborted` where the other side broke the connection off; `Cancelled`, `DeadlineExceeded` or `Unavailable` where the
    /// lease, a time-out or the server ended it.
    pub async fn read(&self, into: &mut [u8]) -> Result<usize> {
        let count = self.execution.read(OutputStream::Stdout, into).await?;
        match self.execution.ended().and_then(|ended| failure(&ended)) {
            Some(error) if count == 0 && !into.is_empty() => Err(error),
            _ => Ok(count),
        }
    }

    /// All that is left.
    pub async fn read_to_end(&self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut piece = vec![0; 64 << 10];
        loop {
            match self.read(&mut piece).await? {
                0 => return Ok(all),
                size => all.extend_from_slice(&piece[..size]),
            }
        }
    }

    /// Done when the container's kernel has the bytes. Dropped before, some of them may have been sent: write no more then.
    ///
    /// # Errors
    /// `FailedPrecondition` or `NotFound` where the other side takes no more.
    pub async fn write(&self, bytes: impl Into<Bytes>) -> Result<()> {
        self.execution.write(bytes).await
    }

    /// Tells the other side that nothing follows; what comes from there still comes.
    pub async fn shutdown_write(&self) -> Result<()> {
        self.execution.close_stdin().await
    }

    /// Closes it, as dropping it does. What was written arrives.
    pub fn close(&self) {
        self.execution.close();
    }
}

/// What a reader is told; `None` where both sides wanted the end.
fn failure(ended: &Ended) -> Option<Error> {
    let message = if ended.message.is_empty() {
        format!("the connection has ended: {:?}", ended.cause())
    } else {
        ended.message.clone()
    };
    match ended.cause() {
        EndCause::Exited => None,
        EndCause::ConnectionReset => Some(Error::Aborted(message.into())),
        EndCause::Cancelled => Some(Error::Cancelled(message.into())),
        EndCause::TimedOut | EndCause::IdleTimeout => Some(Error::DeadlineExceeded(message.into())),
        _ => Some(Error::Unavailable(message.into())),
    }
}
