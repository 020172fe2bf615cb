//! A broker on async-std, with the options of `tidewire broker`: `broker_async_std --listen 127.0.0.1:1883`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example has a screen")]
use clap::Parser;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use tidewire_server::log::{Format, LevelFilter, Logging};
use tidewire_server::{LimitError, Limits, Options, Runtime, Server, Signals};

/// What an orderly end may take.
const GRACE: Duration = Duration::from_secs(8);

/// Runs an MQTT broker on async-std
#[derive(Parser)]
struct Arguments {
    /// Where to listen; may be given several times [default: loopback, port 1883, IPv4 and IPv6]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<String>,
    /// How many threads serve clients [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    shards: Option<u16>,
    /// Set a limit, such as packet_bytes=1MiB; may be given several times
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    limits: Vec<String>,
    /// Let everybody in, from other machines too
    #[arg(long)]
    allow_anonymous: bool,
    /// How important a line has to be to be logged: off, error, warn, info
    #[arg(long, value_name = "LEVEL", default_value_t = LevelFilter::INFO)]
    log_level: LevelFilter,
    /// How log lines look: text or json
    #[arg(long, value_name = "FORMAT", default_value_t)]
    log_format: Format,
}

impl Arguments {
    fn options(self) -> Result<Options, LimitError> {
        let mut options = Options::default();
        options.broker.limits = limits(&self.limits)?;
        options.broker.listen = self.listen;
        options.broker.shards = self.shards;
        options.broker.allow_anonymous = self.allow_anonymous;
        options.runtime = Runtime::AsyncStd;
        Ok(options)
    }
}

fn limits(given: &[String]) -> Result<Limits, LimitError> {
    let mut limits = Limits::default();
    for limit in given {
        // Without a value it is no number.
        let (name, value) = limit.split_once('=').unwrap_or((limit, ""));
        limits.set(name, value)?;
    }
    Ok(limits)
}

fn broker(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let sink = tidewire_server::log::standard_error()?;
    let logging = Logging::start(arguments.log_format, arguments.log_level, sink)?;
    let mut options = arguments.options()?;
    options.log = logging.log();
    let mut signals = Signals::catch()?;
    let server = Server::start(&options)?;
    for listener in server.listeners() {
        println!("listening on {} ({})", listener.address, listener.terms());
    }
    println!("ready");
    let stopper = server.stopper();
    std::thread::spawn(move || {
        signals.wait();
        stopper.shutdown(GRACE);
    });
    server.join();
    logging.finish();
    Ok(())
}

fn main() -> ExitCode {
    match broker(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
