// SPDX-License-Identifier: Apache-2.0

//! Connections into a container, against a plain ttrpc server.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::sync::Mutex;

use berth::v1::{
    ConnectRequest, DetachRequest, DetachResponse, EndCause, Ended, ErrorReason, HelloResponse, InputRequest,
    InputResponse, OutputEnded, OutputStream,
};
use berth::{Client, ConnectOptions, ContainerStream, Error, Event};
use support::{Peer, Request, StubServer};

/// Echoes what it gets, and ends as the test says when it has got all.
fn echo(end: EndCause) -> StubServer {
    let connection = Mutex::new(0);
    StubServer::start(move |peer, stream, request| match request.method.as_str() {
        "Connect" => {
            *connection.lock().unwrap() = stream;
            peer.started(stream, "e", 7);
        }
        "Input" => {
            let input: InputRequest = request.message();
            let (offset, size) = (input.offset, input.data.len() as u64);
            if size > 0 {
                peer.output(*connection.lock().unwrap(), OutputStream::Stdout, offset, &input.data);
            }
            if input.end {
                finish(peer, *connection.lock().unwrap(), end);
            }
            peer.answer(stream, &InputResponse { offset: offset + size });
        }
        "Detach" => peer.answer(stream, &DetachResponse {}),
        _ => peer.answer(stream, &HelloResponse::default()),
    })
}

fn finish(peer: &Peer, stream: u32, cause: EndCause) {
    peer.event(stream, Event::Ended(Ended { cause: cause as i32, message: "so".into(), ..Ended::default() }));
    peer.frame(stream, 3, 5, b"");
}

fn connect(server: &StubServer, options: &ConnectOptions) -> berth::Result<ContainerStream> {
    Client::new(server.options()).unwrap().lease("l").connect(options)
}

#[test]
fn what_is_written_goes_there_and_what_comes_is_read_to_the_end() {
    let server = echo(EndCause::Exited);
    let stream = connect(&server, &ConnectOptions::port(80).window(65536)).unwrap();
    let request: ConnectRequest = server.take("Connect").message();
    assert_eq!((request.lease.as_str(), request.port, request.window_bytes, request.resumable_ms), ("l", 80, 65536, 0));
    // One thread reads while another writes.
    let all = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut all = Vec::new();
            (&stream).read_to_end(&mut all).unwrap();
            all
        });
        (&stream).write_all(&[7; 1_000_000]).unwrap();
        stream.shutdown_write().unwrap();
        reader.join().unwrap()
    });
    assert!(all == [7; 1_000_000]);
    let late = (&stream).write(b"late").unwrap_err();
    assert_eq!(late.kind(), ErrorKind::BrokenPipe);
}

#[test]
fn the_other_side_may_end_first_and_still_takes_what_is_written() {
    let server = StubServer::start(|peer, stream, request| match request.method.as_str() {
        "Connect" => {
            peer.started(stream, "e", 7);
            peer.output(stream, OutputStream::Stdout, 0, b"all");
            peer.event(stream, Event::OutputEnded(OutputEnded { offset: 3, ..OutputEnded::default() }));
        }
        "Input" => {
            let input: InputRequest = request.message();
            peer.answer(stream, &InputResponse { offset: input.offset + input.data.len() as u64 });
        }
        _ => peer.answer(stream, &DetachResponse {}),
    });
    let mut stream = connect(&server, &ConnectOptions::path("/tmp/s")).unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert_eq!((all.as_str(), stream.read(&mut [0]).unwrap()), ("all", 0));
    stream.write_all(b"thanks").unwrap();
    assert_eq!(&server.take("Input").message::<InputRequest>().data[..], b"thanks");
    drop(stream);
    assert_eq!(server.take("Detach").message::<DetachRequest>().watcher, 7);
}

#[test]
fn a_connection_that_breaks_off_is_an_error_of_the_reader_that_says_why() {
    for (cause, kind) in [
        (EndCause::ConnectionReset, ErrorKind::ConnectionReset),
        (EndCause::Cancelled, ErrorKind::ConnectionAborted),
        (EndCause::IdleTimeout, ErrorKind::ConnectionAborted),
        (EndCause::ContainerLost, ErrorKind::ConnectionAborted),
    ] {
        let server = echo(cause);
        let mut stream = connect(&server, &ConnectOptions::port(80)).unwrap();
        stream.write_all(b"x").unwrap();
        stream.shutdown_write().unwrap();
        let mut all = Vec::new();
        let error = stream.read_to_end(&mut all).unwrap_err();
        assert_eq!((all.as_slice(), error.kind(), error.to_string().as_str()), (&b"x"[..], kind, "so"));
    }
}

#[test]
fn one_that_cannot_be_made_is_an_error_of_the_call_and_so_is_one_that_ends_while_it_waits() {
    let refuse = |peer: &Peer, stream, _: &Request| {
        peer.fail_with(stream, 9, "nobody listens", "CONNECTION_REFUSED", &[]);
    };
    let server = StubServer::start(refuse);
    let refused = connect(&server, &ConnectOptions::port(80)).unwrap_err();
    assert_eq!((refused.reason(), refused.code()), (ErrorReason::ConnectionRefused, 9));
    let server = StubServer::start(|peer, stream, _| finish(peer, stream, EndCause::Cancelled));
    let cancelled = connect(&server, &ConnectOptions::port(80)).unwrap_err();
    assert_eq!(cancelled, Error::Cancelled("so".into()));
}
