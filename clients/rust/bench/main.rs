// SPDX-License-Identifier: Apache-2.0

//! `bench [N] [lease]`: N runs of true, one after another, each in a container of its own, or all in one lease; prints
//! p50 and p99.

use std::error::Error;
use std::time::Instant;

use berth::{Client, Command};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(Ok(1000), |count| count.parse())?;
    let client = Client::from_env()?;
    let lease = arguments.next().map(|_| client.acquire()).transpose()?;
    let command = Command::new(["true"]);
    let mut micros = Vec::with_capacity(count);
    for i in 0..count + count / 10 {
        let begin = Instant::now();
        let output = match &lease {
            Some(lease) => lease.run(&command),
            None => client.run(&command),
        }?;
        if !output.is_ok() {
            return Err("true has failed".into());
        }
        if i >= count / 10 {
            micros.push(begin.elapsed().as_micros());
        }
    }
    micros.sort_unstable();
    println!("rust: {count} runs, p50 {} us, p99 {} us", micros[count / 2], micros[count * 99 / 100]);
    Ok(())
}
