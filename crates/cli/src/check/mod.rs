//! `tidewire check`: does a broker keep to the specification?
mod draw;
mod report;
mod select;

use crate::client;
use crate::say::{self, Failure, given};
use report::Report;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;
use tidewire_conversation::{Tcp, run};
use tidewire_core::version::Version;

/// Whoever is silent for longer says nothing.
const LONGEST: Duration = Duration::from_secs(60);

/// Which broker, and what to ask of it.
#[derive(clap::Args)]
#[command(disable_version_flag = true)]
pub(crate) struct Arguments {
    /// The broker; it must let anonymous clients in, and gets to see test messages, some of them retained for a while
    #[arg(value_name = "HOST:PORT", required_unless_present_any = ["list", "draw"])]
    broker: Option<String>,

    /// Only conversations with this in their names, or about this section or statement: 3.3, 4.7.1-1, MQTT-3.3.1-2
    #[arg(long, value_name = "TEXT", default_value = "", conflicts_with = "draw")]
    only: String,

    /// Also what the specification leaves open, decided as Tidewire does
    #[arg(long)]
    all: bool,

    /// How long to wait for a packet; 0.5 for example
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = patience)]
    patience: Duration,

    /// Say which conversations there are, and hold none
    #[arg(long, conflicts_with = "draw")]
    list: bool,

    /// One JSON object instead of the report
    #[arg(long, conflicts_with_all = ["list", "draw"])]
    json: bool,

    /// Draw the packets of a conversation as a ladder: those that went over the wire, or without HOST:PORT those of
    /// Tidewire's own broker, in memory
    #[arg(long, value_name = "NAME")]
    draw: Option<String>,

    /// Draw it with this version of the protocol: the newest that it is for, if nothing is said
    #[arg(long, value_name = "5|3.1.1|3.1", requires = "draw", value_parser = version)]
    version: Option<Version>,
}

pub(crate) fn check(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(name) = &arguments.draw {
        return draw::draw(name, arguments);
    }
    let conversations = select::select(&arguments.only, arguments.all)?;
    let Some(broker) = arguments.broker.as_deref().filter(|_| !arguments.list) else {
        conversations.iter().for_each(|(name, script)| say::line(format_args!("{name}: {}", script.title())));
        return Ok(());
    };
    let patience = arguments.patience;
    let address = reach(broker, patience)?;
    let mut report = Report::default();
    for (name, script) in &conversations {
        for version in script.versions() {
            let result = run(script, *version, &mut Tcp::new(address, patience));
            let told = report.add(name, script, *version, result);
            if let Some(told) = told.filter(|_| !arguments.json) {
                say::line(told);
            }
        }
    }
    if arguments.json {
        say::line(report.object(broker));
    } else {
        say::line(report.summary());
    }
    if report.failed() == 0 { Ok(()) } else { Err(does_not_keep(broker)) }
}

fn does_not_keep(broker: &str) -> Failure {
    Failure::Machine(format!("{} does not keep to the specification", given(broker)))
}

fn patience(text: &str) -> Result<Duration, &'static str> {
    let time = client::some_seconds(text).ok().filter(|time| *time <= LONGEST);
    time.ok_or("a number of seconds, more than 0 and up to 60, such as 0.5")
}

fn version(text: &str) -> Result<Version, &'static str> {
    match text {
        "3.1" => Ok(Version::V3_1),
        "3.1.1" => Ok(Version::V3_1_1),
        "5" | "5.0" => Ok(Version::V5),
        _ => Err("5, 3.1.1 or 3.1"),
    }
}

/// The first of its addresses where somebody answers.
fn reach(broker: &str, patience: Duration) -> Result<SocketAddr, Failure> {
    let place = given(broker);
    let unreachable = |why: String| Failure::Machine(format!("can't reach {place}: {why}"));
    if !broker.contains(':') {
        return Err(Failure::Usage(format!("`{place}` has no port; say {place}:1883 for the usual one")));
    }
    let addresses = broker.to_socket_addrs().map_err(|error| unreachable(error.to_string()))?;
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(_) => return Ok(address),
            Err(error) => last = format!("{error}; is a broker listening there?"),
        }
    }
    Err(unreachable(last))
}

fn spoken(version: Version) -> &'static str {
    match version {
        Version::V3_1 => "3.1",
        Version::V3_1_1 => "3.1.1",
        Version::V5 => "5.0",
    }
}
