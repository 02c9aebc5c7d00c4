// SPDX-License-Identifier: Apache-2.0

//! The blocking API against a plain ttrpc server.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{mpsc, Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use berth::v1::{
    AcquireRequest, AcquireResponse, DetachRequest, DetachResponse, Dropped, HelloResponse, InputRequest,
    InputResponse, OutputStream, ReleaseRequest, RenewRequest, RenewResponse, SignalRequest,
};
use berth::{AcquireOptions, AttachOptions, ByteStream, Client, Command, Error, Event, Options};
use support::{Flood, Peer, Request, StubServer, FLOOD};

/// One after another: some count the threads of this process.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn hello(peer: &Peer, stream: u32, request: &Request) {
    if request.method == "Hello" {
        peer.answer(stream, &HelloResponse { server: "stub/1".into(), ..HelloResponse::default() });
    }
}

#[test]
fn a_unary_call_sends_service_method_and_time_out_and_gets_its_answer() {
    let _alone = alone();
    let server = StubServer::start(hello);
    let client = Client::new(server.options()).unwrap();
    assert_eq!(client.hello().unwrap().server, "stub/1");
    let request = server.take("Hello");
    assert_eq!(request.service, "berth.v1.Pool");
    assert!((25_000_000_000..=30_000_000_000).contains(&request.timeout_nano), "{}", request.timeout_nano);
}

#[test]
fn an_error_has_the_servers_code_and_words() {
    let _alone = alone();
    let server = StubServer::start(|peer, stream, _| peer.fail(stream, 8, "the line is full"));
    let client = Client::new(server.options()).unwrap();
    let error = client.stats().unwrap_err();
    assert_eq!(error, Error::ResourceExhausted("the line is full".into()));
    assert_eq!((error.code(), error.name()), (8, "RESOURCE_EXHAUSTED"));
}

#[test]
fn a_hundred_calls_at_once_get_each_its_own_answer_in_whatever_order_they_come() {
    let _alone = alone();
    let asked = Mutex::new(Vec::new());
    let server = StubServer::start(move |peer, stream, request| {
        let mut asked = asked.lock().unwrap();
        asked.push((stream, request.message::<RenewRequest>().ttl_ms));
        if asked.len() == 100 {
            for (stream, ttl_ms) in asked.drain(..).rev() {
                peer.answer(stream, &RenewResponse { ttl_ms });
            }
        }
    });
    let client = Client::new(server.options()).unwrap();
    thread::scope(|scope| {
        for i in 1..=100 {
            let lease = client.lease("x");
            scope.spawn(move || {
                let time = Duration::from_millis(i);
                assert_eq!(lease.renew(Some(time)).unwrap(), time);
            });
        }
    });
}

