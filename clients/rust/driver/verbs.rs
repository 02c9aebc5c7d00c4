// SPDX-License-Identifier: Apache-2.0

//! What each verb of a scenario does.

use std::cell::RefCell;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::rc::Rc;
use std::time::{Duration, Instant};

use berth::v1::{
    EndCause, Ended, FileInfo, FileType, OutputPolicy, OutputStream, StartFailure, StatsResponse, Unwatched,
};
use berth::{AcquireOptions, AttachOptions, Command, Event, Execution};

use crate::bytes::{encode, summary};
use crate::connections;
use crate::contexts;
use crate::step::Step;
use crate::{print, Driver, Stream};

pub type Outcome = Result<(), Box<dyn Error>>;

/// The client's own error, which a stream has wrapped.
pub fn berth_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a berth::Error> {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.downcast_ref().or_else(|| inner.and_then(|inner| inner.downcast_ref()))
}

pub fn perform(driver: &mut Driver, step: &Step) -> Outcome {
    let name = step.text_or("as", "");
    match step.verb.as_str() {
        "connect" => driver.connect(step)?,
        "close" => {
            driver.client(step)?.close();
            print(&format!("closed {}", step.text("client")));
        }
        "hello" => print(&format!("hello pools={}", driver.client(step)?.hello()?.pools.join(","))),
        "acquire" => acquire(driver, step)?,
        "token" => drop(driver.tokens.insert(name, step.text("token"))),
        "renew" => {
            driver.lease(step)?.renew(step.number("ttl_ms").map(Duration::from_millis))?;
            print(&format!("renewed {}", step.text("lease")));
        }
        "release" => {
            driver.lease(step)?.release()?;
            print(&format!("released {}", step.text("lease")));
        }
        "stats" => {
            let stats = driver.client(step)?.stats()?;
            let fields = step.texts("field").into_iter().map(|name| format!(" {name}={}", field(&stats, &name)));
            print(&format!("stats{}", fields.collect::<String>()));
        }
        "await" => wait_for(driver, step)?,
        "run" if step.find("context").is_some() => contexts::run(driver, step)?,
        "run" => run(driver, step)?,
        "start" => {
            let (execution, lease) = start(driver, step)?;
            keep(driver, step, execution, lease)?;
            print(&format!("started {name}"));
        }
        "attach" => attach(driver, step)?,
        "read" => read(driver, step)?,
        "finish" => finish(driver, step)?,
        "text" => text(driver, step)?,
        "input" | "signal" | "cancel" | "resize" | "detach" => {
            act(&stream(driver, step)?.borrow().execution, step)?;
            print(&format!("{} {}", step.verb, step.text("exec")));
        }
        "executions" => {
            let all = driver.lease(step)?.executions()?;
            let ended = all.iter().filter(|info| info.ended.is_some()).count();
            print(&format!("executions running={} ended={ended}", all.len() - ended));
        }
        "open-context" | "fork-context" | "close-context" | "contexts" | "complete" | "inspect" | "events" => {
            contexts::perform(driver, step)?;
        }
        "dial" | "send" | "receive" | "exchange" | "hang-up" => connections::perform(driver, step)?,
        "world" => {
            print(&format!("@{}", step.text("action")));
            io::stdin().read_line(&mut String::new())?;
        }
        _ => files(driver, step)?,
    }
    Ok(())
}

fn stream(driver: &Driver, step: &Step) -> Result<Rc<RefCell<Stream>>, Box<dyn Error>> {
    Ok(driver.streams.get(&step.text("exec")).ok_or("no such execution")?.clone())
}

fn acquire(driver: &mut Driver, step: &Step) -> Outcome {
    let mut options = AcquireOptions::new().pool(step.text("pool"));
    if let Some(wait) = step.number("wait_ms") {
        options = options.wait(Duration::from_millis(wait));
    }
    if step.has("detached") {
        options = options.detached();
    }
    if let Some(time) = step.number("ttl_ms") {
        options = options.lease_time(Duration::from_millis(time));
    }
    let lease = driver.client(step)?.acquire_with(&options)?;
    driver.tokens.insert(step.text("as"), lease.token().into());
    driver.leases.push(lease);
    print(&format!("acquired {}", step.text("as")));
    Ok(())
}

