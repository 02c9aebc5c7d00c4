// SPDX-License-Identifier: Apache-2.0

//! Ten programs at once on one connection, each in a container of its own.

use std::thread;

use berth::{Client, Command};

fn main() -> berth::Result<()> {
    let client = Client::from_env()?;
    let mut threads = Vec::new();
    for i in 0..10 {
        let client = client.clone();
        threads.push(thread::spawn(move || client.run(&Command::shell(format!("echo program {i} of 10")))));
    }
    for thread in threads {
        let output = thread.join().expect("it does not panic")?;
        print!("{}", output.stdout_text());
    }
    Ok(())
}
