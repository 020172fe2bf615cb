//! What a server says besides its Reason Codes.
use super::Client;
use super::event::Event;
use crate::codec::Properties;
use crate::id::Ticket;
use alloc::boxed::Box;
use core::fmt;

/// What a server says besides its Reason Code. It is for people: nothing is to be made of it, and it may say anything.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Words {
    /// The reason in words. (Sections 3.2.2.3.9, 3.4.2.2.2, 3.14.2.2.3)
    pub reason_string: Option<Box<str>>,
    /// Which other server to use, if the reason is `UseAnotherServer` or `ServerMoved`. (Section 4.11)
    pub server_reference: Option<Box<str>>,
}

impl Words {
    fn of(properties: Properties<'_>) -> Option<Box<Self>> {
        let words = Self {
            reason_string: properties.reason_string().map(Into::into),
            server_reference: properties.server_reference().map(Into::into),
        };
        (words.reason_string.is_some() || words.server_reference.is_some()).then(|| Box::new(words))
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.reason_string, &self.server_reference) {
            (Some(reason), Some(server)) => write!(f, "{reason} (another server: {server})"),
            (None, Some(server)) => write!(f, "another server: {server}"),
            (Some(reason), None) => f.write_str(reason),
            (None, None) => Ok(()),
        }
    }
}

impl Client {
    /// What comes with the next stage of the message there, if there is one.
    #[inline]
    pub(super) fn explain_stage(&mut self, place: u32, properties: Properties<'_>) {
        if !properties.is_empty()
            && let Some(ticket) = self.outbox.get(place).map(|outgoing| outgoing.ticket)
        {
            self.explain(Some(ticket), properties);
        }
    }

    /// What comes with the answer to this ticket, or with the end of the connection.
    pub(super) fn explain(&mut self, about: Option<Ticket>, properties: Properties<'_>) {
        if let Some(words) = Words::of(properties) {
            self.inbox.push(Event::Words(about, words));
            self.actions.event();
        }
    }
}
