// SPDX-License-Identifier: Apache-2.0

//! The API for threads that wait: each call is that of `aio`, waited for.

mod context;
mod stream;

use std::ffi::OsStr;
use std::future::Future;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{self, Poll, Wake};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bytes::Bytes;
pub use context::Context;
pub use stream::ContainerStream;

use crate::aio::{self, Upload, UPLOAD_CHUNK};
use crate::command::{AcquireOptions, AttachOptions, Command};
use crate::options::Options;
use crate::v1::execute_event::Event;
use crate::v1::{Ended, ExecutionInfo, FileInfo, HelloResponse, OutputStream, StatsResponse};
use crate::{Output, Result, Text};

/// How long a lease that is dropped waits for its release to be answered, and a context for its close: a client that ends
/// right after it would otherwise leave the container leased for a while.
const RELEASE: Duration = Duration::from_secs(1);

struct Parker {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    wait_until(None, future).unwrap_or_else(|| unreachable!("there is no deadline"))
}

fn wait_until<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    let parker = Arc::new(Parker { thread: thread::current(), is_woken: AtomicBool::new(false) });
    let waker = parker.clone().into();
    let mut context = task::Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        while !parker.is_woken.swap(false, Ordering::Acquire) {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(left) if left.is_zero() => return None,
                Some(left) => thread::park_timeout(left),
            }
        }
    }
}

/// A Berth server, for any number of calls at a time, from any thread. Clones share one connection, which ends with the
/// last of them and of their leases and executions.
///
/// The connection is made at the first call. When it ends, every open call fails with `Unavailable` within moments; the
/// next call connects again, and tries so for the connect time-out. Nothing is ever run twice by itself.
#[derive(Debug, Clone)]
pub struct Client(aio::Client);

impl Client {
    /// For the server at `BERTH_SERVER`, else `127.0.0.1:7411`: `Client::new(Options::default())`.
    ///
    /// # Errors
    /// `InvalidArgument` when the address is none.
    pub fn new(options: Options) -> Result<Client> {
        aio::Client::with_writer(options, false).map(Client)
    }

    /// For the server at `BERTH_SERVER`, else `127.0.0.1:7411`.
    pub fn from_env() -> Result<Client> {
        Client::new(Options::default())
    }

    /// Closes the connection. What runs on it is cancelled; leases that are not detached end soon after.
    pub fn close(&self) {
        self.0.close();
    }

    /// Who is there; free of cost.
    pub fn hello(&self) -> Result<HelloResponse> {
        wait(self.0.hello())
    }

    /// The server and its pools in numbers.
    pub fn stats(&self) -> Result<StatsResponse> {
        wait(self.0.stats())
    }

    /// Leases a container of the default pool.
    pub fn acquire(&self) -> Result<Lease> {
        self.acquire_with(&AcquireOptions::new())
    }

    /// Leases a container.
    pub fn acquire_with(&self, options: &AcquireOptions) -> Result<Lease> {
        wait(self.0.acquire(options)).map(Lease)
    }

    /// A lease that was acquired before, perhaps by another client, from its token. Makes no call, and does not release
    /// it when dropped.
    pub fn lease(&self, token: impl Into<String>) -> Lease {
        Lease(self.0.lease(token))
    }

    /// Runs a program in a container of its own, which is acquired and released around it, in one round trip.
    pub fn execute(&self, command: &Command) -> Result<Execution> {
        wait(self.0.execute(command)).map(Execution)
    }

    /// The same, and waits for all that it writes and its end.
    pub fn run(&self, command: &Command) -> Result<Output> {
        wait(self.0.run(command))
    }

    /// A further stream of an execution without a lease; else see [`Lease::attach`].
    pub fn attach(&self, execution: &str, options: &AttachOptions) -> Result<Execution> {
        wait(self.0.attach(execution, options)).map(Execution)
    }
}

/// A container, leased: programs run in it, and files are written to and read from it, from any thread.
///
/// It ends when it is released or dropped, when its time passes without use, or soon after the connection that acquired
/// it ended. One that was acquired detached, or taken up by its token, is not released when it is dropped.
///
/// Paths of files are absolute, and lead to a place that programs can write to: /tmp, /workspace …
#[derive(Debug)]
pub struct Lease(aio::Lease);

impl Lease {
    /// Whoever knows it may use the lease.
    pub fn token(&self) -> &str {
        self.0.token()
    }

    /// The container's name, for logs.
    pub fn member(&self) -> &str {
        self.0.member()
    }

    /// How long the lease lasts without use.
    pub fn time(&self) -> Duration {
        self.0.time()
    }

    /// The container was warm; false: it was created while the call waited.
    pub fn is_warm(&self) -> bool {
        self.0.is_warm()
    }

