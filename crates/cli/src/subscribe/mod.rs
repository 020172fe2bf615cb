//! `tidewire sub`.
use crate::client::{
    self, Event, FAREWELL, Options, Output, Plan, Printing, Unprinted, Watched, filters, not_subscribed,
    timed_out, unread,
};
use crate::say::{Failure, given};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tidewire_core::client::{Message, Subscription};
use tidewire_core::codec::RetainHandling;
use tidewire_core::id::Token;
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::TopicFilter;
use tidewire_driver::clients::{Error, Receipt};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Messages that are printed, and not yet acknowledged, at most.
const TOGETHER: usize = 64;
/// For what was accepted, when it is.
const MOMENT: Duration = Duration::from_millis(500);

/// What to subscribe to, and how to print it.
#[derive(clap::Args)]
#[command(
    disable_help_flag = true,
    disable_version_flag = true,
    after_help = "The letters are those of mosquitto_sub; docs/CLI.md lists what differs."
)]
pub(crate) struct Arguments {
    /// What to subscribe to, as in sensors/+/temperature; may be given several times
    #[arg(short, long = "topic", value_name = "FILTER", allow_hyphen_values = true)]
    topics: Vec<String>,

    /// Greatest QoS at which messages may come: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = client::qos)]
    qos: QoS,

    /// End after so many messages
    #[arg(short = 'C', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// End after so many seconds, 1.5 for example, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = client::some_seconds)]
    wait: Option<Duration>,

    /// End as soon as the server has answered the subscriptions
    #[arg(short = 'E')]
    only_subscribe: bool,

    #[command(flatten)]
    printing: Printing,

    /// Do not print what matches this; may be given several times
    #[arg(short = 'T', long = "filter-out", value_name = "FILTER", allow_hyphen_values = true)]
    without: Vec<String>,

    /// End a subscription of the session; may be given several times
    #[arg(short = 'U', long = "unsubscribe", value_name = "FILTER", allow_hyphen_values = true)]
    unsubscribe: Vec<String>,

    /// Do not print Retained Messages
    #[arg(short = 'R', conflicts_with = "retained_only")]
    no_retained: bool,

    /// Print only Retained Messages, and end at the first other one
    #[arg(long)]
    retained_only: bool,

    /// Clear each Retained Message that comes
    #[arg(long)]
    remove_retained: bool,

    /// RETAIN is to be as it was published (5.0)
    #[arg(long)]
    retain_as_published: bool,

    #[command(flatten)]
    options: Options,
}

/// Prints what comes, until there is a reason to end.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut plan = arguments.options.plan()?;
    let asked = arguments.filters(&plan)?;
    let subscriber = Subscriber {
        output: Output::new(&arguments.printing)?,
        without: filters("-T", &arguments.without)?,
        unsubscribe: filters("-U", &arguments.unsubscribe)?,
        identifier: plan.subscription_identifier,
        arguments,
        left: arguments.count,
        filters: asked,
        asked: Asked::Nothing,
        tokens: Vec::new(),
        unread: Some(unread()?),
    };
    // No more than will be printed.
    let most = arguments.count.and_then(|count| u16::try_from(count).ok()).unwrap_or(u16::MAX);
    (plan.config.outbox_messages, plan.config.outbox_bytes) = (usize::MAX, usize::MAX);
    plan.config.receive_maximum = plan.config.receive_maximum.min(most);
    client::run(arguments.options.quiet, subscriber.run(plan))
}

impl Arguments {
    fn filters(&self, plan: &Plan) -> Result<Vec<TopicFilter>, Failure> {
        let mut all = filters("-t", &self.topics)?;
        if let Some(topic) = &plan.topic {
            all.extend(filters("-L", std::slice::from_ref(topic))?);
        }
        if all.is_empty() && self.unsubscribe.is_empty() {
            return Err(Failure::Usage("sub: to what? say it with -t, as in -t 'lights/#'".into()));
        }
        Ok(all)
    }
}

/// What the server has not answered yet.
enum Asked {
    Nothing,
    Subscribe(Receipt<Box<[ReasonCode]>>),
    Unsubscribe(Receipt<Box<[ReasonCode]>>),
}

/// Why it ends.
enum End {
    /// It has done what it was to do.
    Done,
    /// Somebody wants it to.
    Told,
    TimedOut,
    Failed(Failure),
}

struct Subscriber<'a> {
    arguments: &'a Arguments,
    output: Output,
    filters: Vec<TopicFilter>,
    without: Vec<TopicFilter>,
    unsubscribe: Vec<TopicFilter>,
    identifier: Option<u32>,
    /// So many are still to be printed.
    left: Option<u64>,
    asked: Asked,
    /// Of messages that are printed, or not to be.
    tokens: Vec<Token>,
    /// Resolves when nobody can read the output any more.
    unread: Option<oneshot::Receiver<()>>,
}

