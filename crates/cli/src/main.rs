//! Tidewire: an MQTT broker in one executable.
#![forbid(unsafe_code)]
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod bench;
mod broker;
mod check;
mod client;
mod explain;
mod limits;
mod publish;
mod request;
mod say;
mod subscribe;
mod usage;

use clap::{Parser, Subcommand};
use say::Failure;
use std::process::ExitCode;

/// Memory that is freed stays with the process for a while instead of faulting in again: up to 40 % of the CPU
/// time. Without huge pages, which cost small messages a fifth more CPU time, and an idle server four times the
/// memory; and of the allocator's versions the second, which spends a third less on small blocks than the third.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// MQTT broker and tools
#[derive(Parser)]
#[command(
    name = "tidewire",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    // The last holds, so that scripts may add to what they were given.
    args_override_self = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Load a broker, and measure what it does
    Bench(bench::Arguments),
    /// Run an MQTT broker
    Broker(broker::Arguments),
    /// Check whether a broker keeps to the specification
    Check(check::Arguments),
    /// Explain what a peer did wrong, and what to do about it
    Explain(explain::Arguments),
    /// Publish messages
    Pub(publish::Arguments),
    /// Publish a request, and print the answer
    Rr(request::Arguments),
    /// Subscribe, and print what comes
    Sub(subscribe::Arguments),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse_from(client::join(std::env::args_os())) {
        Ok(arguments) => arguments,
        Err(error) => return usage::answer(error),
    };
    let result = match arguments.command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Broker(arguments) => broker::run(arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Pub(arguments) => publish::run(&arguments),
        Command::Rr(arguments) => request::run(&arguments),
        Command::Sub(arguments) => subscribe::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

impl From<tidewire_server::StartError> for Failure {
    fn from(error: tidewire_server::StartError) -> Self {
        if error.is_usage() { Self::Usage(error.to_string()) } else { Self::Machine(error.to_string()) }
    }
}