    /// Ends the lease and what runs in it. Once more does nothing.
    pub fn release(&self) -> Result<()> {
        wait(self.0.release())
    }

    /// Extends it, which every other call on it does too; `None` is by as long as before.
    /// Returns the time left, if it is not used.
    pub fn renew(&self, time: Option<Duration>) -> Result<Duration> {
        wait(self.0.renew(time))
    }

    pub fn execute(&self, command: &Command) -> Result<Execution> {
        wait(self.0.execute(command)).map(Execution)
    }

    /// The same, and waits for all that it writes and its end.
    pub fn run(&self, command: &Command) -> Result<Output> {
        wait(self.0.run(command))
    }

    /// A further stream of an execution that runs, or is still kept; from its [`Execution::id`].
    pub fn attach(&self, execution: &str, options: &AttachOptions) -> Result<Execution> {
        wait(self.0.attach(execution, options)).map(Execution)
    }

    /// Those that run, and those that have ended and are still kept; the oldest first.
    pub fn executions(&self) -> Result<Vec<ExecutionInfo>> {
        wait(self.0.executions())
    }

    /// Writes a file, which is complete under its name or not there; readable by all.
    pub fn write_file(&self, path: impl AsRef<OsStr>, data: impl Into<Bytes>) -> Result<()> {
        wait(self.0.write_file(path, data))
    }

    /// `mode`: permission bits, 0 is 0644; `create_parents`: directories that are missing on the way are made.
    pub fn write_file_from(
        &self,
        path: impl AsRef<OsStr>,
        mut data: impl Read,
        mode: u32,
        create_parents: bool,
    ) -> io::Result<()> {
        upload(self.0.upload_file(path, mode, create_parents), &mut data).map(drop)
    }

    /// Unpacks a tar archive into a directory, which is made if it is missing. Returns how many files.
    pub fn write_archive(&self, path: impl AsRef<OsStr>, mut tar: impl Read) -> io::Result<u64> {
        upload(self.0.upload_archive(path), &mut tar)
    }

    /// Reads a file while it is sent.
    pub fn read_file(&self, path: impl AsRef<OsStr>) -> Result<RemoteFile> {
        wait(self.0.read_file(path)).map(RemoteFile)
    }

    /// `length`: bytes at most; 0 is all to the end.
    pub fn read_file_range(&self, path: impl AsRef<OsStr>, offset: u64, length: u64) -> Result<RemoteFile> {
        wait(self.0.read_file_range(path, offset, length)).map(RemoteFile)
    }

    /// A directory, or a single file, as a tar archive.
    pub fn read_archive(&self, path: impl AsRef<OsStr>) -> Result<RemoteFile> {
        wait(self.0.read_archive(path)).map(RemoteFile)
    }

    /// What a directory holds, in the order of the names' bytes.
    pub fn list(&self, path: impl AsRef<OsStr>) -> Result<Vec<FileInfo>> {
        wait(self.0.list(path))
    }

    /// What is at a path: a link itself, or, if `follow`, what it leads to.
    pub fn stat(&self, path: impl AsRef<OsStr>, follow: bool) -> Result<FileInfo> {
        wait(self.0.stat(path, follow))
    }

    /// Makes a directory. `mode`: permission bits, 0 is 0755; `parents`: directories that are missing on the way are made, and
    /// it may be there already.
    pub fn make_directory(&self, path: impl AsRef<OsStr>, mode: u32, parents: bool) -> Result<()> {
        wait(self.0.make_directory(path, mode, parents))
    }

    /// Gives a file, a link or a directory another path. What is there is replaced, unless `no_replace`.
    pub fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>, no_replace: bool) -> Result<()> {
        wait(self.0.rename(from, to, no_replace))
    }

    /// Changes the permission bits of a file or a directory.
    pub fn change_mode(&self, path: impl AsRef<OsStr>, mode: u32) -> Result<()> {
        wait(self.0.change_mode(path, mode))
    }

    /// Removes a file, a link or an empty directory.
    pub fn remove(&self, path: impl AsRef<OsStr>) -> Result<()> {
        wait(self.0.remove(path))
    }

    /// Removes a directory and all in it.
    pub fn remove_tree(&self, path: impl AsRef<OsStr>) -> Result<()> {
        wait(self.0.remove_tree(path))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.0.disown() {
            wait_until(Some(Instant::now() + RELEASE), self.0.release_open());
        }
    }
}

/// Cuts data into pieces, and says of each whether more comes.
fn upload(mut upload: Upload<'_>, data: &mut impl Read) -> io::Result<u64> {
    let mut piece = Vec::new();
    data.take(UPLOAD_CHUNK as u64).read_to_end(&mut piece)?;
    loop {
        let mut next = Vec::new();
        data.take(UPLOAD_CHUNK as u64).read_to_end(&mut next)?;
        wait(upload.send(piece.into(), !next.is_empty()))?;
        if next.is_empty() {
            return Ok(upload.files());
        }
        piece = next;
    }
}

