// SPDX-License-Identifier: Apache-2.0

//! What has come of an execution and was not read yet: at most the window, since credit is given back only for what was
//! read. A server that knows no windows is held back by not reading from the connection, as the last resort.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use prost::Message;

use crate::channel::{tell, tell_with};
use crate::connection::{Connection, Receiver};
use crate::v1::execute_event::Event;
use crate::v1::{
    file_event, AcknowledgeRequest, DetachRequest, Dropped, Ended, ExecuteEvent, FileEvent, FileInfo, OutputStream,
    SignalRequest, Started,
};
use crate::{Error, Result};

/// No server with windows lets so much come unread.
const LAST_RESORT: usize = 2 << 20;

/// So many events are acknowledged at the latest: a server has no more than 60 on their way, however small they are.
const EVENTS_PER_CREDIT: usize = 30;

/// How a message of the stream becomes an event.
pub(crate) enum Source {
    Execution,
    /// Files come as programs do, with other names for the same things.
    File,
}

pub(crate) struct Queue {
    connection: Arc<Connection>,
    lease: String,
    window: u32,
    source: Source,
    state: Mutex<State>,
    /// For the reading thread, when it is held back.
    room: Condvar,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock().unwrap();
        f.debug_struct("Queue").field("started", &state.started).field("ended", &state.ended).finish()
    }
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    buffered: usize,
    started: Option<Started>,
    info: Option<FileInfo>,
    ended: Option<Ended>,
    error: Option<Error>,
    /// Of a connection: the other side has sent all.
    has_output_ended: bool,
    is_over: bool,
    is_abandoned: bool,
    /// Where the caller is in each stream, and in what a piece of code shows beside them.
    offsets: [u64; 3],
    unacknowledged: usize,
    unacknowledged_events: usize,
    wakers: Vec<Waker>,
}

impl State {
    fn consume(&mut self, stream: i32, end: u64, size: usize, events: usize) {
        self.offsets[(stream as usize).min(2)] = end;
        self.buffered -= size;
        self.unacknowledged += size;
        self.unacknowledged_events += events;
    }

    /// Takes what is shown out of the first so many events: it counts as read. Returns how much that was.
    fn pass_over(&mut self, events: usize) -> usize {
        let mut at = 0;
        for _ in 0..events {
            match shown(&self.events[at]) {
                Some((position, size)) => {
                    self.events.remove(at);
                    self.consume(OutputStream::Events as i32, position, size, 1);
                }
                None => at += 1,
            }
        }
        events - at
    }
}

impl Queue {
    pub(crate) fn new(
        connection: Arc<Connection>,
        lease: String,
        window: u32,
        source: Source,
        offsets: [u64; 3],
    ) -> Arc<Queue> {
        Arc::new(Queue {
            connection,
            lease,
            window,
            source,
            state: Mutex::new(State { offsets, ..State::default() }),
            room: Condvar::new(),
        })
    }

    fn decode(&self, data: Bytes) -> Result<Option<Event>> {
        let broken = |error| Error::server_sent(format!("an event that is none: {error}"));
        match self.source {
            Source::Execution => Ok(ExecuteEvent::decode(data).map_err(broken)?.event),
            Source::File => Ok(match FileEvent::decode(data).map_err(broken)?.event {
                Some(file_event::Event::Start(start)) => {
                    self.state.lock().unwrap().info = Some(start.info.unwrap_or_default());
                    Some(Event::Started(Started {
                        execution: start.execution,
                        watcher: start.watcher,
                        ..Started::default()
                    }))
                }
                Some(file_event::Event::Output(output)) => Some(Event::Output(output)),
                Some(file_event::Event::End(end)) => {
                    Some(Event::Ended(Ended { stdout_bytes: end.bytes, ..Ended::default() }))
                }
                None => None,
            }),
        }
    }

    fn fail(&self, error: Error) {
        let mut state = self.state.lock().unwrap();
        if !state.is_over {
            state.is_over = true;
            state.error = Some(error);
            self.wake(state);
        }
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.room.notify_all();
        for waker in wakers {
            waker.wake();
        }
    }

