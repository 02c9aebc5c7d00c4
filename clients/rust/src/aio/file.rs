// SPDX-License-Identifier: Apache-2.0

use std::sync::Arc;

use super::Client;
use crate::frame;
use crate::queue::{poll_fn, Queue, Source};
use crate::v1::{FileInfo, OutputStream};
use crate::{Error, Result};

/// A file of a container, or an archive of a directory, read while it is sent. Dropped before its end, it is sent no
/// further.
#[derive(Debug)]
pub struct RemoteFile {
    queue: Arc<Queue>,
    // The connection must not end before the file is read.
    _client: Client,
}

impl RemoteFile {
    /// Waits for the file to be opened, so that what is wrong with it is told here.
    pub(super) async fn open(
        client: &Client,
        lease: &str,
        method: &'static str,
        request: &impl prost::Message,
    ) -> Result<RemoteFile> {
        let channel = &client.channel;
        let connection = channel.connection(None).await?;
        let queue = Queue::new(connection.clone(), lease.into(), channel.options.window, Source::File, [0, 0, 0]);
        channel.send(&connection, frame::REMOTE_CLOSED, method, request, None, queue.clone())?;
        let file = RemoteFile { queue, _client: client.clone() };
        poll_fn(|context| file.queue.poll_started(context)).await?;
        Ok(file)
    }

    /// The file's size, mode, time …; of an archive, nothing.
    pub fn info(&self) -> FileInfo {
        self.queue.info()
    }

    /// What comes next; 0 at the end.
    pub async fn read(&self, into: &mut [u8]) -> Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| self.queue.poll_read(context, OutputStream::Stdout, into))
            .await?
            .map_err(|_| Error::server_sent("a file with a gap"))
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
}

impl Drop for RemoteFile {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}
