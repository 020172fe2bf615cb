//! The face on a network in memory, in virtual time.
use super::*;
use crate::clients::tests::{SERVER, World, poll};
use std::pin::pin;
use std::task::Poll;

mod dropped;
mod random;
mod trouble;

/// Both versions; what is not said of one holds for both.
const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];

struct Stage {
    world: World,
    clients: Clients,
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        let clients = Clients::of(world.maker.clone());
        Self { world, clients }
    }

    fn connect(&self, options: &str) -> Connect {
        self.clients.connect(format!("mqtt://{SERVER}?{options}"))
    }

    fn client(&mut self, id: &str, version: Version) -> Client {
        let connect = self.connect(&format!("client_id={id}")).version(version);
        self.run(connect).expect("the server lets everybody in")
    }

    fn run<F: IntoFuture>(&mut self, future: F) -> F::Output {
        self.world.run(future.into_future())
    }

    fn next(&mut self, messages: &mut Messages) -> Message {
        self.run(messages.next()).expect("a message")
    }

    /// What lies ready in a stream, as text.
    fn ready(&mut self, messages: &mut Messages) -> Vec<String> {
        self.world.settle();
        let mut texts = Vec::new();
        while let Poll::Ready(Some(message)) = poll(pin!(messages.next())) {
            texts.push(message.text().unwrap().into_owned());
            self.world.settle();
        }
        texts
    }

    /// What lies ready for a listener, as lines.
    fn heard(&mut self, events: &mut Events) -> Vec<String> {
        self.world.settle();
        let mut lines = Vec::new();
        while let Poll::Ready(Some(event)) = poll(pin!(events.next())) {
            lines.push(event.to_string());
        }
        lines
    }
}

#[test]
fn what_is_published_comes_in_the_stream_that_asked_for_it() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let client = stage.client("a", version);
        let mut bars = stage.run(client.subscribe("+/bar")).unwrap();
        let mut alarms = stage.run(client.subscribe("+/alarm").qos(QoS::ExactlyOnce)).unwrap();
        assert_eq!(bars.granted(), [(TopicFilter::new("+/bar").unwrap(), QoS::AtLeastOnce)]);
        for (n, qos) in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].into_iter().enumerate() {
            stage.run(client.publish("1/bar", n.to_string()).qos(qos)).unwrap();
            stage.run(client.publish("1/alarm", n.to_string()).qos(qos)).unwrap();
        }
        assert_eq!(stage.ready(&mut bars), ["0", "1", "2"]);
        assert_eq!(stage.ready(&mut alarms), ["0", "1", "2"]);
        stage.run(bars.unsubscribe()).unwrap();
        assert!(matches!(poll(pin!(bars.next())), Poll::Ready(None)) && bars.end().is_none());
        stage.run(client.disconnect()).unwrap();
        assert_eq!(alarms.end(), Some(Error::Ended(Cause::Ended)));
    }
}

#[test]
fn two_streams_that_match_get_it_once_each_and_it_is_acknowledged_once_both_have_it() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let client = stage.client("a", version);
        let mut wide = stage.run(client.subscribe("t/#").manual_ack()).unwrap();
        let mut same = stage.run(client.subscribe("t/#")).unwrap();
        stage.run(client.publish("t/1", "x")).unwrap();
        let (message, ack) = stage.next(&mut wide).split();
        assert_eq!(message.text().unwrap(), "x");
        assert_eq!(stage.ready(&mut same), ["x"]);
        assert_eq!(client.stats().received, 1, "{version:?}");
        ack.ack();
        assert_eq!(stage.ready(&mut wide), [""; 0]);
    }
}

#[test]
fn all_filters_are_granted_or_none() {
    let mut stage = Stage::new();
    let client = stage.client("a", Version::V5);
    // The server refuses more than so many at a time.
    let filters: Vec<_> =
        (0..10_001).map(|n| if n == 0 { "a".to_owned() } else { format!("b/{n}") }).collect();
    let error = stage.run(client.subscribe_all(filters)).unwrap_err();
    assert_eq!(error.reason(), Some(ReasonCode::QuotaExceeded));
    let published = stage.run(client.publish("a", "")).unwrap();
    assert_eq!(published.reason, ReasonCode::NoMatchingSubscribers, "what was granted has been ended");
}

