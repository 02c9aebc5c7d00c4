// SPDX-License-Identifier: Apache-2.0

//! What the verbs of connections do.

use std::error::Error;
use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::thread;
use std::time::Duration;

use berth::{ConnectOptions, ContainerStream};

use crate::bytes::summary;
use crate::step::Step;
use crate::verbs::Outcome;
use crate::{print, Driver};

/// A connection, and what came of it and was not yet shown.
pub struct Connected {
    stream: ContainerStream,
    kept: Vec<u8>,
    end: Option<&'static str>,
}

pub fn perform(driver: &mut Driver, step: &Step) -> Outcome {
    if step.verb == "dial" {
        return dial(driver, step);
    }
    let name = step.text("conn");
    let connected = driver.connections.get_mut(&name).ok_or("no such connection")?;
    match step.verb.as_str() {
        "send" => {
            let how = send(&connected.stream, &step.repeated("data", "repeat"), step.has("end"));
            print(&format!("send {name}{how}"));
        }
        "receive" => connected.receive(&name, step.number("bytes").map_or(usize::MAX, |count| count as usize)),
        "exchange" => {
            let data = step.repeated("data", "repeat");
            let Connected { stream, kept, end } = connected;
            thread::scope(|scope| {
                scope.spawn(|| send(stream, &data, true));
                take(stream, kept, end, usize::MAX);
            });
            connected.receive(&name, usize::MAX);
        }
        _ => {
            connected.stream.close();
            print(&format!("hung-up {name}"));
        }
    }
    Ok(())
}

fn dial(driver: &mut Driver, step: &Step) -> Result<(), Box<dyn Error>> {
    let path = step.bytes("path");
    let mut options = match step.number("port") {
        Some(port) => ConnectOptions::port(port as u16),
        None => ConnectOptions::path(OsString::from_vec(path)),
    };
    if let Some(time) = step.number("wait_ms") {
        options = options.wait(Duration::from_millis(time));
    }
    if let Some(time) = step.number("timeout_ms") {
        options = options.timeout(Duration::from_millis(time));
    }
    if let Some(time) = step.number("idle_timeout_ms") {
        options = options.idle_timeout(Duration::from_millis(time));
    }
    if let Some(window) = step.number("window") {
        options = options.window(window as u32);
    }
    let stream = driver.lease(step)?.connect(&options)?;
    driver.connections.insert(step.text("as"), Connected { stream, kept: Vec::new(), end: None });
    print(&format!("dialled {}", step.text("as")));
    Ok(())
}

/// What a step's line adds: nothing, or how it failed.
fn send(mut stream: &ContainerStream, data: &[u8], end: bool) -> &'static str {
    let sent = stream.write_all(data).and_then(|()| if end { stream.shutdown_write() } else { Ok(()) });
    match sent.map_err(|error| error.kind()) {
        Ok(()) => "",
        Err(ErrorKind::BrokenPipe) => " broken",
        Err(_) => " aborted",
    }
}

/// Takes what comes, until so much is there, or the end.
fn take(mut stream: &ContainerStream, kept: &mut Vec<u8>, end: &mut Option<&'static str>, count: usize) {
    let mut piece = vec![0; 64 << 10];
    while kept.len() < count && end.is_none() {
        match stream.read(&mut piece).map_err(|error| error.kind()) {
            Ok(0) => *end = Some("end"),
            Ok(size) => kept.extend_from_slice(&piece[..size]),
            Err(ErrorKind::ConnectionReset) => *end = Some("reset"),
            Err(_) => *end = Some("aborted"),
        }
    }
}

impl Connected {
    fn receive(&mut self, name: &str, count: usize) {
        take(&self.stream, &mut self.kept, &mut self.end, count);
        let taken: Vec<u8> = self.kept.drain(..count.min(self.kept.len())).collect();
        if !taken.is_empty() {
            print(&format!("{name} received {}", summary(&taken)));
        }
        match self.end {
            Some(end) if self.kept.is_empty() => print(&format!("{name} {end}")),
            _ => {}
        }
    }
}
