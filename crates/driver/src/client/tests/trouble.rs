//! Streams that nobody reads, ends at an awkward moment, and what is said of them.
use super::*;
use crate::clients::tests::server;
use std::pin::Pin;

/// Bytes that may wait, in most of these.
const ROOM: usize = 1000;

impl Stage {
    fn narrow(&mut self, options: &str, version: Version) -> Client {
        let connect = self.connect(options).version(version).inbox_bytes(ROOM);
        self.run(connect).unwrap()
    }

    fn publish(&mut self, client: &Client, topic: &str, payload: impl Into<Payload>, qos: QoS) -> Published {
        self.run(client.publish(topic, payload).qos(qos)).unwrap()
    }
}

fn large(first: &str) -> String {
    format!("{first}{}", "x".repeat(600))
}

#[test]
fn old_messages_of_qos_0_make_room_for_those_of_qos_1() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let (client, other) = (stage.narrow("client_id=a", version), stage.client("b", version));
        let unread = stage.run(client.subscribe("unread").qos(QoS::AtMostOnce)).unwrap();
        let mut read = stage.run(client.subscribe("read")).unwrap();
        for _ in 0..2 {
            stage.publish(&other, "unread", large(""), QoS::AtMostOnce);
        }
        stage.publish(&other, "read", "x", QoS::AtLeastOnce);
        assert_eq!(stage.ready(&mut read), [""; 0]);
        stage.world.wait(Duration::from_secs(1));
        assert_eq!(stage.ready(&mut read), ["x"], "nobody waits longer than that for QoS 0");
        assert_eq!(unread.dropped(), 1);
        stage.world.check();
    }
}

#[test]
fn one_large_message_takes_the_room_of_many_small_ones() {
    let mut stage = Stage::new();
    let (client, other) = (stage.narrow("client_id=a", Version::V5), stage.client("b", Version::V5));
    let unread = stage.run(client.subscribe("unread").qos(QoS::AtMostOnce)).unwrap();
    for n in 0..200 {
        stage.publish(&other, "unread", format!("{n:03}"), QoS::AtMostOnce);
    }
    stage.world.wait(Duration::from_secs(1));
    for n in 0..5 {
        stage.publish(&other, "unread", large(&n.to_string()), QoS::AtMostOnce);
    }
    stage.world.settle();
    stage.world.check();
    let mut unread = unread;
    let left = stage.ready(&mut unread);
    let bytes = left.iter().map(|text| text.len() + "unread".len()).sum::<usize>();
    assert!(bytes <= ROOM + 700, "{bytes} bytes waited");
    assert!(left.last().unwrap().starts_with('4'), "the newest is there");
    assert_eq!(unread.dropped() + left.len() as u64, 205);
}

#[test]
fn whatever_stops_all_is_named() {
    let mut stage = Stage::new();
    let (client, other) = (stage.narrow("client_id=a", Version::V5), stage.client("b", Version::V5));
    let mut events = client.events();
    let mut unread = stage.run(client.subscribe("unread")).unwrap();
    for n in 0..3 {
        stage.publish(&other, "unread", large(&n.to_string()), QoS::AtLeastOnce);
    }
    stage.world.wait(Duration::from_secs(1));
    stage.world.wait(Duration::from_secs(10));
    let heard = stage.heard(&mut events);
    assert!(heard.last().unwrap().ends_with("the oldest in the stream of unread"), "{heard:?}");
    assert_eq!(stage.ready(&mut unread).len(), 3, "and nothing is lost");
}

#[test]
fn a_stream_that_is_dropped_makes_room_at_once() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let client = stage.narrow("client_id=a&session_expiry=86400", version);
        let other = stage.client("b", version);
        let unread = stage.run(client.subscribe("unread").qos(QoS::AtMostOnce)).unwrap();
        let mut read = stage.run(client.subscribe("read")).unwrap();
        for _ in 0..2 {
            stage.publish(&other, "unread", large(""), QoS::AtMostOnce);
        }
        stage.publish(&other, "read", "x", QoS::AtLeastOnce);
        stage.world.settle();
        drop(unread);
        assert_eq!(stage.ready(&mut read), ["x"]);
    }
}

#[test]
fn what_comes_before_the_answer_to_unsubscribe_can_be_taken() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let connect = stage.connect("client_id=a&session_expiry=86400").version(version);
        let client = stage.run(connect).unwrap();
        let other = stage.client("b", version);
        let mut all = stage.run(client.subscribe("t")).unwrap();
        let reconnected = client.reconnect();
        let gone = all.unsubscribe();
        for n in 0..3 {
            let _receipt = other.publish("t", n.to_string()).try_enqueue().unwrap();
        }
        stage.run(reconnected).unwrap();
        stage.run(gone).unwrap();
        let came = stage.ready(&mut all);
        assert_eq!(came, ["0", "1", "2"][..came.len()], "in order, and none is refused");
        assert_eq!(client.stats().passed_over, 0);
        assert!(matches!(poll(pin!(all.next())), Poll::Ready(None)));
        stage.world.check();
    }
}