#[test]
fn what_makes_no_sense_is_said_before_anything_is_sent() {
    let mut stage = Stage::new();
    let client = stage.client("a", Version::V5);
    let sent = |client: &Client| client.stats().published;
    for error in [
        stage.run(client.publish("a/+", "")).unwrap_err(),
        stage.run(client.publish("a", "").content_type("\0")).unwrap_err(),
        stage.run(client.publish("a", "").response_topic("#")).unwrap_err(),
        stage.run(client.publish("", "").enqueue()).unwrap_err(),
        stage.run(client.subscribe("a/#/b")).unwrap_err(),
        stage.run(client.subscribe("a").shared("g").no_local()).unwrap_err(),
        stage.run(client.subscribe_all([""; 0])).unwrap_err(),
        stage.run(stage.clients.connect("mqtt://")).unwrap_err(),
        stage.run(stage.connect("client_id=b&life=good")).unwrap_err(),
    ] {
        assert_eq!(error.fault(), Fault::Program, "{error}");
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }
    assert_eq!(sent(&client), 0);
}

#[test]
fn a_request_is_answered_or_it_is_said_why_not() {
    let mut stage = Stage::new();
    let (asks, serves) = (stage.client("a", Version::V5), stage.client("b", Version::V5));
    let error = stage.run(asks.request("double", "21")).unwrap_err();
    assert_eq!(error.reason(), Some(ReasonCode::NoMatchingSubscribers));
    let mut questions = stage.run(serves.subscribe("double")).unwrap();
    let mut asked = pin!(asks.request("double", "21").user_property("unit", "bar").into_future());
    assert!(poll(asked.as_mut()).is_pending());
    let question = stage.next(&mut questions);
    assert_eq!((question.response_topic(), question.user_property("unit")), (Some("reply/a"), Some("bar")));
    stage.run(serves.reply(&question, "42")).unwrap();
    assert_eq!(stage.run(asked).unwrap().text().unwrap(), "42");
    // Nobody answers; and what is answered later is thrown away.
    let mut asked = pin!(asks.request("double", "1").timeout(Duration::from_secs(2)).into_future());
    assert!(poll(asked.as_mut()).is_pending());
    let question = stage.next(&mut questions);
    stage.world.wait(Duration::from_secs(2));
    assert!(matches!(poll(asked), Poll::Ready(Err(Error::TimedOut))));
    stage.run(serves.reply(&question, "2")).unwrap();
    let mut asked = pin!(asks.request("double", "2").into_future());
    assert!(poll(asked.as_mut()).is_pending());
    let question = stage.next(&mut questions);
    stage.run(serves.reply(&question, "4")).unwrap();
    assert_eq!(stage.run(asked).unwrap().text().unwrap(), "4");
    let old = stage.client("c", Version::V3_1_1);
    assert_eq!(stage.run(old.request("double", "1")).unwrap_err(), Error::Unsupported(Feature::Version5));
    assert_eq!(stage.run(old.reply(&question, "")).map(drop), Ok(()), "an answer needs nothing of 5.0");
}

#[test]
fn what_is_not_waited_for_is_taken_back_if_it_was_not_sent() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let client = stage.client("a", version);
        let mut all = stage.run(client.subscribe("#")).unwrap();
        stage.world.network.unlisten(crate::clients::tests::server());
        stage.world.cut();
        stage.world.settle();
        {
            let mut dropped = pin!(client.publish("dropped", "dropped").into_future());
            assert!(poll(dropped.as_mut()).is_pending());
        }
        let kept = stage.run(client.publish("kept", "kept").enqueue()).unwrap();
        let withdrawn = stage.run(client.publish("withdrawn", "withdrawn").enqueue()).unwrap();
        assert_eq!(stage.run(withdrawn.withdraw()), Withdrawn::Unsent);
        stage.world.network.listen(crate::clients::tests::server());
        stage.world.wait(Duration::from_secs(60));
        stage.run(kept).unwrap();
        assert_eq!(stage.ready(&mut all), ["kept"]);
        let ended = stage.run(client.publish("t", "x").enqueue()).unwrap();
        stage.world.settle();
        assert!(matches!(stage.run(ended.withdraw()), Withdrawn::Ended(Ok(_))));
        let stats = client.stats();
        assert_eq!((stats.open, stats.withdrawn), (0, 2), "{stats:?}");
    }
}

