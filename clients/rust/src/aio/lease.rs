// SPDX-License-Identifier: Apache-2.0

use std::ffi::OsStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::{Client, Execution, RemoteFile};
use crate::command::{millis, AttachOptions, Command};
use crate::v1::{
    AcquireResponse, ChangeModeRequest, ChangeModeResponse, ExecutionInfo, FileInfo, ListDirectoryRequest,
    ListDirectoryResponse, ListExecutionsRequest, ListExecutionsResponse, MakeDirectoryRequest, MakeDirectoryResponse,
    ReadArchiveRequest, ReadFileRequest, ReleaseRequest, ReleaseResponse, RemoveFileRequest, RemoveFileResponse,
    RenameFileRequest, RenameFileResponse, RenewRequest, RenewResponse, StatRequest, StatResponse, WriteArchiveRequest,
    WriteArchiveResponse, WriteFileRequest, WriteFileResponse,
};
use crate::{channel, frame, words, Output, Result};

pub(crate) const CHUNK: usize = 256 << 10;

/// A container, leased: programs run in it, and files are written to and read from it.
///
/// It ends when it is released or dropped, when its time passes without use, or soon after the connection that acquired
/// it ended. One that was acquired detached, or taken up by its token, is not released when it is dropped.
///
/// Paths of files are absolute, and lead to a place that programs can write to: /tmp, /workspace …
#[derive(Debug)]
pub struct Lease {
    pub(super) client: Client,
    acquired: AcquireResponse,
    is_mine: AtomicBool,
}

impl Lease {
    pub(super) fn new(client: Client, acquired: AcquireResponse, is_mine: bool) -> Lease {
        Lease { client, acquired, is_mine: AtomicBool::new(is_mine) }
    }

    /// Whoever knows it may use the lease.
    pub fn token(&self) -> &str {
        &self.acquired.lease
    }

    /// The container's name, for logs.
    pub fn member(&self) -> &str {
        &self.acquired.member
    }

    /// How long the lease lasts without use.
    pub fn time(&self) -> Duration {
        Duration::from_millis(self.acquired.ttl_ms.into())
    }

    /// The container was warm; false: it was created while the call waited.
    pub fn is_warm(&self) -> bool {
        self.acquired.warm
    }

