//! Programs in the loop.
use super::*;
use crate::clients::Resident;
use std::sync::Mutex;
use tidewire_core::client::{self, Event, Stage};

/// What a program has seen, as the test sees it.
#[derive(Default)]
struct Seen {
    turns: usize,
    came: Vec<String>,
    acknowledged: usize,
    /// The system's words at each end of a connection or attempt.
    errors: Vec<Option<String>>,
    has_ended: bool,
}

/// Subscribes, publishes so many of which each is under way alone, and says goodbye when all have come back.
struct Echo {
    seen: Arc<Mutex<Seen>>,
    left: usize,
}

impl Resident for Echo {
    fn turn(&mut self, now: Instant, client: &mut client::Client, error: Option<&str>) {
        let mut seen = self.seen.lock().unwrap();
        while let Some(event) = client.poll_event() {
            match event {
                Event::Connected { .. } => drop(client.subscribe(&all("t"), None).unwrap()),
                Event::Subscribed(..) => drop(client.publish(now, to("t", QoS::AtLeastOnce)).unwrap()),
                Event::Progress(_, Stage::Acknowledged(_)) => seen.acknowledged += 1,
                Event::Disconnected(_) => seen.errors.push(error.map(Into::into)),
                Event::Ended(_) => seen.has_ended = true,
                _ => {}
            }
        }
        while let Some(message) = client.poll_message(now) {
            seen.came.push(message.topic.as_str().into());
            self.left -= 1;
            match self.left {
                0 => client.disconnect(now, now.after_secs(10), ReasonCode::Success).unwrap(),
                _ => drop(client.publish(now, to("t", QoS::AtLeastOnce)).unwrap()),
            }
        }
    }
}

impl World {
    fn resident(&self, id: &str, resident: impl Resident, change: impl Fn(&mut Config)) {
        let mut config = Config::default();
        config.client_id = id.into();
        change(&mut config);
        self.maker.resident(config, vec![Endpoint::new(SERVER, 1883)], [1; 32], resident);
    }
}

#[test]
fn a_program_in_the_loop_needs_nobody_outside_and_goes_when_it_has_said_goodbye() {
    let mut world = World::new();
    let seen = Arc::<Mutex<Seen>>::default();
    world.resident("a", Echo { seen: Arc::clone(&seen), left: 500 }, |_| {});
    world.settle();
    let told = seen.lock().unwrap();
    assert_eq!((told.came.len(), told.acknowledged, told.has_ended), (500, 500, true));
    drop(told);
    assert_eq!((world.lines.len(), Arc::strong_count(&seen)), (0, 1), "nothing of it is left");
}

#[test]
fn it_is_told_in_the_systems_words_why_there_is_no_connection() {
    let mut world = World::new();
    world.network.unlisten(server());
    let seen = Arc::<Mutex<Seen>>::default();
    world.resident("a", Echo { seen: Arc::clone(&seen), left: 1 }, |config| config.reconnect = false);
    world.settle();
    let told = seen.lock().unwrap();
    assert!(told.has_ended && told.errors.len() == 1);
    assert!(told.errors[0].as_ref().is_some_and(|error| error.contains("refused")), "{:?}", told.errors);
    drop(told);
    assert_eq!(Arc::strong_count(&seen), 1, "and it is gone");
}

/// Publishes whenever it may.
struct Endless(Arc<Mutex<Seen>>);

impl Resident for Endless {
    fn turn(&mut self, now: Instant, client: &mut client::Client, _: Option<&str>) {
        let mut seen = self.0.lock().unwrap();
        seen.turns += 1;
        assert!(seen.turns < 10, "others of the loop have their turn as well");
        while client.poll_event().is_some() {}
        if client.server().is_some() {
            let _ticket = client.publish(now, to("t", QoS::AtMostOnce)).unwrap();
        }
    }
}

#[test]
fn whoever_publishes_without_end_has_one_turn_after_the_other() {
    let mut world = World::new();
    let seen = Arc::<Mutex<Seen>>::default();
    let listener = world.client("b", |_| {});
    let _granted = world.run(listener.subscribe(&all("t"), None).unwrap()).unwrap();
    world.resident("a", Endless(Arc::clone(&seen)), |_| {});
    let mut came = 0;
    for _ in 0..1000 {
        assert!(world.step(), "it goes on");
        seen.lock().unwrap().turns = 0;
        while let Poll::Ready(Some(notice)) = poll(pin!(listener.recv())) {
            came += usize::from(matches!(notice, Notice::Message(_)));
        }
    }
    assert!(came > 500, "{came}");
}

/// Counts its turns, of which it wants one each ten seconds.
struct Clockwork {
    seen: Arc<Mutex<Seen>>,
    next: Option<Instant>,
}