#[test]
fn events_go_to_all_who_listen_and_begin_with_how_things_stand() {
    let mut stage = Stage::new();
    let client = stage.connect("client_id=a").start().unwrap();
    let mut early = client.events();
    assert_eq!(stage.heard(&mut early), ["connected"]);
    let mut late = client.events();
    assert_eq!(stage.heard(&mut late), ["connected"]);
    stage.world.cut();
    let heard = stage.heard(&mut early);
    assert!(heard.len() == 1 && heard[0].starts_with("the connection broke"), "{heard:?}");
    assert!(client.server().is_none());
    stage.world.wait(Duration::from_secs(1));
    assert_eq!(stage.heard(&mut early), ["connected"]);
    assert_eq!(stage.heard(&mut late).len(), 2);
    stage.run(client.connected()).unwrap();
    stage.run(client.disconnect()).unwrap();
    assert_eq!(stage.heard(&mut early).last().unwrap(), "the client has ended: the client said goodbye");
    assert!(stage.run(early.next()).is_none());
}

#[test]
fn whoever_listens_slowly_hears_how_much_was_missed() {
    let mut stage = Stage::new();
    let client = stage.client("a", Version::V5);
    let mut events = client.events();
    for _ in 0..200 {
        stage.world.cut();
        stage.world.settle();
        stage.world.wait(Duration::from_secs(60));
    }
    let heard = stage.heard(&mut events);
    assert_eq!(heard.len(), 257);
    assert_eq!(heard.last().unwrap(), "145 events were not heard");
}

#[test]
fn nobody_takes_from_a_stream_of_qos_0_and_what_is_old_makes_room() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let client = stage.client("a", version);
        let other = stage.client("b", version);
        let mut events = client.events();
        let mut slow = stage.run(client.subscribe("slow").qos(QoS::AtMostOnce).capacity(2)).unwrap();
        let mut fast = stage.run(client.subscribe("fast").qos(QoS::AtMostOnce)).unwrap();
        for n in 0..5 {
            stage.run(other.publish("slow", n.to_string()).qos(QoS::AtMostOnce)).unwrap();
        }
        stage.run(other.publish("fast", "x").qos(QoS::AtMostOnce)).unwrap();
        assert_eq!(stage.heard(&mut events), ["connected"], "it waits for room");
        stage.world.wait(Duration::from_secs(1));
        assert_eq!(stage.ready(&mut fast), ["x"], "nobody waits longer than that for another");
        assert_eq!(slow.dropped(), 3);
        assert_eq!(stage.ready(&mut slow), ["3", "4"]);
        assert_eq!(
            stage.heard(&mut events),
            [
                "the stream of slow had no room for 1 messages of QoS 0",
                "the stream of slow had no room for 2 messages of QoS 0"
            ]
        );
    }
}

#[test]
fn a_stream_that_nobody_reads_stops_all_and_is_named() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let connect = stage.connect("client_id=a&receive_maximum=2").version(version);
        let client = stage.run(connect).unwrap();
        let other = stage.client("b", version);
        let mut events = client.events();
        let mut unread = stage.run(client.subscribe("unread")).unwrap();
        let mut read = stage.run(client.subscribe("read")).unwrap();
        for n in 0..3 {
            stage.run(other.publish("unread", n.to_string())).unwrap();
        }
        stage.run(other.publish("read", "x")).unwrap();
        assert_eq!(stage.ready(&mut read), [""; 0]);
        stage.world.wait(Duration::from_secs(10));
        let heard = stage.heard(&mut events);
        assert!(heard[1].ends_with("the oldest in the stream of unread") && heard.len() == 2, "{heard:?}");
        assert_eq!(stage.ready(&mut unread), ["0", "1", "2"]);
        assert_eq!(stage.ready(&mut read), ["x"]);
        assert_eq!(client.stats().taken, 4);
    }
}

#[test]
fn acknowledgements_leave_in_the_order_in_which_messages_came() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let client = stage.client("a", version);
        let other = stage.client("b", version);
        let mut orders = stage.run(client.subscribe("orders").manual_ack()).unwrap();
        for n in 0..3 {
            stage.run(other.publish("orders", n.to_string())).unwrap();
        }
        let acks = [(); 3].map(|()| stage.next(&mut orders).split().1);
        for ack in acks.into_iter().rev() {
            ack.ack();
            stage.world.settle();
        }
        stage.world.cut();
        stage.world.wait(Duration::from_secs(60));
        assert_eq!(stage.ready(&mut orders), [""; 0], "all were acknowledged");
    }
}

