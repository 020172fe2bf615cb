//! Ends: what waits hears why, and nobody waits for a server that never answered.
use super::*;
use crate::clients::Ended;
use crate::dial::Resolver;
use std::sync::mpsc::channel;

const HOUR: Duration = Duration::from_secs(3600);

impl World {
    /// Everything that lies ready: the end of each receipt, and what the client says last.
    fn end(&mut self, client: &Client) -> Ended {
        let mut last = None;
        while let Poll::Ready(notice) = poll(pin!(client.recv())) {
            match notice {
                Some(notice) => last = Some(notice),
                None => break,
            }
        }
        let Some(Notice::Ended(ended)) = last else { panic!("it has not ended: {last:?}") };
        ended
    }

    /// Connects a wire whose other end is the test.
    fn accept(&mut self) -> Wire {
        let _ = self.clients.turn();
        let (_, wire) = self.network.accept().expect("a connection is made");
        let _ = self.clients.turn();
        wire
    }

    /// Turns only the clients, as often as they want without time passing.
    fn turn(&mut self) {
        for _ in 0..100 {
            if self.clients.turn() != Turn::Again {
                return;
            }
        }
        panic!("it never comes to rest");
    }
}

/// An end that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    WrongPassword,
    NobodyThere,
    NoAnswer,
    NoConnack,
}

#[test]
fn every_receipt_ends_with_the_client_and_later_calls_are_refused() {
    for fault in [Fault::WrongPassword, Fault::NobodyThere, Fault::NoAnswer, Fault::NoConnack] {
        let mut world = World::new();
        match fault {
            Fault::NobodyThere => world.network.unlisten(server()),
            Fault::NoAnswer => world.network.ignore(server()),
            _ => {}
        }
        let client = world.client("a", |config| {
            (config.reconnect, config.outbox_messages) = (fault == Fault::WrongPassword, 3);
        });
        let asked = client.subscribe(&all("t"), None).unwrap();
        let receipts: Vec<_> = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]
            .map(|qos| world.run(client.publish(to("t", qos))).unwrap())
            .into();
        // This one has no room yet.
        let mut waits = pin!(client.publish(to("t", QoS::AtLeastOnce)));
        assert!(poll(waits.as_mut()).is_pending());
        match fault {
            Fault::WrongPassword => {
                let wire = world.accept();
                wire.send(&[0x20, 3, 0, 0x87, 0]);
                world.turn();
            }
            Fault::NobodyThere => world.turn(),
            Fault::NoAnswer => world.turn(),
            Fault::NoConnack => drop(world.accept()),
        }
        if matches!(fault, Fault::NoAnswer | Fault::NoConnack) {
            let at = world.network.now().after_secs(30);
            world.network.set_now(at);
            world.turn();
        }
        let why = world.end(&client);
        let (cause, words) = match fault {
            Fault::WrongPassword => (
                Cause::Refused(ReasonCode::NotAuthorized),
                "the server refused the connection: 0x87 NotAuthorized",
            ),
            Fault::NobodyThere => (Cause::Unreachable, "the server could not be reached: connection refused"),
            _ => (Cause::ConnectTimeout, "the server did not answer in time"),
        };
        assert_eq!((why.cause, why.to_string().as_str()), (cause, words));
        let error = Error::Ended(why);
        assert_eq!(poll(pin!(asked)), Poll::Ready(Err(error.clone())), "{fault:?}");
        for receipt in receipts {
            assert_eq!(poll(pin!(receipt)), Poll::Ready(Err(error.clone())), "{fault:?}");
        }
        let Poll::Ready(Err(refused)) = poll(waits.as_mut()) else { panic!("{fault:?}: there is room now") };
        assert_eq!(refused, error, "{fault:?}");
        assert_eq!(client.subscribe(&all("t"), None).unwrap_err(), error, "{fault:?}");
        assert_eq!(client.unsubscribe(&[TopicFilter::new("t").unwrap()]).unwrap_err(), error, "{fault:?}");
        assert!(client.disconnect(HOUR, ReasonCode::Success).is_ok(), "{fault:?}: so it is");
        assert!(matches!(poll(pin!(client.recv())), Poll::Ready(None)), "{fault:?}: nothing more comes");
        client.connect().unwrap();
        assert!(poll(pin!(client.recv())).is_pending(), "{fault:?}: it begins anew");
        let _open = world.run(client.publish(to("t", QoS::AtLeastOnce))).unwrap();
    }
}

