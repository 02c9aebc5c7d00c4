// SPDX-License-Identifier: Apache-2.0

//! A plain ttrpc server: a test says what it answers.
#![allow(dead_code)] // each test file uses some of it

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use berth::v1::execute_event::Event;
use berth::v1::{EndCause, Ended, ExecuteEvent, Output, OutputStream, Started};
use berth::Options;
use prost::Message;

#[derive(Clone, PartialEq, Eq, Message)]
pub struct Request {
    #[prost(string, tag = "1")]
    pub service: String,
    #[prost(string, tag = "2")]
    pub method: String,
    #[prost(bytes = "vec", tag = "3")]
    pub payload: Vec<u8>,
    #[prost(int64, tag = "4")]
    pub timeout_nano: i64,
    #[prost(message, repeated, tag = "5")]
    pub metadata: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct KeyValue {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

impl Request {
    pub fn message<M: Message + Default>(&self) -> M {
        M::decode(self.payload.as_slice()).unwrap()
    }
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    status: Option<Status>,
    #[prost(bytes = "vec", tag = "2")]
    payload: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(btree_map = "string, string", tag = "3")]
    metadata: std::collections::BTreeMap<String, String>,
}

pub struct StubServer {
    address: SocketAddr,
    requests: Mutex<Receiver<Request>>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl StubServer {
    pub fn start(handler: impl Fn(&Peer, u32, &Request) + Send + Sync + 'static) -> StubServer {
        StubServer::listen(TcpListener::bind("127.0.0.1:0").unwrap(), handler)
    }

    pub fn listen(listener: TcpListener, handler: impl Fn(&Peer, u32, &Request) + Send + Sync + 'static) -> StubServer {
        let (sender, requests) = mpsc::channel();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let address = listener.local_addr().unwrap();
        let (kept, handler) = (streams.clone(), Arc::new(handler));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                kept.lock().unwrap().push(stream.try_clone().unwrap());
                let (handler, sender) = (handler.clone(), sender.clone());
                thread::spawn(move || {
                    let peer = Peer(Arc::new(Mutex::new(stream.try_clone().unwrap())));
                    while let Some((id, request)) = read(&stream) {
                        drop(sender.send(request.clone()));
                        handler(&peer, id, &request);
                    }
                });
            }
        });
        StubServer { address, requests: Mutex::new(requests), streams }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn options(&self) -> Options {
        Options::at(self.address.to_string())
    }

    /// The next request for this method that came; those for others are passed over.
    pub fn take(&self, method: &str) -> Request {
        loop {
            let request = self.requests.lock().unwrap().recv_timeout(Duration::from_secs(5));
            let request = request.unwrap_or_else(|_| panic!("no {method} came within 5 s"));
            if request.method == method {
                return request;
            }
        }
    }

