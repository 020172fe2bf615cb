//! `tidewire check`: does a broker keep to the specification?
use crate::client;
use crate::say::{self, Failure, given};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;
use tidewire_conversation::{Script, Tcp, run, scripts};
use tidewire_core::version::Version;

/// Whoever is silent for longer says nothing.
const LONGEST: Duration = Duration::from_secs(60);

/// Which broker, and what to ask of it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The broker; it must let anonymous clients in, and gets to see test messages, some of them retained for a while
    #[arg(value_name = "HOST:PORT", required_unless_present = "list")]
    broker: Option<String>,

    /// Only conversations with this in their names
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// Also what the specification leaves open, decided as Tidewire does
    #[arg(long)]
    all: bool,

    /// How long to wait for a packet; 0.5 for example
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = patience)]
    patience: Duration,

    /// Say which conversations there are, and hold none
    #[arg(long)]
    list: bool,
}

pub(crate) fn check(arguments: &Arguments) -> Result<(), Failure> {
    let wanted = |name: &str, script: &Script| {
        name.contains(&arguments.only)
            && !script.needs_virtual_time()
            && (arguments.all || !script.needs_tidewire())
    };
    let conversations: Vec<_> = scripts::all().filter(|(name, script)| wanted(name, script)).collect();
    if conversations.is_empty() {
        return Err(Failure::Usage(format!(
            "no conversation has `{}` in its name; --list says which there are",
            given(&arguments.only)
        )));
    }
    let Some(broker) = arguments.broker.as_deref().filter(|_| !arguments.list) else {
        conversations.iter().for_each(|(name, script)| say::line(format_args!("{name}: {}", script.title())));
        return Ok(());
    };
    let patience = arguments.patience;
    let address = reach(broker, patience)?;
    let (mut held, mut failed) = (0, 0);
    for (name, script) in &conversations {
        for version in script.versions() {
            held += 1;
            if let Err(failure) = run(script, *version, &mut Tcp::new(address, patience)) {
                failed += 1;
                say::line(format_args!(
                    "FAILED {name}, {}: {}\n    {failure}",
                    spoken(*version),
                    script.title()
                ));
            }
        }
    }
    say::line(format_args!("{held} conversations, {failed} went another way"));
    if failed == 0 {
        Ok(())
    } else {
        Err(Failure::Machine(format!("{} does not keep to the specification", given(broker))))
    }
}

fn patience(text: &str) -> Result<Duration, &'static str> {
    let time = client::some_seconds(text).ok().filter(|time| *time <= LONGEST);
    time.ok_or("a number of seconds, more than 0 and up to 60, such as 0.5")
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