#[test]
fn a_call_that_gets_no_answer_ends_at_its_deadline() {
    let _alone = alone();
    let server = StubServer::start(|_, _, _| {});
    let mut options = server.options();
    options.call_timeout = Duration::from_millis(100);
    let client = Client::new(options).unwrap();
    let begin = Instant::now();
    assert!(matches!(client.hello(), Err(Error::DeadlineExceeded(_))));
    assert!(matches!(client.lease("x").list("/"), Err(Error::DeadlineExceeded(_))));
    let command = Command::new(["true"]).deadline(Duration::from_millis(100));
    assert!(matches!(client.run(&command), Err(Error::DeadlineExceeded(_))));
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_lease_that_comes_after_its_deadline_is_released() {
    let _alone = alone();
    let (send, late) = mpsc::channel();
    let send = Mutex::new(send);
    let server = StubServer::start(move |peer, stream, request| {
        if request.method == "Acquire" {
            assert_eq!(request.message::<AcquireRequest>().wait_ms, 100);
            drop(send.lock().unwrap().send((peer.clone(), stream)));
        }
    });
    let mut options = server.options();
    options.call_timeout = Duration::from_millis(100);
    let client = Client::new(options).unwrap();
    let wait = AcquireOptions::new().wait(Duration::from_millis(100));
    assert!(matches!(client.acquire_with(&wait), Err(Error::DeadlineExceeded(_))));
    let (peer, stream) = late.recv().unwrap();
    peer.answer(stream, &AcquireResponse { lease: "late".into(), ..AcquireResponse::default() });
    assert_eq!(server.take("Release").message::<ReleaseRequest>().lease, "late");
}

#[test]
fn a_lease_is_released_when_it_is_dropped_unless_it_is_detached_or_only_taken_up() {
    let _alone = alone();
    let count = AtomicU64::new(0);
    let server = StubServer::start(move |peer, stream, request| match request.method.as_str() {
        "Acquire" => {
            let lease = format!("lease-{}", count.fetch_add(1, Ordering::Relaxed));
            peer.answer(stream, &AcquireResponse { lease, ..AcquireResponse::default() });
        }
        _ => peer.frame(stream, 2, 0, b""),
    });
    let client = Client::new(server.options()).unwrap();
    drop(client.lease("taken-up"));
    drop(client.acquire_with(&AcquireOptions::new().detached()).unwrap());
    drop(client.acquire().unwrap());
    let last = client.acquire().unwrap();
    drop(client);
    drop(last); // holds the connection
    assert_eq!(server.take("Release").message::<ReleaseRequest>().lease, "lease-1");
    assert_eq!(server.take("Release").message::<ReleaseRequest>().lease, "lease-2");
    support::await_no_threads();
}

#[test]
fn when_the_connection_breaks_every_open_call_fails_at_once_no_thread_stays_and_the_next_call_connects_again() {
    let _alone = alone();
    let server = StubServer::start(|peer, stream, request| {
        hello(peer, stream, request);
        if request.method == "Execute" {
            peer.started(stream, "e", 1);
        }
    });
    let client = Client::new(server.options()).unwrap();
    thread::scope(|scope| {
        let mut calls = Vec::new();
        for _ in 0..5 {
            let execution = client.execute(&Command::new(["sleep"])).unwrap();
            assert_eq!(execution.id().unwrap(), "e");
            calls.push(scope.spawn(move || execution.wait().unwrap_err()));
            calls.push(scope.spawn(|| client.acquire().unwrap_err()));
        }
        for _ in 0..5 {
            server.take("Acquire");
        }
        let begin = Instant::now();
        server.drop_connections();
        for call in calls {
            assert!(matches!(call.join().unwrap(), Error::Unavailable(_)));
        }
        assert!(begin.elapsed() < Duration::from_secs(1));
    });
    assert_eq!(client.hello().unwrap().server, "stub/1");
    drop(client);
    support::await_no_threads();
}

#[test]
fn while_no_server_is_there_a_call_tries_for_the_connect_time_out_and_finds_one_that_comes_meanwhile() {
    let _alone = alone();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut options = Options::at(address.to_string());
    options.connect_timeout = Duration::from_millis(300);
    let client = Client::new(options.clone()).unwrap();
    let begin = Instant::now();
    let error = client.hello().unwrap_err();
    assert!(matches!(&error, Error::Unavailable(words) if words.contains("berth serve")), "{error:?}");
    assert!((290..2000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());

    options.connect_timeout = Duration::from_secs(20);
    let client = Client::new(options).unwrap();
    thread::scope(|scope| {
        let call = scope.spawn(|| client.hello());
        thread::sleep(Duration::from_millis(200));
        assert!(!call.is_finished());
        let _server = StubServer::listen(TcpListener::bind(address).unwrap(), hello);
        assert_eq!(call.join().unwrap().unwrap().server, "stub/1");
    });
}

#[test]
fn a_closed_client_refuses_calls() {
    let _alone = alone();
    let server = StubServer::start(hello);
    let client = Client::new(server.options()).unwrap();
    client.hello().unwrap();
    client.close();
    assert!(matches!(client.hello(), Err(Error::Unavailable(_))));
    support::await_no_threads();
}

#[test]
fn an_execution_that_nobody_reads_takes_its_window_blocks_no_other_call_and_comes_whole_when_read() {
    let _alone = alone();
    let flood = Arc::new(Flood::default());
    let handler = flood.clone();
    let server = StubServer::start(move |peer, stream, request| handler.handle(peer, stream, request));
    let mut options = server.options();
    options.window = 65536;
    let client = Client::new(options).unwrap();
    let execution = client.execute(&Command::new(["yes"])).unwrap();
    for _ in 0..100 {
        client.hello().unwrap();
    }
    assert_eq!(flood.state.lock().unwrap().1, 0, "nothing was read");
    assert_eq!(execution.collect_output().unwrap().stdout.len() as u64, FLOOD);
    assert!(flood.state.lock().unwrap().2 <= 65536, "more than the window");
    // The last credit may still be on its way; what was outstanding when the end had come is not given back any more.
    support::eventually("all but a window is acknowledged", || FLOOD - flood.state.lock().unwrap().1 <= 65536);
}

#[test]
fn without_windows_a_stream_that_nobody_reads_is_bounded_by_not_reading_the_connection() {
    let _alone = alone();
    let sent = Arc::new(AtomicU64::new(0));
    let counter = sent.clone();
    let server = StubServer::start(move |peer, stream, request| {
        if request.method == "Execute" {
            peer.started(stream, "e", 0);
            for i in 0..1024 {
                peer.output(stream, OutputStream::Stdout, i << 15, &[0; 32 << 10]);
                counter.fetch_add(32 << 10, Ordering::Relaxed);
            }
            peer.exited(stream, 0);
        }
    });
    let client = Client::new(server.options()).unwrap();
    let execution = client.execute(&Command::new(["yes"])).unwrap();
    execution.id().unwrap();
    // What is on its way is in the sockets' buffers; when it stands still, that is all.
    let mut last = 0;
    loop {
        thread::sleep(Duration::from_millis(200));
        let now = sent.load(Ordering::Relaxed);
        if now == last {
            break;
        }
        last = now;
    }
    assert!(last < 32 << 20, "it was all taken");
    assert_eq!(execution.collect_output().unwrap().stdout.len(), 32 << 20);
}

#[test]
fn streams_are_read_to_their_ends_piece_by_piece() {
    let _alone = alone();
    let server = StubServer::start(|peer, stream, _| {
        peer.started(stream, "e", 1);
        peer.output(stream, OutputStream::Stderr, 0, b"oops");
        peer.output(stream, OutputStream::Stdout, 0, b"hello ");
        peer.output(stream, OutputStream::Stdout, 6, b"world");
        peer.exited(stream, 3);
    });
    let client = Client::new(server.options()).unwrap();
    let execution = client.execute(&Command::new(["x"])).unwrap();
    let mut three = [0; 3];
    execution.stdout().read_exact(&mut three).unwrap();
    assert_eq!((&three, execution.offset(OutputStream::Stdout)), (b"hel", 3));
    let mut rest = String::new();
    execution.stdout().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "lo world");
    let mut errors = String::new();
    execution.stderr().read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "oops");
    assert_eq!(execution.wait().unwrap().exit_code, 3);
}

