//! Faults that were found, each with what shows it.
use super::super::FEW;
use super::*;

/// Both are said before the loop turns: the end of the one is taken for the end of the other.
#[test]
fn whoever_goes_and_comes_back_at_once_is_not_gone() {
    let mut world = World::new();
    world.network.unlisten(server());
    let client = world.client("a", |_| {});
    world.settle();
    client.disconnect(Duration::ZERO, ReasonCode::Success).unwrap();
    client.connect().unwrap();
    world.network.listen(server());
    world.settle();
    assert_eq!(world.lines.len(), 1, "it is connected");
    let receipt = world.run(client.publish(to("t", QoS::AtLeastOnce))).unwrap();
    drop(client);
    // Its place must not be given away while its socket stands there.
    let _other = world.client("b", |_| {});
    world.settle();
    let mut receipt = pin!(receipt);
    assert!(poll(receipt.as_mut()).is_ready(), "its receipt ends");
}

/// The application publishes from where it receives, and waits for room there; with an inbox that has room for little, and
/// for much.
#[test]
fn publishing_from_the_receiver_never_locks() {
    for inbox_messages in [4, 1024] {
        let mut world = World::new();
        let client = world.client("a", |config| {
            config.outbox_messages = 1;
            config.in_flight = 1;
            config.inbox_messages = inbox_messages;
        });
        let _granted = world.run(client.subscribe(&all("#"), None).unwrap()).unwrap();
        world.run(async {
            drop(client.publish(to("seed", QoS::AtLeastOnce)).await.unwrap());
            for n in 0..1000 {
                let _ = message(&client).await;
                // Two for each, until there are many: notices lie ready while it waits here.
                for _ in 0..if n < 600 { 2 } else { 1 } {
                    drop(client.publish(to("t", QoS::AtLeastOnce)).await.unwrap());
                }
            }
        });
    }
}

/// One answer that never comes, and QoS 0 that goes on.
#[test]
fn what_has_ended_is_forgotten_though_an_older_one_has_not() {
    let mut world = World::new();
    let client = world.client("a", |config| config.keep_alive_seconds = 0);
    world.settle();
    let (wire, _peer) = world.lines.pop().unwrap();
    let _receipt = world.run(client.publish(to("t", QoS::AtLeastOnce))).unwrap();
    for _ in 0..10_000 {
        let sent = world.run(client.publish(to("t", QoS::AtMostOnce))).unwrap();
        assert!(world.run(sent).is_ok());
        let _ = wire.received();
    }
    let (tell, told) = std::sync::mpsc::channel();
    world.clients.mailbox().post(Post::Call(Box::new(move |clients: &mut Clients, _| {
        tell.send(clients.members[0].as_ref().unwrap().tickets.places()).unwrap();
    })));
    world.settle();
    let places = told.recv().unwrap();
    assert!(places < 1000, "{places} places are kept for one");
}

