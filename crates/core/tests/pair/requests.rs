//! SUBSCRIBE and UNSUBSCRIBE with more Topic Filters than a server takes at a time.
use super::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidewire_core::codec::{Decoder, Item, Limits, Mode};
use tidewire_core::id::Ticket;
use tidewire_core::version::Role;

const MANY: usize = 1500;

/// Of different lengths; no two are the same.
fn filter(n: usize) -> String {
    format!("{n}/{}", "x".repeat(n % 23))
}

fn named(n: usize) -> TopicFilter {
    TopicFilter::new(&filter(n)).unwrap()
}

fn many() -> Vec<Subscription> {
    (0..MANY).map(|n| Subscription::new(named(n), QoS::ExactlyOnce)).collect()
}

/// What a server says to a filter: some are refused, among them with what would end a connection elsewhere.
fn verdict(filter: &str) -> ReasonCode {
    match filter.split('/').next().unwrap().parse::<usize>().unwrap() % 10 {
        3 => ReasonCode::QuotaExceeded,
        7 => ReasonCode::NotAuthorized,
        n if n % 2 == 0 => ReasonCode::GrantedQoS1,
        _ => ReasonCode::GrantedQoS2,
    }
}

fn verdicts() -> Vec<ReasonCode> {
    (0..MANY).map(|n| verdict(&filter(n))).collect()
}

/// A server that takes so many filters at a time, and packets of that size.
struct Few {
    version: Version,
    filters: usize,
    size: usize,
    decoder: Decoder,
    bytes: Vec<u8>,
    subscribed: BTreeSet<String>,
    /// How often each was asked for.
    asked: BTreeMap<String, usize>,
    answers: VecDeque<Vec<u8>>,
}

impl Few {
    fn new(version: Version, filters: usize, size: usize) -> Self {
        Self {
            version,
            filters,
            size,
            decoder: Decoder::new(Mode { role: Role::Server, version: Some(version) }),
            bytes: vec![],
            subscribed: BTreeSet::new(),
            asked: BTreeMap::new(),
            answers: VecDeque::new(),
        }
    }

    fn properties(&self) -> PropertiesBuf {
        with(&[Property::MaximumPacketSize(u32::try_from(self.size).unwrap())])
    }

    /// A new connection: what was not answered is not known.
    fn hangs_up(&mut self) {
        self.decoder = Decoder::new(Mode { role: Role::Server, version: Some(self.version) });
        self.bytes.clear();
        self.answers.clear();
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.bytes);
        let mut rest = all.as_slice();
        loop {
            let before = rest.len();
            let Some(item) = self.decoder.next(&Limits::NONE, &mut rest).expect("it is MQTT") else { break };
            let v5 = self.version.is_v5();
            assert!(!v5 || before - rest.len() <= self.size, "{} bytes", before - rest.len());
            let Item::Packet(packet) = item else { panic!("no PUBLISH") };
            let (packet_id, names, subscribes) = match packet {
                Packet::Subscribe(s) => {
                    (s.packet_id, s.filters.iter().map(|(f, _)| f.to_owned()).collect::<Vec<_>>(), true)
                }
                Packet::Unsubscribe(s) => (s.packet_id, s.filters.iter().map(str::to_owned).collect(), false),
                _ => continue,
            };
            assert!(names.len() <= self.filters, "{} filters", names.len());
            let mut reasons = vec![];
            for name in names {
                let reason = if subscribes { verdict(&name) } else { ReasonCode::Success };
                *self.asked.entry(name.clone()).or_default() += 1;
                match subscribes {
                    _ if reason.is_error() => {}
                    true => drop(self.subscribed.insert(name)),
                    false => drop(self.subscribed.remove(&name)),
                }
                reasons.push(if reason.is_error() && !v5 { 0x80 } else { reason.byte() });
            }
            let none = PropertiesBuf::new();
            let answer = Suback { packet_id, properties: none.as_properties(), reasons: &reasons };
            let answer = if subscribes { Packet::Suback(answer) } else { Packet::Unsuback(answer) };
            self.answers.push_back(encode(self.version, &answer));
        }
        self.bytes = rest.to_vec();
    }
}

impl Scripted {
    /// So many answers reach it, at most.
    fn talks(&mut self, few: &mut Few, mut answers: usize) {
        loop {
            let said = self.sent();
            few.hear(&said);
            let Some(answer) = few.answers.pop_front().filter(|_| answers > 0) else { return };
            answers -= 1;
            self.says_bytes(&answer);
        }
    }

