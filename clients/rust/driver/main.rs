// SPDX-License-Identifier: Apache-2.0

//! Does the scenarios of `proto/vectors/scenarios.txt` with this client, and prints what came of them:
//! `conformance FILE [SCENARIO…]`.

mod bytes;
mod connections;
mod contexts;
mod step;
mod verbs;

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use berth::{Client, Execution, Options};
use step::Step;

/// An execution, and what was taken from it but not printed.
pub struct Stream {
    pub execution: Execution,
    pub lease: String,
    pub collected: [Vec<u8>; 2],
    pub dropped: [u64; 3],
}

#[derive(Default)]
pub struct Driver {
    pub clients: HashMap<String, Client>,
    pub tokens: HashMap<String, String>,
    /// Those of the leases that the driver acquired: dropped, they would be released.
    pub leases: Vec<berth::Lease>,
    /// The token of its lease, and its id.
    pub contexts: HashMap<String, (String, String)>,
    pub streams: HashMap<String, Rc<std::cell::RefCell<Stream>>>,
    pub archives: HashMap<String, Vec<u8>>,
    pub connections: HashMap<String, connections::Connected>,
}

pub fn print(line: &str) {
    let mut out = io::stdout().lock();
    // Nobody is left to tell when this fails.
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

impl Driver {
    pub fn client(&self, step: &Step) -> Result<&Client, Box<dyn Error>> {
        let name = step.text_or("client", "main");
        self.clients.get(&name).ok_or_else(|| format!("no client {name}").into())
    }

    /// By its token: any client may use a lease.
    pub fn lease(&self, step: &Step) -> Result<berth::Lease, Box<dyn Error>> {
        let token = self.tokens.get(&step.text("lease")).ok_or("no such lease")?;
        Ok(self.client(step)?.lease(token.clone()))
    }

    pub fn connect(&mut self, step: &Step) -> Result<(), Box<dyn Error>> {
        let mut options = Options::default();
        if let Some(window) = step.number("window") {
            options.window = window as u32;
        }
        if let Some(time) = step.number("connect_timeout_ms") {
            options.connect_timeout = Duration::from_millis(time);
        }
        if let Some(address) = step.find("address") {
            options.address = address;
        }
        let name = step.text("as");
        match Client::new(options) {
            Ok(client) => {
                self.clients.insert(name.clone(), client);
                print(&format!("connected {name}"));
            }
            Err(error) => print(&format!("connect {name} refused {}", bytes::summary(error.message().as_bytes()))),
        }
        Ok(())
    }

    fn play(name: &str, lines: &[String]) -> Result<(), Box<dyn Error>> {
        print(&format!("scenario {name}"));
        let mut driver = Driver::default();
        driver.clients.insert("main".into(), Client::from_env()?);
        for line in lines {
            let step = Step::parse(line);
            let begin = Instant::now();
            match verbs::perform(&mut driver, &step) {
                Ok(()) => {
                    if let Some(key) = step.unused() {
                        print(&format!("unsupported {} {key}", step.verb));
                    }
                }
                Err(error) => match verbs::berth_error(error.as_ref()) {
                    Some(error) => {
                        let reason = match error.reason() {
                            _ if !step.has("reason") => String::new(),
                            berth::v1::ErrorReason::Unspecified => " reason=NONE".into(),
                            reason => format!(" reason={}", reason.as_str_name()),
                        };
                        print(&format!("{} error {}{reason}", step.subject(), error.name()));
                    }
                    None => print(&format!("failed {}", bytes::encode(error.to_string().as_bytes()))),
                },
            }
            if step.number("within_ms").map_or(false, |most| begin.elapsed() > Duration::from_millis(most)) {
                print("late");
            }
        }
        driver.streams.clear();
        driver.connections.clear();
        for client in driver.clients.values() {
            client.close();
        }
        print("end");
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: conformance FILE [SCENARIO…]")?;
    let wanted: Vec<String> = arguments.collect();
    let mut name = String::new();
    let mut lines = Vec::new();
    for line in std::fs::read_to_string(file)?.lines() {
        if let Some(rest) = line.strip_prefix("scenario ") {
            name = rest.split(' ').next().unwrap_or_default().to_owned();
            lines.clear();
        } else if line == "end" {
            if wanted.is_empty() || wanted.contains(&name) {
                Driver::play(&name, &lines)?;
            }
        } else if !line.is_empty() && !line.starts_with('#') && !line.starts_with("= ") {
            lines.push(line.to_owned());
        }
    }
    Ok(())
}
