//! What must be true when all is said and done.
use crate::pair::Pair;
use tidewire_core::client::{Cause, SessionLost, Stage, Withdrawn};
use tidewire_core::reason::ReasonCode;

/// What is wrong, if anything is. All tickets have had the time to end.
pub(crate) fn judge(pair: &Pair, policy: SessionLost, keeps: bool) -> Result<(), String> {
    // A session that ends with its connection is lost at each cut.
    let lost = pair.losses > 0 || !keeps;
    let mut last = [None; 3];
    for (number, message) in pair.published.iter().enumerate() {
        let came = pair.arrived.iter().filter(|n| **n == number).count();
        let tell = |what: &str| Err(format!("m{number} came {came} times: {what}: {message:?}"));
        if message.ended.is_none() {
            return tell("its ticket is open for ever");
        }
        let end = message.stages.last().copied();
        // It gave up, or its program did: nobody was promised anything.
        let gave_up =
            message.forgotten || message.withdrawn.is_some() || end == Some(Stage::Ended(Cause::Ended));
        if message.withdrawn == Some(Withdrawn::Unsent) && came > 0 {
            return tell("it was never sent");
        }
        let failed = matches!(end, Some(Stage::Failed(_) | Stage::Ended(_)));
        match message.qos {
            0 if came > 1 => return tell("QoS 0"),
            1 | 2 if came == 0 && !failed && !gave_up => return tell("it is lost"),
            1 if failed && !gave_up => return tell("QoS 1 never fails here"),
            2 if came > 1 && !pair.blind && (!lost || policy == SessionLost::Fail) => {
                return tell("it is doubled");
            }
            2 if failed && !gave_up && (!lost || policy == SessionLost::SendAsNew) => {
                return tell("it failed");
            }
            _ => {}
        }
        // Only a PUBREL that goes out again may find its exchange over: the PUBCOMP was lost with a connection.
        let again = message.ended_on > message.received_on;
        let unknown = end == Some(Stage::Released(ReasonCode::PacketIdentifierNotFound));
        if message.qos == 2 && unknown && !lost && !again {
            return tell("nobody had forgotten it");
        }
        let first = pair.arrived.iter().position(|n| *n == number);
        if let (Some(first), last) = (first, &mut last[usize::from(message.qos)]) {
            if last.is_some_and(|last| last > first) {
                return Err(format!("m{number} came too early: {:?}", pair.arrived));
            }
            *last = Some(first);
        }
    }
    if pair.requests.values().any(|done| !done) {
        return Err("a request waits for ever".to_owned());
    }
    let subscriptions = usize::try_from(pair.broker.stats().subscriptions - 1).unwrap();
    let granted = pair.granted.as_ref().filter(|_| !pair.blind);
    if let Some(granted) = granted.filter(|granted| granted.len() != subscriptions) {
        return Err(format!("the server knows {subscriptions} subscriptions, the application {granted:?}"));
    }
    downward(pair, lost)
}

/// From the server to the client, as long as the server keeps the session.
fn downward(pair: &Pair, lost: bool) -> Result<(), String> {
    let mut last = [None; 3];
    for (number, qos) in pair.told.iter().enumerate() {
        let heard: Vec<_> = pair.heard.iter().filter(|(n, ..)| *n == number).collect();
        let tell = |what: &str| Err(format!("m{number} of the server, QoS {qos}: {what}: {:?}", pair.heard));
        let passed_over = pair.passed_over.get(&number).copied().unwrap_or_default();
        // A program that was started again does not know what it had.
        let most = if *qos == 1 || pair.restarts > 0 { usize::MAX } else { 1 + passed_over };
        if heard.len() > most {
            return tell("the application had it twice");
        }
        if heard.iter().skip(1).any(|(_, _, dup)| *qos == 1 && !dup) {
            return tell("it came again without saying so");
        }
        if !lost && *qos > 0 && heard.is_empty() {
            return tell("the application never had it");
        }
        if !lost && passed_over > 0 && heard.len() <= passed_over {
            return tell("it was passed over, and never came again");
        }
        let first = pair.heard.iter().position(|(n, ..)| *n == number);
        if let Some(first) = first {
            let last = &mut last[usize::from(*qos)];
            if last.is_some_and(|last| last > first) {
                return tell("it came too early");
            }
            *last = Some(first);
        }
    }
    Ok(())
}
