//! One request after the other, each with its answer.
use crate::client::{
    Event, FAREWELL, Input, Output, Plan, Unprinted, Watched, at_once, code_of, not_published,
    not_subscribed, timed_out,
};
use crate::say::{Failure, given};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tidewire_core::bytes::Bytes;
use tidewire_core::client::{Message, Subscription};
use tidewire_core::codec::RetainHandling;
use tidewire_core::message::{Payload, Publication};
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::TopicFilter;
use tidewire_driver::clients::{Error, MessageReceipt, Receipt, seed};
use tokio::time::timeout;

/// How far it has come.
pub(super) enum Step {
    /// There is no request under way.
    Idle,
    /// Nothing is asked before the answer could come.
    Subscribing(Receipt<Box<[ReasonCode]>>),
    /// A request is on its way, or somebody works on it.
    Asked { receipt: Option<MessageReceipt>, correlation: Box<[u8]>, length: usize },
}

pub(super) struct Requester {
    /// Everything but the payload and what ties the answer to it.
    pub(super) template: Publication,
    pub(super) correlation: Option<Box<[u8]>>,
    /// Where answers come.
    pub(super) filter: TopicFilter,
    pub(super) identifier: Option<u32>,
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) wait: Option<Duration>,
    /// What the server takes.
    pub(super) limit: u32,
    pub(super) step: Step,
}

/// Why it ends before all is answered: `Ok` if nobody reads the answers any more.
type End = Result<(), Failure>;

impl Requester {
    /// Has everything answered that comes in.
    pub(super) async fn run(mut self, plan: Plan) -> Result<(), Failure> {
        let mut watched = Watched::start(plan)?;
        self.subscribe(&watched)?;
        let wait = self.wait;
        let work = poll_fn(|cx| self.poll(&mut watched, cx));
        let end = match wait {
            Some(wait) => timeout(wait, work).await.unwrap_or_else(|_| Err(self.too_late(wait))),
            None => work.await,
        };
        let (reason, patience) = match end {
            Ok(()) => (ReasonCode::Success, FAREWELL),
            Err(_) => (ReasonCode::DisconnectWithWill, Duration::ZERO),
        };
        watched.catch_up();
        if watched.is_connected() {
            watched.goodbye(reason, patience).await;
        }
        end
    }

    fn too_late(&self, wait: Duration) -> Failure {
        let asked = match self.step {
            Step::Asked { .. } => "no answer came",
            Step::Idle | Step::Subscribing(_) => "nothing was asked yet",
        };
        timed_out(wait).at(format_args!("{}: {asked}", given(self.template.topic.as_str())))
    }

    fn subscribe(&mut self, watched: &Watched) -> Result<(), Failure> {
        let mut subscription = Subscription::new(self.filter.clone(), self.template.qos);
        // What was there before is no answer.
        subscription.options.retain_handling = RetainHandling::DoNotSend;
        match watched.client.subscribe(&[subscription], self.identifier) {
            Ok(receipt) => self.step = Step::Subscribing(receipt),
            // An event says why.
            Err(Error::Ended(_)) => {}
            Err(error) => return Err(gone(&error)),
        }
        Ok(())
    }