    /// The first event of those that come; `None` at the end.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<Event>>> {
        let mut state = self.state.lock().unwrap();
        let event = match state.events.pop_front() {
            Some(event) => event,
            None => return pending(&mut state, context).map_ok(|()| None),
        };
        match &event {
            Event::Output(output) => {
                let size = output.data.len();
                let end = output.offset + size as u64;
                self.consume(state, output.stream, end, size, 1);
            }
            Event::Dropped(dropped) => skip(&mut state, dropped),
            Event::Started(_) | Event::Ended(_) | Event::OutputEnded(_) => {}
            Event::Display(_) | Event::Failure(_) | Event::Prompt(_) => {
                if let Some((position, size)) = shown(&event) {
                    self.consume(state, OutputStream::Events as i32, position, size, 1);
                }
            }
        }
        Poll::Ready(Ok(Some(event)))
    }

    /// What comes next of one stream: how many bytes were put into the buffer, 0 at the end; or what was dropped. What a
    /// piece of code shows before it goes: nobody who reads bytes would ever take it, and its credit would not come back.
    pub(crate) fn poll_read(
        &self,
        context: &mut Context<'_>,
        stream: OutputStream,
        into: &mut [u8],
    ) -> Poll<Result<std::result::Result<usize, Dropped>>> {
        let mut state = self.state.lock().unwrap();
        let is_wanted = |event: &Event| match event {
            Event::Output(output) => output.stream == stream as i32,
            Event::Dropped(dropped) => dropped.stream == stream as i32,
            _ => false,
        };
        let was_held_back = state.buffered > LAST_RESORT;
        let found = state.events.iter().position(is_wanted);
        let before = found.unwrap_or(state.events.len());
        let passed = state.pass_over(before);
        let at = match found {
            Some(at) => at - passed,
            None if state.has_output_ended => return Poll::Ready(Ok(Ok(0))),
            None => {
                let result = pending(&mut state, context).map_ok(|()| Ok(0));
                self.give_credit(state, was_held_back);
                return result;
            }
        };
        match &mut state.events[at] {
            Event::Output(output) => {
                let size = output.data.len().min(into.len());
                output.data.copy_to_slice(&mut into[..size]);
                output.offset += size as u64;
                let (end, is_empty) = (output.offset, output.data.is_empty());
                if is_empty {
                    state.events.remove(at);
                }
                self.consume(state, stream as i32, end, size, is_empty.into());
                Poll::Ready(Ok(Ok(size)))
            }
            Event::Dropped(dropped) => {
                let dropped = dropped.clone();
                state.events.remove(at);
                skip(&mut state, &dropped);
                Poll::Ready(Ok(Err(dropped)))
            }
            _ => Poll::Ready(Ok(Ok(0))),
        }
    }

    /// Credit is never given back for little: a server that gets it for each small piece has only small pieces to send.
    fn consume(&self, mut state: MutexGuard<'_, State>, stream: i32, end: u64, size: usize, events: usize) {
        let was_held_back = state.buffered > LAST_RESORT;
        state.consume(stream, end, size, events);
        self.give_credit(state, was_held_back);
    }

    fn give_credit(&self, mut state: MutexGuard<'_, State>, was_held_back: bool) {
        let is_much =
            state.unacknowledged >= self.window as usize / 4 || state.unacknowledged_events >= EVENTS_PER_CREDIT;
        let is_due = is_much && !state.is_over;
        let request = match &state.started {
            Some(started) if is_due && started.watcher != 0 => Some(AcknowledgeRequest {
                lease: self.lease.clone(),
                execution: started.execution.clone(),
                watcher: started.watcher,
                stdout_offset: state.offsets[0],
                stderr_offset: state.offsets[1],
                events_position: state.offsets[2],
            }),
            _ => None,
        };
        if request.is_some() {
            state.unacknowledged = 0;
            state.unacknowledged_events = 0;
        }
        drop(state);
        if was_held_back {
            self.room.notify_all();
        }
        if let Some(request) = request {
            tell(&self.connection, "Acknowledge", &request);
        }
    }

    /// Waits until it has started, and leaves the event for who reads.
    pub(crate) fn poll_started(&self, context: &mut Context<'_>) -> Poll<Result<Started>> {
        let mut state = self.state.lock().unwrap();
        match &state.started {
            Some(started) => Poll::Ready(Ok(started.clone())),
            None => pending(&mut state, context)
                .map(|result| result.and_then(|()| Err(Error::server_sent("an end without a start")))),
        }
    }

    pub(crate) fn started(&self) -> Option<Started> {
        self.state.lock().unwrap().started.clone()
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.state.lock().unwrap().ended.clone()
    }

    pub(crate) fn info(&self) -> FileInfo {
        self.state.lock().unwrap().info.clone().unwrap_or_default()
    }

    pub(crate) fn offset(&self, stream: OutputStream) -> u64 {
        self.state.lock().unwrap().offsets[stream as usize]
    }

    /// Nobody reads any more: what is here goes, and the server is told to send no more.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock().unwrap();
        if state.is_abandoned {
            return;
        }
        state.is_abandoned = true;
        state.events.clear();
        state.buffered = 0;
        let started = state.started.clone().filter(|_| !state.is_over);
        self.wake(state);
        if let Some(started) = started {
            self.detach(started);
        }
    }

    fn detach(&self, started: Started) {
        let request =
            DetachRequest { lease: self.lease.clone(), execution: started.execution.clone(), watcher: started.watcher };
        let receiver = Detached {
            connection: Arc::downgrade(&self.connection),
            lease: self.lease.clone(),
            execution: started.execution,
        };
        tell_with(&self.connection, "Detach", &request, Arc::new(receiver));
    }
}

