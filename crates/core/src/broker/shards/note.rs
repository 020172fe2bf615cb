//! The words that shards speak: bytes, free of pointers but for what is large and shared beside them.
use crate::broker::groups::{Join, Word};
use crate::broker::messages::Offer;
use crate::broker::messages::accepted::{Accepted, Arrival};
use crate::broker::messages::owned::Owned;
use crate::broker::messages::store::{Content, View};
use crate::broker::shards::settle::Outcome;
use crate::id::{IdentityId, MessageId, ShardId};
use crate::qos::QoS;
use crate::text::Text;
use crate::time::Instant;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

/// A message in a note.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posted<'a> {
    pub(crate) view: View<'a>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// It may come again after a crash of its publisher's shard.
    pub(crate) tracked: bool,
    /// As it is retained: kept once for all shards.
    pub(crate) kept: Option<&'a Arc<Owned>>,
}

impl<'a> Posted<'a> {
    /// What other shards are told of a message; `tracked` if it is mailed again after a crash, or may come again.
    pub(crate) fn new(accepted: &Accepted<'a>, tracked: bool) -> Self {
        let Accepted { view, qos, retain, .. } = *accepted;
        Self { view: *view, qos, retain, tracked, kept: None }
    }

    /// The same message here. `session` is whose it is, if that is one of this shard.
    pub(crate) fn accepted(&'a self, session: u32) -> Accepted<'a> {
        let arrival = Arrival::Mail { session, tracked: self.tracked };
        Accepted { view: &self.view, qos: self.qos, retain: self.retain, hash: 0, arrival }
    }
}

/// What goes beside the bytes of notes.
#[derive(Debug)]
pub(crate) enum Shared {
    /// A large payload.
    Chunks(Arc<[Bytes]>),
    /// A Retained Message.
    Owned(Arc<Owned>),
}

/// Who published a message that another shard orders: a Client Identifier at home where it was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Author {
    pub(crate) shard: ShardId,
    /// See [`Sessions::key`](crate::broker::session::Sessions::key); 0 for nobody.
    pub(crate) key: u64,
}