#[test]
fn what_was_dropped_is_told_and_where_it_goes_on() {
    let _alone = alone();
    let server = StubServer::start(|peer, stream, _| {
        peer.started(stream, "e", 1);
        peer.event(stream, Event::Dropped(Dropped { stream: 0, offset: 0, bytes: 100 }));
        peer.output(stream, OutputStream::Stdout, 100, b"rest");
        peer.exited(stream, 0);
    });
    let client = Client::new(server.options()).unwrap();
    let execution = client.lease("l").attach("e", &AttachOptions::new()).unwrap();
    let loss = execution.stdout().read(&mut [0; 10]).unwrap_err();
    assert!(loss.to_string().contains("100 bytes of Stdout"), "{loss}");
    let mut rest = String::new();
    execution.stdout().read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), execution.offset(OutputStream::Stdout)), ("rest", 104));
}

#[test]
fn an_execution_dropped_before_its_start_is_detached_as_soon_as_it_has_started() {
    let _alone = alone();
    let (send, peers) = mpsc::channel();
    let send = Mutex::new(send);
    let server = StubServer::start(move |peer, stream, request| match request.method.as_str() {
        "Execute" => drop(send.lock().unwrap().send((peer.clone(), stream))),
        _ => peer.answer(stream, &DetachResponse {}),
    });
    let client = Client::new(server.options()).unwrap();
    drop(client.lease("l").execute(&Command::new(["sleep"])).unwrap());
    let (peer, stream) = peers.recv().unwrap();
    peer.started(stream, "e", 9);
    let request: DetachRequest = server.take("Detach").message();
    assert_eq!((request.lease.as_str(), request.execution.as_str(), request.watcher), ("l", "e", 9));
}