    /// Ends the lease and what runs in it. Once more does nothing.
    pub async fn release(&self) -> Result<()> {
        let request = ReleaseRequest { lease: self.token().into() };
        let timeout = self.client.call_timeout();
        let ReleaseResponse {} = self.client.channel.call("Release", &request, timeout).await?;
        self.is_mine.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// The release of a lease that is dropped: makes no connection for it.
    pub(crate) async fn release_open(&self) {
        if self.client.channel.is_connected() {
            drop(self.release().await);
        }
    }

    /// It is to be released when it is dropped, and has not been; not any more.
    pub(crate) fn disown(&self) -> bool {
        self.is_mine.swap(false, Ordering::Relaxed)
    }

    /// Extends it, which every other call on it does too; `None` is by as long as before.
    /// Returns the time left, if it is not used.
    pub async fn renew(&self, time: Option<Duration>) -> Result<Duration> {
        let request = RenewRequest { lease: self.token().into(), ttl_ms: time.map_or(0, millis) };
        let response: RenewResponse = self.client.channel.call("Renew", &request, self.client.call_timeout()).await?;
        Ok(Duration::from_millis(response.ttl_ms.into()))
    }

    pub async fn execute(&self, command: &Command) -> Result<Execution> {
        self.client.execute_in(self.token(), command).await
    }

    /// The same, and waits for all that it writes and its end.
    pub async fn run(&self, command: &Command) -> Result<Output> {
        super::refuse_open_stdin(command)?;
        self.execute(command).await?.collect().await
    }

    /// A further stream of an execution that runs, or is still kept; from its [`Execution::id`].
    pub async fn attach(&self, execution: &str, options: &AttachOptions) -> Result<Execution> {
        self.client.attach_in(self.token(), execution, options).await
    }

    /// Those that run, and those that have ended and are still kept; the oldest first.
    pub async fn executions(&self) -> Result<Vec<ExecutionInfo>> {
        let request = ListExecutionsRequest { lease: self.token().into() };
        let response: ListExecutionsResponse =
            self.client.channel.call("ListExecutions", &request, self.client.call_timeout()).await?;
        Ok(response.executions)
    }

    /// Writes a file, which is complete under its name or not there; readable by all.
    pub async fn write_file(&self, path: impl AsRef<OsStr>, data: impl Into<Bytes>) -> Result<()> {
        self.write_file_with(path, data, 0, false).await
    }

    /// `mode`: permission bits, 0 is 0644; `create_parents`: directories that are missing on the way are made.
    pub async fn write_file_with(
        &self,
        path: impl AsRef<OsStr>,
        data: impl Into<Bytes>,
        mode: u32,
        create_parents: bool,
    ) -> Result<()> {
        let mut data = data.into();
        let mut upload = self.upload_file(path, mode, create_parents);
        loop {
            let piece = data.split_to(data.len().min(CHUNK));
            upload.send(piece, !data.is_empty()).await?;
            if data.is_empty() {
                return Ok(());
            }
        }
    }

    /// Unpacks a tar archive into a directory, which is made if it is missing. Returns how many files.
    pub async fn write_archive(&self, path: impl AsRef<OsStr>, tar: impl Into<Bytes>) -> Result<u64> {
        let mut tar = tar.into();
        let mut upload = self.upload_archive(path);
        loop {
            let piece = tar.split_to(tar.len().min(CHUNK));
            upload.send(piece, !tar.is_empty()).await?;
            if tar.is_empty() {
                return Ok(upload.files());
            }
        }
    }

    pub(crate) fn upload_file(&self, path: impl AsRef<OsStr>, mode: u32, create_parents: bool) -> Upload<'_> {
        let (path, path_raw) = words::fields(path);
        let lease = self.token().into();
        Upload::File(
            self,
            WriteFileRequest { lease, path, path_raw, mode, create_parents, ..WriteFileRequest::default() },
        )
    }