impl Subscriber<'_> {
    async fn run(mut self, plan: Plan) -> Result<(), Failure> {
        let mut watched = Watched::start(plan)?;
        let deadline = self.arguments.wait.and_then(|time| Instant::now().checked_add(time));
        let mut time = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
        self.ask(&watched)?;
        let end = poll_fn(|cx| {
            if let Some(time) = &mut time
                && time.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(End::TimedOut);
            }
            self.poll(&mut watched, cx)
        });
        let end = end.await;
        let in_time = deadline.map_or(FAREWELL, |deadline| (deadline - Instant::now()).min(FAREWELL));
        let (reason, patience, result) = match end {
            End::Done => (ReasonCode::Success, in_time, Ok(())),
            End::Told => (ReasonCode::DisconnectWithWill, self.hurry(), Ok(())),
            End::TimedOut => {
                let failure = timed_out(self.arguments.wait.unwrap_or_default());
                (ReasonCode::DisconnectWithWill, self.hurry(), Err(failure))
            }
            End::Failed(failure) => (ReasonCode::Success, in_time, Err(failure)),
        };
        watched.catch_up();
        // Without a connection nobody hears it; but a message may wait for one.
        let is_done = reason == ReasonCode::Success && result.is_ok();
        if watched.is_connected() || (is_done && self.arguments.remove_retained) {
            watched.goodbye(reason, patience).await;
        }
        result
    }

    /// How long is waited for what the server has not answered, when the time is up: not for what nobody needs any more.
    fn hurry(&self) -> Duration {
        if self.arguments.remove_retained { MOMENT } else { Duration::ZERO }
    }

    fn ask(&mut self, watched: &Watched) -> Result<(), Failure> {
        if self.filters.is_empty() {
            return self.ask_the_end(watched);
        }
        let arguments = self.arguments;
        let subscriptions: Vec<_> = self
            .filters
            .iter()
            .map(|filter| {
                let mut subscription = Subscription::new(filter.clone(), arguments.qos);
                subscription.options.retain_as_published = arguments.retain_as_published;
                if arguments.no_retained && !arguments.remove_retained {
                    subscription.options.retain_handling = RetainHandling::DoNotSend;
                }
                subscription
            })
            .collect();
        let receipt = unless_ended(watched.client.subscribe(&subscriptions, self.identifier))?;
        self.asked = receipt.map_or(Asked::Nothing, Asked::Subscribe);
        Ok(())
    }

    fn ask_the_end(&mut self, watched: &Watched) -> Result<(), Failure> {
        let receipt = match self.unsubscribe.as_slice() {
            [] => None,
            filters => unless_ended(watched.client.unsubscribe(filters))?,
        };
        self.asked = receipt.map_or(Asked::Nothing, Asked::Unsubscribe);
        Ok(())
    }

    /// Does what there is to do; ready at the end.
    fn poll(&mut self, watched: &mut Watched, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if self.tokens.len() >= TOGETHER
                && let Err(end) = self.settle(watched)
            {
                return Poll::Ready(end);
            }
            // What is told of the answer is not to wait behind messages that came with it: nobody may take these.
            let step = match self.poll_answer(watched, cx) {
                Poll::Ready(step) => step,
                Poll::Pending => match watched.poll_event(cx) {
                    Poll::Ready(event) => self.on_event(watched, event),
                    Poll::Pending => {
                        if let Err(end) = self.settle(watched) {
                            return Poll::Ready(end);
                        }
                        std::task::ready!(self.poll_reader(cx))
                    }
                },
            };
            if let Err(end) = step {
                return Poll::Ready(match self.settle(watched) {
                    Ok(()) => end,
                    Err(earlier) => earlier,
                });
            }
        }
    }

    /// What is printed is in safe hands once the pipe has it. Only then the server hears so.
    fn settle(&mut self, watched: &Watched) -> Result<(), End> {
        self.output.flush().map_err(End::of)?;
        for token in self.tokens.drain(..) {
            // A client that is gone acknowledges nothing, and the server will send it again.
            let _ = watched.client.acknowledge(token, ReasonCode::Success);
        }
        Ok(())
    }

    fn on_event(&mut self, watched: &mut Watched, event: Event) -> Result<(), End> {
        match event {
            Event::Connected(_) | Event::Interrupted { .. } => {}
            Event::Message(message) => return self.on_message(watched, message),
            Event::SubscriptionLost(filter, reason) => {
                return Err(End::Failed(not_subscribed(filter.as_str(), reason)));
            }
            Event::Lost(failure) => return Err(End::Failed(failure)),
            Event::Signal(_) => return Err(End::Told),
        }
        Ok(())
    }

    /// What can't be printed, or ends it unprinted, is not acknowledged.
    fn on_message(&mut self, watched: &Watched, mut message: Message) -> Result<(), End> {
        if self.arguments.retained_only && !message.retain {
            return Err(End::Done);
        }
        let token = message.token.take();
        let is_wanted = self.is_wanted(watched, &message);
        if is_wanted {
            self.output.print(&message, token.as_ref()).map_err(End::of)?;
        }
        self.tokens.extend(token);
        if let Some(left) = self.left.as_mut().filter(|_| is_wanted) {
            *left -= 1;
            if *left == 0 {
                return Err(End::Done);
            }
        }
        Ok(())
    }

    /// Is it to be printed?
    fn is_wanted(&self, watched: &Watched, message: &Message) -> bool {
        let (arguments, topic) = (self.arguments, message.topic.as_str());
        if self.without.iter().any(|filter| filter.matches(topic)) {
            return false;
        }
        if arguments.remove_retained && message.retain && !message.payload.is_empty() {
            Self::remove(watched, message);
        }
        !(arguments.no_retained && message.retain)
    }

    fn remove(watched: &Watched, message: &Message) {
        let nothing = Publication::new(message.topic.clone(), Vec::new()).qos(QoS::AtLeastOnce).retain(true);
        // There is always room, and the goodbye waits for what was accepted.
        let _ = pin!(watched.client.publish(nothing)).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// The reader of the output: ready once it has gone.
    fn poll_reader(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if let Some(unread) = &mut self.unread
            && let Poll::Ready(is) = Pin::new(unread).poll(cx)
        {
            self.unread = None;
            // What watches it may end without a word, where there is nothing to see.
            if is.is_ok() {
                return Poll::Ready(Err(End::Done));
            }
        }
        Poll::Pending
    }

    /// What the server has answered, once it is known who it is.
    fn poll_answer(&mut self, watched: &mut Watched, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let answered = match &mut self.asked {
            _ if !watched.is_connected() => return Poll::Pending,
            Asked::Nothing => return Poll::Pending,
            Asked::Subscribe(receipt) | Asked::Unsubscribe(receipt) => {
                std::task::ready!(Pin::new(receipt).poll(cx))
            }
        };
        let subscribed = matches!(std::mem::replace(&mut self.asked, Asked::Nothing), Asked::Subscribe(_));
        Poll::Ready(match answered {
            Ok(reasons) => self.on_answered(watched, subscribed, &reasons),
            // An event says why.
            Err(Error::Ended(_)) => return Poll::Pending,
            Err(error) => Err(End::Failed(gone(&error))),
        })
    }

    fn on_answered(
        &mut self,
        watched: &Watched,
        subscribed: bool,
        reasons: &[ReasonCode],
    ) -> Result<(), End> {
        let filters = if subscribed { &self.filters } else { &self.unsubscribe };
        let word = if subscribed { "subscribed" } else { "unsubscribed" };
        let mut granted = 0;
        let mut refused = None;
        for (filter, reason) in filters.iter().zip(reasons) {
            let shown = given(filter.as_str());
            if subscribed {
                watched.tell(format_args!("{word}: {shown}: {}", reason.granted()));
            } else {
                watched.tell(format_args!("{word}: {shown}: {reason}"));
            }
            if !reason.is_error() {
                granted += 1;
            } else if let Some(earlier) = refused.replace(not_subscribed(filter.as_str(), *reason)) {
                Failure::say(&earlier);
            }
        }
        match refused {
            Some(failure) if granted == 0 || self.arguments.only_subscribe => {
                return Err(End::Failed(failure));
            }
            Some(failure) => failure.say(),
            None => {}
        }
        if subscribed {
            self.ask_the_end(watched).map_err(End::Failed)?;
        }
        match self.asked {
            Asked::Nothing if self.arguments.only_subscribe || self.filters.is_empty() => Err(End::Done),
            _ => Ok(()),
        }
    }
}

impl End {
    /// A reader that has gone away is no reason to complain.
    fn of(unprinted: Unprinted) -> Self {
        match unprinted {
            Unprinted::NobodyReads => Self::Done,
            Unprinted::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// What was asked; `None` if the client has ended, which an event tells.
fn unless_ended<T>(asked: Result<T, Error>) -> Result<Option<T>, Failure> {
    match asked {
        Ok(receipt) => Ok(Some(receipt)),
        Err(Error::Ended(_)) => Ok(None),
        Err(error) => Err(gone(&error)),
    }
}

fn gone(error: &Error) -> Failure {
    Failure::Machine(format!("sub: {error}; try again"))
}
