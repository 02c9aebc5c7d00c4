// SPDX-License-Identifier: Apache-2.0

//! ttrpc on one connection: any number of calls at a time. One thread reads, and hands what came to the calls; when the
//! connection ends, every open call ends with `Unavailable`.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use crate::frame::{self, Frame};
use crate::options::ByteStream;
use crate::ttrpc;
use crate::{Error, Result};

/// Takes what comes for a call; called by the reading thread, or by who ends the connection or the call.
pub(crate) trait Receiver: Send + Sync {
    /// A message of a stream.
    fn message(&self, data: Bytes);

    /// The last thing that a call gets; of a stream that ended well, without bytes.
    fn end(&self, result: Result<Bytes>);

    /// The call's time has passed. Whether its answer is wanted all the same.
    fn expire(&self) -> bool;
}

pub(crate) struct Connection {
    writer: Writer,
    calls: Mutex<Calls>,
    shutdown: Arc<dyn Fn() + Send + Sync>,
    server: String,
    /// Of every request, encoded.
    metadata: Arc<[u8]>,
    over: AtomicBool,
    /// Something has come since the last look.
    heard: Arc<AtomicBool>,
    /// The reader waits for who takes what has come: then nothing more is read.
    delivers: AtomicBool,
    was_asked: AtomicBool,
    is_watched: AtomicBool,
}

/// Reads, and notes that something came.
struct Heeding<R>(R, Arc<AtomicBool>);

impl<R: Read> Read for Heeding<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let result = self.0.read(into);
        self.1.store(true, Ordering::Relaxed);
        result
    }
}

struct Calls {
    open: HashMap<u32, Arc<dyn Receiver>>,
    next_id: u32,
    end: Option<Error>,
}

enum Writer {
    /// Callers write themselves.
    Direct(Mutex<Box<dyn Write + Send>>),
    /// A thread writes, so that tasks never wait for a socket.
    Queue(Mutex<Option<mpsc::Sender<Vec<u8>>>>),
}

impl Connection {
    pub(crate) fn start(
        stream: ByteStream,
        server: String,
        metadata: Arc<[u8]>,
        queued: bool,
    ) -> io::Result<Arc<Connection>> {
        let ByteStream { reader, writer, shutdown } = stream;
        let shutdown: Arc<dyn Fn() + Send + Sync> = shutdown.into();
        let mut frames = None;
        let writer = if queued {
            let (sender, receiver) = mpsc::channel::<Vec<u8>>();
            frames = Some((receiver, writer));
            Writer::Queue(Mutex::new(Some(sender)))
        } else {
            Writer::Direct(Mutex::new(writer))
        };
        let connection = Arc::new(Connection {
            writer,
            calls: Mutex::new(Calls { open: HashMap::new(), next_id: 1, end: None }),
            shutdown: shutdown.clone(),
            server,
            metadata,
            over: AtomicBool::new(false),
            heard: Arc::new(AtomicBool::new(true)),
            delivers: AtomicBool::new(false),
            was_asked: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
        });
        // The threads hold no more than what they need, so that the last handle's end is theirs.
        if let Some((receiver, mut writer)) = frames {
            let weak = Arc::downgrade(&connection);
            thread::Builder::new().name("berth-writer".into()).spawn(move || {
                for frame in receiver {
                    if let Err(error) = writer.write_all(&frame).and_then(|()| writer.flush()) {
                        if let Some(connection) = weak.upgrade() {
                            connection.lost(&error);
                        }
                        return;
                    }
                }
                shutdown(); // what was asked for before the last handle went is sent first
            })?;
        }
        let weak = Arc::downgrade(&connection);
        let reader = Heeding(reader, connection.heard.clone());
        thread::Builder::new()
            .name("berth-reader".into())
            .spawn(move || read_all(BufReader::with_capacity(64 << 10, reader), &weak))?;
        Ok(connection)
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.over.load(Ordering::Acquire)
    }

    /// True the first time.
    pub(crate) fn begin_watch(&self) -> bool {
        !self.is_watched.swap(true, Ordering::Relaxed)
    }

    /// The server has had half of what it may be silent for: asks whether it is there, the second time gives it up.
    /// Whether to look again.
    pub(crate) fn look(self: &Arc<Self>, keepalive: Duration, hello: &ttrpc::Request) -> bool {
        let is_waited_for = !self.calls.lock().unwrap().open.is_empty();
        let was_heard = self.heard.swap(false, Ordering::Relaxed);
        let is_silent = is_waited_for && !was_heard && !self.delivers.load(Ordering::Relaxed);
        let was_asked = self.was_asked.swap(is_silent, Ordering::Relaxed);
        if is_silent && was_asked {
            let why =
                format!("the server at {} has said nothing for {keepalive:?}, and did not answer a Hello", self.server);
            self.fail(Error::Unavailable(why.into()));
        } else if is_silent {
            // On a thread of its own: a server that does not read holds up who writes.
            let (connection, hello) = (Arc::downgrade(self), hello.clone());
            let ask = move || {
                if let Some(connection) = connection.upgrade() {
                    drop(connection.call(frame::UNARY, &hello, crate::channel::nobody()));
                }
            };
            drop(thread::Builder::new().name("berth-asks".into()).spawn(ask));
        }
        self.is_open()
    }

