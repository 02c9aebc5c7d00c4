// SPDX-License-Identifier: Apache-2.0

//! Contexts and pieces of code: what their verbs do, and how what they show is printed.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use berth::v1::{Display, Failure, MimeData, OutputPolicy, OutputStream, Prompt, Unwatched};
use berth::{Context, ContextOptions, Event, Execution, Piece};

use crate::bytes::{crc32, encode, summary};
use crate::step::Step;
use crate::verbs::{describe, snake, Outcome};
use crate::{print, Driver};

type SetTime = fn(Piece, Duration) -> Piece;

pub fn perform(driver: &mut Driver, step: &Step) -> Outcome {
    match step.verb.as_str() {
        "open-context" => open(driver, step),
        "fork-context" => {
            let copy = find(driver, step)?.fork()?;
            copy.keep(); // any step may take it up
            let (lease, _) = driver.contexts[&step.text("context")].clone();
            driver.contexts.insert(step.text("as"), (lease, copy.id().into()));
            print(&format!("forked {}", step.text("as")));
            Ok(())
        }
        "close-context" => {
            find(driver, step)?.close()?;
            print(&format!("closed-context {}", step.text("context")));
            Ok(())
        }
        "contexts" => list(driver, step),
        "complete" => {
            let completion = find(driver, step)?.complete(&step.text("code"), cursor(step))?;
            let matches = completion.matches.iter().map(|text| format!(" {}", encode(text.as_bytes())));
            let (start, end) = (completion.start, completion.end);
            print(&format!("complete start={start} end={end}{}", matches.collect::<String>()));
            Ok(())
        }
        "inspect" => {
            let known = find(driver, step)?.inspect(&step.text("code"), cursor(step), step.has("detail"))?;
            let mut forms: Vec<&MimeData> = known.data.iter().collect();
            forms.sort_by_key(|form| &form.mime);
            for form in forms {
                print(&format!("form {} {}", encode(form.mime.as_bytes()), summary(&form.data)));
            }
            print(&format!("inspected {}", u8::from(known.found)));
            Ok(())
        }
        _ => events(driver, step),
    }
}

fn open(driver: &mut Driver, step: &Step) -> Outcome {
    let mut options = ContextOptions::new(step.text("language"));
    for variable in step.all("env") {
        let at = variable.iter().position(|&byte| byte == b'=').expect("NAME=VALUE");
        options = options.env(OsStr::from_bytes(&variable[..at]), OsStr::from_bytes(&variable[at + 1..]));
    }
    let cwd = step.bytes("cwd");
    if !cwd.is_empty() {
        options = options.cwd(OsString::from_vec(cwd));
    }
    if let Some(uid) = step.number("uid") {
        options = options.uid(uid as u32);
    }
    let lease = driver.lease(step)?;
    let context = lease.context_with(&options)?;
    context.keep(); // any step may take it up
    driver.contexts.insert(step.text("as"), (lease.token().into(), context.id().into()));
    print(&format!("opened {}", step.text("as")));
    Ok(())
}

/// By its lease's token and its id: any client may use it.
pub fn find(driver: &Driver, step: &Step) -> Result<Context, Box<dyn Error>> {
    let (lease, id) = driver.contexts.get(&step.text("context")).ok_or("no such context")?;
    Ok(driver.client(step)?.lease(lease.clone()).existing_context(id.clone()))
}

fn list(driver: &Driver, step: &Step) -> Outcome {
    let contexts = driver.lease(step)?.contexts()?;
    for info in &contexts {
        let state = if info.execution.is_empty() { "idle" } else { "running" };
        print(&format!("context {} pieces={} {state}", info.language, info.pieces));
    }
    print(&format!("contexts {}", contexts.len()));
    Ok(())
}

fn cursor(step: &Step) -> Option<usize> {
    step.number("cursor").map(|place| place as usize)
}

fn piece(step: &Step) -> Piece {
    let mut piece = Piece::new(step.text("code")).stdin(step.repeated("stdin", "stdin_repeat"));
    let times: [(&str, SetTime); 4] = [
        ("timeout_ms", Piece::timeout),
        ("grace_ms", Piece::grace),
        ("idle_timeout_ms", Piece::idle_timeout),
        ("deadline_ms", Piece::deadline),
    ];
    for (key, set) in times {
        if let Some(time) = step.number(key) {
            piece = set(piece, Duration::from_millis(time));
        }
    }
    if let Some(most) = step.number("max_output_bytes") {
        let kills = step.text("output_policy") == "kill";
        let policy = if kills { OutputPolicy::KillAtLimit } else { OutputPolicy::TruncateOutput };
        piece = piece.max_output(most, policy);
    }
    if step.has("stdin_open") {
        piece = piece.open_stdin();
    }
    if let Some(window) = step.number("window") {
        piece = piece.window(window as u32);
    }
    if let Some(time) = step.number("resumable_ms") {
        let waits = step.text("unwatched") == "wait";
        let unwatched = if waits { Unwatched::Wait } else { Unwatched::RunOn };
        piece = piece.resumable(Duration::from_millis(time), unwatched);
    }
    piece
}

