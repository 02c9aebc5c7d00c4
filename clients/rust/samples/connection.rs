// SPDX-License-Identifier: Apache-2.0

use std::io::{Read, Write};
use std::time::Duration;

use berth::{Client, Command, ConnectOptions};

const SERVER: &str = "
import socket
with socket.create_server(('127.0.0.1', 8000)) as listener:
    connection = listener.accept()[0]
    connection.sendall(connection.makefile('rb').read().upper())
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::from_env()?;
    let lease = client.acquire()?;
    let _server = lease.execute(&Command::code("python", SERVER))?;
    let mut stream = lease.connect(&ConnectOptions::port(8000).wait(Duration::from_secs(10)))?;
    stream.write_all(b"hello")?;
    stream.shutdown_write()?; // the server reads to the end
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    println!("{answer}");
    Ok(())
}
