//! Ten programs at once on one connection, each in a container of its own.

use std::thread;

use berth::{Client, Command, Output};

fn main() -> berth::Result<()> {
    let client = Client::from_env()?;
    let outputs: Vec<berth::Result<Output>> = thread::scope(|scope| {
        let run = |i| client.run(&Command::shell(format!("echo program {i} of 10")));
        let threads: Vec<_> = (0..10).map(|i| scope.spawn(move || run(i))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    for output in outputs {
        print!("{}", output?.stdout_text());
    }
    Ok(())
}
