//! A bridge of mosquitto to our broker, with its defaults: what is published on either side arrives on the other.
use super::mosquitto::{Clients, PATIENCE, gets};
use crate::Result;
use crate::count::Count;
use crate::servers::Mosquitto;
use std::net::SocketAddr;

/// What the broker makes of the bit by which a bridge makes itself known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// `--lenient bridge_level`: what it asks for.
    Taken,
    /// Nothing: it is refused, and the bridge comes back without.
    Refused,
}

type Check = fn(&Sides<'_>) -> Result;

const CHECKS: [(&str, Check); 4] = [
    ("every QoS goes out and comes in", every_qos),
    ("what is retained on its way out is kept", retained_outward),
    ("what is retained on its way in is kept", retained_inward),
    ("what goes both ways does not come back", both_ways),
];

pub(super) fn taken_at_its_level(broker: SocketAddr) -> Result<Count> {
    all(broker, Level::Taken)
}

pub(super) fn as_it_comes(broker: SocketAddr) -> Result<Count> {
    all(broker, Level::Refused)
}

fn all(broker: SocketAddr, level: Level) -> Result<Count> {
    let ours = Clients { broker, version: "mqttv311" };
    // There before the bridge is.
    ours.publish(&["-t", "in/before", "-r", "-q", "1", "-m", "before"])?;
    let mosquitto = Mosquitto::start(&format!(
        "allow_anonymous true\nconnection ours\naddress {broker}\n\
         topic out/# out 2\ntopic in/# in 2\ntopic both/# both 2"
    ))?;
    let theirs = Clients { broker: mosquitto.address, version: "mqttv311" };
    is_connected(&ours)?;
    let sides = Sides { ours, theirs, level };
    let mut count = Count::default();
    for (name, check) in CHECKS {
        count += match check(&sides) {
            Ok(()) => Count::PASSED,
            Err(error) => {
                println!("{name}: {error}");
                Count::FAILED
            }
        };
    }
    Ok(count)
}

struct Sides<'a> {
    ours: Clients<'a>,
    theirs: Clients<'a>,
    level: Level,
}

/// It says so itself, where only it may.
fn is_connected(ours: &Clients<'_>) -> Result {
    let state = ours.subscribe(&["-t", "$SYS/broker/connection/+/state"])?;
    let says_one = |line: &str| (line.starts_with("GOT ") && line.ends_with("/state 1")).then_some(());
    state.wait_for(PATIENCE, says_one).ok_or("the bridge does not say that it is connected")?;
    Ok(())
}

fn every_qos(sides: &Sides<'_>) -> Result {
    let Sides { ours, theirs, .. } = sides;
    for (from, to, topic) in [(theirs, ours, "out/qos"), (ours, theirs, "in/qos")] {
        let subscriber = to.subscribe(&["-t", topic, "-q", "2"])?;
        for qos in ["0", "1", "2"] {
            from.publish(&["-t", topic, "-q", qos, "-m", "hello"])?;
            gets(&subscriber, &format!("{qos} 0 {topic} hello"))?;
        }
    }
    Ok(())
}

/// Live, and then kept.
fn retained_outward(sides: &Sides<'_>) -> Result {
    let Sides { ours, theirs, .. } = sides;
    let live = ours.subscribe(&["-t", "out/kept", "-q", "1"])?;
    theirs.publish(&["-t", "out/kept", "-q", "1", "-r", "-m", "kept"])?;
    gets(&live, "1 0 out/kept kept")?;
    gets(&ours.subscribe(&["-t", "out/kept", "-q", "1"])?, "1 1 out/kept kept")
}

/// What was there before it came is kept in any case. What comes live has RETAIN only for who has asked for messages
/// as they were published.
fn retained_inward(sides: &Sides<'_>) -> Result {
    let Sides { ours, theirs, level } = sides;
    gets(&theirs.subscribe(&["-t", "in/before", "-q", "1"])?, "1 1 in/before before")?;
    let live = theirs.subscribe(&["-t", "in/kept", "-q", "1"])?;
    ours.publish(&["-t", "in/kept", "-q", "1", "-r", "-m", "kept"])?;
    gets(&live, "1 0 in/kept kept")?;
    let later = theirs.subscribe(&["-t", "in/kept", "-q", "1"])?;
    if *level == Level::Taken {
        return gets(&later, "1 1 in/kept kept");
    }
    theirs.publish(&["-t", "in/kept", "-q", "1", "-m", "the first that comes"])?;
    gets(&later, "1 0 in/kept the first that comes")
}

fn both_ways(sides: &Sides<'_>) -> Result {
    let Sides { ours, theirs, level } = sides;
    let (here, there) =
        (ours.subscribe(&["-t", "both/#", "-q", "1"])?, theirs.subscribe(&["-t", "both/#", "-q", "1"])?);
    for (n, from) in [theirs, ours, theirs, ours].into_iter().enumerate() {
        from.publish(&["-t", "both/t", "-q", "1", "-m", &n.to_string()])?;
        let once = format!("1 0 both/t {n}");
        gets(&here, &once)?;
        gets(&there, &once)?;
        if *level == Level::Refused && std::ptr::eq(from, theirs) {
            // Before 5.0 there is no other way to ask for none of one's own: it comes back, and stops there.
            gets(&there, &once)?;
        }
    }
    Ok(())
}