    pub fn drop_connections(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Drop for StubServer {
    fn drop(&mut self) {
        self.drop_connections();
    }
}

fn read(mut from: &TcpStream) -> Option<(u32, Request)> {
    let mut header = [0; 10];
    from.read_exact(&mut header).ok()?;
    let word = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
    let mut data = vec![0; word(0) as usize];
    from.read_exact(&mut data).ok()?;
    Some((word(4), Request::decode(data.as_slice()).unwrap()))
}

/// The client's end of a connection.
#[derive(Clone)]
pub struct Peer(Arc<Mutex<TcpStream>>);

impl Peer {
    pub fn frame(&self, stream: u32, kind: u8, flags: u8, data: &[u8]) {
        let mut frame = Vec::new();
        frame.extend_from_slice(&(data.len() as u32).to_be_bytes());
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(data);
        // The client may have gone.
        drop(self.0.lock().unwrap().write_all(&frame));
    }

    pub fn close(&self) {
        drop(self.0.lock().unwrap().shutdown(Shutdown::Both));
    }

    pub fn answer(&self, stream: u32, message: &impl Message) {
        let response = Response { status: None, payload: message.encode_to_vec() };
        self.frame(stream, 2, 0, &response.encode_to_vec());
    }

    pub fn fail(&self, stream: u32, code: i32, message: &str) {
        let status = Some(Status { code, message: message.into(), details: Vec::new() });
        self.frame(stream, 2, 0, &Response { status, payload: Vec::new() }.encode_to_vec());
    }

    pub fn fail_with(&self, stream: u32, code: i32, message: &str, reason: &str, metadata: &[(&str, &str)]) {
        let metadata = metadata.iter().map(|&(key, value)| (key.into(), value.into())).collect();
        let value = ErrorInfo { reason: reason.into(), domain: "berth.dev".into(), metadata }.encode_to_vec();
        let other = Any { type_url: "x/other".into(), value: value.clone() };
        let info = Any { type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(), value };
        let status = Some(Status { code, message: message.into(), details: vec![other, info] });
        self.frame(stream, 2, 0, &Response { status, payload: Vec::new() }.encode_to_vec());
    }

    pub fn event(&self, stream: u32, event: Event) {
        self.frame(stream, 3, 0, &ExecuteEvent { event: Some(event) }.encode_to_vec());
    }

    pub fn started(&self, stream: u32, execution: &str, watcher: u32) {
        let started = Started { execution: execution.into(), watcher, ..Started::default() };
        self.event(stream, Event::Started(started));
    }

    pub fn output(&self, stream: u32, of: OutputStream, offset: u64, data: &[u8]) {
        let data = data.to_vec().into();
        self.event(stream, Event::Output(Output { stream: of as i32, offset, data }));
    }

    pub fn exited(&self, stream: u32, exit_code: i32) {
        let cause = EndCause::Exited as i32;
        self.event(stream, Event::Ended(Ended { cause, exit_code, ..Ended::default() }));
        self.frame(stream, 3, 5, b"");
    }
}

/// Keeps to windows as a Berth server does, and remembers how the client did.
#[derive(Default)]
pub struct Flood {
    /// Sent and acknowledged, of stdout; and the most of their difference.
    pub state: Mutex<(u64, u64, u64)>,
    changed: std::sync::Condvar,
}

pub const FLOOD: u64 = 8 << 20;

impl Flood {
    pub fn handle(self: &Arc<Flood>, peer: &Peer, stream: u32, request: &Request) {
        use berth::v1::{AcknowledgeRequest, AcknowledgeResponse, DetachResponse, ExecuteRequest, HelloResponse};
        match request.method.as_str() {
            "Hello" => peer.answer(stream, &HelloResponse { server: "stub/1".into(), ..Default::default() }),
            "Acknowledge" => {
                let acknowledge: AcknowledgeRequest = request.message();
                assert_eq!(acknowledge.watcher, 7);
                let mut state = self.state.lock().unwrap();
                state.1 = state.1.max(acknowledge.stdout_offset);
                self.changed.notify_all();
                peer.answer(stream, &AcknowledgeResponse {});
            }
            "Execute" => {
                let window = request.message::<ExecuteRequest>().window_bytes;
                let (flood, peer) = (self.clone(), peer.clone());
                thread::spawn(move || flood.send(&peer, stream, window));
            }
            _ => peer.answer(stream, &DetachResponse {}),
        }
    }

    fn send(&self, peer: &Peer, stream: u32, window: u64) {
        let piece = [0; 32 << 10];
        peer.started(stream, "e", 7);
        let mut state = self.state.lock().unwrap();
        while state.0 < FLOOD {
            while state.0 + piece.len() as u64 > state.1 + window {
                let (next, wait) = self.changed.wait_timeout(state, Duration::from_secs(10)).unwrap();
                state = next;
                if wait.timed_out() {
                    return; // no credit came: the test fails by what it gets
                }
            }
            let offset = state.0;
            state.0 += piece.len() as u64;
            state.2 = state.2.max(state.0 - state.1);
            drop(state);
            peer.output(stream, OutputStream::Stdout, offset, &piece);
            state = self.state.lock().unwrap();
        }
        drop(state);
        peer.exited(stream, 0);
    }
}

/// Waits for what must come to be, for 5 s at most.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !is_so() {
        assert!(Instant::now() < end, "not within 5 s: {}", what);
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until no thread of a client is left in this process.
pub fn await_no_threads() {
    let end = Instant::now() + Duration::from_secs(5);
    let left = || {
        let names = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok().filter(|name| name.starts_with("berth-"))
        });
        names.collect::<Vec<_>>()
    };
    while !left().is_empty() {
        assert!(Instant::now() < end, "left 5 s after its client: {:?}", left());
        thread::sleep(Duration::from_millis(10));
    }
}