fn wait_for(driver: &Driver, step: &Step) -> Outcome {
    let name = step.text("field");
    let end = Instant::now() + Duration::from_millis(step.number("timeout_ms").unwrap_or(5000));
    let wanted = step.text("value");
    loop {
        let value = field(&driver.client(step)?.stats()?, &name);
        if value == wanted || Instant::now() > end {
            print(&format!("await {name}={value}"));
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn field(stats: &StatsResponse, name: &str) -> String {
    let pool = &stats.pools[0];
    match name {
        "connections" => stats.connections.to_string(),
        "executions" => stats.executions.to_string(),
        "breaker" => snake(&format!("{:?}", pool.breaker())),
        "target" => pool.target.to_string(),
        "max" => pool.max.to_string(),
        "starting" => pool.starting.to_string(),
        "idle" => pool.idle.to_string(),
        "leased" => pool.leased.to_string(),
        "stopping" => pool.stopping.to_string(),
        "waiters" => pool.waiters.to_string(),
        "creates" => pool.creates.to_string(),
        "leases" => pool.leases.to_string(),
        _ => "unsupported".into(),
    }
}

/// `OutOfMemory` as the scenarios write it: `out_of_memory`.
pub fn snake(name: &str) -> String {
    let mut text = String::new();
    for (i, letter) in name.char_indices() {
        if letter.is_uppercase() && i > 0 {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

type SetTime = fn(Command, Duration) -> Command;

fn command(step: &Step) -> Command {
    let mut command = match (step.find("shell"), step.find("code")) {
        (Some(line), _) => Command::shell(line),
        (_, Some(source)) => Command::code(step.text("language"), source),
        _ => {
            let mut argv = step.all("argv");
            if let (Some(count), Some(last)) = (step.number("argv_repeat"), argv.last_mut()) {
                *last = last.repeat(count as usize);
            }
            Command::new(argv.into_iter().map(OsString::from_vec))
        }
    };
    command = command
        .pool(step.text("pool"))
        .cwd(OsString::from_vec(step.bytes("cwd")))
        .stdin(step.repeated("stdin", "stdin_repeat"));
    for variable in step.all("env") {
        let at = variable.iter().position(|&byte| byte == b'=').expect("NAME=VALUE");
        command = command.env(OsStr::from_bytes(&variable[..at]), OsStr::from_bytes(&variable[at + 1..]));
    }
    if step.has("merge_output") {
        command = command.merge_output();
    }
    let times: [(&str, SetTime); 6] = [
        ("wait_ms", Command::wait),
        ("timeout_ms", Command::timeout),
        ("grace_ms", Command::grace),
        ("idle_timeout_ms", Command::idle_timeout),
        ("cpu_time_ms", Command::cpu_time),
        ("deadline_ms", Command::deadline),
    ];
    for (key, set) in times {
        if let Some(time) = step.number(key) {
            command = set(command, Duration::from_millis(time));
        }
    }
    if let Some(uid) = step.number("uid") {
        command = command.uid(uid as u32);
    }
    if let Some(most) = step.number("max_output_bytes") {
        let kills = step.text("output_policy") == "kill";
        let policy = if kills { OutputPolicy::KillAtLimit } else { OutputPolicy::TruncateOutput };
        command = command.max_output(most, policy);
    }
    if step.has("keep_background") {
        command = command.keep_background();
    }
    if step.has("stdin_open") {
        command = command.open_stdin();
    }
    if let Some((rows, columns)) = step.text("terminal").split_once('x') {
        command = command.terminal(rows.parse().expect("rows"), columns.parse().expect("columns"));
    }
    if step.has("no_echo") {
        command = command.no_echo();
    }
    if let Some(window) = step.number("window") {
        command = command.window(window as u32);
    }
    if let Some(time) = step.number("resumable_ms") {
        let waits = step.text("unwatched") == "wait";
        let unwatched = if waits { Unwatched::Wait } else { Unwatched::RunOn };
        command = command.resumable(Duration::from_millis(time), unwatched);
    }
    command
}

/// An execution, and the token of its lease.
fn start(driver: &Driver, step: &Step) -> Result<(Execution, String), Box<dyn Error>> {
    if let Some((lease, _)) = step.find("context").and_then(|context| driver.contexts.get(&context)) {
        return Ok((contexts::start(driver, step)?, lease.clone()));
    }
    let command = command(step);
    Ok(match step.find("lease") {
        Some(name) => (driver.lease(step)?.execute(&command)?, driver.tokens[&name].clone()),
        None => (driver.client(step)?.execute(&command)?, String::new()),
    })
}

fn run(driver: &Driver, step: &Step) -> Outcome {
    let command = command(step);
    let output = match step.find("lease") {
        Some(_) => driver.lease(step)?.run(&command)?,
        None => driver.client(step)?.run(&command)?,
    };
    if !output.stdout.is_empty() {
        print(&format!("stdout {}", summary(&output.stdout)));
    }
    if !output.stderr.is_empty() {
        print(&format!("stderr {}", summary(&output.stderr)));
    }
    print(&format!("ended {}", describe(&output.ended)));
    Ok(())
}

fn keep(driver: &mut Driver, step: &Step, execution: Execution, lease: String) -> Outcome {
    execution.id()?; // waits for its start
    let stream = Stream { execution, lease, collected: Default::default(), dropped: [0; 3] };
    driver.streams.insert(step.text("as"), Rc::new(RefCell::new(stream)));
    Ok(())
}

fn attach(driver: &mut Driver, step: &Step) -> Outcome {
    let mut options =
        AttachOptions::new().from(step.number("stdout_offset").unwrap_or(0), step.number("stderr_offset").unwrap_or(0));
    if step.has("from_now") {
        options = options.from_now();
    }
    if step.has("observe") {
        options = options.observe();
    }
    if let Some(window) = step.number("window") {
        options = options.window(window as u32);
    }
    let (id, lease) = {
        let of = stream(driver, step)?;
        let of = of.borrow();
        (of.execution.id()?, of.lease.clone())
    };
    let client = driver.client(step)?;
    let execution = match lease.as_str() {
        "" => client.attach(&id, &options)?,
        token => client.lease(token).attach(&id, &options)?,
    };
    keep(driver, step, execution, lease)?;
    print(&format!("attached {}", step.text("as")));
    Ok(())
}

fn take(stream: &mut Stream, event: &Event) {
    match event {
        Event::Output(output) => stream.collected[output.stream as usize].extend_from_slice(&output.data),
        Event::Dropped(dropped) => stream.dropped[dropped.stream as usize] += dropped.bytes,
        _ => {}
    }
}

fn read(driver: &Driver, step: &Step) -> Outcome {
    let stream = stream(driver, step)?;
    let mut stream = stream.borrow_mut();
    let name = step.text_or("stream", "stdout");
    let at = if name == "stderr" { OutputStream::Stderr } else { OutputStream::Stdout } as usize;
    let count = step.number("bytes").unwrap_or(0) as usize;
    while stream.collected[at].len() < count {
        match stream.execution.next_event()? {
            Some(event) => take(&mut stream, &event),
            None => break,
        }
    }
    let taken = count.min(stream.collected[at].len());
    let rest = stream.collected[at].split_off(taken);
    let wanted = std::mem::replace(&mut stream.collected[at], rest);
    print(&format!("{} {name} {}", step.text("exec"), summary(&wanted)));
    Ok(())
}

fn finish(driver: &Driver, step: &Step) -> Outcome {
    let name = step.text("exec");
    let stream = stream(driver, step)?;
    let mut stream = stream.borrow_mut();
    let end = loop {
        match stream.execution.next_event() {
            Ok(Some(event)) => take(&mut stream, &event),
            Ok(None) => break Ok(stream.execution.ended().unwrap_or_default()),
            Err(error) => break Err(error),
        }
    };
    for (label, left) in ["stdout", "stderr"].iter().zip(&stream.collected) {
        if !left.is_empty() {
            print(&format!("{name} {label} {}", summary(left)));
        }
    }
    for (label, bytes) in ["stdout", "stderr", "events"].iter().zip(stream.dropped) {
        if bytes > 0 {
            print(&format!("{name} dropped {label}={bytes}"));
        }
    }
    print(&format!("{name} ended {}", describe(&end?)));
    Ok(())
}

fn text(driver: &Driver, step: &Step) -> Outcome {
    let name = step.text("exec");
    let stream = stream(driver, step)?;
    let execution = &stream.borrow().execution;
    let mut texts = [String::new(), String::new()];
    while let Some(piece) = execution.next_text()? {
        texts[piece.stream as usize] += &piece.text;
    }
    for (label, text) in ["stdout", "stderr"].iter().zip(&texts) {
        if !text.is_empty() {
            print(&format!("{name} {label} {}", summary(text.as_bytes())));
        }
    }
    print(&format!("{name} ended {}", describe(&execution.ended().unwrap_or_default())));
    Ok(())
}

fn act(execution: &Execution, step: &Step) -> Outcome {
    match step.verb.as_str() {
        "input" => {
            execution.stdin().write_all(&step.repeated("data", "repeat"))?;
            if step.all("data") == [b""] && !step.has("end") {
                execution.stdin().write_all(b"")?;
            }
            if step.has("end") {
                execution.close_stdin()?;
            }
        }
        "signal" => match step.text("signal") {
            number if number.starts_with(|first: char| first.is_ascii_digit()) => execution.signal(number.parse()?)?,
            name => execution.signal_named(&name)?,
        },
        "cancel" => execution.cancel(None)?,
        "resize" => {
            let (rows, columns) = (step.number("rows").unwrap_or(0), step.number("columns").unwrap_or(0));
            execution.resize(rows as u32, columns as u32)?;
        }
        _ => execution.close(),
    }
    Ok(())
}

pub fn describe(ended: &Ended) -> String {
    let mut words = vec![snake(&format!("{:?}", ended.cause()))];
    if ended.cause() == EndCause::Exited || ended.exit_code != 0 {
        words.push(format!("code={}", ended.exit_code));
    }
    if ended.signal != 0 {
        words.push(format!("signal={}", ended.signal));
    }
    if ended.start_failure() != StartFailure::Unspecified {
        words.push(format!("failure={}", snake(&format!("{:?}", ended.start_failure()))));
    }
    if ended.stdout_truncated != 0 {
        words.push(format!("stdout_truncated={}", ended.stdout_truncated));
    }
    if ended.stderr_truncated != 0 {
        words.push(format!("stderr_truncated={}", ended.stderr_truncated));
    }
    if ended.context_lost {
        words.push("context_lost=1".into());
    }
    words.join(" ")
}

fn files(driver: &mut Driver, step: &Step) -> Outcome {
    let path = OsString::from_vec(step.bytes("path"));
    let shown = encode(path.as_bytes());
    match step.verb.as_str() {
        "write-file" => {
            let mode = u32::from_str_radix(&step.text_or("mode", "0"), 8)?;
            let data = step.repeated("data", "repeat");
            driver.lease(step)?.write_file_from(&path, data.as_slice(), mode, step.has("parents"))?;
            print(&format!("wrote {shown}"));
        }
        "read-file" => {
            let (offset, length) = (step.number("offset").unwrap_or(0), step.number("length").unwrap_or(0));
            let mut file = driver.lease(step)?.read_file_range(&path, offset, length)?;
            let mut data = Vec::new();
            file.read_to_end(&mut data)?;
            print(&format!("file {shown} size={} mode={:04o}", file.info().size, file.info().mode));
            if !data.is_empty() {
                print(&format!("data {}", summary(&data)));
            }
        }
        "list" => {
            let entries = driver.lease(step)?.list(&path)?;
            entries.iter().for_each(|entry| print(&describe_entry(entry)));
            print(&format!("listed {}", entries.len()));
        }
        "stat" => {
            let mut info = driver.lease(step)?.stat(&path, step.has("follow"))?;
            let target = std::mem::take(&mut info.link_target);
            let target = if target.is_empty() { String::new() } else { format!(" target={}", encode(&target)) };
            print(&format!("info{}{target}", &describe_entry(&info)["entry".len()..]));
        }
        "make-directory" => {
            let mode = u32::from_str_radix(&step.text_or("mode", "0"), 8)?;
            driver.lease(step)?.make_directory(&path, mode, step.has("parents"))?;
            print(&format!("made {shown}"));
        }
        "rename" => {
            let to = OsString::from_vec(step.bytes("to"));
            driver.lease(step)?.rename(&path, &to, step.has("no_replace"))?;
            print(&format!("renamed {shown}"));
        }
        "change-mode" => {
            driver.lease(step)?.change_mode(&path, u32::from_str_radix(&step.text_or("mode", "0"), 8)?)?;
            print(&format!("changed {shown}"));
        }
        "remove" => {
            let lease = driver.lease(step)?;
            if step.has("recursive") {
                lease.remove_tree(&path)?;
            } else {
                lease.remove(&path)?;
            }
            print(&format!("removed {shown}"));
        }
        "read-archive" => {
            let mut archive = Vec::new();
            driver.lease(step)?.read_archive(&path)?.read_to_end(&mut archive)?;
            driver.archives.insert(step.text("as"), archive);
            print(&format!("archive {}", step.text("as")));
        }
        "write-archive" => {
            let archive = driver.archives.get(&step.text("archive")).ok_or("no such archive")?;
            let files = driver.lease(step)?.write_archive(&path, archive.as_slice())?;
            print(&format!("unpacked files={files}"));
        }
        verb => print(&format!("unsupported {verb}")),
    }
    Ok(())
}

fn describe_entry(entry: &FileInfo) -> String {
    let size = if entry.r#type() == FileType::Regular { format!(" size={}", entry.size) } else { String::new() };
    let kind = snake(&format!("{:?}", entry.r#type()));
    let name = if entry.name_raw.is_empty() { entry.name.as_bytes() } else { &entry.name_raw };
    format!("entry {} {kind}{size} mode={:04o}", encode(name), entry.mode)
}
