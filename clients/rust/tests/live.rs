// SPDX-License-Identifier: Apache-2.0

//! What the scenarios of proto/vectors do not show: the API, the samples and the README against a real server on runc.
//! `BERTH` names the binary; needs root.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use berth::v1::{EndCause, OutputStream, Unwatched};
use berth::{AcquireOptions, AttachOptions, Client, Command, Error, Options};

struct Server {
    process: Child,
    state: PathBuf,
    address: String,
}

static NUMBER: Mutex<u32> = Mutex::new(0);

impl Server {
    fn start() -> Server {
        let berth = std::env::var("BERTH").expect("BERTH must name the berth binary");
        let number = {
            let mut number = NUMBER.lock().unwrap();
            *number += 1;
            *number
        };
        let name = format!("rust-{}-{number}", std::process::id());
        let state = std::env::temp_dir().join(&name);
        let mut process = Process::new(&berth)
            .args(["serve", "--runtime", "runc", "--image", "host", "--listen", "127.0.0.1:0", "--size", "2"])
            .args(["--log-level", "error", "--instance", &name, "--state-dir"])
            .arg(&state)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("BERTH={berth} does not start: {error}"));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let server = Server { process, state, address: line.trim().rsplit(' ').next().unwrap().into() };
        assert!(line.contains("listening on "), "the server said {line:?}");
        server
    }

    fn client(&self) -> Client {
        Client::new(Options::at(&self.address)).unwrap()
    }

    /// What an example of this package prints.
    fn example(&self, name: &str, arguments: &[&str]) -> String {
        let here = std::env::current_exe().unwrap(); // target/debug/deps/live-…
        let output = Process::new(here.ancestors().nth(2).unwrap().join("examples").join(name))
            .args(arguments)
            .env("BERTH_SERVER", &self.address)
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(Process::new("kill").arg(self.process.id().to_string()).status());
        let end = Instant::now() + Duration::from_secs(20);
        while matches!(self.process.try_wait(), Ok(None)) {
            if Instant::now() > end {
                drop(self.process.kill());
            }
            thread::sleep(Duration::from_millis(20));
        }
        drop(std::fs::remove_dir_all(&self.state));
    }
}

#[test]
fn the_readmes_example_and_the_samples_do_what_they_say() {
    // The first lines are the licence's.
    let (_, source) = include_str!("../samples/example.rs").split_once("\n\n").expect("a line of the licence");
    assert!(include_str!("../README.md").contains(source), "README.md shows samples/example.rs");
    let server = Server::start();
    assert_eq!(server.example("example", &[]), "hello from 42\n");
    let snippet = server.example("snippet", &[]);
    assert!(snippet.starts_with("step 0\nstep 1\nstep 2\nExited 0 after "), "{snippet}");
    let interactive = server.example("interactive", &[]);
    assert!(interactive.contains("2 ** 100 = 1267650600228229401496703205376\n"), "{interactive}");
    let ten: String = (0..10).map(|i| format!("program {i} of 10\n")).collect();
    assert_eq!(server.example("ten_at_once", &[]), ten);
    assert!(server.example("bench", &["20"]).starts_with("rust: 20 runs, p50 "));
}

#[test]
fn a_lease_ends_when_it_is_dropped_and_knows_its_member_and_time() {
    let server = Server::start();
    let client = server.client();
    let lease = client.acquire_with(&AcquireOptions::new().lease_time(Duration::from_secs(20))).unwrap();
    assert!(!lease.member().is_empty());
    assert_eq!(lease.time(), Duration::from_secs(20));
    assert_eq!(lease.renew(Some(Duration::from_secs(10))).unwrap(), Duration::from_secs(10));
    let output = lease.run(&Command::shell("echo out; echo err >&2; exit 3")).unwrap();
    assert_eq!((output.stdout_text().as_ref(), output.stderr_text().as_ref()), ("out\n", "err\n"));
    assert_eq!((output.ended.cause(), output.ended.exit_code, output.is_ok()), (EndCause::Exited, 3, false));
    assert!(output.ended.usage.unwrap().wall_us > 0);
    let token = lease.token().to_owned();
    drop(lease);
    assert!(matches!(client.lease(token).run(&Command::new(["true"])), Err(Error::NotFound(_))));
}

#[test]
fn streams_carry_binary_both_ways_more_than_any_window() {
    let server = Server::start();
    let bytes: Vec<u8> = (0..3u32 << 20).map(|i| (i.wrapping_mul(2654435761) >> 24) as u8).collect();
    let execution = server.client().execute(&Command::new(["cat"]).open_stdin()).unwrap();
    let mut back = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            execution.stdin().write_all(&bytes).unwrap();
            execution.close_stdin().unwrap();
        });
        execution.stdout().read_to_end(&mut back).unwrap();
    });
    assert!(back == bytes);
    assert_eq!(execution.wait().unwrap().cause(), EndCause::Exited);
}

#[test]
fn an_execution_goes_on_without_its_connection_and_is_taken_up_where_it_was_left() {
    let server = Server::start();
    let first = server.client();
    let lease = first.acquire_with(&AcquireOptions::new().detached()).unwrap();
    let command = Command::shell("seq 1 200000").resumable(Duration::from_secs(30), Unwatched::Wait);
    let execution = lease.execute(&command).unwrap();
    let id = execution.id().unwrap();
    let mut all = vec![0; 100_000];
    execution.stdout().read_exact(&mut all).unwrap();
    let offset = execution.offset(OutputStream::Stdout);
    assert_eq!(offset, 100_000);
    first.close();

    let second = server.client().lease(lease.token());
    let execution = second.attach(&id, &AttachOptions::new().from(offset, 0)).unwrap();
    execution.stdout().read_to_end(&mut all).unwrap();
    assert_eq!(execution.wait().unwrap().exit_code, 0);
    let expected: String = (1..=200_000).map(|i| format!("{i}\n")).collect();
    assert!(all == expected.as_bytes());
    second.release().unwrap();
}

#[test]
fn files_go_in_and_out_and_what_is_wrong_with_one_is_told_when_it_is_opened() {
    let server = Server::start();
    let client = server.client();
    let lease = client.acquire().unwrap();
    let bytes: Vec<u8> = (0..1_000_000u32).map(|i| (i.wrapping_mul(2654435761) >> 24) as u8).collect();
    lease.write_file("/workspace/big", bytes.clone()).unwrap();
    let mut file = lease.read_file("/workspace/big").unwrap();
    assert_eq!(file.info().size, 1_000_000);
    let mut back = Vec::new();
    file.read_to_end(&mut back).unwrap();
    assert!(back == bytes);
    // One that is given up does not hold up what follows.
    lease.read_file("/workspace/big").unwrap().read_exact(&mut [0; 10]).unwrap();
    let archive = lease.read_archive("/workspace").unwrap();
    assert_eq!(lease.write_archive("/tmp/copy", archive).unwrap(), 1);
    assert_eq!(lease.list("/tmp/copy").unwrap()[0].name, "big");
    assert!(matches!(lease.read_file("/workspace/none"), Err(Error::NotFound(_))));
    lease.remove_tree("/tmp/copy").unwrap();
}
