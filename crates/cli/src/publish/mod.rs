//! `tidewire pub`.
mod publisher;

use crate::client::{self, Input, Options, Plan, Source, Watched};
use crate::say::Failure;
use publisher::Publisher;
use std::time::Duration;
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;

/// What to publish.
#[derive(clap::Args)]
#[command(
    disable_help_flag = true,
    disable_version_flag = true,
    after_help = "The letters are those of mosquitto_pub; docs/CLI.md lists what differs."
)]
pub(crate) struct Arguments {
    /// Where to publish it
    #[arg(short, long, value_name = "TOPIC", allow_hyphen_values = true)]
    topic: Option<String>,

    #[command(flatten)]
    source: Source,

    /// QoS: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = client::qos)]
    qos: QoS,

    /// The server keeps it as the topic's Retained Message
    #[arg(short, long)]
    retain: bool,

    /// Publish it so many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,

    /// Wait so long in between; seconds, 0.5 for example
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = client::seconds)]
    repeat_delay: Duration,

    /// Messages under way at a time, at most [default: 20 before 5.0; with it 1024, or what the server takes]
    #[arg(short = 'M', value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    max_inflight: Option<u16>,

    /// End, with exit code 27, when nothing came forward for so long; until then also a first connection is tried again
    /// [default: go on for ever, once there was a connection]
    #[arg(long, value_name = "SECONDS", value_parser = client::some_seconds)]
    patience: Option<Duration>,

    #[command(flatten)]
    options: Options,
}

/// Publishes, and ends when the server has it all.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut plan = arguments.options.plan()?;
    if let Some(most) = arguments.max_inflight {
        (plan.config.in_flight, plan.config.in_flight_v3) = (most, most);
    }
    plan.config.reconnect_at_first = arguments.patience.is_some();
    // What is taken from the input is bounded there.
    (plan.config.outbox_messages, plan.config.outbox_bytes) = (usize::MAX, usize::MAX);
    let template = client::template("pub", arguments.topic.as_deref(), &plan)?
        .qos(arguments.qos)
        .retain(arguments.retain);
    let input = arguments.source.input("pub", arguments.repeat, arguments.repeat_delay)?;
    client::run(arguments.options.quiet, arguments.publish(plan, template, input))
}

impl Arguments {
    async fn publish(&self, plan: Plan, template: Publication, input: Input) -> Result<(), Failure> {
        let mut watched = Watched::start(plan)?;
        let end = Publisher::new(template, input, self.patience).run(&mut watched).await;
        watched.tell(match &end {
            Ok(()) => "published",
            Err(_) => "not published",
        });
        end
    }
}