/// `std::future::poll_fn`, which Rust 1.63 does not have.
pub(crate) fn poll_fn<T, F>(poll: F) -> PollFn<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<T> + Unpin,
{
    PollFn(poll)
}

pub(crate) struct PollFn<F>(F);

impl<T, F> Future for PollFn<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<T> + Unpin,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        (self.0)(context)
    }
}

/// What is to be said when there is no event now.
fn pending(state: &mut State, context: &mut Context<'_>) -> Poll<Result<()>> {
    if let Some(error) = &state.error {
        return Poll::Ready(Err(error.clone()));
    }
    if state.is_over {
        return Poll::Ready(Ok(()));
    }
    if state.is_abandoned {
        return Poll::Ready(Err(Error::Cancelled("the execution was closed here".into())));
    }
    if !state.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
        state.wakers.push(context.waker().clone());
    }
    Poll::Pending
}

fn skip(state: &mut State, dropped: &Dropped) {
    state.offsets[(dropped.stream as usize).min(2)] = dropped.offset + dropped.bytes;
}

/// Position and size of what a piece of code shows beside its output.
fn shown(event: &Event) -> Option<(u64, usize)> {
    match event {
        Event::Display(display) => Some((display.position, display.encoded_len())),
        Event::Failure(failure) => Some((failure.position, failure.encoded_len())),
        Event::Prompt(prompt) => Some((prompt.position, prompt.encoded_len())),
        Event::Started(_) | Event::Output(_) | Event::Dropped(_) | Event::OutputEnded(_) | Event::Ended(_) => None,
    }
}

impl Receiver for Queue {
    fn message(&self, data: Bytes) {
        let event = match self.decode(data) {
            Ok(Some(event)) => event,
            Ok(None) => return, // of a later version
            Err(error) => return self.fail(error),
        };
        let mut state = self.state.lock().unwrap();
        if state.is_over {
            return;
        }
        let mut to_detach = None;
        match &event {
            Event::Started(started) => {
                state.started = Some(started.clone());
                to_detach = Some(started.clone()).filter(|_| state.is_abandoned);
            }
            Event::Ended(ended) => {
                state.ended = Some(ended.clone());
                state.is_over = true;
            }
            Event::Output(output) => {
                while state.buffered > LAST_RESORT && !state.is_abandoned && !state.is_over {
                    state = self.room.wait(state).unwrap();
                }
                if !state.is_abandoned {
                    state.buffered += output.data.len();
                }
            }
            Event::OutputEnded(_) => state.has_output_ended = true,
            Event::Dropped(_) => {}
            Event::Display(_) | Event::Failure(_) | Event::Prompt(_) => {
                if !state.is_abandoned {
                    state.buffered += shown(&event).map_or(0, |(_, size)| size);
                }
            }
        }
        if !state.is_abandoned {
            state.events.push_back(event);
        }
        self.wake(state);
        if let Some(started) = to_detach {
            self.detach(started);
        }
    }

    fn end(&self, result: Result<Bytes>) {
        let missing = || Error::server_sent("the end of the stream without an end of the program");
        self.fail(result.err().unwrap_or_else(missing));
    }

    fn expire(&self) -> bool {
        self.fail(Error::DeadlineExceeded("the call's time has passed".into()));
        false
    }
}

/// A server from before Detach ends a program only so.
struct Detached {
    connection: std::sync::Weak<Connection>,
    lease: String,
    execution: String,
}

impl Receiver for Detached {
    fn message(&self, _: Bytes) {}

    fn end(&self, result: Result<Bytes>) {
        if let (Err(Error::Unimplemented(_)), Some(connection)) = (result, self.connection.upgrade()) {
            let kill = SignalRequest {
                lease: self.lease.clone(),
                execution: self.execution.clone(),
                signal: 9,
                ..SignalRequest::default()
            };
            tell(&connection, "Signal", &kill);
        }
    }

    fn expire(&self) -> bool {
        false
    }
}
