// SPDX-License-Identifier: Apache-2.0

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use super::Client;
use crate::blocking::wait;
use crate::command::millis;
use crate::queue::{poll_fn, Queue};
use crate::text::{Text, TextDecoder};
use crate::v1::execute_event::Event;
use crate::v1::{
    Dropped, Ended, InputRequest, InputResponse, OutputStream, ResizeTerminalRequest, ResizeTerminalResponse,
    SignalRequest, SignalResponse, Terminal,
};
use crate::{Error, Output, Result};

const CHUNK: usize = 256 << 10;

/// A program that runs. A program whose output is not read has to wait, as it would for a slow terminal.
///
/// Everything here fails when the call itself does (no such lease, no container to be had, the connection lost). Any end
/// of the program is an event, a failure to start it included.
///
/// Dropped before its end, the program is cancelled, with all it started; one that is resumable goes on.
#[derive(Debug)]
pub struct Execution {
    client: Client,
    lease: String,
    queue: Arc<Queue>,
    input: Arc<Mutex<Input>>,
    fed: Arc<Fed>,
    texts: Mutex<TextDecoder>,
}

/// Whether the standard input that did not go with the request has been sent.
#[derive(Debug, Default)]
struct Fed {
    state: Mutex<(bool, Vec<Waker>)>,
}

