// SPDX-License-Identifier: Apache-2.0

//! The connection of a client: made at the first call, and again at the next call after it was lost.

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message;

use crate::connection::{Connection, Receiver};
use crate::frame;
use crate::options::{Address, Options};
use crate::security::{Distrust, Security};
use crate::timer::Timer;
use crate::ttrpc;
use crate::unary::{Answer, Late, Unary, UnaryFuture};
use crate::v1::HelloRequest;
use crate::{Error, Result};

const SERVICE: &str = "berth.v1.Pool";
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Channel {
    pub options: Options,
    address: Address,
    queued: bool,
    timer: Timer,
    connecting: Arc<Connecting>,
}

#[derive(Default)]
struct Connecting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Connection>>,
    waiters: Vec<Arc<Waiter>>,
    is_trying: bool,
    is_closed: bool,
}

/// A call that needs a connection.
struct Waiter {
    give_up: Instant,
    outcome: Mutex<Outcome>,
}

#[derive(Default)]
struct Outcome {
    result: Option<Result<Arc<Connection>>>,
    waker: Option<Waker>,
}

impl Waiter {
    fn complete(&self, result: Result<Arc<Connection>>) {
        let mut outcome = self.outcome.lock().unwrap();
        outcome.result = Some(result);
        let waker = outcome.waker.take();
        drop(outcome);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct Wait(Arc<Waiter>);

impl Future for Wait {
    type Output = Result<Arc<Connection>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut outcome = self.0.outcome.lock().unwrap();
        match outcome.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                outcome.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn closed() -> Error {
    Error::Unavailable("the client was closed".into())
}

impl Channel {
    pub(crate) fn new(options: Options, queued: bool) -> Result<Channel> {
        let address = Address::parse(&options.address)?;
        if !(64 << 10..=1 << 20).contains(&options.window) {
            let window = options.window;
            return Err(Error::InvalidArgument(format!("a window is 65536 to 1048576 bytes, not {window}").into()));
        }
        if options.keepalive.is_zero() {
            return Err(Error::InvalidArgument("a keepalive of no time would give every call up".into()));
        }
        Security::of(&options, &address)?; // what is wrong is said before anything is asked
        Ok(Channel { options, address, queued, timer: Timer::default(), connecting: Arc::default() })
    }

    pub(crate) fn close(&self) {
        let (open, waiters) = {
            let mut state = self.connecting.state.lock().unwrap();
            state.is_closed = true;
            (state.current.take(), std::mem::take(&mut state.waiters))
        };
        self.connecting.changed.notify_all();
        self.timer.close();
        if let Some(open) = open {
            open.fail(closed());
        }
        for waiter in waiters {
            waiter.complete(Err(closed()));
        }
    }

    /// One that is open, made before the deadline or within the connect time-out.
    pub(crate) async fn connection(&self, deadline: Option<Instant>) -> Result<Arc<Connection>> {
        let waiter = {
            let mut state = self.connecting.state.lock().unwrap();
            if state.is_closed {
                return Err(closed());
            }
            match &state.current {
                Some(open) if open.is_open() => return Ok(open.clone()),
                _ => state.current = None,
            }
            let latest = Instant::now() + self.options.connect_timeout;
            let waiter = Arc::new(Waiter {
                give_up: deadline.map_or(latest, |deadline| deadline.min(latest)),
                outcome: Mutex::default(),
            });
            state.waiters.push(waiter.clone());
            if !state.is_trying {
                let attempt = Attempt {
                    options: self.options.clone(),
                    address: self.address.clone(),
                    queued: self.queued,
                    connecting: Arc::downgrade(&self.connecting),
                };
                let thread = thread::Builder::new().name("berth-connect".into());
                if let Err(error) = thread.spawn(move || attempt.run()) {
                    state.waiters.clear();
                    return Err(Error::ResourceExhausted(format!("no thread to connect with: {error}").into()));
                }
                state.is_trying = true;
            }
            waiter
        };
        Wait(waiter).await
    }

    fn open(&self) -> Option<Arc<Connection>> {
        let state = self.connecting.state.lock().unwrap();
        state.current.clone().filter(|connection| connection.is_open())
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.open().is_some()
    }

    /// A unary call whose answer nobody needs, if there is a connection for it.
    pub(crate) fn tell_open(&self, method: &'static str, message: &impl Message) {
        if let Some(connection) = self.open() {
            tell(&connection, method, message);
        }
    }

    /// A call with one answer.
    pub(crate) async fn call<R: Message + Default>(
        &self,
        method: &'static str,
        message: &impl Message,
        timeout: Option<Duration>,
    ) -> Result<R> {
        decode(self.start(frame::UNARY, method, message, timeout, None).await?.payload)
    }

    /// A call, and all that comes of it. `late` gets an answer that nobody waits for any more.
    pub(crate) async fn start(
        &self,
        flags: u8,
        method: &'static str,
        message: &impl Message,
        timeout: Option<Duration>,
        late: Option<Late>,
    ) -> Result<Answer> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let connection = self.connection(deadline).await?;
        let call = Unary::new(late.map(|late| (late, Arc::downgrade(&connection))));
        let id = self.send(&connection, flags, method, message, deadline, call.clone())?;
        UnaryFuture { call, connection, id }.await
    }

    fn hello(&self) -> ttrpc::Request {
        request("Hello", &HelloRequest { client: self.options.name.clone() }, 0)
    }

    pub(crate) fn send(
        &self,
        connection: &Arc<Connection>,
        flags: u8,
        method: &'static str,
        message: &impl Message,
        deadline: Option<Instant>,
        receiver: Arc<dyn Receiver>,
    ) -> Result<u32> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map_or(0, |left| i64::try_from(left.as_nanos()).unwrap_or(i64::MAX).max(1));
        if connection.begin_watch() {
            self.timer.watch(connection, self.options.keepalive, self.hello());
        }
        let id = connection.call(flags, &request(method, message, timeout), receiver)?;
        if let Some(deadline) = deadline {
            self.timer.add(deadline, connection, id);
        }
        Ok(id)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let open = {
            let mut state = self.connecting.state.lock().unwrap();
            state.is_closed = true;
            state.current.take()
        };
        self.connecting.changed.notify_all();
        self.timer.close();
        if let Some(open) = open {
            open.finish();
        }
    }
}

fn request(method: &'static str, message: &impl Message, timeout_nano: i64) -> ttrpc::Request {
    ttrpc::Request {
        service: SERVICE.into(),
        method: method.into(),
        payload: message.encode_to_vec().into(),
        timeout_nano,
        metadata: Vec::new(),
    }
}

pub(crate) fn decode<R: Message + Default>(payload: Bytes) -> Result<R> {
    R::decode(payload).map_err(|error| Error::server_sent(format!("a message that is none: {error}")))
}

/// A unary call whose answer nobody needs.
pub(crate) fn tell(connection: &Connection, method: &'static str, message: &impl Message) {
    tell_with(connection, method, message, nobody());
}

pub(crate) fn nobody() -> Arc<dyn Receiver> {
    struct Nobody;

    impl Receiver for Nobody {
        fn message(&self, _: Bytes) {}
        fn end(&self, _: Result<Bytes>) {}
        fn expire(&self) -> bool {
            false
        }
    }
    Arc::new(Nobody)
}

pub(crate) fn tell_with(
    connection: &Connection,
    method: &'static str,
    message: &impl Message,
    receiver: Arc<dyn Receiver>,
) {
    // It fails only when the connection has ended, and then there is nobody to tell.
    drop(connection.call(frame::UNARY, &request(method, message, 0), receiver));
}

/// Tries to connect while anybody waits for it, on a thread of its own.
struct Attempt {
    options: Options,
    address: Address,
    queued: bool,
    connecting: Weak<Connecting>,
}

impl Attempt {
    fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let connecting = match self.connecting.upgrade() {
                Some(connecting) => connecting,
                None => return,
            };
            let patience = {
                let mut state = connecting.state.lock().unwrap();
                match state.waiters.iter().map(|waiter| waiter.give_up).max() {
                    Some(latest) if !state.is_closed => latest.saturating_duration_since(Instant::now()),
                    _ => {
                        state.is_trying = false;
                        return;
                    }
                }
            };
            let result = self.connect(patience.max(Duration::from_millis(1)));
            let now = Instant::now();
            let mut done = Vec::new();
            let mut state = connecting.state.lock().unwrap();
            match result {
                Ok(connection) if !state.is_closed => {
                    state.is_trying = false;
                    state.current = Some(connection.clone());
                    done.extend(state.waiters.drain(..).map(|waiter| (waiter, Ok(connection.clone()))));
                }
                Ok(_) => {}
                Err(error) if Distrust::of(&error).is_some() => {
                    state.is_trying = false;
                    done.extend(state.waiters.drain(..).map(|waiter| (waiter, Err(self.distrusted(&error)))));
                }
                Err(error) => {
                    // Half to all of it, so that many clients of one server don't come back at once.
                    let jittered = pause.mul_f64(0.5 + 0.5 * random());
                    pause = (2 * pause).min(LONGEST_PAUSE);
                    let (left, over): (Vec<_>, Vec<_>) =
                        state.waiters.drain(..).partition(|waiter| waiter.give_up > now);
                    state.waiters = left;
                    done.extend(over.into_iter().map(|waiter| (waiter, Err(self.unreachable(&error)))));
                    if let Some(first) = state.waiters.iter().map(|waiter| waiter.give_up).min() {
                        let time = jittered.min(first.saturating_duration_since(now));
                        state = connecting.changed.wait_timeout(state, time).unwrap().0;
                    }
                }
            }
            let is_over = !state.is_trying;
            drop(state);
            for (waiter, result) in done {
                waiter.complete(result);
            }
            if is_over {
                return;
            }
        }
    }

    fn connect(&self, timeout: Duration) -> io::Result<Arc<Connection>> {
        // The files may have been exchanged.
        let security = Security::of(&self.options, &self.address)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, Distrust(error.to_string())))?;
        let stream = match &self.options.connector {
            Some(connector) => connector(timeout)?,
            None => security.connect(&self.address, timeout)?,
        };
        Connection::start(stream, self.address.to_string(), security.metadata, self.queued)
    }

    fn distrusted(&self, why: &io::Error) -> Error {
        Error::Unavailable(format!("no TLS with the server at {}: {why}", self.address).into())
    }

    fn unreachable(&self, why: &io::Error) -> Error {
        Error::Unavailable(
            format!(
                "no Berth server at {}: {why}; start one with \"berth serve\", or name another with BERTH_SERVER",
                self.address
            )
            .into(),
        )
    }
}

/// From 0 to 1, with what the standard library has.
fn random() -> f64 {
    (RandomState::new().build_hasher().finish() >> 11) as f64 / (1u64 << 53) as f64
}
