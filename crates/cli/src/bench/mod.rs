//! `tidewire bench`.
mod figures;
mod member;
mod pattern;
mod publisher;
mod report;
mod run;
mod setup;
mod stamp;
mod subscriber;
mod track;

use crate::client::{self, Options};
use crate::say::Failure;
use std::net::IpAddr;
use std::time::Duration;
use tidewire_core::qos::QoS;

/// What to measure.
#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Connections: how long until the server lets each client in
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Conn(Conn),
    /// Publishers: how long until the server has each message
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Pub(Publishers),
    /// Subscribers, of what `bench pub` publishes elsewhere: how long each message takes
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Sub(Subscribers),
    /// Publishers and subscribers: how long each message takes, and which do not arrive
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Pubsub(Both),
}

/// What all of them have.
#[derive(clap::Args)]
struct Load {
    /// So many clients; of pubsub, so many publishers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    clients: u32,

    /// Clients that begin to connect in a second
    #[arg(long, value_name = "N", default_value = "1000", value_parser = rate)]
    ramp: f64,

    /// An address of this machine to connect from; if it is given several times, clients take turns
    #[arg(long = "source", value_name = "ADDRESS")]
    sources: Vec<IpAddr>,

    /// End after so many seconds, counted from when all are connected
    #[arg(long, value_name = "SECONDS", value_parser = client::some_seconds)]
    seconds: Option<Duration>,

    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    options: Options,
}

#[derive(clap::Args)]
struct Conn {
    #[command(flatten)]
    load: Load,

    /// The same as --ramp
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
}

/// What is sent.
#[derive(clap::Args)]
struct Traffic {
    /// Messages in a second, of all publishers together [default: as many as there is room for]
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,

    /// End after so many messages of each publisher
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Bytes of each payload; the first 24 say whose it is, which, and when it was sent
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = size)]
    size: usize,

    /// Messages of each publisher that are under way at a time, at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=16_384))]
    in_flight: u16,
}

#[derive(clap::Args)]
struct Publishers {
    #[command(flatten)]
    load: Load,

    /// Where to publish; %i is the client's number from 1, %c its Client Identifier
    #[arg(short, long, value_name = "TOPIC", default_value = "bench/%i", allow_hyphen_values = true)]
    topic: String,

    /// QoS: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = client::qos)]
    qos: QoS,

    #[command(flatten)]
    traffic: Traffic,
}

#[derive(clap::Args)]
struct Subscribers {
    #[command(flatten)]
    load: Load,

    /// What each client subscribes to; %i is its number from 1, %c its Client Identifier
    #[arg(short, long, value_name = "FILTER", default_value = "bench/#", allow_hyphen_values = true)]
    topic: String,

    /// Greatest QoS at which messages may come: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = client::qos)]
    qos: QoS,

    /// End after each client has so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

#[derive(clap::Args)]
struct Both {
    #[command(flatten)]
    publishers: Publishers,

    /// So many subscribers [default: as many as publishers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    subscribers: Option<u32>,

    /// What each of them subscribes to, with the same letters [default: as --topic]
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    filter: Option<String>,
}

/// Measures, until it is done or somebody has seen enough.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    run::run(setup::Setup::of(&arguments.what)?)
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or("a number in a second, more than 0, such as 1000")
}

fn size(text: &str) -> Result<usize, &'static str> {
    let size = text.parse().ok().filter(|size| (stamp::LENGTH..=268_435_455).contains(size));
    size.ok_or("a number of bytes from 24 on: that many say whose message it is, which, and when it was sent")
}
