// SPDX-License-Identifier: Apache-2.0

//! The module `aio`, on tokio.

mod support;

use std::sync::{mpsc, Arc, Mutex};
use std::time::{Duration, Instant};

use berth::aio::Client;
use berth::v1::{
    AcquireResponse, CloseContextRequest, Failure, ForkContextResponse, HelloResponse, OpenContextResponse,
    OutputStream, ReleaseRequest,
};
use berth::{AcquireOptions, Command, Error, Event};
use support::{Flood, StubServer, FLOOD};

#[tokio::test]
async fn an_unread_execution_blocks_no_other_task_and_comes_whole_when_read_as_a_stream() {
    let flood = Arc::new(Flood::default());
    let handler = flood.clone();
    let server = StubServer::start(move |peer, stream, request| handler.handle(peer, stream, request));
    let client = Client::new(server.options()).unwrap();
    let mut execution = client.execute(&Command::new(["yes"]).window(65536)).await.unwrap();
    for _ in 0..100 {
        assert_eq!(client.hello().await.unwrap().server, "stub/1");
    }
    let mut count = 0;
    loop {
        let next = NextOf(&mut execution).await;
        match next {
            Some(Ok(Event::Output(output))) => {
                assert_eq!(output.offset, count);
                count += output.data.len() as u64;
            }
            Some(event) => drop(event.unwrap()),
            None => break,
        }
    }
    assert_eq!(count, FLOOD);
    assert!(flood.state.lock().unwrap().2 <= 65536);
}

/// `StreamExt::next`, without another crate.
struct NextOf<'a, S>(&'a mut S);

impl<S: futures_core::Stream + Unpin> std::future::Future for NextOf<'_, S> {
    type Output = Option<S::Item>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        std::pin::Pin::new(&mut *self.0).poll_next(context)
    }
}

#[tokio::test]
async fn an_acquire_that_is_dropped_while_it_waits_releases_what_comes_of_it() {
    let (send, late) = mpsc::channel();
    let send = Mutex::new(send);
    let server = StubServer::start(move |peer, stream, request| match request.method.as_str() {
        "Acquire" => drop(send.lock().unwrap().send((peer.clone(), stream))),
        "Hello" => peer.answer(stream, &HelloResponse::default()),
        _ => {}
    });
    let client = Client::new(server.options()).unwrap();
    let options = AcquireOptions::new();
    let gave_up = tokio::time::timeout(Duration::from_millis(100), client.acquire(&options)).await;
    assert!(gave_up.is_err());
    let (peer, stream) = late.recv().unwrap();
    peer.answer(stream, &AcquireResponse { lease: "late".into(), ..AcquireResponse::default() });
    assert_eq!(server.take("Release").message::<ReleaseRequest>().lease, "late");
}

#[tokio::test]
async fn a_context_whose_opening_or_copying_is_dropped_is_closed_when_it_comes_all_the_same() {
    let (send, late) = mpsc::channel();
    let send = Mutex::new(send);
    let server = StubServer::start(move |peer, stream, request| match request.method.as_str() {
        "OpenContext" | "ForkContext" => drop(send.lock().unwrap().send((peer.clone(), stream))),
        "Hello" => peer.answer(stream, &HelloResponse::default()),
        _ => {}
    });
    let lease = Client::new(server.options()).unwrap().lease("l");
    assert!(tokio::time::timeout(Duration::from_millis(100), lease.context("python")).await.is_err());
    let (peer, stream) = late.recv().unwrap();
    peer.answer(stream, &OpenContextResponse { context: "late".into(), ..OpenContextResponse::default() });
    let closed: CloseContextRequest = server.take("CloseContext").message();
    assert_eq!((closed.lease.as_str(), closed.context.as_str()), ("l", "late"));
    let context = lease.existing_context("c");
    assert!(tokio::time::timeout(Duration::from_millis(100), context.fork()).await.is_err());
    let (peer, stream) = late.recv().unwrap();
    peer.answer(stream, &ForkContextResponse { context: "copy".into(), ..ForkContextResponse::default() });
    let closed: CloseContextRequest = server.take("CloseContext").message();
    assert_eq!((closed.lease.as_str(), closed.context.as_str()), ("l", "copy"));
}

#[tokio::test]
async fn pieces_of_code_run_as_futures_and_a_dropped_context_is_closed() {
    let server = StubServer::start(|peer, stream, request| match request.method.as_str() {
        "OpenContext" => {
            peer.answer(stream, &OpenContextResponse { context: "c".into(), ..OpenContextResponse::default() });
        }
        "Execute" => {
            peer.started(stream, "e", 1);
            peer.event(stream, Event::Failure(Failure { name: "ValueError".into(), ..Failure::default() }));
            peer.exited(stream, 1);
        }
        _ => peer.frame(stream, 2, 0, b""),
    });
    let context = Client::new(server.options()).unwrap().lease("l").context("python").await.unwrap();
    assert_eq!(context.run("x / 0").await.unwrap().failure.unwrap().to_string(), "ValueError");
    assert!(!context.inspect("x", None, false).await.unwrap().found);
    drop(context);
    assert_eq!(server.take("CloseContext").message::<CloseContextRequest>().context, "c");
}

#[tokio::test]
async fn a_call_without_an_answer_ends_at_its_deadline_and_a_broken_connection_ends_all() {
    let server = StubServer::start(|peer, stream, request| {
        if request.method == "Execute" {
            peer.started(stream, "e", 1);
        }
    });
    let mut options = server.options();
    options.call_timeout = Duration::from_millis(100);
    let client = Client::new(options).unwrap();
    assert!(matches!(client.hello().await, Err(Error::DeadlineExceeded(_))));
    let execution = client.execute(&Command::new(["sleep"])).await.unwrap();
    execution.id().await.unwrap();
    let begin = Instant::now();
    server.drop_connections();
    assert!(matches!(execution.wait().await, Err(Error::Unavailable(_))));
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_dropped_lease_is_released_even_when_its_client_goes_with_it() {
    let server = StubServer::start(|peer, stream, request| match request.method.as_str() {
        "Acquire" => peer.answer(stream, &AcquireResponse { lease: "l".into(), ..AcquireResponse::default() }),
        "Execute" => {
            peer.started(stream, "e", 1);
            peer.output(stream, OutputStream::Stdout, 0, b"out");
            peer.exited(stream, 0);
        }
        _ => peer.frame(stream, 2, 0, b""),
    });
    let client = Client::new(server.options()).unwrap();
    let lease = client.acquire(&AcquireOptions::new()).await.unwrap();
    assert_eq!(lease.run(&Command::new(["x"])).await.unwrap().stdout, b"out");
    drop(client);
    drop(lease);
    assert_eq!(server.take("Release").message::<ReleaseRequest>().lease, "l");
}
