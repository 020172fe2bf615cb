//! What the application does.
use crate::pair::{Cut, Pair, Published, qos, topic_of};
use tidewire_core::client::{Cause, Client, Config, Event, Misuse, Stage, Subscription, Withdrawn};
use tidewire_core::id::Ticket;
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Duration;
use tidewire_core::topic::{TopicFilter, TopicName};

impl Pair {
    pub(crate) fn publish(&mut self, bits: u8) {
        let number = self.published.len();
        let topic = TopicName::new(&topic_of("up", number)).unwrap();
        let publication = Publication::new(topic, number.to_string().into_bytes()).qos(qos(bits));
        let ticket = match self.client.publish(self.now, publication) {
            Ok(ticket) => ticket,
            // It has said goodbye.
            Err(misuse) => return assert_eq!(misuse, Misuse::Ended(Cause::Ended)),
        };
        self.tell(|| format!("publishes m{number} with QoS {bits}, {ticket:?}"));
        self.published.push(Published { qos: bits, ..Published::default() });
        self.tickets.insert(ticket, number);
        self.act();
    }

    /// Takes back the message of that number, if it is open.
    pub(crate) fn withdraw(&mut self, number: usize) {
        let ticket = self.tickets.iter().find(|(_, of)| **of == number).map(|(ticket, _)| *ticket);
        let (Some(ticket), None) = (ticket, self.published[number].ended) else { return };
        let withdrawn = self.client.withdraw(self.now, ticket);
        self.tell(|| format!("withdraws m{number}: {withdrawn:?}"));
        if withdrawn != Withdrawn::Unknown {
            let published = &mut self.published[number];
            (published.ended, published.withdrawn) = (Some(self.losses), Some(withdrawn));
        }
        self.act();
    }

    pub(crate) fn subscribe(&mut self, filter: &str) {
        self.subscribe_all(&[filter]);
    }

    pub(crate) fn subscribe_all(&mut self, filters: &[&str]) {
        let subscription = |f: &&str| Subscription::new(TopicFilter::new(f).unwrap(), QoS::ExactlyOnce);
        let subscriptions: Vec<_> = filters.iter().map(subscription).collect();
        let ticket = self.client.subscribe(&subscriptions, None);
        self.ask(ticket, filters);
    }

    pub(crate) fn unsubscribe_all(&mut self, filters: &[&str]) {
        let names: Vec<_> = filters.iter().map(|f| TopicFilter::new(f).unwrap()).collect();
        let ticket = self.client.unsubscribe(&names);
        self.ask(ticket, filters);
    }

    fn ask(&mut self, ticket: Result<Ticket, Misuse>, filters: &[&str]) {
        let ticket = match ticket {
            Ok(ticket) => ticket,
            // It has said goodbye.
            Err(misuse) => return assert_eq!(misuse, Misuse::Ended(Cause::Ended)),
        };
        self.tell(|| format!("asks for {filters:?}, {ticket:?}"));
        self.requests.insert(ticket, false);
        self.asked.insert(ticket, filters.iter().map(|f| (*f).to_owned()).collect());
        self.act();
    }

    /// The server has answered each filter; those that it did not refuse are subscribed to, or not any more.
    fn answered(&mut self, ticket: Ticket, reasons: &[ReasonCode], subscribes: bool) {
        let done = self.requests.get_mut(&ticket).expect("a ticket that was given");
        assert!(!std::mem::replace(done, true), "it ended twice");
        let filters = self.asked.remove(&ticket).expect("it was asked for something");
        assert_eq!(reasons.len(), filters.len(), "each has its answer");
        assert!(reasons.iter().all(|reason| !reason.is_error()));
        let Some(granted) = &mut self.granted else { return };
        for filter in filters {
            let _ = if subscribes { granted.insert(filter) } else { granted.remove(&filter) };
        }
    }

