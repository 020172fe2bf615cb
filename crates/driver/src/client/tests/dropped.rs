//! Futures that are dropped at every poll: nothing is lost, nothing comes twice, and nothing stays open.
use super::*;
use std::pin::Pin;

/// More steps than anything takes.
const STEPS: usize = 24;

/// What happens until a future is dropped.
struct Scene {
    stage: Stage,
    client: Client,
    /// Everything that is published, as another client sees it.
    watcher: Messages,
    messages: Messages,
}

impl Scene {
    fn new(version: Version) -> Self {
        let mut stage = Stage::new();
        let other = stage.client("watcher", version);
        let watcher = stage.run(other.subscribe("#").qos(QoS::ExactlyOnce)).unwrap();
        let client = stage.client("a", version);
        let messages = stage.run(client.subscribe("mine/#").qos(QoS::ExactlyOnce)).unwrap();
        Self { stage, client, watcher, messages }
    }

    /// Polls so often, with one step of the world between; then it is dropped.
    fn drop_after<F: IntoFuture>(&mut self, steps: usize, future: F) -> Option<F::Output> {
        let mut future = pin!(future.into_future());
        for _ in 0..steps {
            if let Poll::Ready(done) = poll(Pin::as_mut(&mut future)) {
                return Some(done);
            }
            self.stage.world.step();
        }
        None
    }

    /// In the end all is as if it had been, or as if it had not: so many of the messages have come.
    fn ends_with(mut self, done: bool) -> usize {
        self.stage.world.settle();
        self.stage.world.check();
        let last = self.client.publish("last", "last");
        self.stage.run(last).expect("it goes on");
        let texts = self.stage.ready(&mut self.watcher);
        let (last, others) = texts.split_last().expect("the last one came");
        assert_eq!(last, "last");
        assert!(others.iter().all(|text| text == "x"), "{others:?}");
        assert!(others.len() <= 1, "nothing comes twice: {others:?}");
        assert!(!done || others.len() == 1, "nothing is lost");
        let goodbye = self.client.disconnect();
        self.stage.run(goodbye).expect("nothing is open");
        assert_eq!(self.client.stats().open, 0);
        self.stage.world.check();
        others.len()
    }
}

/// For each number of steps and both versions: whether it was done, and what came of it.
fn at_every_poll(what: impl Fn(&mut Scene, usize) -> bool) -> Vec<usize> {
    let mut came = Vec::new();
    for version in VERSIONS {
        for steps in 0..STEPS {
            let mut scene = Scene::new(version);
            let done = what(&mut scene, steps);
            came.push(scene.ends_with(done));
        }
    }
    came
}

#[test]
fn a_publish_is_taken_back_or_goes_its_way() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let came = at_every_poll(|scene, steps| {
            let publish = scene.client.publish("t", "x").qos(qos);
            scene.drop_after(steps, publish).is_some_and(|end| end.is_ok())
        });
        assert!(came.contains(&0) && came.contains(&1), "it happens before and after: {came:?}");
    }
}

#[test]
fn what_was_accepted_goes_its_way() {
    let came = at_every_poll(|scene, steps| {
        let enqueue = scene.client.publish("t", "x").enqueue();
        scene.drop_after(steps, enqueue).is_some_and(|end| end.is_ok())
    });
    assert!(came.contains(&0) && came.contains(&1), "{came:?}");
    let came = at_every_poll(|scene, steps| {
        let receipt = scene.client.publish("t", "x").try_enqueue().unwrap();
        let _ = scene.drop_after(steps, receipt);
        true
    });
    assert!(came.iter().all(|came| *came == 1), "{came:?}");
}

#[test]
fn what_is_withdrawn_comes_once_or_not_at_all() {
    at_every_poll(|scene, steps| {
        let receipt = scene.client.publish("t", "x").try_enqueue().unwrap();
        for _ in 0..steps / 4 {
            scene.stage.world.step();
        }
        matches!(scene.drop_after(steps, receipt.withdraw()), Some(Withdrawn::Ended(Ok(_))))
    });
}

#[test]
fn a_subscription_is_there_or_it_is_not() {
    at_every_poll(|scene, steps| {
        let subscribe = scene.client.subscribe_all(["mine/#", "other"]);
        if let Some(messages) = scene.drop_after(steps, subscribe) {
            assert_eq!(messages.unwrap().granted().len(), 2);
        }
        scene.stage.world.settle();
        // Of the two streams that had the same filter one is still there.
        let publish = scene.client.publish("mine/1", "x");
        scene.stage.run(publish).unwrap();
        assert_eq!(scene.stage.ready(&mut scene.messages), ["x"]);
        true
    });
}