    fn poll(&mut self, watched: &mut Watched, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            let step = match watched.poll_event(cx) {
                Poll::Ready(event) => self.on_event(watched, event),
                Poll::Pending => ready!(self.poll_step(watched, cx)),
            };
            if let Err(end) = step {
                return Poll::Ready(end);
            }
        }
    }

    fn on_event(&mut self, watched: &Watched, event: Event) -> Result<(), End> {
        match event {
            Event::Connected(server) => self.limit = server.maximum_packet_size,
            Event::Interrupted { .. } => {}
            Event::Message(message) => return self.on_message(watched, message),
            Event::SubscriptionLost(filter, reason) => {
                return Err(Err(not_subscribed(filter.as_str(), reason)));
            }
            Event::Lost(failure) => return Err(Err(failure)),
            Event::Signal(signal) => return Err(Err(Failure::Quiet(code_of(signal)))),
        }
        Ok(())
    }

    /// An answer, if it is one: to this request, as far as it says.
    fn on_message(&mut self, watched: &Watched, mut message: Message) -> Result<(), End> {
        let token = message.token.take();
        let is_answer = match &self.step {
            Step::Asked { correlation, .. } => {
                let said = message.properties().correlation_data();
                !message.retain && said.is_none_or(|said| *said == **correlation)
            }
            Step::Idle | Step::Subscribing(_) => false,
        };
        if is_answer {
            self.output.print(&message, token.as_ref()).and_then(|()| self.output.flush()).map_err(end_of)?;
            self.step = Step::Idle;
        }
        if let Some(token) = token {
            // A client that is gone acknowledges nothing, and the server will send it again.
            let _ = watched.client.acknowledge(token, ReasonCode::Success);
        }
        Ok(())
    }

    /// What the server answers, and what comes in.
    fn poll_step(&mut self, watched: &Watched, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        match &mut self.step {
            Step::Idle => {
                let next = ready!(self.input.poll_next(cx));
                Poll::Ready(self.ask(watched, next))
            }
            Step::Subscribing(receipt) => match ready!(Pin::new(receipt).poll(cx)) {
                Ok(reasons) => Poll::Ready(self.on_subscribed(watched, &reasons)),
                Err(Error::Ended(_)) => Poll::Pending,
                Err(error) => Poll::Ready(Err(Err(gone(&error)))),
            },
            Step::Asked { receipt, length, .. } => {
                let Some(asked) = receipt else { return Poll::Pending };
                let (end, length) = (ready!(Pin::new(asked).poll(cx)), *length);
                *receipt = None;
                Poll::Ready(self.on_published(&end, length))
            }
        }
    }

    fn on_subscribed(&mut self, watched: &Watched, reasons: &[ReasonCode]) -> Result<(), End> {
        let refused = reasons.iter().find(|reason| reason.is_error());
        if let Some(reason) = refused {
            return Err(Err(not_subscribed(self.filter.as_str(), *reason)));
        }
        watched.tell(format_args!("subscribed: {}", given(self.filter.as_str())));
        self.step = Step::Idle;
        Ok(())
    }

    fn on_published(&self, end: &Result<ReasonCode, Error>, length: usize) -> Result<(), End> {
        match end {
            Ok(ReasonCode::NoMatchingSubscribers) => Err(Err(self.nobody())),
            // The client's end follows, and says why.
            Ok(_) | Err(Error::Ended(_) | Error::Gone) => Ok(()),
            Err(error) => Err(Err(not_published(self.template.topic.as_str(), length, self.limit, error))),
        }
    }

    /// The server knows that there is nobody to answer.
    fn nobody(&self) -> Failure {
        let (reason, topic) = (ReasonCode::NoMatchingSubscribers, given(self.template.topic.as_str()));
        Failure::Code(
            reason.byte(),
            format!("{topic}: nobody subscribes to it ({reason}); is the responder up?"),
        )
    }

    fn ask(&mut self, watched: &Watched, next: Option<io::Result<Bytes>>) -> Result<(), End> {
        let payload = match next {
            Some(Ok(payload)) => payload,
            Some(Err(error)) => return Err(Err(Failure::Machine(format!("standard input: {error}")))),
            None => return Err(Ok(())),
        };
        let length = payload.len();
        let mut request = self.template.clone();
        request.payload = Payload::Whole(payload);
        let correlation = match &self.correlation {
            Some(chosen) => chosen.clone(),
            None => {
                let drawn: String = seed().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                request = request
                    .correlation_data(drawn.as_bytes())
                    .map_err(|error| Err(Failure::Usage(format!("-D publish: {error}"))))?;
                drawn.into_bytes().into()
            }
        };
        match at_once(watched.client.publish(request)).expect("the outbox has no limits") {
            Ok(receipt) => self.step = Step::Asked { receipt: Some(receipt), correlation, length },
            // An event says why.
            Err(Error::Ended(_) | Error::Gone) => {}
            Err(error) => {
                return Err(Err(not_published(self.template.topic.as_str(), length, self.limit, &error)));
            }
        }
        watched.tell("asked");
        Ok(())
    }
}

/// A reader that has gone away is no reason to complain.
fn end_of(unprinted: Unprinted) -> End {
    match unprinted {
        Unprinted::NobodyReads => Ok(()),
        Unprinted::Failed(failure) => Err(failure),
    }
}

fn gone(error: &Error) -> Failure {
    Failure::Machine(format!("rr: {error}; try again"))
}
