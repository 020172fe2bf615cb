//! Authentications in several steps, with a server that says just what a test wants.
use super::*;
use crate::client::{self, Challenge, Invalid, Reconnect};
use std::sync::Mutex;
use tidewire_core::client::Credentials;
use tidewire_core::version::Version;

/// Challenges that nobody has answered.
type Asked = Arc<Mutex<Vec<Challenge>>>;

const METHOD: &[u8] = b"\x15\0\x05STEPS";

/// With Authentication Method and Authentication Data.
fn packet(head: &[u8], data: &[u8]) -> Vec<u8> {
    let properties = [METHOD, &[0x16, 0, u8::try_from(data.len()).unwrap()], data].concat();
    let length = u8::try_from(properties.len()).unwrap();
    let body = [&head[1..], &[length], &properties].concat();
    [&[head[0], u8::try_from(body.len()).unwrap()], &*body].concat()
}

fn auth(data: &[u8]) -> Vec<u8> {
    packet(&[0xf0, 0x18], data)
}

fn connack(data: &[u8]) -> Vec<u8> {
    packet(&[0x20, 0, 0], data)
}

impl World {
    fn steps(&self, asked: &Asked) -> client::Connect {
        let kept = Arc::clone(asked);
        let clients = client::Clients::of(self.maker.clone());
        let connect =
            clients.connect(format!("mqtt://{SERVER}")).client_id("a").credentials("me", b"pw".as_slice());
        connect.authentication("STEPS", move |challenge| kept.lock().unwrap().push(challenge))
    }

    fn answers(&mut self, asked: &Asked, expected: (&[u8], bool), data: &[u8]) {
        let challenge = asked.lock().unwrap().pop().expect("somebody is asked");
        assert_eq!((&*challenge.data, challenge.is_first), expected);
        challenge.answer(data);
        self.rests();
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn each_step_is_asked_for_and_answered_whenever_it_is_known() {
    let mut world = World::new();
    let asked = Asked::default();
    let client = world.steps(&asked).start().unwrap();
    for attempt in 0..2 {
        let wire = world.accepts();
        assert_eq!(wire.received(), b"", "CONNECT waits for the first step");
        world.answers(&asked, (b"", true), b"client-first");
        let connect = wire.received();
        let parts = [METHOD, b"\x16\0\x0cclient-first", b"\0\x02me", b"\0\x02pw"];
        assert!(parts.iter().all(|part| has(&connect, part)), "{connect:x?}");
        assert_eq!(world.says(&wire, &auth(b"challenge")), b"", "it waits for the next one");
        world.answers(&asked, (b"challenge", false), b"proof");
        assert_eq!(wire.received(), auth(b"proof"));
        assert!(client.server().is_none());
        assert_eq!(world.says(&wire, &connack(b"verifier")), b"");
        let server = client.server().expect("it is let in");
        assert_eq!(server.properties().authentication_data(), Some(&b"verifier"[..]));
        // Every connection has its own.
        wire.reset();
        world.rests();
        if attempt == 0 {
            world.network.set_now(world.network.now().after(Duration::from_secs(60)));
        }
    }
}

#[test]
fn what_nobody_answers_or_can_send_gives_the_attempt_up_and_the_next_one_begins_anew() {
    let mut world = World::new();
    let asked = Asked::default();
    let client = world.steps(&asked).start().unwrap();
    for (step, too_much) in [(1, false), (1, true), (2, false), (2, true)] {
        let wire = world.accepts();
        if step == 2 {
            world.answers(&asked, (b"", true), b"first");
            world.says(&wire, &auth(b"second"));
        }
        let challenge = asked.lock().unwrap().pop().expect("somebody is asked");
        if too_much {
            challenge.answer(vec![0; 65_536]);
        } else {
            drop(challenge);
        }
        world.rests();
        assert!(wire.is_closed() && client.server().is_none());
        assert!(step == 2 || wire.received().is_empty(), "there is no CONNECT without the first step");
        world.network.set_now(world.network.now().after(Duration::from_secs(60)));
    }
    // An answer to what has ended meanwhile is nobody's.
    let wire = world.accepts();
    let late = asked.lock().unwrap().pop().expect("the first step");
    wire.reset();
    world.rests();
    late.answer(*b"late");
    world.network.set_now(world.network.now().after(Duration::from_secs(60)));
    let wire = world.accepts();
    assert_eq!(wire.received(), b"");
}

#[test]
fn a_wrong_proof_is_a_refusal() {
    let mut world = World::new();
    let asked = Asked::default();
    let mut connecting = pin!(world.steps(&asked).reconnect(Reconnect::Never).into_future());
    assert!(poll(connecting.as_mut()).is_pending());
    let wire = world.accepts();
    world.answers(&asked, (b"", true), b"first");
    world.says(&wire, &[0x20, 3, 0, 0x87, 0]);
    wire.finish();
    world.rests();
    let Poll::Ready(Err(client::Error::Refused(refusal))) = poll(connecting) else { panic!("a refusal") };
    assert_eq!(refusal.reason, ReasonCode::NotAuthorized);
}

#[test]
fn it_needs_5_0_and_falls_back_to_nothing_older() {
    let mut world = World::new();
    let asked = Asked::default();
    let older = world.steps(&asked).version(Version::V3_1_1).start();
    assert_eq!(older.unwrap_err(), client::Error::Invalid(Invalid::Option("authentication")));
    let client = world.steps(&asked).start().unwrap();
    let wire = world.accepts();
    world.answers(&asked, (b"", true), b"first");
    world.says(&wire, &[0x20, 2, 0, 1]);
    wire.finish();
    world.network.set_now(world.network.now().after(Duration::from_secs(100)));
    world.rests();
    assert!(client.server().is_none() && world.network.accept().is_none(), "it has ended");
}

#[test]
fn a_late_answer_to_who_it_is_begins_nothing() {
    let mut world = World::new();
    let (asked, asks) = (Asked::default(), Arc::<Mutex<Vec<client::Ask>>>::default());
    let kept = Arc::clone(&asks);
    let connect = world.steps(&asked).credentials_from(move |ask| kept.lock().unwrap().push(ask));
    let _client = connect.start().unwrap();
    let wire = world.accepts();
    let ask = asks.lock().unwrap().pop().expect("somebody is asked");
    wire.reset();
    world.rests();
    ask.answer(Credentials::new("me", b"pw"));
    world.rests();
    assert!(asked.lock().unwrap().is_empty());
}

/// It lets us in, or says that all is well, while it is our turn; or all is well before it lets us in. (Section 4.12)
#[test]
fn a_server_that_skips_a_step_is_left() {
    for says in [connack(b""), packet(&[0xf0, 0], b"x")] {
        for is_our_turn in [true, false] {
            if !is_our_turn && says[0] == 0x20 {
                continue;
            }
            let mut world = World::new();
            let asked = Asked::default();
            let client = world.steps(&asked).start().unwrap();
            let wire = world.accepts();
            world.answers(&asked, (b"", true), b"first");
            if is_our_turn {
                world.says(&wire, &auth(b"challenge"));
            }
            world.says(&wire, &says);
            assert!(wire.is_finished() || wire.is_closed(), "{says:x?}");
            assert!(client.server().is_none());
        }
    }
}