#[test]
fn on_a_server_from_before_detach_it_is_killed() {
    let _alone = alone();
    let server = StubServer::start(|peer, stream, request| match request.method.as_str() {
        "Execute" => peer.started(stream, "e", 0),
        _ => peer.fail(stream, 12, "no such method"),
    });
    let client = Client::new(server.options()).unwrap();
    let execution = client.execute(&Command::new(["sleep"])).unwrap();
    execution.id().unwrap();
    execution.close();
    assert!(matches!(execution.next_event(), Ok(Some(_)) | Err(Error::Cancelled(_))));
    assert_eq!(server.take("Signal").message::<SignalRequest>().signal, 9);
}

#[test]
fn input_goes_in_pieces_with_offsets_after_what_it_began_with_and_attached_from_where_it_is() {
    let _alone = alone();
    let taken = Arc::new(Mutex::new(b"12345".to_vec()));
    let sink = taken.clone();
    let server = StubServer::start(move |peer, stream, request| {
        if request.method != "Input" {
            return peer.started(stream, "e", 1);
        }
        let input: InputRequest = request.message();
        let mut sink = sink.lock().unwrap();
        assert!(input.data.len() <= 256 << 10);
        assert!(input.data.is_empty() && !input.end || input.offset == sink.len() as u64);
        sink.extend_from_slice(&input.data);
        peer.answer(stream, &InputResponse { offset: sink.len() as u64 });
    });
    let client = Client::new(server.options()).unwrap();
    let million: Vec<u8> = (0..1_000_000u32).map(|i| (i * 7) as u8).collect();
    let execution = client.execute(&Command::new(["cat"]).stdin("12345").open_stdin()).unwrap();
    execution.stdin().write_all(&million).unwrap();
    let attached = client.attach("e", &AttachOptions::new()).unwrap();
    attached.stdin().write_all(b"!").unwrap();
    attached.close_stdin().unwrap();
    let late = attached.stdin().write_all(b"late").unwrap_err();
    assert!(matches!(late.get_ref().unwrap().downcast_ref(), Some(Error::FailedPrecondition(_))));
    assert_eq!(*taken.lock().unwrap(), [b"12345", million.as_slice(), b"!"].concat());
}

#[test]
fn a_stream_without_an_end_event_is_an_error_and_so_is_an_event_that_is_none() {
    let _alone = alone();
    for event in [&b""[..], b"\xff"] {
        let server = StubServer::start(move |peer, stream, _| {
            peer.frame(stream, 3, 0, event);
            peer.frame(stream, 3, 5, b"");
        });
        let client = Client::new(server.options()).unwrap();
        assert!(matches!(client.run(&Command::new(["x"])), Err(Error::Internal(_))));
    }
}

#[test]
fn a_unix_socket_and_a_stream_of_the_callers_own_work_as_well() {
    let _alone = alone();
    let server = StubServer::start(hello);
    let target = server.options().address;
    let path = std::env::temp_dir().join(format!("berth-stub-{}.sock", std::process::id()));
    drop(std::fs::remove_file(&path));
    let listener = UnixListener::bind(&path).unwrap();
    let behind = target.clone();
    thread::spawn(move || {
        let near = listener.accept().unwrap().0;
        let far = TcpStream::connect(behind).unwrap();
        let (mut near_out, mut far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut { far }, &mut near_out));
        drop(std::io::copy(&mut { near }, &mut far_out));
        drop(far_out.shutdown(Shutdown::Both));
    });
    let client = Client::new(Options::at(format!("unix:{}", path.display()))).unwrap();
    assert_eq!(client.hello().unwrap().server, "stub/1");
    std::fs::remove_file(&path).unwrap();

    let mut options = Options::at("example.invalid:1");
    options.connector = Some(Arc::new(move |_| {
        let stream = TcpStream::connect(&target)?;
        let (reader, writer) = (stream.try_clone()?, stream.try_clone()?);
        Ok(ByteStream {
            reader: Box::new(reader),
            writer: Box::new(writer),
            shutdown: Box::new(move || drop(stream.shutdown(Shutdown::Both))),
        })
    }));
    assert_eq!(Client::new(options).unwrap().hello().unwrap().server, "stub/1");
}
