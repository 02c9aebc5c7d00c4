//! ttrpc on one connection: any number of calls at a time. One thread reads, and hands what came to the calls; when the
//! connection ends, every open call ends with `Unavailable`.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc, Mutex, Weak};
use std::thread;

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
    over: AtomicBool,
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
    pub(crate) fn start(stream: ByteStream, server: String, queued: bool) -> io::Result<Arc<Connection>> {
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
            over: AtomicBool::new(false),
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
        thread::Builder::new()
            .name("berth-reader".into())
            .spawn(move || read_all(BufReader::with_capacity(64 << 10, reader), &weak))?;
        Ok(connection)
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.over.load(Ordering::Acquire)
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
        match frame::request(id, flags, request) {
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
        self.fail(Error::Unavailable(format!("the connection to the server at {} was lost: {error}", self.server)));
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
        Some(status) if status.code != 0 => Err(Error::new(status.code, status.message)),
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
            Ok(Some(frame)) => connection.deliver(frame),
            Ok(None) => {
                let why = format!("the server at {} closed the connection", connection.server);
                return connection.fail(Error::Unavailable(why));
            }
            Err(error) => return connection.lost(&error),
        }
    }
}
