//! Timers are set: for a connection, a session, a grant.
use super::Broker;
use super::base::timers::{HORIZON, Key, Kind};
use crate::time::Instant;

impl Broker {
    /// Arms the timer of a connection.
    pub(super) fn watch(&mut self, now: Instant, index: u32) {
        if let Some((at, _)) = self.connections[index].due(&self.limits) {
            let at = at.min(now.after_secs(HORIZON));
            let generation = self.connections[index].generation;
            self.timers.insert(at, Key::new(Kind::Connection as u8, index, generation));
        }
    }

    /// Arms the timer of a session for its will or its end, whichever comes first. One stands in the wheel at most,
    /// and not for long: whoever connects and goes again and again leaves no trail of timers.
    pub(super) fn watch_session(&mut self, now: Instant, session: u32) {
        let generation = self.sessions[session].generation;
        let Some(rare) = self.sessions[session].rare.as_deref_mut() else { return };
        let Some(at) = [rare.will_at, rare.ends_at].into_iter().flatten().min() else { return };
        let at = at.min(now.after_secs(HORIZON));
        if rare.armed.is_none_or(|armed| armed > at) {
            rare.armed = Some(at);
            self.timers.insert(at, Key::new(Kind::Session as u8, session, generation));
        }
    }

    /// Arms the timer of a grant that ends by itself.
    pub(super) fn watch_grant(&mut self, now: Instant, place: u32) {
        let granted = &mut self.grants[place];
        let Some(at) = granted.grant.as_ref().and_then(|g| g.expires_at) else { return };
        let at = at.min(now.after_secs(HORIZON));
        if granted.armed.is_none_or(|armed| armed > at) {
            granted.armed = Some(at);
            self.timers.insert(at, Key::new(Kind::Grant as u8, place, granted.identity.0));
        }
    }
}
