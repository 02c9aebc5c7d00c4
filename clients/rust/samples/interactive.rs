// SPDX-License-Identifier: Apache-2.0

//! Talks with a program that runs: a line in, a line out.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};

use berth::{Client, Command};

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::from_env()?;
    let lease = client.acquire()?;
    let calculator = Command::code("python", "while True: print(eval(input()), flush=True)").open_stdin();
    let execution = lease.execute(&calculator)?;
    let mut answers = BufReader::new(execution.stdout()).lines();
    for question in ["1 + 1", "2 ** 100", "'berth'.upper()"] {
        execution.stdin().write_all(format!("{question}\n").as_bytes())?;
        println!("{question} = {}", answers.next().ok_or("it has ended")??);
    }
    execution.signal_named("INT")?;
    println!("ended: {:?}", execution.wait()?.cause());
    Ok(())
}
