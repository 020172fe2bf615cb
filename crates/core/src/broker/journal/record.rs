//! The record table: what the journal says, as bytes.
//!
//! A record is its length (4 bytes), a check of the rest (4), the format's version (1), its kind (1), its fields.
//! Numbers are little-endian; texts and bytes stand behind their length.
mod read;
#[cfg(test)]
mod tests;

pub(crate) use read::{Read, read};

use crate::broker::messages::ledger::Recipient;
use crate::broker::session::will::Will;
use crate::id::{IdentityId, MessageId};
use crate::qos::QoS;
use crate::text::Text;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::Hasher;

/// The version of the format. A reader takes this one only.
pub(crate) const FORMAT: u8 = 1;
const HEADER: usize = 8;

/// What is known of a session, apart from its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRecord<'a> {
    pub(crate) who: Recipient,
    pub(crate) at: Instant,
    pub(crate) client_id: &'a str,
    pub(crate) identity: IdentityId,
    pub(crate) variant: u32,
    pub(crate) expiry: u32,
    pub(crate) version: u8,
    pub(crate) connected: bool,
    /// When it ends, if it is not connected and does so by itself.
    pub(crate) ends_at: Option<Instant>,
    pub(crate) will_at: Option<Instant>,
}

/// A message with everything that does not differ by recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageRecord<'a> {
    pub(crate) id: MessageId,
    pub(crate) origin: IdentityId,
    pub(crate) expires_at: Option<Instant>,
    pub(crate) topic: Text<'a>,
    pub(crate) properties: &'a [u8],
    pub(crate) payload: Payload<'a>,
}

/// A payload: in one piece when read, in several perhaps when written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload<'a> {
    Whole(&'a [u8]),
    Chunks(&'a [bytes::Bytes]),
}

/// A message's place in a session's queue.
///
/// Other records call it by the message's id, or by a name of its own where the same message may stand in one queue
/// twice. That name is an id, too: one that no message has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) who: Recipient,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) identifiers: Vec<u32>,
}

/// What the journal can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// A shard starts here: numbers of sessions before it mean nothing behind it.
    Start {
        at: Instant,
    },
    /// A session exists, and this is how it stands.
    Session(SessionRecord<'a>),
    SessionEnd(Recipient),
    Subscribed {
        who: Recipient,
        filter: &'a str,
        options: u8,
        identifier: u32,
    },
    Unsubscribed {
        who: Recipient,
        filter: &'a str,
    },
    /// A message is accepted: what is taken with it, and its places in queues. They are one record, so that they are torn
    /// together.
    Message {
        message: MessageRecord<'a>,
        taken: Taken,
        places: Vec<Place>,
        mail: InMail,
    },
    /// A message stands in a session's queue, by this name: a Retained Message on its way to a new subscription, or what a
    /// snapshot finds.
    Queued {
        message: MessageRecord<'a>,
        name: MessageId,
        place: Place,
    },
    /// A message has left a session's queue: it has its fate.
    Ended {
        who: Recipient,
        name: MessageId,
    },
    /// A QoS 2 message goes out under this Packet Identifier.
    Bound {
        who: Recipient,
        name: MessageId,
        packet_id: u16,
    },
    /// Its PUBREC came, or it is not sent again: only PUBREL and PUBCOMP are left.
    Released {
        who: Recipient,
        name: MessageId,
    },
    /// A QoS 2 message came that went nowhere.
    Receipt {
        who: Recipient,
        packet_id: u16,
    },
    /// Its PUBREL came.
    ReceiptEnd {
        who: Recipient,
        packet_id: u16,
    },
    Retained {
        message: MessageRecord<'a>,
        qos: QoS,
    },
    RetainedEnd {
        topic: &'a str,
    },
    Will {
        who: Recipient,
        will: Box<Will>,
    },
    WillEnd(Recipient),
    /// A message has reached all shards: it is not mailed again.
    Distributed {
        id: MessageId,
    },
    /// A message that came by mail won't come again.
    Forget {
        id: MessageId,
    },
    /// It may come again by mail, and is to be dropped then.
    Known {
        id: MessageId,
    },
    /// A group is called like this (Share Name, `/`, Topic Filter), and has a queue.
    Group {
        who: Recipient,
        name: &'a str,
    },
    /// What stands in a session's queue by this name from here on is with the group of that name as well, which is not to
    /// give it to anybody else.
    Lent {
        who: Recipient,
        name: MessageId,
        group: &'a str,
    },
}