#[test]
fn a_session_that_is_resumed_holds_what_nobody_has_asked_for_yet() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let other = stage.client("b", version);
        let connect = |stage: &Stage| stage.connect("client_id=a&session_expiry=86400").version(version);
        let client = stage.run(connect(&stage)).unwrap();
        let orders = stage.run(client.subscribe("orders")).unwrap();
        let news = stage.run(client.subscribe("news")).unwrap();
        stage.run(client.disconnect()).unwrap();
        drop((client, orders, news));
        for n in 0..2 {
            stage.run(other.publish("orders", n.to_string())).unwrap();
            stage.run(other.publish("news", n.to_string())).unwrap();
        }
        let client = stage.run(connect(&stage)).unwrap();
        let mut events = client.events();
        let heard = stage.heard(&mut events);
        assert!(heard.iter().any(|line| line.starts_with("a message to orders has come")), "{heard:?}");
        let mut orders = stage.run(client.subscribe("orders")).unwrap();
        assert_eq!(stage.ready(&mut orders), ["0", "1"]);
        let mut unclaimed = client.unclaimed();
        assert_eq!(stage.ready(&mut unclaimed), ["0", "1"]);
        stage.run(client.unsubscribe("news")).unwrap();
        stage.run(other.publish("news", "2")).unwrap();
        assert_eq!(stage.ready(&mut unclaimed), [""; 0]);
    }
}

#[test]
fn a_stream_that_is_dropped_is_unsubscribed_and_leaves_nothing_behind() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let connect = stage.connect("client_id=a&receive_maximum=2").version(version);
        let client = stage.run(connect).unwrap();
        let other = stage.client("b", version);
        let mut kept = stage.run(client.subscribe("kept")).unwrap();
        for _ in 0..3 {
            let dropped = stage.run(client.subscribe("dropped")).unwrap();
            for n in 0..3 {
                stage.run(other.publish("dropped", n.to_string())).unwrap();
            }
            stage.world.settle();
            drop(dropped);
            stage.world.settle();
        }
        stage.run(other.publish("kept", "x")).unwrap();
        assert_eq!(stage.ready(&mut kept), ["x"], "the window is free");
        {
            let mut dropped = pin!(client.subscribe("dropped").into_future());
            assert!(poll(dropped.as_mut()).is_pending());
        }
        stage.world.settle();
        let published = stage.run(other.publish("dropped", "")).unwrap();
        if version.is_v5() {
            assert_eq!(published.reason, ReasonCode::NoMatchingSubscribers);
        }
    }
}

#[test]
fn nobody_lets_it_in_and_it_says_why() {
    let mut stage = Stage::new();
    stage.world.network.unlisten(crate::clients::tests::server());
    let error = stage.run(stage.connect("")).unwrap_err();
    assert_eq!(error.to_string(), "no server let us in: the server could not be reached: connection refused");
    let client = stage.connect("").start().unwrap();
    let mut hopes = pin!(client.connected());
    stage.world.settle();
    assert!(poll(hopes.as_mut()).is_pending());
    let mut waits = pin!(client.publish("t", "").into_future());
    assert!(poll(waits.as_mut()).is_pending());
    let goodbye = stage.run(client.disconnect().patience(Duration::ZERO));
    assert_eq!(goodbye, Err(Error::Unfinished(1)));
    assert!(matches!(poll(waits), Poll::Ready(Err(Error::Ended(Cause::Ended)))));
    assert!(matches!(poll(hopes), Poll::Ready(Err(Error::Ended(Cause::Ended)))));
    for error in [
        stage.run(client.publish("t", "")).map(drop).unwrap_err(),
        stage.run(client.subscribe("t")).map(drop).unwrap_err(),
        stage.run(client.unsubscribe("t")).unwrap_err(),
        stage.run(client.request("t", "")).map(drop).unwrap_err(),
        stage.run(client.reconnect()).map(drop).unwrap_err(),
        client.publish("t", "").try_enqueue().map(drop).unwrap_err(),
    ] {
        assert_eq!(error, Error::Ended(Cause::Ended));
    }
    assert_eq!(stage.run(client.disconnect()), Ok(()), "it has");
}