    /// The connection is cut, and another one made.
    fn is_cut(&mut self, few: &mut Few, session_present: bool) {
        few.hangs_up();
        self.closes();
        self.now = self.client.poll_timeout().unwrap().at;
        self.client.handle_timeout(self.now);
        self.act();
        self.open();
        let properties = few.properties();
        let properties = properties.as_properties();
        let reason = ReasonCode::Success;
        self.says(few.version, &Packet::Connack(Connack { session_present, reason, properties }));
    }

    /// The answers to a ticket, if there are any yet.
    fn answers_to(&mut self, ticket: Ticket) -> Option<Vec<ReasonCode>> {
        let mut answers = None;
        while let Some(event) = self.event() {
            match event {
                Event::Subscribed(answered, reasons) | Event::Unsubscribed(answered, reasons) => {
                    assert_eq!(answered, ticket);
                    assert!(answers.replace(reasons.to_vec()).is_none(), "twice");
                }
                Event::Progress(_, stage) => panic!("{stage:?}"),
                _ => {}
            }
        }
        answers
    }
}

#[test]
fn many_filters_are_asked_for_in_packets_that_the_server_takes() {
    for (version, most, size) in [
        (V5, 8, 1_000_000),
        (V5, 100, 1_000_000),
        (V5, 1000, 1_000_000),
        (V5, 8, 100),
        (V5, 1000, 100),
        (V5, 1000, 40),
        (Version::V3_1_1, 8, 1_000_000),
        (Version::V3_1, 8, 1_000_000),
    ] {
        let mut few = Few::new(version, most, size);
        let mut s = Scripted::up(version, &few.properties(), |config| {
            // The default is what the most frugal services take.
            if most != 8 {
                config.filters_per_packet = u16::try_from(most).unwrap();
            }
        });
        let ticket = s.client.subscribe(&many(), Some(7).filter(|_| version.is_v5())).unwrap();
        s.act();
        s.talks(&mut few, usize::MAX);
        let answers = s.answers_to(ticket).expect("all are answered");
        let case = format!("{version:?}, {most} filters, {size} bytes");
        if version.is_v5() {
            assert_eq!(answers, verdicts(), "{case}");
        } else {
            let told = answers.iter().map(|answer| answer.is_error());
            assert!(told.eq(verdicts().iter().map(|verdict| verdict.is_error())), "{case}");
        }
        let names: Vec<_> = (0..MANY).map(named).collect();
        let ticket = s.client.unsubscribe(&names).unwrap();
        s.act();
        s.talks(&mut few, usize::MAX);
        assert_eq!(s.answers_to(ticket), Some(vec![ReasonCode::Success; MANY]), "{case}");
        assert!(few.subscribed.is_empty());
    }
}

/// Packets are as full as they may be: the server counts them, too.
#[test]
fn no_more_packets_are_used_than_it_takes() {
    for (most, size, packets) in [(8, 1_000_000, 188), (1000, 1_000_000, 2), (1000, 2000, 14)] {
        let mut few = Few::new(V5, most, size);
        let mut s = Scripted::up(V5, &few.properties(), |config| {
            config.filters_per_packet = u16::try_from(most).unwrap();
        });
        s.client.subscribe(&many(), None).unwrap();
        s.act();
        few.hear(&s.sent());
        let bytes: usize = (0..MANY).map(|n| 3 + filter(n).len()).sum();
        assert!(few.answers.len() == packets, "{} packets for {bytes} bytes", few.answers.len());
    }
}

/// With a session that is kept, each is asked for until it is answered, and not again; with one that is lost, whatever was
/// granted is granted in the end.
#[test]
fn over_cuts_each_answer_reaches_its_ticket() {
    for (keeps, step) in [(true, 1), (true, 50), (false, 50)] {
        let mut few = Few::new(V5, 8, 1_000_000);
        let mut s = Scripted::up(V5, &few.properties(), |config| config.session_expiry_seconds = 100);
        let ticket = s.client.subscribe(&many(), None).unwrap();
        s.act();
        let mut connections = 1;
        let answers = loop {
            // A connection that brought answers is not held against the request, however many there are of them; one
            // after a lost session has to bring more than the one before.
            s.talks(&mut few, if keeps { step } else { step * connections });
            if let Some(answers) = s.answers_to(ticket) {
                break answers;
            }
            s.is_cut(&mut few, keeps);
            if !keeps {
                few.subscribed.clear();
            }
            connections += 1;
        };
        assert!(connections > 3, "{connections}");
        assert_eq!(answers, verdicts(), "{connections} connections");
        let granted = (0..MANY).map(filter).filter(|f| !verdict(f).is_error());
        assert_eq!(few.subscribed, granted.collect(), "{connections} connections");
    }
}

