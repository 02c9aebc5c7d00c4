// SPDX-License-Identifier: Apache-2.0

use berth::Client;

fn main() -> berth::Result<()> {
    let client = Client::from_env()?;
    let lease = client.acquire()?;
    let context = lease.context("python")?; // closed when it is dropped
    context.run("x = 6")?;
    let output = context.run("print('so:'); x * 7")?;
    println!("{}{}", output.stdout_text(), output.value().unwrap_or_default());
    let failed = context.run("x / 0")?;
    if let Some(failure) = failed.failure {
        println!("{failure}, exit code {}", failed.ended.exit_code);
    }
    Ok(())
}