/// A program that runs: an iterator of its events, in order, or two readers and a writer. A program whose output is not
/// read has to wait, as it would for a slow terminal; as with any process, read both streams, or the events.
///
/// Everything here fails when the call itself does (no such lease, no container to be had, the connection lost). Any end
/// of the program is an event, a failure to start it included.
///
/// Dropped before its end, the program is cancelled, with all it started; one that is resumable goes on.
#[derive(Debug)]
pub struct Execution(aio::Execution);

impl Execution {
    /// For [`Lease::attach`], on any connection; secret, like a lease. Waits until it has started.
    pub fn id(&self) -> Result<String> {
        wait(self.0.id())
    }

    /// The container it runs in, for logs. Waits until it has started.
    pub fn member(&self) -> Result<String> {
        wait(self.0.member())
    }

    /// The next event: started, then output, last ended; `None` after that.
    pub fn next_event(&self) -> Result<Option<Event>> {
        wait(self.0.next())
    }

    /// What it writes as text, in the order it came; `None` at the end. Take this instead of the events and readers. A character
    /// whose bytes come in two pieces is held back until it is whole; what is not UTF-8 becomes U+FFFD.
    pub fn next_text(&self) -> Result<Option<Text>> {
        wait(self.0.next_text())
    }

    /// What it writes to stdout. A read fails with `DataLoss` where output was dropped. What a piece of code shows beside its
    /// output is lost to who reads so: take the events.
    pub fn stdout(&self) -> Reader<'_> {
        Reader { execution: &self.0, stream: OutputStream::Stdout }
    }

    /// What it writes to stderr.
    pub fn stderr(&self) -> Reader<'_> {
        Reader { execution: &self.0, stream: OutputStream::Stderr }
    }

    /// Its standard input, if that was kept open. A write returns when the server has taken the bytes, which takes as long
    /// as the program does not read. It stays open until [`Execution::close_stdin`].
    pub fn stdin(&self) -> Writer<'_> {
        Writer(&self.0)
    }

    /// End of file. That the program does not want it any more is no error.
    pub fn close_stdin(&self) -> Result<()> {
        wait(self.0.close_stdin())
    }

    /// Reads all that is left.
    pub fn collect_output(&self) -> Result<Output> {
        wait(self.0.collect())
    }

    /// Waits for the end of the program; output that nobody has read by then is dropped.
    pub fn wait(&self) -> Result<Ended> {
        wait(self.0.wait())
    }

    /// The end of the program, if it is known.
    pub fn ended(&self) -> Option<Ended> {
        self.0.ended()
    }

    /// How much of a stream was read here, or dropped: where to go on, with [`AttachOptions::from`].
    pub fn offset(&self, stream: OutputStream) -> u64 {
        self.0.offset(stream)
    }

    /// Sends a signal, 1 to 64; 9 ends everything the program started. Waits until it has started.
    pub fn signal(&self, signal: i32) -> Result<()> {
        wait(self.0.signal(signal))
    }

    /// Sends a signal by its name: `"INT"`, `"SIGINT"` …
    pub fn signal_named(&self, name: &str) -> Result<()> {
        wait(self.0.signal_named(name))
    }

    /// Ends the program and all it started: TERM, a grace (its own, if `None`), KILL. Its end is still an event.
    pub fn cancel(&self, grace: Option<Duration>) -> Result<()> {
        wait(self.0.cancel(grace))
    }

    /// Tells its terminal the new size.
    pub fn resize(&self, rows: u32, columns: u32) -> Result<()> {
        wait(self.0.resize(rows, columns))
    }

    /// Gives it up, as dropping it does.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Iterator for Execution {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        self.next_event().transpose()
    }
}

/// One stream of an execution, as it comes.
#[derive(Debug)]
pub struct Reader<'a> {
    execution: &'a aio::Execution,
    stream: OutputStream,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(wait(self.execution.read(self.stream, into))?)
    }
}

/// The standard input of an execution.
#[derive(Debug)]
pub struct Writer<'a>(&'a aio::Execution);

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(UPLOAD_CHUNK)];
        wait(self.0.write(Bytes::copy_from_slice(piece)))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file of a container, or an archive of a directory, read while it is sent. Dropped before its end, it is sent no
/// further.
#[derive(Debug)]
pub struct RemoteFile(aio::RemoteFile);

impl RemoteFile {
    /// The file's size, mode, time …; of an archive, nothing.
    pub fn info(&self) -> FileInfo {
        self.0.info()
    }
}

impl Read for RemoteFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(wait(self.0.read(into))?)
    }
}
