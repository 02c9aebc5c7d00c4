// SPDX-License-Identifier: Apache-2.0

//! Runs a snippet in a container of its own, and shows what it writes while it writes it.

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use berth::v1::OutputStream;
use berth::{Client, Command, Event};

const SOURCE: &str = r#"
import sys, time
for i in range(3):
    print("step", i, flush=True)
    time.sleep(0.1)
print("done", file=sys.stderr)
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::from_env()?;
    let command = Command::code("python", SOURCE).timeout(Duration::from_secs(10));
    for event in client.execute(&command)? {
        match event? {
            Event::Output(output) if output.stream() == OutputStream::Stdout => {
                io::stdout().write_all(&output.data)?;
            }
            Event::Output(output) => io::stderr().write_all(&output.data)?,
            Event::Ended(ended) => {
                let wall = ended.usage.clone().unwrap_or_default().wall_us / 1000;
                println!("{:?} {} after {wall} ms", ended.cause(), ended.exit_code);
            }
            _ => {}
        }
    }
    Ok(())
}