pub fn start(driver: &Driver, step: &Step) -> Result<Execution, Box<dyn Error>> {
    Ok(find(driver, step)?.execute(piece(step))?)
}

pub fn run(driver: &Driver, step: &Step) -> Outcome {
    let output = find(driver, step)?.run(piece(step))?;
    for (label, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            print(&format!("{label} {}", summary(bytes)));
        }
    }
    output.displays.iter().for_each(|display| print(&show_display(display)));
    output.failure.iter().for_each(|failure| print(&show_failure(failure)));
    if let Some(value) = output.value() {
        print(&format!("value {}", summary(value.as_bytes())));
    }
    print(&format!("ended {}", describe(&output.ended)));
    Ok(())
}

/// What came of an execution, as lines; neighbouring outputs of a stream are one.
struct Transcript {
    name: String,
    lines: Vec<String>,
    output: (OutputStream, Vec<u8>),
}

impl Transcript {
    fn line(&mut self, words: &str) {
        self.end_output();
        self.lines.push(format!("{} {words}", self.name));
    }

    fn end_output(&mut self) {
        let bytes = std::mem::take(&mut self.output.1);
        if !bytes.is_empty() {
            let stream = snake(&format!("{:?}", self.output.0));
            self.lines.push(format!("{} {stream} {}", self.name, summary(&bytes)));
        }
    }

    /// How much of what it counts to `shown` this is.
    fn add(&mut self, event: &Event) -> u64 {
        match event {
            Event::Started(_) | Event::OutputEnded(_) => return 0,
            Event::Output(output) => {
                if output.stream() != self.output.0 {
                    self.end_output();
                    self.output.0 = output.stream();
                }
                self.output.1.extend_from_slice(&output.data);
                return 0;
            }
            Event::Dropped(dropped) => {
                let stream = snake(&format!("{:?}", dropped.stream()));
                self.line(&format!("dropped {stream}={}", dropped.bytes));
                return 0;
            }
            Event::Ended(ended) => {
                self.line(&format!("ended {}", describe(ended)));
                return 0;
            }
            Event::Display(display) => self.line(&show_display(display)),
            Event::Failure(failure) => self.line(&show_failure(failure)),
            Event::Prompt(prompt) => self.line(&show_prompt(prompt)),
        }
        1
    }
}

fn events(driver: &Driver, step: &Step) -> Outcome {
    let stream = driver.streams.get(&step.text("exec")).ok_or("no such execution")?.clone();
    let stream = stream.borrow();
    let mut transcript =
        Transcript { name: step.text("exec"), lines: Vec::new(), output: (OutputStream::Stdout, Vec::new()) };
    let (wanted, mut shown) = (step.number("shown").unwrap_or(u64::MAX), 0);
    let mut result = Ok(());
    while shown < wanted {
        match stream.execution.next_event() {
            Ok(Some(event)) => shown += transcript.add(&event),
            Ok(None) => break,
            Err(error) => {
                result = Err(error.into());
                break;
            }
        }
    }
    transcript.end_output();
    if step.has("digest") {
        let all: String = transcript.lines.iter().map(|line| format!("{line}\n")).collect();
        let count = transcript.lines.len();
        print(&format!("{} events {count} crc32={:08x}", transcript.name, crc32(all.as_bytes())));
    } else {
        transcript.lines.iter().for_each(|line| print(line));
    }
    result
}

fn show_display(display: &Display) -> String {
    let mut words = vec![String::from("display")];
    if !display.id.is_empty() {
        words.push(format!("id={}", summary(display.id.as_bytes())));
    }
    if display.update {
        words.push("update=1".into());
    }
    if display.result {
        words.push("result=1".into());
    }
    let mut forms: Vec<&MimeData> = display.data.iter().collect();
    forms.sort_by_key(|form| &form.mime);
    words.extend(forms.iter().map(|form| format!("{}={}", encode(form.mime.as_bytes()), summary(&form.data))));
    let left_out = display.left_out.iter();
    words.extend(left_out.map(|form| format!("left-out={}:{}", encode(form.mime.as_bytes()), form.bytes)));
    words.join(" ")
}

fn show_failure(failure: &Failure) -> String {
    let mut words = vec![String::from("failure"), encode(failure.name.as_bytes())];
    if !failure.message.is_empty() {
        words.push(summary(failure.message.as_bytes()));
    }
    words.extend(failure.traceback.last().map(|last| format!("last={}", summary(last.as_bytes()))));
    words.join(" ")
}

fn show_prompt(prompt: &Prompt) -> String {
    format!("prompt {}{}", summary(prompt.text.as_bytes()), if prompt.password { " password=1" } else { "" })
}