/// What one shard tells another. All but `Settled` are numbered, in order, from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Note<'a> {
    /// Handled and durable here, up to these numbers; and what became of those that asked.
    Settled { handled: u64, durable: u64, outcomes: &'a [(u64, Outcome)] },
    /// Deliver to every subscriber of yours that it matches, and say what became of it if `asks`.
    /// `again`: it may have been mailed before a restart; drop it if its id is known.
    Publish { posted: Posted<'a>, asks: bool, again: bool },
    /// I have begun, or ceased, to have subscribers for this filter.
    Interest { filter: &'a str, wanted: bool },
    /// Order this message of a topic of yours, which is on the road, and tell all.
    Order { posted: Posted<'a>, author: Author, ticket: u32, again: bool },
    /// This is its place in the order: retain it if it says so, and deliver it.
    Ordered { posted: Posted<'a>, author: Author, again: bool },
    /// All shards have it: one message fewer on the road.
    Arrived { ticket: u32, outcome: Outcome },
    /// A message of mine has reached all its shards durably: its id may be forgotten.
    Distributed { id: MessageId },
    /// After a restart: you have all my interest now.
    Ready,
    /// A session of mine is a member of a group of yours. The answer is `Arrived`, once all know of the group's interest.
    Join { join: Join<'a>, ticket: u32 },
    /// Here is a message for a member of mine that is at home with you.
    Offer { epoch: u64, offer: Offer, posted: Posted<'a> },
    /// After a restart a session of mine has this message of a group of yours.
    Lent { group: &'a str, id: MessageId },
    /// This is what there is to say of a member to its group.
    Member { member: u64, word: Word },
    /// All that I accepted before this start of the server has reached everybody: those ids may be forgotten.
    AllDistributed { incarnation: u32 },
}

const SETTLED: u8 = 0;
const PUBLISH: u8 = 1;
const INTEREST: u8 = 2;
const ORDER: u8 = 3;
const ORDERED: u8 = 4;
const ARRIVED: u8 = 5;
const DISTRIBUTED: u8 = 6;
const READY: u8 = 7;
const ALL_DISTRIBUTED: u8 = 8;
const JOIN: u8 = 9;
const OFFER: u8 = 10;
const MEMBER: u8 = 11;
const LENT: u8 = 12;

impl Note<'_> {
    pub(crate) fn encode(&self, out: &mut Vec<u8>, shared: &mut Vec<Shared>) {
        match *self {
            Note::Settled { handled, durable, outcomes } => {
                out.push(SETTLED);
                put_u64(out, handled);
                put_u64(out, durable);
                put_u32(out, length(outcomes.len()));
                for (number, outcome) in outcomes {
                    put_u64(out, *number);
                    out.push(outcome.byte());
                }
            }
            Note::Publish { ref posted, asks, again } => {
                out.extend_from_slice(&[PUBLISH, u8::from(asks) | u8::from(again) << 1]);
                put_posted(out, shared, posted);
            }
            Note::Interest { filter, wanted } => {
                out.extend_from_slice(&[INTEREST, u8::from(wanted)]);
                put_u32(out, length(filter.len()));
                out.extend_from_slice(filter.as_bytes());
            }
            Note::Order { ref posted, author, ticket, again } => {
                out.extend_from_slice(&[ORDER, u8::from(again)]);
                put_u32(out, ticket);
                put_author(out, author);
                put_posted(out, shared, posted);
            }
            Note::Ordered { ref posted, author, again } => {
                out.extend_from_slice(&[ORDERED, u8::from(again)]);
                put_author(out, author);
                put_posted(out, shared, posted);
            }
            Note::Arrived { ticket, outcome } => {
                out.push(ARRIVED);
                put_u32(out, ticket);
                out.push(outcome.byte());
            }
            Note::Distributed { id } => {
                out.push(DISTRIBUTED);
                out.extend_from_slice(&id.as_u128().to_le_bytes());
            }
            Note::Ready => out.push(READY),
            Note::Join { .. } | Note::Offer { .. } | Note::Lent { .. } | Note::Member { .. } => {
                self.encode_of_group(out, shared);
            }
            Note::AllDistributed { incarnation } => {
                out.push(ALL_DISTRIBUTED);
                put_u32(out, incarnation);
            }
        }
    }

    /// Those between a group and its members.
    fn encode_of_group(&self, out: &mut Vec<u8>, shared: &mut Vec<Shared>) {
        match *self {
            Note::Join { join, ticket } => {
                out.extend_from_slice(&[JOIN, u8::from(join.is_open)]);
                put_u32(out, ticket);
                put_u64(out, join.member);
                put_u64(out, join.epoch);
                put_u32(out, join.quota.into());
                put_u32(out, length(join.name.len()));
                out.extend_from_slice(join.name.as_bytes());
            }
            Note::Offer { epoch, offer, ref posted } => {
                out.push(OFFER);
                put_u64(out, epoch);
                put_u64(out, offer.member);
                put_u64(out, offer.number);
                put_posted(out, shared, posted);
            }
            Note::Lent { group, id } => {
                out.push(LENT);
                out.extend_from_slice(&id.as_u128().to_le_bytes());
                put_u32(out, length(group.len()));
                out.extend_from_slice(group.as_bytes());
            }
            Note::Member { member, word } => {
                let (what, a, b) = word.parts();
                out.extend_from_slice(&[MEMBER, what]);
                put_u64(out, member);
                put_u64(out, a);
                put_u64(out, b);
            }
            _ => {}
        }
    }
}

const NO_EXPIRY: u64 = u64::MAX;

fn put_posted(out: &mut Vec<u8>, shared: &mut Vec<Shared>, posted: &Posted<'_>) {
    let view = &posted.view;
    let large = matches!(view.content, Content::Large(_));
    // What is shared whole is not written as well.
    let (properties, payload) = match (posted.kept, view.content) {
        (None, Content::Small(payload)) => (view.properties, payload),
        (None, Content::Large(_)) => (view.properties, &[][..]),
        (Some(_), _) => (&[][..], &[][..]),
    };
    out.push(
        posted.qos.bits()
            | u8::from(posted.retain) << 2
            | u8::from(large) << 3
            | u8::from(posted.tracked) << 4
            | u8::from(posted.kept.is_some()) << 5,
    );
    out.extend_from_slice(&view.id.as_u128().to_le_bytes());
    put_u32(out, view.origin.0);
    put_u64(out, view.expires_at.map_or(NO_EXPIRY, Instant::as_micros));
    put_u32(out, length(view.topic.len()));
    put_u32(out, length(properties.len()));
    put_u32(out, length(payload.len()));
    out.extend_from_slice(view.topic.as_bytes());
    out.extend_from_slice(properties);
    out.extend_from_slice(payload);
    match (posted.kept, view.content) {
        (Some(kept), _) => shared.push(Shared::Owned(Arc::clone(kept))),
        (None, Content::Large(chunks)) => shared.push(Shared::Chunks(chunks.clone())),
        (None, Content::Small(_)) => {}
    }
}

fn put_author(out: &mut Vec<u8>, author: Author) {
    out.extend_from_slice(&author.shard.0.to_le_bytes());
    out.extend_from_slice(&author.key.to_le_bytes());
}

fn put_u32(out: &mut Vec<u8>, n: u32) {
    out.extend_from_slice(&n.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(&n.to_le_bytes());
}

fn length(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Reads notes one after the other. `None` at their end; mail is ours, so what can't be read is a bug.
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) shared: core::slice::Iter<'a, Shared>,
    pub(crate) outcomes: Vec<(u64, Outcome)>,
}

impl<'a> Reader<'a> {
    pub(crate) fn next(&mut self) -> Option<Note<'_>> {
        let [kind] = self.take::<1>()?;
        Some(match kind {
            SETTLED => {
                let (handled, durable, n) = (self.u64()?, self.u64()?, self.u32()?);
                self.outcomes.clear();
                for _ in 0..n {
                    let number = self.u64()?;
                    let [outcome] = self.take()?;
                    self.outcomes.push((number, Outcome::from_byte(outcome)));
                }
                Note::Settled { handled, durable, outcomes: &self.outcomes }
            }
            PUBLISH => {
                let [flags] = self.take()?;
                Note::Publish { posted: self.posted()?, asks: flags & 1 != 0, again: flags & 2 != 0 }
            }
            INTEREST => {
                let [wanted] = self.take()?;
                let n = self.u32()?;
                Note::Interest { filter: self.text(n)?, wanted: wanted != 0 }
            }
            ORDER => {
                let [again] = self.take()?;
                let ticket = self.u32()?;
                let author = self.author()?;
                Note::Order { posted: self.posted()?, author, ticket, again: again != 0 }
            }
            ORDERED => {
                let [again] = self.take()?;
                let author = self.author()?;
                Note::Ordered { posted: self.posted()?, author, again: again != 0 }
            }
            DISTRIBUTED => Note::Distributed { id: MessageId::from_u128(u128::from_le_bytes(self.take()?)) },
            READY => Note::Ready,
            JOIN => {
                let [is_open] = self.take()?;
                let (ticket, member, epoch) = (self.u32()?, self.u64()?, self.u64()?);
                let quota = u16::try_from(self.u32()?).ok()?;
                let n = self.u32()?;
                let name = self.text(n)?;
                Note::Join { join: Join { name, member, epoch, quota, is_open: is_open != 0 }, ticket }
            }
            OFFER => {
                let (epoch, member, number) = (self.u64()?, self.u64()?, self.u64()?);
                Note::Offer { epoch, offer: Offer { member, number }, posted: self.posted()? }
            }
            LENT => {
                let id = MessageId::from_u128(u128::from_le_bytes(self.take()?));
                let n = self.u32()?;
                Note::Lent { group: self.text(n)?, id }
            }
            MEMBER => {
                let [what] = self.take()?;
                let (member, a, b) = (self.u64()?, self.u64()?, self.u64()?);
                Note::Member { member, word: Word::from_parts(what, a, b)? }
            }
            ALL_DISTRIBUTED => Note::AllDistributed { incarnation: self.u32()? },
            ARRIVED => {
                let ticket = self.u32()?;
                let [outcome] = self.take()?;
                Note::Arrived { ticket, outcome: Outcome::from_byte(outcome) }
            }
            _ => return None,
        })
    }

    fn posted(&mut self) -> Option<Posted<'a>> {
        let [flags] = self.take()?;
        let id = MessageId::from_u128(u128::from_le_bytes(self.take()?));
        let origin = IdentityId(self.u32()?);
        let expires = self.u64()?;
        let (topic, properties, payload) = (self.u32()?, self.u32()?, self.u32()?);
        let topic = self.text(topic)?;
        let properties = self.slice(properties)?;
        let payload = self.slice(payload)?;
        let expires_at = (expires != NO_EXPIRY).then(|| Instant::from_micros(expires));
        let mut view = View {
            id,
            origin,
            expires_at,
            topic: Text::known_str(topic),
            properties,
            content: Content::Small(payload),
        };
        let mut kept = None;
        if flags & (8 | 32) != 0 {
            match self.shared.next()? {
                Shared::Chunks(chunks) => view.content = Content::Large(chunks),
                Shared::Owned(whole) => {
                    view = whole.view(topic);
                    kept = Some(whole);
                }
            }
        }
        Some(Posted {
            view,
            kept,
            qos: QoS::from_bits(flags & 3)?,
            retain: flags & 4 != 0,
            tracked: flags & 16 != 0,
        })
    }

    fn author(&mut self) -> Option<Author> {
        let shard = ShardId(u16::from_le_bytes(self.take()?));
        Some(Author { shard, key: self.u64()? })
    }

    fn text(&mut self, n: u32) -> Option<&'a str> {
        core::str::from_utf8(self.slice(n)?).ok()
    }

    fn slice(&mut self, n: u32) -> Option<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(n as usize)?;
        self.bytes = rest;
        Some(head)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