#[test]
fn a_loop_of_many_ends_with_all_of_them() {
    let mut stage = Stage::new();
    let clients = ["a", "b", "c"].map(|id| stage.client(id, Version::V5));
    let receipts: Vec<_> =
        clients.iter().map(|client| client.publish("t", "x").try_enqueue().unwrap()).collect();
    let shutdown = std::mem::replace(&mut stage.clients, Clients::of(stage.world.maker.clone()))
        .shutdown(Duration::from_secs(5));
    stage.world.settle();
    assert!(stage.world.is_over(), "the loop has ended");
    assert!(poll(pin!(shutdown)).is_ready());
    for receipt in receipts {
        assert!(matches!(poll(pin!(receipt)), Poll::Ready(Ok(_))));
    }
    assert!(matches!(clients[0].publish("t", "").try_enqueue(), Err(Error::Ended(Cause::Ended))));
}

#[test]
fn a_message_that_is_passed_over_comes_again_on_the_next_connection() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let connect = stage.connect("client_id=a&session_expiry=86400").version(version);
        let client = stage.run(connect).unwrap();
        let other = stage.client("b", version);
        let mut orders = stage.run(client.subscribe("orders").manual_ack()).unwrap();
        for n in 0..3 {
            stage.run(other.publish("orders", n.to_string())).unwrap();
        }
        let messages = [(); 3].map(|()| stage.next(&mut orders));
        for message in messages {
            match message.text().unwrap().as_ref() {
                "0" => drop(message),
                "1" => message.refuse(ReasonCode::PayloadFormatInvalid),
                _ => message.ack(),
            }
        }
        stage.world.settle();
        assert_eq!(client.stats().passed_over, if version.is_v5() { 1 } else { 2 });
        let again = stage.run(client.reconnect());
        assert!(again.is_ok());
        stage.world.settle();
        let mut texts = Vec::new();
        while let Poll::Ready(Some(message)) = poll(pin!(orders.next())) {
            texts.push(message.text().unwrap().into_owned());
            message.ack();
        }
        let expected: &[&str] = if version.is_v5() { &["0"] } else { &["0", "1"] };
        assert_eq!(texts, expected, "before 5.0 nobody can be told why");
    }
}

#[test]
fn credentials_are_asked_for_before_each_attempt() {
    use std::sync::{Arc, Mutex};
    let mut stage = Stage::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let connect = stage.connect("client_id=a").credentials_from(move |ask| kept.lock().unwrap().push(ask));
    let client = connect.start().unwrap();
    stage.world.settle();
    assert!(client.server().is_none(), "it waits for the answer");
    let mut asks = std::mem::take(&mut *asked.lock().unwrap());
    assert_eq!((asks.len(), asks[0].attempt, asks[0].last), (1, 1, None));
    asks.remove(0).answer(Credentials::new("me", b"secret"));
    stage.world.settle();
    assert!(client.server().is_some());
    stage.world.cut();
    stage.world.settle();
    stage.world.wait(Duration::from_secs(60));
    let asks = std::mem::take(&mut *asked.lock().unwrap());
    assert_eq!((asks.len(), asks[0].attempt, asks[0].last), (1, 1, Some(Cause::Reset)));
    // Nobody answers: the attempt is given up, and the next one asks again.
    drop(asks);
    stage.world.settle();
    stage.world.wait(Duration::from_secs(60));
    assert_eq!(asked.lock().unwrap()[0].attempt, 2);
    assert_eq!(asked.lock().unwrap()[0].last, Some(Cause::NoCredentials));
}

#[test]
fn a_goodbye_says_what_5_0_can_say() {
    let mut stage = Stage::new();
    let client = stage.client("a", Version::V5);
    let error = stage.run(client.disconnect().session_expiry(Duration::from_secs(1))).unwrap_err();
    assert_eq!(error, Error::Invalid(Invalid::Option("session_expiry")));
    let error = stage.run(client.disconnect().reason_string("\0")).unwrap_err();
    assert!(matches!(error, Error::Invalid(Invalid::Property(_))));
    stage.run(client.disconnect().reason_string("dismantled").user_property("site", "north")).unwrap();
}
