//! What a connection is at the moment, in two bytes.
use super::{Connection, State};

/// One of them, or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    /// `Transmit` was announced and not polled since.
    const ANNOUNCED: Self = Self(1);
    /// The socket took no more.
    const BLOCKED: Self = Self(2);
    /// The client does not want Reason Strings and User Properties. (Section 3.1.2.11.7)
    const TERSE: Self = Self(16);
    /// Its CONNACK has left for the output: messages may follow.
    const GREETED: Self = Self(32);
    /// Whoever polls has been told that there is more.
    const MORE: Self = Self(64);
    /// It stands in the list of those whose `Transmit` is to be announced, wanted or not.
    const LISTED: Self = Self(128);
    /// It has said by its Protocol Level that it is a bridge.
    const BRIDGE: Self = Self(256);
    /// It takes Topic Aliases.
    const ALIASES: Self = Self(8192);

    #[inline]
    fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    #[inline]
    fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    #[inline]
    fn clear(&mut self, flag: Self) {
        self.0 &= !flag.0;
    }
}

/// Why we have asked for nothing to be read from a connection for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unread(Flags);

impl Unread {
    /// Those that it publishes to are behind.
    pub(crate) const PAUSED: Self = Self(Flags(4));
    /// A verdict on it, or the place of its message, is awaited.
    pub(crate) const HELD: Self = Self(Flags(8));
    /// It waits until more of its packets have been answered.
    pub(crate) const WINDOW: Self = Self(Flags(512));
    /// It waits for room for its unfinished input.
    pub(crate) const CRAMPED: Self = Self(Flags(1024));
    /// It waits for another shard.
    pub(crate) const MAIL: Self = Self(Flags(2048));
    /// It does not read, and much waits for it.
    pub(crate) const UNHEARD: Self = Self(Flags(4096));

    /// Those that are our doing, and not its own.
    const OURS: Flags =
        Flags(Self::PAUSED.0.0 | Self::HELD.0.0 | Self::WINDOW.0.0 | Self::CRAMPED.0.0 | Self::MAIL.0.0);
}

/// Whether it is read.
impl Connection {
    #[inline]
    pub(crate) fn is_stopped(&self, why: Unread) -> bool {
        self.flags.has(why.0)
    }

    pub(crate) fn stop(&mut self, why: Unread) {
        self.flags.set(why.0);
    }

    /// That is no reason any more.
    pub(crate) fn let_go(&mut self, why: Unread) {
        self.flags.clear(why.0);
    }

    /// We have asked for nothing to be read from it for now.
    #[inline]
    pub(crate) fn is_unread(&self) -> bool {
        self.is_stopped(Unread::UNHEARD) || self.is_silenced()
    }

    /// The same, and not because of itself: that it says nothing is our doing.
    #[inline]
    pub(crate) fn is_silenced(&self) -> bool {
        self.flags.has(Unread::OURS)
    }
}

/// Whether it is written to.
impl Connection {
    /// Its CONNACK has left for the output: messages may follow.
    pub(crate) fn is_greeted(&self) -> bool {
        self.flags.has(Flags::GREETED)
    }

    pub(crate) fn greet(&mut self) {
        self.flags.set(Flags::GREETED);
    }

    /// Its socket took no more when it was polled last.
    pub(crate) fn is_blocked(&self) -> bool {
        self.flags.has(Flags::BLOCKED)
    }

    pub(crate) fn block(&mut self) {
        self.flags.set(Flags::BLOCKED);
    }

    /// Messages may be written for it, and its socket takes them as far as we know.
    #[inline]
    pub(crate) fn takes_messages(&self) -> bool {
        self.state == State::Up && self.is_greeted() && !self.is_blocked()
    }

    /// It is polled: what was known of its socket is known no more.
    pub(crate) fn begin_poll(&mut self) {
        for flag in [Flags::ANNOUNCED, Flags::BLOCKED, Flags::MORE] {
            self.flags.clear(flag);
        }
    }

    /// Whoever polls is told that there is more.
    pub(crate) fn leave_more(&mut self) {
        self.flags.set(Flags::MORE);
    }

    pub(crate) fn has_more(&self) -> bool {
        self.flags.has(Flags::MORE)
    }

    pub(crate) fn is_announced(&self) -> bool {
        self.flags.has(Flags::ANNOUNCED)
    }

    /// It stands in the list of those that are announced, wanted or not.
    pub(crate) fn is_listed(&self) -> bool {
        self.flags.has(Flags::LISTED)
    }

    /// It has something to send; true if it is to be listed for that.
    #[inline]
    pub(super) fn announce(&mut self) -> bool {
        let quiet = self.is_announced()
            || self.is_blocked()
            || self.has_more()
            || matches!(self.state, State::Aborted | State::Free | State::Moving);
        if quiet {
            return false;
        }
        self.flags.set(Flags::ANNOUNCED);
        let is_new = !self.is_listed();
        self.flags.set(Flags::LISTED);
        is_new
    }

    /// It is taken out of the list; true if it is wanted still.
    pub(super) fn unlist(&mut self) -> bool {
        self.flags.clear(Flags::LISTED);
        self.is_announced()
    }
}

/// What it said of itself.
impl Connection {
    /// It does not want Reason Strings and User Properties. (Section 3.1.2.11.7)
    pub(crate) fn is_terse(&self) -> bool {
        self.flags.has(Flags::TERSE)
    }

    pub(crate) fn make_terse(&mut self) {
        self.flags.set(Flags::TERSE);
    }

    /// It takes Topic Aliases. [MQTT-3.1.2-27]
    #[inline]
    pub(crate) fn takes_aliases(&self) -> bool {
        self.flags.has(Flags::ALIASES)
    }

    pub(super) fn take_aliases(&mut self) {
        self.flags.set(Flags::ALIASES);
    }

    /// It has said by its Protocol Level that it is a bridge.
    pub(crate) fn is_bridge(&self) -> bool {
        self.flags.has(Flags::BRIDGE)
    }

    pub(crate) fn make_bridge(&mut self) {
        self.flags.set(Flags::BRIDGE);
    }
}
