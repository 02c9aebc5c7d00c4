// SPDX-License-Identifier: Apache-2.0

//! TLS and tokens, against servers whose certificates are right and wrong: a program in front of a plain server speaks TLS.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command as Program, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use berth::v1::HelloResponse;
use berth::{aio, Client, Command, Error, Options};
use support::{Peer, Request, StubServer};

/// One after another: they change the environment.
static ALONE: Mutex<()> = Mutex::new(());

struct Setting {
    folder: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Setting {
    fn new() -> Setting {
        let alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for name in
            ["BERTH_SERVER", "BERTH_TLS_CA", "BERTH_TLS_CERT", "BERTH_TLS_KEY", "BERTH_TOKEN", "BERTH_TOKEN_FILE"]
        {
            env::remove_var(name);
        }
        let folder = env::temp_dir().join(format!("berth-rust-tls-{}", std::process::id()));
        if !folder.exists() {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/certificates.py");
            assert!(Program::new(script).arg(&folder).status().unwrap().success());
        }
        Setting { folder, _alone: alone }
    }

    fn pem(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Options with the right authority.
    fn options(&self, address: &str) -> Options {
        let mut options = Options::at(address);
        options.ca_file = Some(self.pem("ca.pem"));
        options
    }

    fn front(&self, server: &StubServer, certificate: &str, more: &[&str]) -> Front {
        let mut child = Program::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/relay.py"))
            .arg(server.address())
            .args([self.pem(&format!("{certificate}.pem")), self.pem(&format!("{certificate}.key"))])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Front { child, address: format!("tls://{}", line.trim()) }
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

struct Front {
    child: Child,
    address: String,
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.child.stdin.take()); // which ends it
        drop(self.child.wait());
    }
}

fn hello(peer: &Peer, stream: u32, _: &Request) {
    peer.answer(stream, &HelloResponse { server: "stub/1".into(), ..HelloResponse::default() });
}

fn token(request: &Request) -> Vec<&str> {
    request.metadata.iter().filter(|pair| pair.key == "authorization").map(|pair| pair.value.as_str()).collect()
}

fn block_on<T>(future: impl std::future::Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Both clients.
fn greet(options: &Options) {
    assert_eq!(Client::new(options.clone()).unwrap().hello().unwrap().server, "stub/1");
    let options = options.clone();
    assert_eq!(block_on(async { aio::Client::new(options).unwrap().hello().await }).unwrap().server, "stub/1");
}

/// Fails at once, in these words, with both clients.
fn refuse(options: &Options, words: &[&str]) {
    let check = |result: berth::Result<HelloResponse>, begin: Instant| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{error:?} does not say {word:?}");
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "what cannot get better is not tried again");
    };
    let mut options = options.clone();
    if options.connect_timeout == Duration::from_secs(5) {
        options.connect_timeout = Duration::from_secs(60);
        options.call_timeout = Duration::from_secs(60);
    }
    let begin = Instant::now();
    check(Client::new(options.clone()).unwrap().hello(), begin);
    let begin = Instant::now();
    check(block_on(async { aio::Client::new(options).unwrap().hello().await }), begin);
}

#[test]
fn the_environment_names_the_server_its_authority_our_certificate_and_our_token() {
    let setting = Setting::new();
    let server = StubServer::start(hello);
    let authority = setting.pem("ca.pem");
    let front = setting.front(&server, "server", &["--client-ca", authority.to_str().unwrap()]);
    env::set_var("BERTH_SERVER", &front.address);
    env::set_var("BERTH_TLS_CA", authority);
    env::set_var("BERTH_TLS_CERT", setting.pem("client.pem"));
    env::set_var("BERTH_TLS_KEY", setting.pem("client.key"));
    env::set_var("BERTH_TOKEN", "of-the-environment");
    let client = Client::from_env().unwrap();
    assert_eq!(client.hello().unwrap().server, "stub/1");
    assert_eq!(token(&server.take("Hello")), ["Bearer of-the-environment"]);
    drop(client.execute(&Command::new(["true"]))); // a stream, which this server answers as a call
    assert_eq!(token(&server.take("Execute")), ["Bearer of-the-environment"]);
}

#[test]
fn a_token_comes_from_the_option_else_the_environment_else_a_file() {
    let setting = Setting::new();
    let server = StubServer::start(hello);
    let ask = |options: Options, wanted: &[&str]| {
        Client::new(options).unwrap().hello().unwrap();
        assert_eq!(token(&server.take("Hello")), wanted);
    };
    fs::write(setting.pem("token"), "of-the-file\n").unwrap();
    env::set_var("BERTH_TOKEN_FILE", setting.pem("token"));
    ask(server.options(), &["Bearer of-the-file"]);
    env::set_var("BERTH_TOKEN", "of-the-environment");
    ask(server.options(), &["Bearer of-the-environment"]);
    let mut options = server.options();
    options.token = Some("of-the-option".into());
    ask(options.clone(), &["Bearer of-the-option"]);
    options.token = Some(String::new());
    ask(options, &[]);
}

#[test]
fn what_cannot_be_used_is_said_before_anything_is_sent() {
    let setting = Setting::new();
    let unusable = |options: Options, words: &str| {
        let error = Client::new(options).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
        assert!(error.to_string().contains(words), "{error} does not say {words}");
    };
    let with = |change: &dyn Fn(&mut Options)| {
        let mut options = Options::at("tls://127.0.0.1:1");
        change(&mut options);
        options
    };
    unusable(with(&|o| o.ca_file = Some(setting.pem("nothing.pem"))), "nothing.pem");
    unusable(with(&|o| o.ca_file = Some(setting.pem("client.key"))), "no certificate");
    unusable(with(&|o| o.key_file = Some(setting.pem("client.key"))), "without its certificate");
    let foreign = |o: &mut Options| {
        o.cert_file = Some(setting.pem("client.pem"));
        o.key_file = Some(setting.pem("server.key"));
    };
    unusable(with(&foreign), "does not belong");
    unusable(with(&|o| o.token = Some("two\nlines".into())), "no token");
    let at = |address: &str| {
        let mut options = Options::at(address);
        options.token = Some("x".into());
        options
    };
    for away in ["10.0.0.1:7411", "127.example.com:1", "[2001:db8::1]:1"] {
        unusable(at(away), "without TLS");
    }
    for here in ["tls://10.0.0.1:7411", "localhost:1", "127.0.0.2:1", "[::1]:1", ":1", "unix:/run/berth.sock"] {
        Client::new(at(here)).unwrap();
    }
    env::set_var("BERTH_TOKEN_FILE", setting.pem("no-token"));
    unusable(Options::at("127.0.0.1:1"), "no-token");
}

#[test]
fn a_wrong_certificate_is_refused_with_what_is_wrong_and_what_would_be_right() {
    let setting = Setting::new();
    let server = StubServer::start(hello);
    {
        let front = setting.front(&server, "server", &[]);
        let mut options = setting.options(&front.address);
        greet(&options);
        options.server_name = Some("berth.test".into());
        greet(&options);
        refuse(&Options::at(front.address.as_str()), &["is not trusted", "BERTH_TLS_CA"]);
    }
    let cases: [(&str, &[&str]); 3] = [
        ("self-signed", &["is not trusted", "self-signed"]),
        ("other", &["not for \"127.0.0.1\"", "server_name"]),
        ("expired", &["expired", "clock"]),
    ];
    for (certificate, words) in cases {
        let front = setting.front(&server, certificate, &[]);
        refuse(&setting.options(&front.address), words);
    }
}

#[test]
fn a_server_that_wants_a_certificate_of_ours_says_so() {
    let setting = Setting::new();
    let server = StubServer::start(hello);
    let authority = setting.pem("ca.pem");
    for version in ["1.2", "1.3"] {
        let arguments = ["--client-ca", authority.to_str().unwrap(), "--highest", version];
        let front = setting.front(&server, "server", &arguments);
        let mut options = setting.options(&front.address);
        refuse(&options, &["wants a certificate of this client", "BERTH_TLS_CERT"]);
        options.cert_file = Some(setting.pem("self-signed.pem"));
        options.key_file = Some(setting.pem("self-signed.key"));
        refuse(&options, &["does not accept this client's certificate"]);
        options.cert_file = Some(setting.pem("client.pem"));
        options.key_file = Some(setting.pem("client.key"));
        greet(&options);
    }
}

#[test]
fn tls_to_a_server_without_and_plain_to_a_server_with_it_are_told_apart() {
    let setting = Setting::new();
    /// The address of a server that says this to two that say anything.
    fn says(words: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                stream.write_all(words).unwrap();
            }
        });
        address
    }
    refuse(&setting.options(&format!("tls://{}", says(&[0; 30]))), &["does not speak TLS"]);
    refuse(&Options::at(says(b"\x15\x03\x01\x00\x02\x02\x46")), &["it speaks TLS", "tls://"]);
}

