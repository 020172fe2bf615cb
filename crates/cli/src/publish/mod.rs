//! `tidewire pub`.
mod payload;

use crate::client::{self, Options, Plan, Watched, not_published};
use crate::say::{Failure, given};
use payload::{Line, Payload, Source};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tidewire_core::client::Server;
use tidewire_core::message::{self, Publication};
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::{TopicError, TopicName};
use tidewire_driver::clients::{Client, Error, Receipt};
use tokio::sync::mpsc::Receiver;

/// Lines that are on their way, at most: more are read once they have arrived.
const LINES: usize = 4096;

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

    /// Messages under way at a time, at most
    #[arg(short = 'M', value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    max_inflight: Option<u16>,

    #[command(flatten)]
    options: Options,
}

/// Publishes, and ends when the server has it all.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut plan = arguments.options.plan()?;
    if let Some(most) = arguments.max_inflight {
        plan.config.in_flight = most;
    }
    let template = arguments.template(&plan)?;
    let payload = arguments.source.payload()?;
    client::run(arguments.options.quiet, arguments.publish(plan, template, payload))
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
        let mut template = Publication::new(topic, Vec::new()).qos(self.qos).retain(self.retain);
        template.message_expiry_interval = plan.message_expiry_interval;
        template.properties = plan.publish.clone().into();
        Ok(template)
    }

    async fn publish(&self, plan: Plan, template: Publication, payload: Payload) -> Result<(), Failure> {
        let mut watched = Watched::start(plan)?;
        let server = watched.connected().await?;
        let publisher = Publisher { client: watched.client.clone(), server, template };
        let published = match payload {
            Payload::One(bytes) => {
                watched.during(self.repeated(&publisher, message::Payload::Whole(bytes))).await
            }
            Payload::Lines(lines) => watched.during(publisher.lines(lines)).await,
        };
        watched.tell(match &published {
            Ok(()) => "published",
            Err(_) => "not published",
        });
        drop(publisher);
        watched.goodbye(ReasonCode::Success).await;
        published
    }

    async fn repeated(&self, publisher: &Publisher, payload: message::Payload) -> Result<(), Failure> {
        for n in 0..self.repeat {
            if n > 0 && !self.repeat_delay.is_zero() {
                tokio::time::sleep(self.repeat_delay).await;
            }
            let length = payload.len();
            let end = match publisher.begin(payload.clone()).await {
                Ok(receipt) => receipt.await,
                Err(error) => Err(error),
            };
            end.map_err(|error| publisher.failure(length, &error))?;
        }
        Ok(())
    }
}

struct Publisher {
    client: Client,
    server: Box<Server>,
    template: Publication,
}

/// A line under way.
struct Open {
    number: u64,
    length: usize,
    receipt: Receipt<ReasonCode>,
}

enum Next {
    Ended(Open, Result<ReasonCode, Error>),
    Line(Option<Line>),
}

impl Publisher {
    async fn begin(&self, payload: message::Payload) -> Result<Receipt<ReasonCode>, Error> {
        let mut publication = self.template.clone();
        publication.payload = payload;
        self.client.publish(publication).await
    }

    fn failure(&self, length: usize, error: &Error) -> Failure {
        not_published(self.template.topic.as_str(), length, self.server.maximum_packet_size, error)
    }

    /// Each line is a message. One that the server does not want keeps no other from being sent.
    async fn lines(&self, mut lines: Receiver<Line>) -> Result<(), Failure> {
        let (mut open, mut number, mut failed, mut read) = (VecDeque::<Open>::new(), 0, None, false);
        while !read || !open.is_empty() {
            let next = poll_fn(|cx| {
                if let Some(first) = open.front_mut()
                    && let Poll::Ready(end) = Pin::new(&mut first.receipt).poll(cx)
                    && let Some(first) = open.pop_front()
                {
                    return Poll::Ready(Next::Ended(first, end));
                }
                if read || open.len() >= LINES { Poll::Pending } else { lines.poll_recv(cx).map(Next::Line) }
            });
            match next.await {
                Next::Line(None) => read = true,
                Next::Line(Some(line)) => {
                    number += 1;
                    let line = line.map_err(|error| Failure::Machine(format!("standard input: {error}")))?;
                    let length = line.len();
                    let begun = self.begin(message::Payload::Whole(line.into())).await;
                    let receipt = begun.map_err(|error| self.failure(length, &error))?;
                    open.push_back(Open { number, length, receipt });
                }
                Next::Ended(_, Ok(_)) => {}
                Next::Ended(line, Err(error)) => {
                    let failure = self.failure(line.length, &error).at(format_args!("line {}", line.number));
                    if let Some(earlier) = failed.replace(failure) {
                        earlier.say();
                    }
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
