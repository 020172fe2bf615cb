//! `tidewire broker`.
use crate::limits;
use crate::say::{self, Failure};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;
use tidewire_server::log::{Format, LevelFilter, Log, Logging, Occurrence};
use tidewire_server::{Bound, Hangups, IPV6_SKIPPED, Options, Runtime, Server, Signal, Signals};

/// What an orderly end may take. Supervisors commonly kill after ten seconds.
const GRACE: Duration = Duration::from_secs(8);

/// How to run a broker.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen; may be given several times [default: loopback, port 1883, IPv4 and IPv6]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<String>,

    /// How many threads serve clients [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    shards: Option<u16>,

    /// What the shards run on; clients notice no difference
    #[arg(long, value_name = "NAME", default_value_t, value_parser = runtimes())]
    runtime: Runtime,

    /// Set a limit, such as packet_bytes=1MiB; may be given several times; `--limit help` lists all of them
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    limits: Vec<String>,

    /// Forgive clients a fault that the standard has end their connection; may be given several times
    #[arg(long = "lenient", value_name = "FAULT", value_enum)]
    lenient: Vec<Fault>,

    /// Let everybody in, from other machines too: user names and passwords are not checked
    #[arg(long)]
    allow_anonymous: bool,

    /// How important a line has to be to be logged on the standard error
    #[arg(long, value_name = "LEVEL", default_value_t = Level::Info, value_enum)]
    log_level: Level,

    /// How log lines look: for people (in colours on a terminal), or a flat JSON object each
    #[arg(long, value_name = "FORMAT", default_value_t, value_parser = formats())]
    log_format: Format,
}

/// From the least lines to the most.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Level {
    /// None
    Off,
    /// What keeps the broker from its work
    Error,
    /// Refusals, faults of clients, limits, messages that are dropped
    Warn,
    /// Who comes and goes, start and end
    Info,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => Self::OFF,
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
        }
    }
}

/// What may be forgiven.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Fault {
    /// DUP in a PUBLISH with QoS 0 [MQTT-3.3.1-2]
    #[value(name = "dup_without_qos")]
    DupWithoutQos,
    /// Flags in the fixed header that the packet does not have [MQTT-2.1.3-1]
    #[value(name = "fixed_header_flags")]
    FixedHeaderFlags,
    /// The bit in the protocol level of a mosquitto bridge, which is then sent messages with RETAIN as they were
    /// published, and none of its own [MQTT-3.1.2-2]
    #[value(name = "bridge_level")]
    BridgeLevel,
    /// `$queue/FILTER`, an older spelling of a Shared Subscription of one group: `$share/$queue/FILTER`
    #[value(name = "queue_filters")]
    QueueFilters,
}

fn runtimes() -> impl TypedValueParser<Value = Runtime> {
    let names = Runtime::ALL.iter().map(|runtime| runtime.name());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Runtime>())
}

fn formats() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::NAMES).try_map(|name| name.parse::<Format>())
}

/// Runs until it is told to end.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    if arguments.limits.iter().any(|limit| limit == "help") {
        limits::print_table();
        return Ok(());
    }
    let by_default = arguments.listen.is_empty();
    let logging = Arc::new(start_log(arguments.log_level, arguments.log_format)?);
    let mut options = options(arguments)?;
    options.log = logging.log();
    let no_signals = |error| Failure::Machine(format!("no signals: {error}"));
    let (signals, hangups) = (Signals::catch().map_err(no_signals)?, Hangups::catch().map_err(no_signals)?);
    let server = Server::start(&options)?;
    print_banner(&server, by_default);
    pass_over(hangups, logging.log())?;
    end_on_signal(signals, &server, Arc::clone(&logging))?;
    server.join();
    logging.finish();
    Ok(())
}

fn start_log(level: Level, format: Format) -> Result<Logging, Failure> {
    let format = if wants_colours() { format.on_terminal() } else { format };
    let failed = |error| Failure::Machine(format!("can't log to the standard error: {error}"));
    let sink = tidewire_server::log::standard_error().map_err(failed)?;
    Logging::start(format, level.into(), sink).map_err(failed)
}

/// A terminal that has some, and nobody who wants none (no-color.org).
fn wants_colours() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !is_dumb && !is_unwanted
}

fn options(arguments: Arguments) -> Result<Options, Failure> {
    let mut options = Options::default();
    for limit in &arguments.limits {
        limits::set(&mut options.broker.limits, limit)?;
    }
    for fault in arguments.lenient {
        match fault {
            Fault::DupWithoutQos => options.broker.lenient.dup_without_qos = true,
            Fault::FixedHeaderFlags => options.broker.lenient.fixed_header_flags = true,
            Fault::BridgeLevel => options.broker.lenient.bridge_level = true,
            Fault::QueueFilters => options.broker.lenient.queue_filters = true,
        }
    }
    options.broker.listen = arguments.listen;
    options.broker.shards = arguments.shards;
    options.runtime = arguments.runtime;
    options.broker.allow_anonymous = arguments.allow_anonymous;
    Ok(options)
}

/// What it is, where it is, and whom it lets in. Whoever started it may wait for its last line.
fn print_banner(server: &Server, by_default: bool) {
    let (shards, runtime) = (server.shards(), server.runtime());
    let plural = if shards == 1 { "" } else { "s" };
    say::line(format_args!("tidewire {}, {shards} shard{plural} on {runtime}", env!("CARGO_PKG_VERSION")));
    for listener in server.listeners() {
        say::line(describe(listener));
    }
    if by_default && server.listeners().len() == 1 {
        say::line(IPV6_SKIPPED);
    }
    say::line("ready");
}

fn describe(listener: &Bound) -> String {
    format!("listening on {} ({})", listener.address, listener.terms())
}

/// The first signal ends it in order, the second at once.
fn end_on_signal(mut signals: Signals, server: &Server, logging: Arc<Logging>) -> Result<(), Failure> {
    let stopper = server.stopper();
    let wait = move || {
        signals.wait();
        // Who doesn't read what is printed holds up neither this end nor one that is sooner.
        let (said, heard) = channel();
        let say = move || {
            say::line("stopping: clients are told, what is on its way is sent");
            let _ = said.send(());
        };
        if spawn("words", say).is_ok() {
            let _ = heard.recv_timeout(Duration::from_millis(100));
        }
        stopper.shutdown(GRACE);
        let signal = signals.wait();
        logging.flush(Duration::from_millis(100));
        std::process::exit(match signal {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
        });
    };
    spawn("signals", wait)
}

/// There is no file that could be read again.
fn pass_over(mut hangups: Hangups, log: Log) -> Result<(), Failure> {
    spawn("hangups", move || {
        while hangups.wait() {
            log.tell(Occurrence::SignalIgnored { signal: "SIGHUP" });
        }
    })
}

fn spawn(name: &str, what: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    match std::thread::Builder::new().name(name.into()).spawn(what) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::Machine(format!("can't start a thread: {error}; raise ulimit -u"))),
    }
}
