//! `tidewire pub`.
mod input;
mod publisher;

use crate::client::{self, Options, Plan, Watched};
use crate::say::{Failure, given};
use input::{Input, Source};
use publisher::Publisher;
use std::time::Duration;
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::topic::{TopicError, TopicName};

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
    let template = arguments.template(&plan)?;
    let input = arguments.source.input(arguments.repeat, arguments.repeat_delay)?;
    client::run(arguments.options.quiet, arguments.publish(plan, template, input))
}

impl Arguments {
    /// Everything but the payload.
    fn template(&self, plan: &Plan) -> Result<Publication, Failure> {
        let Some(topic) = self.topic.as_deref().or(plan.topic.as_deref()) else {
            return Err(Failure::Usage("pub: where to? say it with -t, as in -t lights/kitchen".into()));
        };
        let topic = TopicName::new(topic).map_err(|error| {
            let remedy = match error {
                TopicError::Wildcard => "only subscriptions have + and #: name one topic",
                _ => "name one, as in -t lights/kitchen",
            };
            Failure::Usage(format!("-t \"{}\": {error}; {remedy}", given(topic)))
        })?;
        let template = Publication::new(topic, Vec::new()).qos(self.qos).retain(self.retain);
        let properties = plan.publish.as_properties();
        let template = properties.iter().try_fold(template, Publication::property);
        template.map_err(|error| Failure::Usage(format!("-D publish: {error}")))
    }

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
