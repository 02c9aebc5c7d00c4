use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::Client;
use crate::command::millis;
use crate::queue::{poll_fn, Queue};
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
    input: Mutex<Input>,
}

#[derive(Debug, Clone, Copy)]
struct Input {
    /// Of the next byte; `None` for an execution that somebody else started, until it was asked for.
    offset: Option<u64>,
    is_closed: bool,
}

impl Execution {
    pub(super) fn new(client: Client, lease: String, queue: Arc<Queue>, offset: Option<u64>) -> Execution {
        let input = Mutex::new(Input { offset, is_closed: false });
        Execution { client, lease, queue, input }
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

    /// Reads what comes next of one stream, and passes over the other's; 0 at the end.
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
                Event::Started(_) | Event::Dropped(_) => {}
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
            terminal: Some(Terminal { rows, columns }),
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
    Error::DataLoss(format!(
        "{} bytes of {:?} were no longer held, from offset {} on",
        dropped.bytes,
        dropped.stream(),
        dropped.offset
    ))
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