#[test]
fn the_connect_time_out_counts_for_the_handshake_too() {
    let setting = Setting::new();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = setting.options(&format!("tls://{}", mute.local_addr().unwrap()));
    options.connect_timeout = Duration::from_millis(300);
    refuse(&options, &["handshake"]);
}

#[test]
fn the_next_connection_is_made_in_the_same_way_with_what_the_files_hold_then() {
    let setting = Setting::new();
    let server = StubServer::start(hello);
    let front = setting.front(&server, "server", &[]);
    let (authority, secret) = (setting.pem("exchanged.pem"), setting.pem("exchanged"));
    fs::copy(setting.pem("ca.pem"), &authority).unwrap();
    fs::write(&secret, "first").unwrap();
    env::set_var("BERTH_TOKEN_FILE", &secret);
    let mut options = Options::at(front.address.as_str());
    options.ca_file = Some(authority.clone());
    let client = Client::new(options).unwrap();
    client.hello().unwrap();
    assert_eq!(token(&server.take("Hello")), ["Bearer first"]);
    fs::write(&secret, "second").unwrap();
    server.drop_connections();
    while let Err(error) = client.hello() {
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
    }
    assert_eq!(token(&server.take("Hello")), ["Bearer second"]);
    fs::write(&authority, "nothing").unwrap();
    server.drop_connections();
    let error = loop {
        match client.hello() {
            Err(error) if error.to_string().contains("exchanged.pem") => break error,
            Err(_) => {}
            Ok(_) => panic!("that file holds no authority"),
        }
    };
    assert!(error.to_string().contains("no certificate"), "{error}");
}