#[test]
fn a_subscription_that_was_given_up_is_in_no_session() {
    for version in VERSIONS {
        let mut stage = Stage::new();
        let connect = stage.connect("client_id=a&session_expiry=86400").version(version);
        let client = stage.run(connect).unwrap();
        let other = stage.client("b", version);
        let mut kept = stage.run(client.subscribe("kept")).unwrap();
        {
            let mut given_up = pin!(client.subscribe("given/up").into_future());
            assert!(poll(given_up.as_mut()).is_pending());
        }
        stage.world.settle();
        stage.publish(&other, "given/up", "x", QoS::AtLeastOnce);
        stage.publish(&other, "kept", "x", QoS::AtLeastOnce);
        assert_eq!(stage.ready(&mut kept), ["x"]);
        let mut events = client.events();
        assert_eq!(stage.heard(&mut events), ["connected"], "nothing is held for nobody");
        stage.world.check();
    }
}

#[test]
fn who_has_no_name_is_answered_under_the_one_it_was_given() {
    let mut stage = Stage::new();
    let (client, service) = (stage.run(stage.connect("")).unwrap(), stage.client("b", Version::V5));
    let mut questions = stage.run(service.subscribe("ask")).unwrap();
    stage.run(client.reconnect()).unwrap();
    let mut asked = pin!(client.request("ask", "").into_future());
    assert!(poll(asked.as_mut()).is_pending());
    let question = stage.next(&mut questions);
    let topic = question.response_topic().unwrap();
    assert!(topic.starts_with("reply/") && topic.len() > "reply/".len(), "{topic}");
    stage.run(service.reply(&question, "yes")).unwrap();
    assert_eq!(stage.run(asked).unwrap().text().unwrap(), "yes");
}

#[test]
fn the_last_handle_does_not_cut_a_goodbye_short() {
    let mut stage = Stage::new();
    let client = stage.client("a", Version::V5);
    stage.world.network.unlisten(server());
    stage.world.cut();
    stage.world.settle();
    let receipt = client.publish("t", "x").try_enqueue().unwrap();
    let mut goodbye = pin!(client.disconnect().patience(Duration::from_secs(60)).into_future());
    drop(client);
    stage.world.wait(Duration::from_secs(10));
    assert!(poll(goodbye.as_mut()).is_pending());
    stage.world.network.listen(server());
    stage.world.wait(Duration::from_secs(45));
    assert!(matches!(poll(goodbye), Poll::Ready(Ok(()))));
    assert!(matches!(poll(pin!(receipt)), Poll::Ready(Ok(_))));
}

#[test]
fn what_ends_twice_says_the_same_twice() {
    let mut stage = Stage::new();
    let client = stage.client("a", Version::V5);
    let all = stage.run(client.subscribe("t")).unwrap();
    let error = stage.run(client.unsubscribe("t")).unwrap_err();
    assert_eq!(error, Error::Invalid(Invalid::HasStream));
    let mut receipt = Box::pin(client.publish("t", "x").try_enqueue().unwrap());
    stage.world.settle();
    assert!(matches!(poll(receipt.as_mut()), Poll::Ready(Ok(_))));
    let receipt = *Pin::into_inner(receipt);
    assert!(matches!(stage.run(receipt.withdraw()), Withdrawn::Ended(Ok(_))));
    drop(all);
}

#[test]
fn whoever_hopes_again_and_again_is_remembered_once() {
    let stage = Stage::new();
    stage.world.network.unlisten(server());
    let client = stage.connect("").start().unwrap();
    for _ in 0..1000 {
        let mut connected = pin!(client.connected());
        assert!(poll(connected.as_mut()).is_pending());
    }
    let hopes = client.handle.reach.shared.state().hopes();
    assert!(hopes <= 1, "{hopes} wait");
}

#[test]
fn what_the_loop_has_no_time_for_is_bounded_where_the_oldest_make_room() {
    let mut stage = Stage::new();
    let connect = stage.connect("client_id=a").outbox(10, 1000).outbox_full(OutboxFull::DropOldest);
    let client = connect.start().unwrap();
    let listener = stage.client("b", Version::V5);
    let mut news = stage.run(listener.subscribe("news").qos(QoS::ExactlyOnce)).unwrap();
    stage.run(client.connected()).unwrap();
    // None of these is seen by the loop before the last: nothing turns it meanwhile.
    let publish = |n: usize, size: usize| {
        client.publish("news", format!("{n:0size$}")).try_enqueue().expect("the oldest make room")
    };
    let by_number: Vec<_> = (0..100).map(|n| publish(n, 2)).collect();
    assert_eq!(client.handle.reach.shared.state().waiting_commands(), 10);
    let by_bytes: Vec<_> = (100..103).map(|n| publish(n, 600)).collect();
    for receipt in by_number.into_iter().chain(by_bytes.into_iter().rev().skip(1)) {
        assert_eq!(stage.run(receipt), Err(Error::Failed(Cause::MadeRoom)));
    }
    let heard: Vec<_> = stage.ready(&mut news).iter().map(|text| text.parse::<usize>().unwrap()).collect();
    assert_eq!(heard, [102]);
    for n in 0..20 {
        drop(publish(n, 1));
    }
    let heard: Vec<_> = stage.ready(&mut news).iter().map(|text| text.parse::<usize>().unwrap()).collect();
    assert!(heard.iter().copied().eq(10..20), "{heard:?}");
    stage.world.check();
}
