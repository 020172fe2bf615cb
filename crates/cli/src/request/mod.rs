//! `tidewire rr`.
mod requester;

use crate::client::{self, Options, Output, Printing, Source, filters, name};
use crate::say::Failure;
use requester::{Requester, Step};
use std::time::Duration;
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;

/// What to ask, and how to print the answer.
#[derive(clap::Args)]
#[command(
    disable_help_flag = true,
    disable_version_flag = true,
    after_help = "The letters are those of mosquitto_rr; docs/CLI.md lists what differs."
)]
pub(crate) struct Arguments {
    /// Where to publish the request
    #[arg(short, long, value_name = "TOPIC", allow_hyphen_values = true)]
    topic: Option<String>,

    /// Where the answer is to be published
    #[arg(short = 'e', long = "response-topic", value_name = "TOPIC", allow_hyphen_values = true)]
    response_topic: Option<String>,

    #[command(flatten)]
    source: Source,

    /// QoS of the request, and the greatest of the answer: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = client::qos)]
    qos: QoS,

    /// End after so many seconds without an answer, 1.5 for example, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = client::some_seconds)]
    wait: Option<Duration>,

    #[command(flatten)]
    printing: Printing,

    /// As it is anyway: what was retained before is no answer
    #[arg(short = 'R', hide = true)]
    no_retained: bool,

    #[command(flatten)]
    options: Options,
}

/// Asks, and prints the answer.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut plan = arguments.options.plan()?;
    let Some(answers) = &arguments.response_topic else {
        return Err(Failure::Usage(
            "rr: where is the answer to come? say it with -e, as in -e answers/me".into(),
        ));
    };
    let filter = filters("-e", std::slice::from_ref(answers))?.remove(0);
    let answers = name("-e", answers)?;
    if plan.publish.as_properties().response_topic().is_some() {
        return Err(Failure::Usage("-D publish response-topic: -e says it: leave out one of them".into()));
    }
    let template = client::template("rr", arguments.topic.as_deref(), &plan)?.qos(arguments.qos);
    let template = template.response_topic(&answers);
    let requester = Requester {
        input: arguments.source.input("rr", 1, Duration::ZERO)?,
        output: Output::new(&arguments.printing)?,
        filter,
        identifier: plan.subscription_identifier,
        wait: arguments.wait,
        correlation: correlation(&template),
        template,
        limit: u32::MAX,
        step: Step::Idle,
    };
    (plan.config.outbox_messages, plan.config.outbox_bytes) = (usize::MAX, usize::MAX);
    client::run(arguments.options.quiet, requester.run(plan))
}

/// What ties the answers to these requests, if somebody has chosen it.
fn correlation(template: &Publication) -> Option<Box<[u8]>> {
    template.properties().correlation_data().map(Into::into)
}