/// Attempts to publish that were given up, each in a task of its own.
#[test]
fn whoever_no_longer_waits_for_room_is_forgotten() {
    struct Task;
    impl std::task::Wake for Task {
        fn wake(self: Arc<Self>) {}
    }
    let mut world = World::new();
    world.network.unlisten(server());
    let client = world.client("a", |config| config.outbox_messages = 1);
    world.settle();
    let _receipt = world.run(client.publish(to("t", QoS::AtLeastOnce))).unwrap();
    let task = Arc::new(Task);
    let waker = Waker::from(Arc::clone(&task));
    {
        let mut future = pin!(client.publish(to("t", QoS::AtLeastOnce)));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(waker);
    assert_eq!(Arc::strong_count(&task), 1, "its waker is kept, for ever while nothing ends");
}

/// A client that comes back during a shutdown is not one of those that it waits for.
#[test]
fn nobody_comes_back_during_a_shutdown() {
    let mut world = World::new();
    let client = world.client("a", |_| {});
    let busy = world.client("b", |config| config.session_expiry_seconds = 100);
    world.settle();
    world.network.unlisten(server());
    world.cut();
    let _open = world.run(busy.publish(to("t", QoS::AtLeastOnce))).unwrap();
    let deadline = world.network.now().after_secs(60);
    world.clients.mailbox().post(Post::Shutdown(deadline));
    world.settle();
    world.network.listen(server());
    client.connect().unwrap_or_default();
    world.settle();
    assert_eq!(world.lines.len(), 0, "no new connection is made in the end");
}

/// PUBLISH of 5.0 with QoS 0 and a payload of so many bytes.
fn published(payload: usize) -> Vec<u8> {
    let mut packet = vec![0x30];
    let mut left = payload + 4;
    while left > 0x7f {
        packet.push(u8::try_from(left % 0x80).unwrap() | 0x80);
        left /= 0x80;
    }
    packet.push(u8::try_from(left).unwrap());
    packet.extend([0, 1, b't', 0]);
    packet.resize(packet.len() + payload, b'x');
    packet
}

/// A client that is connected, and the wire to it. Nothing happens any more unless a test does it: no timer is due, and
/// nobody answers.
pub(super) fn quiet(change: impl Fn(&mut Config)) -> (World, Client, Wire) {
    let mut world = World::new();
    let client = world.client("a", |config| {
        config.keep_alive_seconds = 0;
        change(config);
    });
    world.settle();
    assert!(matches!(poll(pin!(client.recv())), Poll::Ready(Some(Notice::Connected { .. }))));
    let (wire, _peer) = world.lines.pop().unwrap();
    (world, client, wire)
}

#[test]
fn what_comes_behind_a_message_that_filled_the_inbox_is_read() {
    for (inbox, payload) in [(1, 1), (8, 6), (8, 7), (8, 8), (1000, 300_000), (0, 1)] {
        let (mut world, client, wire) = quiet(|config| config.inbox_bytes = inbox);
        wire.send(&published(payload));
        world.settle();
        wire.send(&published(1));
        world.settle();
        for _ in 0..2 {
            assert_eq!(world.run(message(&client)), "t", "an inbox of {inbox}, a payload of {payload}");
        }
    }
}

/// What was sent meanwhile lies in the machine and in the socket; whatever of it the application takes, the rest follows.
#[test]
fn whoever_was_busy_gets_all_that_came_meanwhile() {
    const MESSAGES: usize = 500;
    let (mut world, client, wire) = quiet(|config| config.inbox_bytes = 1024 * 1024);
    for _ in 0..MESSAGES {
        wire.send(&published(30_000));
        world.settle();
    }
    for _ in 0..MESSAGES {
        assert_eq!(world.run(message(&client)), "t");
    }
}

#[test]
fn what_lies_ready_is_bounded_in_bytes() {
    let (mut world, client, wire) = quiet(|config| config.inbox_bytes = 1_000_000);
    for _ in 0..200 {
        wire.send(&published(100_000));
        world.settle();
    }
    let taken = 200 - wire.unread() / 100_000;
    assert!(taken < 40, "{taken} of 200 messages were taken from a server that nobody listens to");
    for _ in 0..200 {
        assert_eq!(world.run(message(&client)), "t");
    }
}

#[test]
fn room_for_many_commands_goes_from_one_busy_client_to_the_next() {
    let mut world = World::new();
    let [busy, quiet] = ["busy", "quiet"].map(|id| world.client(id, |_| {}));
    for client in [&busy, &quiet] {
        // All of them before the loop has its turn; a quiet one has a few.
        let many = if std::ptr::eq(client, &busy) { 2 * FEW } else { 1 };
        for _ in 0..many {
            assert!(poll(pin!(client.publish(to("t", QoS::AtMostOnce)))).is_ready());
        }
        world.settle();
    }
    let (tell, told) = std::sync::mpsc::channel();
    world.clients.mailbox().post(Post::Call(Box::new(move |clients: &mut Clients, _| {
        tell.send(clients.commands.capacity()).unwrap();
    })));
    world.settle();
    assert!(told.recv().unwrap() > FEW, "a quiet one has not thrown it away");
}