    /// Sends a request; what comes of it is the receiver's. The call's id, for [`Connection::forget`].
    pub(crate) fn call(&self, flags: u8, request: &ttrpc::Request, receiver: Arc<dyn Receiver>) -> Result<u32> {
        let id = {
            let mut calls = self.calls.lock().unwrap();
            if let Some(end) = &calls.end {
                return Err(end.clone());
            }
            let mut id = calls.next_id;
            while calls.open.contains_key(&id) {
                id = id.wrapping_add(2);
            }
            calls.next_id = id.wrapping_add(2);
            calls.open.insert(id, receiver);
            id
        };
        match frame::request(id, flags, request, &self.metadata) {
            Ok(frame) => self.write(frame),
            Err(error) => {
                self.forget(id);
                return Err(error);
            }
        }
        Ok(id)
    }

    fn write(&self, frame: Vec<u8>) {
        match &self.writer {
            Writer::Direct(writer) => {
                let mut writer = writer.lock().unwrap();
                let written = writer.write_all(&frame).and_then(|()| writer.flush());
                drop(writer);
                if let Err(error) = written {
                    self.lost(&error);
                }
            }
            // Fails only when the writing thread has ended with the connection, which every call is told.
            Writer::Queue(queue) => {
                if let Some(queue) = &*queue.lock().unwrap() {
                    drop(queue.send(frame));
                }
            }
        }
    }

    /// What still comes for this call is dropped.
    pub(crate) fn forget(&self, id: u32) {
        let gone = self.calls.lock().unwrap().open.remove(&id);
        drop(gone);
    }

    pub(crate) fn has(&self, id: u32) -> bool {
        self.calls.lock().unwrap().open.contains_key(&id)
    }

    pub(crate) fn expire(&self, id: u32) {
        let receiver = self.calls.lock().unwrap().open.get(&id).cloned();
        if let Some(receiver) = receiver {
            if !receiver.expire() {
                self.forget(id);
            }
        }
    }

    /// Ends every call, and the connection.
    pub(crate) fn fail(&self, why: Error) {
        let (why, open) = {
            let mut calls = self.calls.lock().unwrap();
            let why = calls.end.get_or_insert(why).clone();
            (why, std::mem::take(&mut calls.open))
        };
        self.over.store(true, Ordering::Release);
        (self.shutdown)();
        for receiver in open.into_values() {
            receiver.end(Err(why.clone()));
        }
    }

    /// Ends it when all that was asked for is sent.
    pub(crate) fn finish(&self) {
        match &self.writer {
            Writer::Direct(_) => self.fail(Error::Unavailable("the client was closed".into())),
            Writer::Queue(queue) => *queue.lock().unwrap() = None,
        }
    }

    fn lost(&self, error: &io::Error) {
        self.fail(Error::Unavailable(
            format!("the connection to the server at {} was lost: {error}", self.server).into(),
        ));
    }

    fn deliver(&self, frame: Frame) {
        let receiver = self.calls.lock().unwrap().open.get(&frame.stream).cloned();
        let receiver = match receiver {
            Some(receiver) => receiver,
            None => return, // of a call that was given up
        };
        let end = match (frame.kind, frame.data) {
            (_, None) => Err(Error::server_sent("a frame over 4 MiB")),
            (frame::RESPONSE, Some(data)) => answer(data),
            (frame::DATA, Some(data)) => {
                if frame.flags & frame::NO_DATA == 0 {
                    receiver.message(data);
                }
                if frame.flags & frame::REMOTE_CLOSED == 0 {
                    return;
                }
                Ok(Bytes::new())
            }
            _ => return,
        };
        self.forget(frame.stream);
        receiver.end(end);
    }
}

fn answer(data: Bytes) -> Result<Bytes> {
    let response = ttrpc::Response::decode(data)
        .map_err(|error| Error::server_sent(format!("a response that is none: {error}")))?;
    match response.status {
        Some(status) if status.code != 0 => Err(Error::from_status(status)),
        _ => Ok(response.payload),
    }
}

fn read_all(mut from: impl Read, connection: &Weak<Connection>) {
    loop {
        let frame = frame::read(&mut from);
        let connection = match connection.upgrade() {
            Some(connection) => connection,
            None => return,
        };
        match frame {
            Ok(Some(frame)) => {
                connection.delivers.store(true, Ordering::Relaxed);
                connection.deliver(frame);
                connection.delivers.store(false, Ordering::Relaxed);
            }
            Ok(None) => {
                let why = format!("the server at {} closed the connection", connection.server);
                return connection.fail(Error::Unavailable(why.into()));
            }
            Err(error) => return connection.lost(&error),
        }
    }
}