#[test]
fn after_a_goodbye_calls_are_refused_until_it_connects_again() {
    let mut world = World::new();
    let client = world.client("a", |_| {});
    world.settle();
    client.disconnect(HOUR, ReasonCode::Success).unwrap();
    // Handed over before the loop knows that it is a goodbye, and behind it.
    let late = world.run(client.publish(to("t", QoS::AtLeastOnce))).unwrap();
    let Err(Error::Ended(ended)) = world.run(late) else { panic!("nothing is accepted during a goodbye") };
    assert_eq!(ended.cause, Cause::Ended);
    assert_eq!(world.end(&client), ended);
    assert!(matches!(world.run(client.publish(to("t", QoS::AtLeastOnce))), Err(Error::Ended(_))));
    client.connect().unwrap();
    let receipt = world.run(client.publish(to("t", QoS::AtLeastOnce))).unwrap();
    assert_eq!(world.run(receipt), Ok(ReasonCode::NoMatchingSubscribers));
}

/// A handle that changes its mind while the goodbye is being said.
#[test]
fn whoever_comes_back_before_the_end_is_told_is_not_refused() {
    let mut world = World::new();
    let client = world.client("a", |_| {});
    world.settle();
    client.disconnect(HOUR, ReasonCode::Success).unwrap();
    world.turn();
    client.connect().unwrap();
    world.settle();
    let receipt = world.run(client.publish(to("t", QoS::AtLeastOnce))).unwrap();
    assert_eq!(world.run(receipt), Ok(ReasonCode::NoMatchingSubscribers));
    assert_eq!(world.lines.len(), 1);
}

/// Whom a goodbye finds silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silence {
    NoAddress,
    NoAnswer,
    NoConnack,
    Gone,
}

#[test]
fn a_goodbye_to_somebody_who_never_answered_is_over_at_once() {
    for silence in [Silence::NoAddress, Silence::NoAnswer, Silence::NoConnack, Silence::Gone] {
        let mut world = World::new();
        let (release, released) = channel::<()>();
        let released = std::sync::Mutex::new(released);
        let lookup = move |_: &str, _: u16| {
            let _ = released.lock().unwrap().recv();
            Ok(vec![])
        };
        world.clients.mailbox().post(Post::Call(Box::new(move |clients: &mut Clients, _| {
            clients.resolver = Resolver::of(Arc::new(lookup));
        })));
        if silence == Silence::NoAnswer {
            world.network.ignore(server());
        }
        let host = if silence == Silence::NoAddress { "nowhere.example" } else { SERVER };
        let client = world.maker.client(Config::default(), vec![Endpoint::new(host, 1883)], [1; 32]);
        let mut wire = None;
        match silence {
            Silence::NoAddress | Silence::NoAnswer => world.turn(),
            Silence::NoConnack => wire = Some(world.accept()),
            Silence::Gone => {
                world.settle();
                world.network.unlisten(server());
                world.cut();
                world.settle();
            }
        }
        assert_eq!(world.network.ignored(), usize::from(silence == Silence::NoAnswer));
        let asked = client.subscribe(&all("t"), None).unwrap();
        client.disconnect(HOUR, ReasonCode::Success).unwrap();
        world.turn();
        assert_eq!(world.end(&client).cause, Cause::Ended, "{silence:?}");
        assert!(matches!(poll(pin!(asked)), Poll::Ready(Err(Error::Ended(_)))), "{silence:?}");
        assert_eq!(world.network.ignored(), 0, "{silence:?}: the attempt is given up");
        if let Some(wire) = wire {
            assert!(wire.is_closed(), "{silence:?}");
            assert!(wire.received().ends_with(&[0xe0, 0]), "it hears that its will is not to be published");
        }
        // A name that is found too late is found for nobody.
        drop(release);
        world.turn();
        assert!(world.network.accept().is_none());
    }
}

#[test]
fn a_goodbye_to_a_server_that_has_stopped_takes_no_time() {
    let (mut world, client, wire) = faults::quiet(|_| {});
    client.disconnect(HOUR, ReasonCode::Success).unwrap();
    world.turn();
    assert!(wire.is_finished() && !wire.is_closed(), "it may have to say something");
    let at = world.network.now().after(Duration::from_millis(100));
    world.network.set_now(at);
    world.turn();
    assert_eq!(world.end(&client).cause, Cause::Ended);
    assert!(wire.is_closed());
}

#[test]
fn a_loop_that_shuts_down_does_not_wait_for_silent_servers() {
    let mut world = World::new();
    world.network.ignore(server());
    let _client = world.client("a", |_| {});
    world.turn();
    let deadline = world.network.now().after(HOUR);
    world.clients.mailbox().post(Post::Shutdown(deadline));
    for _ in 0..10 {
        if world.clients.turn() == Turn::Ended {
            return;
        }
    }
    panic!("it waits for a server that has never answered");
}