#[test]
fn what_is_subscribed_to_is_asked_for_again_in_packets_that_the_server_takes() {
    let mut few = Few::new(V5, 8, 1_000_000);
    let mut s = Scripted::up(V5, &few.properties(), |_| {});
    let ticket = s.client.subscribe(&many(), None).unwrap();
    s.act();
    s.talks(&mut few, usize::MAX);
    assert_eq!(s.answers_to(ticket), Some(verdicts()));
    let granted = std::mem::take(&mut few.subscribed);
    few.size = 60;
    s.is_cut(&mut few, false);
    s.talks(&mut few, usize::MAX);
    assert_eq!(few.subscribed, granted);
    assert_eq!(s.answers_to(ticket), None, "its ticket has ended");
}

#[test]
fn a_filter_that_no_packet_has_room_for_is_answered_alone() {
    let small = with(&[Property::MaximumPacketSize(30)]);
    let mut s = Scripted::up(V5, &small, |_| {});
    let long = "x".repeat(40);
    let subscriptions =
        ["a", &long, "b"].map(|f| Subscription::new(TopicFilter::new(f).unwrap(), QoS::AtLeastOnce));
    let ticket = s.client.subscribe(&subscriptions, None).unwrap();
    s.act();
    assert_eq!(s.sent()[..2], [0x82, 7]);
    let (none, suback) = (PropertiesBuf::new(), |n, properties| {
        encode(V5, &Packet::Suback(Suback { packet_id: id(n), properties, reasons: &[1] }))
    });
    s.says_bytes(&suback(1, none.as_properties()));
    s.says_bytes(&suback(3, none.as_properties()));
    let granted = ReasonCode::GrantedQoS1;
    assert_eq!(s.answers_to(ticket), Some(vec![granted, ReasonCode::PacketTooLarge, granted]));
    // Nothing is sent for one that is alone, and it is no reason to wait.
    let ticket = s.client.subscribe(&subscriptions[1..2], None).unwrap();
    s.act();
    assert_eq!(s.sent(), []);
    assert_eq!(s.answers_to(ticket), Some(vec![ReasonCode::PacketTooLarge]));
}

/// A server that ends the connection over it, each time.
#[test]
fn a_request_that_breaks_connections_ends_with_what_the_server_said() {
    let mut few = Few::new(V5, 8, 1_000_000);
    let mut s = Scripted::up(V5, &few.properties(), |_| {});
    let ticket = s.client.subscribe(&many()[..20], None).unwrap();
    let other = s.client.unsubscribe(&[named(0)]).unwrap();
    for connection in 1..=10 {
        few.hear(&s.sent());
        s.says_bytes(&[0xe0, 1, 0x97]);
        let mut failed = vec![];
        s.closes();
        while let Some(event) = s.event() {
            if let Event::Progress(ticket, Stage::Failed(cause)) = event {
                failed.push((ticket, cause));
            }
        }
        if connection < 10 {
            assert_eq!(failed, [], "{connection}");
            s.now = s.client.poll_timeout().unwrap().at;
            s.client.handle_timeout(s.now);
            s.act();
            s.open();
            s.says(V5, &connack(ReasonCode::Success, &few.properties()));
            few.hangs_up();
        } else {
            let cause = Cause::Disconnected(ReasonCode::QuotaExceeded);
            assert_eq!(failed, [(ticket, cause), (other, cause)]);
        }
    }
}

/// Answers need not come in order: what was given back before the session was lost is not asked for again.
#[test]
fn what_was_unsubscribed_under_another_ticket_stays_so() {
    let none = PropertiesBuf::new();
    let mut s = Scripted::up(V5, &none, |config| config.filters_per_packet = 1);
    let subscriptions = [0, 1].map(|n| Subscription::new(named(n), QoS::AtLeastOnce));
    let ticket = s.client.subscribe(&subscriptions, None).unwrap();
    let ended = s.client.unsubscribe(&[named(0)]).unwrap();
    s.act();
    s.sent();
    let properties = none.as_properties();
    s.says(V5, &Packet::Suback(Suback { packet_id: id(1), properties, reasons: &[1] }));
    s.says(V5, &Packet::Unsuback(Suback { packet_id: id(3), properties, reasons: &[0] }));
    assert_eq!(s.answers_to(ended), Some(vec![ReasonCode::Success]));
    let mut few = Few::new(V5, 1, 1_000_000);
    s.is_cut(&mut few, false);
    s.talks(&mut few, usize::MAX);
    assert_eq!(few.subscribed, BTreeSet::from([filter(1)]));
    assert_eq!(s.answers_to(ticket), Some(vec![ReasonCode::GrantedQoS1, verdict(&filter(1))]));
}