    pub(crate) fn upload_archive(&self, path: impl AsRef<OsStr>) -> Upload<'_> {
        let (path, path_raw) = words::fields(path);
        let request =
            WriteArchiveRequest { lease: self.token().into(), path, path_raw, ..WriteArchiveRequest::default() };
        Upload::Archive(self, request, 0)
    }

    /// Reads a file while it is sent.
    pub async fn read_file(&self, path: impl AsRef<OsStr>) -> Result<RemoteFile> {
        self.read_file_range(path, 0, 0).await
    }

    /// `length`: bytes at most; 0 is all to the end.
    pub async fn read_file_range(&self, path: impl AsRef<OsStr>, offset: u64, length: u64) -> Result<RemoteFile> {
        let (path, path_raw) = words::fields(path);
        let request = ReadFileRequest {
            lease: self.token().into(),
            path,
            path_raw,
            offset,
            length,
            window_bytes: self.client.channel.options.window.into(),
        };
        RemoteFile::open(&self.client, self.token(), "ReadFile", &request).await
    }

    /// A directory, or a single file, as a tar archive.
    pub async fn read_archive(&self, path: impl AsRef<OsStr>) -> Result<RemoteFile> {
        let (path, path_raw) = words::fields(path);
        let request = ReadArchiveRequest {
            lease: self.token().into(),
            path,
            path_raw,
            window_bytes: self.client.channel.options.window.into(),
        };
        RemoteFile::open(&self.client, self.token(), "ReadArchive", &request).await
    }

    /// What a directory holds, in the order of the names' bytes.
    pub async fn list(&self, path: impl AsRef<OsStr>) -> Result<Vec<FileInfo>> {
        let (path, path_raw) = words::fields(path);
        let request = ListDirectoryRequest { lease: self.token().into(), path, path_raw };
        let timeout = self.client.call_timeout();
        let answer = self.client.channel.start(frame::REMOTE_CLOSED, "ListDirectory", &request, timeout, None).await?;
        let mut entries = Vec::new();
        for message in answer.messages {
            entries.extend(channel::decode::<ListDirectoryResponse>(message)?.entries);
        }
        Ok(entries)
    }

    /// What is at a path: a link itself, or, if `follow`, what it leads to.
    pub async fn stat(&self, path: impl AsRef<OsStr>, follow: bool) -> Result<FileInfo> {
        let (path, path_raw) = words::fields(path);
        let request = StatRequest { lease: self.token().into(), path, path_raw, follow };
        let response: StatResponse = self.client.channel.call("Stat", &request, self.client.call_timeout()).await?;
        Ok(response.info.unwrap_or_default())
    }

    /// Makes a directory. `mode`: permission bits, 0 is 0755; `parents`: directories that are missing on the way are made, and
    /// it may be there already.
    pub async fn make_directory(&self, path: impl AsRef<OsStr>, mode: u32, parents: bool) -> Result<()> {
        let (path, path_raw) = words::fields(path);
        let request = MakeDirectoryRequest { lease: self.token().into(), path, path_raw, mode, parents };
        let timeout = self.client.call_timeout();
        let MakeDirectoryResponse {} = self.client.channel.call("MakeDirectory", &request, timeout).await?;
        Ok(())
    }

    /// Gives a file, a link or a directory another path. What is there is replaced, unless `no_replace`.
    pub async fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>, no_replace: bool) -> Result<()> {
        let ((from, from_raw), (to, to_raw)) = (words::fields(from), words::fields(to));
        let request = RenameFileRequest { lease: self.token().into(), from, from_raw, to, to_raw, no_replace };
        let timeout = self.client.call_timeout();
        let RenameFileResponse {} = self.client.channel.call("RenameFile", &request, timeout).await?;
        Ok(())
    }

    /// Changes the permission bits of a file or a directory.
    pub async fn change_mode(&self, path: impl AsRef<OsStr>, mode: u32) -> Result<()> {
        let (path, path_raw) = words::fields(path);
        let request = ChangeModeRequest { lease: self.token().into(), path, path_raw, mode };
        let timeout = self.client.call_timeout();
        let ChangeModeResponse {} = self.client.channel.call("ChangeMode", &request, timeout).await?;
        Ok(())
    }

    /// Removes a file, a link or an empty directory.
    pub async fn remove(&self, path: impl AsRef<OsStr>) -> Result<()> {
        self.remove_with(path, false).await
    }

    /// Removes a directory and all in it.
    pub async fn remove_tree(&self, path: impl AsRef<OsStr>) -> Result<()> {
        self.remove_with(path, true).await
    }

    async fn remove_with(&self, path: impl AsRef<OsStr>, recursive: bool) -> Result<()> {
        let (path, path_raw) = words::fields(path);
        let request = RemoveFileRequest { lease: self.token().into(), path, path_raw, recursive };
        let timeout = self.client.call_timeout();
        let RemoveFileResponse {} = self.client.channel.call("RemoveFile", &request, timeout).await?;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.disown() {
            let request = ReleaseRequest { lease: self.token().into() };
            self.client.channel.tell_open("Release", &request);
        }
    }
}

/// A file or an archive that is written piece by piece.
pub(crate) enum Upload<'a> {
    File(&'a Lease, WriteFileRequest),
    Archive(&'a Lease, WriteArchiveRequest, u64),
}

impl Upload<'_> {
    pub(crate) async fn send(&mut self, data: Bytes, more: bool) -> Result<()> {
        match self {
            Upload::File(lease, request) => {
                request.data = data;
                request.more = more;
                let response: WriteFileResponse = lease.client.channel.call("WriteFile", request, None).await?;
                request.upload = response.upload;
                request.offset = response.offset;
            }
            Upload::Archive(lease, request, files) => {
                request.data = data;
                request.more = more;
                let response: WriteArchiveResponse = lease.client.channel.call("WriteArchive", request, None).await?;
                request.upload = response.upload;
                request.offset = response.offset;
                *files = response.files;
            }
        }
        Ok(())
    }

    pub(crate) fn files(&self) -> u64 {
        match self {
            Upload::File(..) => 1,
            Upload::Archive(_, _, files) => *files,
        }
    }
}
