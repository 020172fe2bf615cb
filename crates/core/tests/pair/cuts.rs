//! One script, cut at each byte of it in either direction.
use crate::judge::judge;
use crate::pair::{Cut, Pair};
use tidewire_core::client::{Config, SessionLost};
use tidewire_core::version::Version;

pub(crate) fn config(version: Version, keeps: bool, policy: SessionLost) -> Config {
    let mut config = Config::default();
    config.client_id = "pair".into();
    config.version = Some(version);
    config.session_expiry_seconds = if keeps { 3600 } else { 0 };
    config.session_lost = policy;
    config.filters_per_packet = 2;
    config
}

/// What happens to the server when the line is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Keeps,
    Forgets,
}

/// Messages in both directions, one after the other; `after` is told how many bytes have passed, and may cut.
fn script(pair: &mut Pair, mut after: impl FnMut(&mut Pair)) {
    let mut steps = 0;
    loop {
        match steps {
            // In packets of two.
            0 => pair.subscribe_all(&["down/#", "s/0", "s/1", "s/2"]),
            1 => pair.unsubscribe_all(&["s/1", "s/0", "s/nobody"]),
            3..6 => pair.publish(u8::try_from(steps - 3).unwrap()),
            6..9 if !pair.requests.values().any(|done| !done) => {
                pair.server_publishes(u8::try_from(steps - 6).unwrap());
            }
            9 => pair.publish(2),
            10 => pair.publish(1),
            _ => {}
        }
        steps += 1;
        pair.open();
        // Byte by byte, in turn.
        while pair.up(1) {
            after(pair);
        }
        while pair.down(1) {
            after(pair);
        }
        pair.take();
        if steps > 30 {
            return;
        }
    }
}

fn run(version: Version, keeps: bool, policy: SessionLost, server: Server, how: Cut, at: [usize; 2]) {
    let mut pair = Pair::new(config(version, keeps, policy));
    let mut done = false;
    script(&mut pair, |pair| {
        let there = pair.passed[0] >= at[0] && pair.passed[1] >= at[1];
        if there && !std::mem::replace(&mut done, true) {
            match server {
                Server::Keeps => pair.cut(how),
                Server::Forgets => pair.server_restarts(),
            }
        }
    });
    pair.settle();
    let case = format!("{version:?}, keeps {keeps}, {policy:?}, {server:?}, {how:?} at {at:?}");
    judge(&pair, policy, keeps).unwrap_or_else(|fault| panic!("{case}: {fault}"));
}

#[test]
fn cut_at_each_byte_nothing_is_lost_and_every_ticket_ends() {
    let mut cases = 0;
    for version in [Version::V3_1_1, Version::V5] {
        for keeps in [true, false] {
            for policy in [SessionLost::SendAsNew, SessionLost::Fail] {
                let mut whole = Pair::new(config(version, keeps, policy));
                script(&mut whole, |_| {});
                let [up, down] = whole.passed;
                assert!(up > 60 && down > 60, "the script is played: {up} and {down} bytes");
                let ats = (1..=up).map(|n| [n, 0]).chain((1..=down).map(|n| [0, n]));
                for at in ats {
                    for (server, how) in [
                        (Server::Keeps, Cut::Reset),
                        (Server::Keeps, Cut::Fin),
                        (Server::Forgets, Cut::Reset),
                    ] {
                        run(version, keeps, policy, server, how, at);
                        cases += 1;
                    }
                }
            }
        }
    }
    assert!(cases > 2000, "{cases}");
}