impl Resident for Clockwork {
    fn turn(&mut self, now: Instant, client: &mut client::Client, _: Option<&str>) {
        while client.poll_event().is_some() {}
        self.seen.lock().unwrap().turns += 1;
        if self.next.is_none_or(|next| next <= now) {
            self.next = Some(now.after_secs(10));
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

#[test]
fn it_has_a_turn_when_it_is_time_and_when_it_is_woken() {
    let mut world = World::new();
    let seen = Arc::<Mutex<Seen>>::default();
    let clockwork = Clockwork { seen: Arc::clone(&seen), next: None };
    world.resident("a", clockwork, |config| config.keep_alive_seconds = 0);
    world.settle();
    let turns = || std::mem::take(&mut seen.lock().unwrap().turns);
    assert!(turns() > 0, "it was let in");
    world.wait(Duration::from_secs(9));
    assert_eq!(turns(), 0);
    world.wait(Duration::from_secs(1));
    assert_eq!(turns(), 1);
    world.maker.wake_residents();
    world.settle();
    assert_eq!(turns(), 1);
    world.wait(Duration::from_secs(10));
    assert_eq!(turns(), 1);
}

/// Takes what there is, and counts.
struct Listens(Arc<Mutex<Seen>>);

impl Resident for Listens {
    fn turn(&mut self, now: Instant, client: &mut client::Client, error: Option<&str>) {
        let mut seen = self.0.lock().unwrap();
        seen.turns += 1;
        while let Some(event) = client.poll_event() {
            if let Event::Disconnected(cause) = event {
                seen.errors.push(error.map(|error| format!("{cause:?}: {error}")));
            }
        }
        while let Some(message) = client.poll_message(now) {
            seen.came.push(message.topic.as_str().into());
        }
    }
}

/// Reading is held because the server does not read our answers; it goes on while these are sent, and nothing else happens.
#[test]
fn what_is_read_on_while_something_is_sent_is_told_at_once() {
    let mut world = World::new();
    let seen = Arc::<Mutex<Seen>>::default();
    world.resident("a", Listens(Arc::clone(&seen)), |_| {});
    let wire = world.accepts();
    drop(wire.received());
    world.says(&wire, &[0x20, 3, 0, 0, 0]);
    let pubrel = [0x62, 2, 0, 7];
    world.says(&wire, &[&pubrel.repeat(20_000)[..], &[0x30, 4, 0, 1, b't', 0]].concat());
    assert_eq!(seen.lock().unwrap().came, ["t"]);
}

#[test]
fn the_error_of_an_earlier_attempt_is_not_that_of_a_later_one() {
    let mut world = World::new();
    world.network.unlisten(server());
    let seen = Arc::<Mutex<Seen>>::default();
    world.resident("a", Listens(Arc::clone(&seen)), |config| config.reconnect_at_first = true);
    world.rests();
    world.network.ignore(server());
    for _ in 0..60 {
        world.network.set_now(world.network.now().after(Duration::from_secs(1)));
        world.rests();
    }
    let errors = std::mem::take(&mut seen.lock().unwrap().errors);
    assert!(errors[0].as_ref().is_some_and(|error| error.contains("refused")), "{errors:?}");
    assert!(errors.len() > 1 && errors[1].is_none(), "{errors:?}");
}

/// Wants a turn that it should have had long ago, always.
struct Overdue(Arc<Mutex<Seen>>);

impl Resident for Overdue {
    fn turn(&mut self, _: Instant, client: &mut client::Client, _: Option<&str>) {
        while client.poll_event().is_some() {}
        let mut seen = self.0.lock().unwrap();
        seen.turns += 1;
        assert!(seen.turns < 10, "others of the loop have their turn as well");
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(Instant::from_secs(1))
    }
}

#[test]
fn whoever_is_always_late_has_one_turn_after_the_other() {
    let mut world = World::new();
    let seen = Arc::<Mutex<Seen>>::default();
    world.resident("a", Overdue(Arc::clone(&seen)), |_| {});
    for _ in 0..100 {
        assert!(world.step(), "it goes on");
        assert!(std::mem::take(&mut seen.lock().unwrap().turns) > 0);
    }
}

/// Connects again whenever it has ended.
struct Persists(Arc<Mutex<Seen>>);

impl Resident for Persists {
    fn turn(&mut self, now: Instant, client: &mut client::Client, _: Option<&str>) {
        while let Some(event) = client.poll_event() {
            if let Event::Ended(_) = event {
                self.0.lock().unwrap().turns += 1;
                client.connect(now);
            }
        }
    }
}

#[test]
fn nobody_comes_back_into_a_loop_that_ends() {
    let mut world = World::new();
    let seen = Arc::<Mutex<Seen>>::default();
    world.network.unlisten(server());
    world.resident("a", Persists(Arc::clone(&seen)), |config| config.reconnect = false);
    world.network.listen(server());
    world.settle();
    assert_eq!(world.lines.len(), 1, "it has come back once");
    let deadline = world.network.now().after_secs(30);
    world.clients.mailbox().post(Post::Shutdown(deadline));
    world.settle();
    assert!(world.is_over());
    assert_eq!(Arc::strong_count(&seen), 1);
}