#[test]
fn what_was_not_taken_is_the_next_one() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        at_every_poll(|scene, steps| {
            let _receipt = scene.client.publish("mine/1", "x").qos(qos).try_enqueue().unwrap();
            let mut messages = std::mem::replace(&mut scene.messages, scene.client.unclaimed());
            let taken = scene.drop_after(steps, messages.next()).flatten();
            let left = scene.stage.ready(&mut messages);
            assert_eq!(usize::from(taken.is_some()) + left.len(), 1);
            true
        });
    }
}

#[test]
fn filters_are_added_and_removed_whoever_waits() {
    at_every_poll(|scene, steps| {
        let add = scene.messages.add("added");
        let _ = scene.drop_after(steps, add);
        let remove = scene.messages.remove("mine/#");
        let _ = scene.drop_after(steps, remove);
        scene.stage.world.settle();
        let publish = scene.client.publish("added", "x");
        scene.stage.run(publish).unwrap();
        assert_eq!(scene.stage.ready(&mut scene.messages), ["x"]);
        let unsubscribe = scene.messages.unsubscribe();
        let _ = scene.drop_after(steps, unsubscribe);
        scene.stage.world.settle();
        assert!(matches!(poll(pin!(scene.messages.next())), Poll::Ready(None)));
        true
    });
}

#[test]
fn a_request_is_answered_once_or_forgotten() {
    for steps in 0..STEPS {
        let mut scene = Scene::new(Version::V5);
        let service = scene.stage.client("service", Version::V5);
        let mut questions = scene.stage.run(service.subscribe("ask")).unwrap();
        let request = scene.client.request("ask", "x");
        assert!(scene.drop_after(steps, request).is_none(), "nobody has answered");
        scene.stage.world.settle();
        while let Poll::Ready(Some(question)) = poll(pin!(questions.next())) {
            scene.stage.run(service.reply(&question, "x")).unwrap();
        }
        let next = pin!(scene.client.request("ask", "x").into_future());
        let mut next = next;
        assert!(poll(next.as_mut()).is_pending());
        let question = scene.stage.next(&mut questions);
        scene.stage.run(service.reply(&question, "y")).unwrap();
        assert_eq!(scene.stage.run(next).unwrap().text().unwrap(), "y", "and not the other one's");
        scene.stage.world.check();
        assert_eq!(scene.client.stats().open, 0);
    }
}

#[test]
fn another_connection_is_made_whoever_waits() {
    at_every_poll(|scene, steps| {
        let reconnect = scene.client.reconnect();
        let publish = scene.client.publish("t", "x").try_enqueue().unwrap();
        let _ = scene.drop_after(steps, reconnect);
        let _ = scene.drop_after(steps, publish);
        let connected = scene.client.connected();
        let _ = scene.drop_after(steps, connected);
        true
    });
}

#[test]
fn an_attempt_is_given_up_and_a_goodbye_goes_on() {
    for version in VERSIONS {
        for steps in 0..STEPS {
            let mut scene = Scene::new(version);
            let connect = scene.stage.connect("client_id=b").version(version);
            let client = scene.drop_after(steps, connect);
            let was_let_in = client.is_some();
            let receipt = client.map(|client| client.unwrap().publish("t", "x").try_enqueue().unwrap());
            scene.stage.world.settle();
            if let Some(receipt) = receipt {
                // Its handle is gone: it said goodbye once this had ended.
                assert!(matches!(poll(pin!(receipt)), Poll::Ready(Ok(_))));
            }
            let _receipt = (!was_let_in).then(|| scene.client.publish("t", "x").try_enqueue().unwrap());
            let goodbye = scene.client.disconnect();
            let _ = scene.drop_after(steps, goodbye);
            scene.stage.world.settle();
            assert_eq!(scene.stage.ready(&mut scene.watcher), ["x"]);
            assert_eq!(scene.client.stats().open, 0);
            assert!(matches!(scene.client.publish("t", "x").try_enqueue(), Err(Error::Ended(Cause::Ended))));
            scene.stage.world.check();
        }
    }
}