impl Fed {
    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock().unwrap();
        if !state.0 {
            return Poll::Ready(());
        }
        state.1.push(context.waker().clone());
        Poll::Pending
    }

    fn begin(&self) {
        self.state.lock().unwrap().0 = true;
    }

    fn end(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = false;
        let wakers = std::mem::take(&mut state.1);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[derive(Debug, Clone, Copy)]
struct Input {
    /// Of the next byte; `None` for an execution that somebody else started, until it was asked for.
    offset: Option<u64>,
    is_closed: bool,
}

impl Execution {
    pub(super) fn new(client: Client, lease: String, queue: Arc<Queue>, offset: Option<u64>) -> Execution {
        let input = Arc::new(Mutex::new(Input { offset, is_closed: false }));
        Execution { client, lease, queue, input, fed: Arc::default(), texts: Mutex::default() }
    }

    /// Sends the standard input that did not go with the request, on a thread of its own: whoever reads the output need not
    /// write. A program that ends without reading it ends as it does.
    pub(super) fn feed(&self, mut rest: Bytes, end: bool) {
        self.fed.begin();
        let (fed, input, queue) = (self.fed.clone(), self.input.clone(), self.queue.clone());
        let (channel, lease) = (Arc::downgrade(&self.client.channel), self.lease.clone());
        let send = move || {
            let started = wait(poll_fn(|context| queue.poll_started(context)));
            let execution = started.map(|started| started.execution);
            while let (Ok(execution), false) = (&execution, rest.is_empty()) {
                let data = rest.split_to(rest.len().min(CHUNK));
                let offset = input.lock().unwrap().offset.unwrap_or_default();
                let (lease, execution, end) = (lease.clone(), execution.clone(), end && rest.is_empty());
                let request = InputRequest { lease, execution, offset, data, end };
                let channel = match channel.upgrade() {
                    Some(channel) => channel,
                    None => break,
                };
                match wait(channel.call::<InputResponse>("Input", &request, None)) {
                    Ok(response) => input.lock().unwrap().offset = Some(response.offset),
                    Err(_) => break, // The end of the program tells the rest.
                }
            }
            fed.end();
        };
        if std::thread::Builder::new().name("berth-input".into()).spawn(send).is_err() {
            self.fed.end();
            self.queue.abandon(); // Rather than a program that waits for what never comes.
        }
    }

    /// What it writes as text, in the order it came; `None` at the end. Take this instead of the events. A character whose
    /// bytes come in two pieces is held back until it is whole; what is not UTF-8 becomes U+FFFD.
    pub async fn next_text(&self) -> Result<Option<Text>> {
        loop {
            if let Some(text) = self.texts.lock().unwrap().pop() {
                return Ok(Some(text));
            }
            match self.next().await? {
                Some(event) => self.texts.lock().unwrap().push(&event),
                None => return Ok(None),
            }
        }
    }

    /// For [`Lease::attach`](super::Lease::attach), on any connection; secret, like a lease. Waits until it has started.
    pub async fn id(&self) -> Result<String> {
        if let Some(started) = self.queue.started() {
            return Ok(started.execution);
        }
        Ok(poll_fn(|context| self.queue.poll_started(context)).await?.execution)
    }

    /// The container it runs in, for logs. Waits until it has started.
    pub async fn member(&self) -> Result<String> {
        Ok(poll_fn(|context| self.queue.poll_started(context)).await?.member)
    }

    /// The next event: started, then output, last ended; `None` after that.
    pub async fn next(&self) -> Result<Option<Event>> {
        poll_fn(|context| self.queue.poll_next(context)).await
    }

    /// Reads what comes next of one stream, and passes over the other's; 0 at the end. What a piece of code shows beside its
    /// output is lost here: who wants it takes the events.
    ///
    /// # Errors
    /// `DataLoss`, once, where output was dropped; the next read goes on after it.
    pub async fn read(&self, stream: OutputStream, into: &mut [u8]) -> Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| self.queue.poll_read(context, stream, into)).await?.map_err(loss)
    }

    /// Reads all that is left.
    pub async fn collect(&self) -> Result<Output> {
        let mut output = Output::default();
        while let Some(event) = self.next().await? {
            match event {
                Event::Output(piece) if piece.stream == OutputStream::Stderr as i32 => {
                    output.stderr.extend_from_slice(&piece.data);
                }
                Event::Output(piece) => output.stdout.extend_from_slice(&piece.data),
                Event::Ended(ended) => output.ended = ended,
                Event::Display(display) => output.displays.push(display),
                Event::Failure(failure) => output.failure = Some(failure),
                Event::Started(_) | Event::Dropped(_) | Event::Prompt(_) | Event::OutputEnded(_) => {}
            }
        }
        Ok(output)
    }

    /// Waits for the end of the program; output that nobody has read by then is dropped.
    pub async fn wait(&self) -> Result<Ended> {
        while self.next().await?.is_some() {}
        Ok(self.queue.ended().unwrap_or_default())
    }

    /// The end of the program, if it is known.
    pub fn ended(&self) -> Option<Ended> {
        self.queue.ended()
    }

    /// How much of a stream was read here, or dropped: where to go on, with
    /// [`AttachOptions::from`](crate::AttachOptions::from).
    pub fn offset(&self, stream: OutputStream) -> u64 {
        self.queue.offset(stream)
    }

    /// Adds to its standard input, if that was kept open. Done when the server has taken the bytes, which takes as long as
    /// the program does not read. One caller at a time.
    pub async fn write(&self, bytes: impl Into<Bytes>) -> Result<()> {
        let mut bytes = bytes.into();
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(CHUNK));
            self.send(piece, false).await?;
        }
        Ok(())
    }

    /// End of file. That the program does not want it any more is no error.
    pub async fn close_stdin(&self) -> Result<()> {
        if self.input.lock().unwrap().is_closed {
            return Ok(());
        }
        let result = self.send(Bytes::new(), true).await;
        self.input.lock().unwrap().is_closed = true;
        match result {
            Err(Error::NotFound(_) | Error::FailedPrecondition(_)) => Ok(()),
            result => result,
        }
    }

    async fn send(&self, data: Bytes, end: bool) -> Result<()> {
        poll_fn(|context| self.fed.poll(context)).await;
        let Input { offset, is_closed } = *self.input.lock().unwrap();
        if is_closed {
            return Err(Error::FailedPrecondition("the input was closed".into()));
        }
        let offset = match offset {
            Some(offset) => offset,
            None => self.input(0, Bytes::new(), false).await?,
        };
        let next = self.input(offset, data, end).await?;
        self.input.lock().unwrap().offset = Some(next);
        Ok(())
    }

    async fn input(&self, offset: u64, data: Bytes, end: bool) -> Result<u64> {
        let request = InputRequest { lease: self.lease.clone(), execution: self.id().await?, offset, data, end };
        let response: InputResponse = self.client.channel.call("Input", &request, None).await?;
        Ok(response.offset)
    }

    /// Sends a signal, 1 to 64; 9 ends everything the program started. Waits until it has started.
    pub async fn signal(&self, signal: i32) -> Result<()> {
        self.tell(SignalRequest { signal, ..SignalRequest::default() }).await
    }

    /// Sends a signal by its name: `"INT"`, `"SIGINT"` …
    pub async fn signal_named(&self, name: &str) -> Result<()> {
        self.tell(SignalRequest { name: name.into(), ..SignalRequest::default() }).await
    }

    /// Ends the program and all it started: TERM, a grace (its own, if `None`), KILL. Its end is still an event.
    pub async fn cancel(&self, grace: Option<Duration>) -> Result<()> {
        let grace_ms = grace.map_or(0, millis);
        self.tell(SignalRequest { cancel: true, grace_ms, ..SignalRequest::default() }).await
    }

    async fn tell(&self, mut request: SignalRequest) -> Result<()> {
        request.lease = self.lease.clone();
        request.execution = self.id().await?;
        let SignalResponse {} = self.client.channel.call("Signal", &request, self.client.call_timeout()).await?;
        Ok(())
    }

    /// Tells its terminal the new size.
    pub async fn resize(&self, rows: u32, columns: u32) -> Result<()> {
        let request = ResizeTerminalRequest {
            lease: self.lease.clone(),
            execution: self.id().await?,
            terminal: Some(Terminal { rows, columns, no_echo: false }),
        };
        let timeout = self.client.call_timeout();
        let ResizeTerminalResponse {} = self.client.channel.call("Resize", &request, timeout).await?;
        Ok(())
    }

    /// Gives it up, as dropping it does.
    pub fn close(&self) {
        self.queue.abandon();
    }
}

fn loss(dropped: Dropped) -> Error {
    Error::DataLoss(
        format!(
            "{} bytes of {:?} were no longer held, from offset {} on",
            dropped.bytes,
            dropped.stream(),
            dropped.offset
        )
        .into(),
    )
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

#[cfg(feature = "async")]
impl futures_core::Stream for Execution {
    type Item = Result<Event>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Event>>> {
        self.queue.poll_next(context).map(Result::transpose)
    }
}
