// SPDX-License-Identifier: Apache-2.0

use std::io::{self, ErrorKind, Read, Write};

use bytes::Bytes;

use super::{wait, Lease};
use crate::aio::{self, UPLOAD_CHUNK};
use crate::command::ConnectOptions;
use crate::{Error, Result};

impl Lease {
    /// Connects to what listens in the container: a TCP port of its loopback, or a unix socket.
    ///
    /// # Errors
    /// `FailedPrecondition` (`ErrorReason::ConnectionRefused`, `NotASocket`), `NotFound` (`NoSuchFile`), `PermissionDenied`.
    pub fn connect(&self, options: &ConnectOptions) -> Result<ContainerStream> {
        wait(self.0.connect(options)).map(ContainerStream)
    }
}

/// A byte stream to something that listens in a container. As with the sockets of the standard library, one thread may
/// read a `&ContainerStream` while another writes to one. Dropped, it is closed.
///
/// A read fails with `ConnectionReset` where the other side broke it off, and with `ConnectionAborted` where the lease, a
/// time-out or the server ended it; a write fails with `BrokenPipe` where the other side takes no more.
#[derive(Debug)]
pub struct ContainerStream(aio::ContainerStream);

impl ContainerStream {
    /// Tells the other side that nothing follows; what comes from there still comes.
    pub fn shutdown_write(&self) -> io::Result<()> {
        wait(self.0.shutdown_write()).map_err(write_error)
    }

    /// Closes it, as dropping it does. What was written arrives.
    pub fn close(&self) {
        self.0.close();
    }
}

fn write_error(error: Error) -> io::Error {
    let kind = match error {
        Error::FailedPrecondition(_) | Error::NotFound(_) => ErrorKind::BrokenPipe,
        _ => ErrorKind::ConnectionAborted,
    };
    io::Error::new(kind, error)
}

impl Read for &ContainerStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        wait(self.0.read(into)).map_err(|error| {
            let is_reset = matches!(error, Error::Aborted(_));
            let kind = if is_reset { ErrorKind::ConnectionReset } else { ErrorKind::ConnectionAborted };
            io::Error::new(kind, error)
        })
    }
}

impl Write for &ContainerStream {
    /// Returns when the container's kernel has the bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(UPLOAD_CHUNK)];
        wait(self.0.write(Bytes::copy_from_slice(piece))).map_err(write_error)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for ContainerStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&*self).read(into)
    }
}

impl Write for ContainerStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
