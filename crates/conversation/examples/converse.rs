//! Runs the conversations against a broker: `converse ADDRESS [--any-broker] [NAME…]`.
//!
//! With `--any-broker` what rests on Tidewire's own decisions is left out.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "what it prints is its result")]

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;
use tidewire_conversation::{Tcp, run, scripts};

const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let (flags, words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let Some((address, names)) = words.split_first() else {
        println!("usage: converse ADDRESS [--any-broker] [NAME…]");
        return ExitCode::from(2);
    };
    let Some(broker) = address.to_socket_addrs().ok().and_then(|mut all| all.next()) else {
        println!("{address} is not an address and a port");
        return ExitCode::from(2);
    };
    let any_broker = flags.iter().any(|flag| flag == "--any-broker");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, script) in scripts::all() {
        if !names.is_empty() && !names.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        if script.needs_virtual_time() || (any_broker && script.needs_tidewire()) {
            skipped += 1;
            continue;
        }
        match converse(&script, broker) {
            Ok(()) => passed += 1,
            Err(failure) => {
                failed += 1;
                println!("{name}: {failure}");
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    ExitCode::from(u8::from(failed > 0))
}

fn converse(
    script: &tidewire_conversation::Script,
    broker: SocketAddr,
) -> Result<(), tidewire_conversation::Failure> {
    script.versions().iter().try_for_each(|version| run(script, *version, &mut Tcp::new(broker, PATIENCE)))
}