/// What is taken from a publisher with its message: it has no more to say of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Nothing,
    /// It was sent with QoS 2, and what comes under this Packet Identifier is the same, until PUBREL.
    Receipt(Recipient, u16),
    /// It is the will of this session, which has its exit.
    Will(Recipient),
}

/// What a message has to do with other shards, as far as a restart has to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InMail {
    /// It is mailed again after a restart, with this QoS, unless it has been distributed.
    pub(crate) out: Option<QoS>,
    /// It came by mail, and is dropped when it comes again.
    pub(crate) here: bool,
    pub(crate) retain: bool,
    /// The shard that owns its topic ordered it: it did not go to subscribers here at once.
    pub(crate) by_owner: bool,
    /// It waits for its place: nobody has it yet, here or elsewhere.
    pub(crate) waits: bool,
}

impl InMail {
    fn bits(self) -> u8 {
        let Self { out, here, retain, by_owner, waits } = self;
        let flags =
            u8::from(here) << 2 | u8::from(retain) << 3 | u8::from(by_owner) << 4 | u8::from(waits) << 5;
        flags | out.map_or(NOT_OUT, QoS::bits)
    }

    fn from_bits(bits: u8) -> Self {
        let [here, retain, by_owner, waits] = [4, 8, 16, 32].map(|bit| bits & bit != 0);
        Self { out: QoS::from_bits(bits & NOT_OUT), here, retain, by_owner, waits }
    }
}

/// No QoS.
const NOT_OUT: u8 = 3;

const START: u8 = 0;
const SESSION: u8 = 1;
const SESSION_END: u8 = 2;
const SUBSCRIBED: u8 = 3;
const UNSUBSCRIBED: u8 = 4;
const MESSAGE: u8 = 5;
const ENDED: u8 = 6;
const BOUND: u8 = 7;
const RELEASED: u8 = 8;
const RECEIPT: u8 = 9;
const RECEIPT_END: u8 = 10;
const RETAINED: u8 = 11;
const RETAINED_END: u8 = 12;
const WILL: u8 = 13;
const WILL_END: u8 = 14;
const DISTRIBUTED: u8 = 15;
const FORGET: u8 = 16;
const KNOWN: u8 = 17;
const QUEUED: u8 = 18;
const GROUP: u8 = 19;
const LENT: u8 = 20;

fn check(body: &[u8]) -> u32 {
    let mut hasher = siphasher::sip::SipHasher13::new_with_keys(0x7469_6465_7769_7265, u64::from(FORMAT));
    hasher.write(body);
    u32::try_from(hasher.finish() >> 32).unwrap_or_default()
}

/// Fills in a record's length and check.
pub(crate) fn seal(record: &mut [u8]) {
    let (header, body) = record.split_at_mut(HEADER);
    header[..4].copy_from_slice(&length(body.len()).to_le_bytes());
    header[4..].copy_from_slice(&check(body).to_le_bytes());
}

