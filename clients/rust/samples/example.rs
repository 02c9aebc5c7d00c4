// SPDX-License-Identifier: Apache-2.0

use berth::{Client, Command};

fn main() -> berth::Result<()> {
    let client = Client::from_env()?;
    let lease = client.acquire()?; // released when it is dropped
    let output = lease.run(&Command::code("python", "print('hello from', 6 * 7)"))?;
    print!("{}", output.stdout_text());
    Ok(())
}