    /// Takes one event; false if there is none.
    pub(crate) fn take(&mut self) -> bool {
        let Some(event) = self.client.poll_event() else { return self.take_message() };
        self.tell(|| format!("application: {event:?}"));
        match event {
            Event::Progress(ticket, stage) => match self.tickets.get(&ticket) {
                Some(number) => {
                    let (losses, connects) = (self.losses, self.connects.len());
                    let published = &mut self.published[*number];
                    if published.withdrawn.is_some() {
                        // It came before that, and lay among the events.
                        assert!(matches!(stage, Stage::Acknowledged(_)), "{stage:?} of {published:?}");
                        self.act();
                        return true;
                    }
                    published.stages.push(stage);
                    assert!(published.ended.is_none(), "{ticket:?} went on after its end: {published:?}");
                    let ended = match stage {
                        Stage::Acknowledged(reason) => published.qos == 1 || reason.is_error(),
                        _ => true,
                    };
                    published.ended = ended.then_some(losses);
                    *(if ended { &mut published.ended_on } else { &mut published.received_on }) = connects;
                }
                None => {
                    let done = self.requests.get_mut(&ticket).expect("a ticket that was given");
                    assert!(!std::mem::replace(done, true), "it ended twice");
                    self.granted = None;
                }
            },
            Event::Subscribed(ticket, reasons) => {
                self.subscribed |= self.asked[&ticket].iter().any(|filter| filter == "down/#");
                self.answered(ticket, &reasons, true);
            }
            Event::Unsubscribed(ticket, reasons) => self.answered(ticket, &reasons, false),
            Event::Connected { session_present } => self.connects.push(session_present),
            Event::Disconnected(cause) => self.causes.push(cause),
            Event::Ended(_) => self.ended += 1,
            _ => {}
        }
        self.act();
        true
    }

    fn take_message(&mut self) -> bool {
        let Some(message) = self.client.poll_message(self.now) else { return false };
        self.tell(|| format!("application: {message:?}"));
        let number: usize = message.payload.text().unwrap().parse().unwrap();
        assert_eq!(message.topic.as_str(), topic_of("down", number), "under whatever alias it came");
        assert_eq!(message.properties().topic_alias(), None, "and nobody sees that");
        self.heard.push((number, message.qos.bits(), message.dup));
        self.tokens.extend(message.token.map(|token| (number, token)));
        self.act();
        true
    }

    pub(crate) fn acknowledge(&mut self, at: usize) {
        let (_, token) = self.tokens.remove(at);
        self.client.acknowledge(token, ReasonCode::Success);
        self.act();
    }

    pub(crate) fn pass_over(&mut self, at: usize) {
        let (number, token) = self.tokens.remove(at);
        let before = self.client.stats().passed_over;
        self.client.pass_over(self.now, token);
        let passed = self.client.stats().passed_over > before;
        self.tell(|| format!("passes m{number} over: {passed}"));
        *self.passed_over.entry(number).or_default() += usize::from(passed);
        self.act();
    }

    pub(crate) fn says_goodbye(&mut self, patience: Duration) {
        self.tell(|| format!("the client says goodbye, within {patience:?}"));
        let deadline = self.now.after(patience);
        self.client.disconnect(self.now, deadline, ReasonCode::Success).unwrap();
        self.act();
    }

    pub(crate) fn reconnects(&mut self) {
        self.tell(|| "the client wants another connection".to_owned());
        self.client.reconnect(self.now);
        self.act();
    }

    pub(crate) fn comes_back(&mut self) {
        if self.client.is_ended() {
            self.tell(|| "the client comes back".to_owned());
            self.client.connect(self.now);
            self.act();
        }
    }

    /// The program ends and is started again: what it knew is gone, and it asks for its old session.
    pub(crate) fn program_restarts(&mut self, mut config: Config) {
        self.tell(|| "the program is started again".to_owned());
        self.restarts += 1;
        while self.take() {}
        self.cut(Cut::Reset);
        for message in self.published.iter_mut().filter(|message| message.ended.is_none()) {
            (message.ended, message.forgotten) = (Some(self.losses), true);
        }
        self.tickets.clear();
        self.requests.clear();
        self.granted = None;
        self.subscribed = false;
        self.tokens.clear();
        self.wanted = false;
        config.clean_start = false;
        self.client = Client::new(config, &[3; 32]);
        self.client.connect(self.now);
        self.subscribe("down/#");
    }
}