impl Record<'_> {
    /// Appends it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER]);
        out.push(FORMAT);
        let mut w = Writer(out);
        self.fields(&mut w);
        seal(&mut out[start..]);
    }

    fn fields(&self, w: &mut Writer<'_>) {
        match self {
            Record::Start { at } => w.u8(START).u64(at.as_micros()),
            Record::Session(s) => w
                .u8(SESSION)
                .who(s.who)
                .u64(s.at.as_micros())
                .bytes(s.client_id.as_bytes())
                .u32(s.identity.0)
                .u32(s.variant)
                .u32(s.expiry)
                .u8(s.version)
                .u8(u8::from(s.connected))
                .instant(s.ends_at)
                .instant(s.will_at),
            Record::SessionEnd(who) => w.u8(SESSION_END).who(*who),
            Record::Subscribed { who, filter, options, identifier } => {
                w.u8(SUBSCRIBED).who(*who).bytes(filter.as_bytes()).u8(*options).u32(*identifier)
            }
            Record::Unsubscribed { who, filter } => w.u8(UNSUBSCRIBED).who(*who).bytes(filter.as_bytes()),
            Record::Message { message, taken, places, mail } => {
                w.u8(MESSAGE).message(message);
                w.u8(mail.bits());
                match taken {
                    Taken::Nothing => w.u8(0),
                    Taken::Receipt(who, packet_id) => w.u8(1).who(*who).u16(*packet_id),
                    Taken::Will(who) => w.u8(2).who(*who),
                };
                w.u32(length(places.len()));
                for place in places {
                    w.place(place);
                }
                w
            }
            Record::Queued { message, name, place } => w.u8(QUEUED).message(message).id(*name).place(place),
            Record::Ended { who, name } => w.u8(ENDED).who(*who).id(*name),
            Record::Bound { who, name, packet_id } => w.u8(BOUND).who(*who).id(*name).u16(*packet_id),
            Record::Released { who, name } => w.u8(RELEASED).who(*who).id(*name),
            Record::Receipt { who, packet_id } => w.u8(RECEIPT).who(*who).u16(*packet_id),
            Record::ReceiptEnd { who, packet_id } => w.u8(RECEIPT_END).who(*who).u16(*packet_id),
            Record::Retained { message, qos } => w.u8(RETAINED).message(message).u8(qos.bits()),
            Record::RetainedEnd { topic } => w.u8(RETAINED_END).bytes(topic.as_bytes()),
            Record::Will { who, will } => w
                .u8(WILL)
                .who(*who)
                .bytes(will.topic.as_bytes())
                .bytes(&will.properties)
                .bytes(&will.payload)
                .u8(will.qos.bits() | u8::from(will.retain) << 2)
                .u32(will.expiry.unwrap_or(NO_EXPIRY))
                .u8(u8::from(will.expiry.is_some()))
                .u32(will.delay),
            Record::WillEnd(who) => w.u8(WILL_END).who(*who),
            Record::Distributed { id } => w.u8(DISTRIBUTED).id(*id),
            Record::Known { id } => w.u8(KNOWN).id(*id),
            Record::Forget { id } => w.u8(FORGET).id(*id),
            Record::Group { who, name } => w.u8(GROUP).who(*who).bytes(name.as_bytes()),
            Record::Lent { who, name, group } => w.u8(LENT).who(*who).id(*name).bytes(group.as_bytes()),
        };
    }
}

const NO_EXPIRY: u32 = u32::MAX;
const NEVER: u64 = u64::MAX;

fn length(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn u8(&mut self, n: u8) -> &mut Self {
        self.0.push(n);
        self
    }

    fn u16(&mut self, n: u16) -> &mut Self {
        self.0.extend_from_slice(&n.to_le_bytes());
        self
    }

    fn u32(&mut self, n: u32) -> &mut Self {
        self.0.extend_from_slice(&n.to_le_bytes());
        self
    }

    fn u64(&mut self, n: u64) -> &mut Self {
        self.0.extend_from_slice(&n.to_le_bytes());
        self
    }

    fn id(&mut self, id: MessageId) -> &mut Self {
        self.0.extend_from_slice(&id.as_u128().to_le_bytes());
        self
    }

    fn instant(&mut self, at: Option<Instant>) -> &mut Self {
        self.u64(at.map_or(NEVER, Instant::as_micros))
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(length(bytes.len()));
        self.0.extend_from_slice(bytes);
        self
    }

    fn who(&mut self, who: Recipient) -> &mut Self {
        // The one behind the other, in one go.
        self.u64(u64::from(who.session) | u64::from(who.generation) << 32)
    }

    fn place(&mut self, place: &Place) -> &mut Self {
        self.who(place.who).u8(place.qos.bits() | u8::from(place.retain) << 2);
        self.u32(length(place.identifiers.len()));
        for identifier in &place.identifiers {
            self.u32(*identifier);
        }
        self
    }

    fn message(&mut self, message: &MessageRecord<'_>) -> &mut Self {
        self.id(message.id)
            .u32(message.origin.0)
            .instant(message.expires_at)
            .bytes(message.topic.as_bytes())
            .bytes(message.properties);
        match message.payload {
            Payload::Whole(bytes) => self.bytes(bytes),
            Payload::Chunks(chunks) => {
                self.u32(length(chunks.iter().map(bytes::Bytes::len).sum()));
                for chunk in chunks {
                    self.0.extend_from_slice(chunk);
                }
                self
            }
        }
    }
}
