//! Cuts a byte stream into packets.
use super::fixed_header::{Extent, Told, are_flags_fine, as_it_must_be, check_first, extent, first};
use super::primitives::end;
use super::{
    AckKind, Context, DecodeError, Item, Packet, Payload, Publish, ack, connack, connect, disconnect,
    fixed_header, publish, suback, subscribe,
};
use crate::version::{Role, Version};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Cuts a byte stream into packets.
///
/// Feed it bytes as they come, in pieces of any size. It copies only what it must: the beginning of a packet whose
/// end has not arrived. A large payload is never copied; it passes through in pieces.
///
/// What it yields borrows from it. A machine that keeps its decoders in a table therefore takes one out for the
/// call (`mem::take`) and puts it back. It is small, because there is one in each connection: what is unfinished
/// is boxed, and the limits are the caller's.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Option<Box<Pending>>,
    stream: Stream,
}

const _: () = assert!(size_of::<Decoder>() <= 16); // one in each idle connection

/// What is known of the stream as a whole.
#[derive(Debug, Default)]
struct Stream {
    mode: Mode,
    /// Nothing will be decoded any more.
    failed: Option<DecodeError>,
    forgave: bool,
    /// A CONNECT was refused before its Maximum Packet Size was known, if it has one.
    may_be_limited: bool,
}

/// What lies between two calls.
#[derive(Debug, Default)]
struct Pending {
    /// The beginning of a packet.
    bytes: Vec<u8>,
    /// What `bytes` held has been yielded.
    yielded: bool,
    /// So much payload is still to pass.
    body_left: u32,
}

/// Who reads, and which version was agreed on.
///
/// A server knows the version by the CONNECT, and takes nothing else before. A client says it when it sends one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mode {
    /// Who reads.
    pub role: Role,
    /// `None` until there was a CONNECT.
    pub version: Option<Version>,
}

/// What a receiver accepts. Reaching a limit is fine, going beyond it is not.
///
/// Begin with `Limits::default()`, or with [`NONE`](Self::NONE), and change what matters.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// In bytes, with the Fixed Header. [MQTT-3.1.2-24] [MQTT-3.2.2-15]
    pub maximum_packet_size: u32,
    /// The greatest Property Length.
    pub property_bytes_max: u32,
    /// How many User Properties a packet may have.
    pub user_properties_max: u32,
    /// How many Topic Filters a packet may have.
    pub filters_max: u32,
    /// The longest Topic Name and Topic Filter.
    pub topic_bytes_max: u16,
    /// The most levels of a Topic Name or Topic Filter.
    pub topic_levels_max: u32,
    /// The payload length from which a PUBLISH comes as `Head` and `Body`; `u32::MAX` for never.
    pub streamed_from: u32,
    /// What is accepted beyond the standard.
    pub lenient: Leniency,
}

/// Faults that are forgiven, where the standard has them end the connection: for fleets that nobody can mend.
///
/// By default none are. [`Decoder::forgave`] says whether there was one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leniency {
    /// DUP is set in a PUBLISH with QoS 0, where it means nothing. [MQTT-3.3.1-2]
    pub dup_without_qos: bool,
    /// The flags in the fixed header of another packet are not the ones it must have. [MQTT-2.1.3-1]
    pub fixed_header_flags: bool,
    /// The Protocol Level of a CONNECT has the upper bit set, by which a bridge of mosquitto makes itself known. What it
    /// asks for with that is the server's to do. [MQTT-3.1.2-2]
    pub bridge_level: bool,
    /// `$queue/FILTER` is an older spelling of `$share/$queue/FILTER`. No decoder looks at it: what it asks for is the
    /// server's to do.
    pub queue_filters: bool,
}

impl Leniency {
    /// None.
    pub const NONE: Self =
        Self { dup_without_qos: false, fixed_header_flags: false, bridge_level: false, queue_filters: false };
}

impl Limits {
    /// Whatever the protocol allows. With these a peer decides how much memory it takes.
    pub const NONE: Self = Self {
        maximum_packet_size: u32::MAX,
        property_bytes_max: u32::MAX,
        user_properties_max: u32::MAX,
        filters_max: u32::MAX,
        topic_bytes_max: u16::MAX,
        topic_levels_max: u32::MAX,
        streamed_from: u32::MAX,
        lenient: Leniency::NONE,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            maximum_packet_size: 16 * 1024 * 1024,
            property_bytes_max: 65_536,
            user_properties_max: 128,
            filters_max: 1000,
            topic_bytes_max: 65_535,
            topic_levels_max: 200,
            streamed_from: 65_536,
            lenient: Leniency::default(),
        }
    }
}

impl Decoder {
    /// At the beginning of a connection.
    pub fn new(mode: Mode) -> Self {
        Self { pending: None, stream: Stream { mode, ..Stream::default() } }
    }

    /// Who reads which version.
    pub fn mode(&self) -> Mode {
        self.stream.mode
    }

    /// From the next packet on. A client calls this when it sends CONNECT; a server need not.
    pub fn set_version(&mut self, version: Version) {
        self.stream.mode.version = Some(version);
    }

    /// Was there something that only the [`Leniency`] of the limits let pass?
    pub fn forgave(&self) -> bool {
        self.stream.forgave
    }

    /// Was a CONNECT refused that may have named a Maximum Packet Size? Then nobody knows it.
    #[cfg(feature = "broker")]
    pub(crate) fn may_be_limited(&self) -> bool {
        self.stream.may_be_limited
    }

    /// How many bytes of memory are held for what is unfinished.
    pub fn held(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| size_of::<Pending>() + pending.bytes.capacity())
    }

    /// How much of a streamed payload is still to come.
    pub fn body_left(&self) -> u32 {
        self.pending.as_ref().map_or(0, |pending| pending.body_left)
    }

    /// The next `n` bytes of the payload under way were read elsewhere, straight into their place.
    ///
    /// At most [`body_left`](Self::body_left); what goes beyond is ignored.
    pub fn skip_body(&mut self, n: u32) {
        let left = self.body_left().saturating_sub(n);
        match &mut self.pending {
            Some(pending) if left > 0 => pending.body_left = left,
            Some(pending) if pending.body_left > 0 => self.pending = None,
            _ => {}
        }
    }

    /// Takes the next item off the front of `input`.
    ///
    /// `None` means that `input` is used up. An error is final: the stream cannot be trusted any more, and every
    /// later call returns that error again. The limits may be others each time.
    #[inline]
    pub fn next<'a, 'i: 'a>(
        &'a mut self,
        limits: &Limits,
        input: &mut &'i [u8],
    ) -> Result<Option<Item<'a>>, DecodeError> {
        // A common packet that lies whole in the input, with a remaining length of one or two bytes.
        let (first, length, rest) = match *input {
            [first, length @ 0..0x80, rest @ ..] => (*first, u32::from(*length), rest),
            [first, low, high @ 1..0x80, rest @ ..] => {
                (*first, u32::from(*high) << 7 | u32::from(*low & 0x7f), rest)
            }
            _ => return self.next_of_any(limits, input),
        };
        if let Some((body, rest)) = rest.split_at_checked(length as usize)
            && let Some(version) = self.stream.mode.version
            && is_common(first)
            && length < limits.streamed_from
            && length + 3 <= limits.maximum_packet_size
            && self.pending.is_none()
            && self.stream.failed.is_none()
        {
            *input = rest;
            let context = Context { role: self.stream.mode.role, version, limits };
            return decode_common(context, &mut self.stream.failed, first, body, 0);
        }
        self.next_of_any(limits, input)
    }

    #[inline(never)]
    fn next_of_any<'a, 'i: 'a>(
        &'a mut self,
        limits: &Limits,
        input: &mut &'i [u8],
    ) -> Result<Option<Item<'a>>, DecodeError> {
        if self.pending.is_some() || self.stream.failed.is_some() {
            return self.next_of_pieces(limits, input);
        }
        let Some(byte) = input.first() else { return Ok(None) };
        let Stream { mode, failed, .. } = &mut self.stream;
        if let Err(error) = check_first(*byte, *mode, limits.lenient) {
            return fail(failed, error);
        }
        let extent = match extent(input, *mode, limits) {
            Ok(Told::All(extent)) if extent.end <= input.len() => extent,
            Ok(extent) => {
                let bytes = begin(input, extent);
                self.pending = Some(Box::new(Pending { bytes, ..Pending::default() }));
                return Ok(None);
            }
            Err(error) => return refuse(&mut self.stream, limits, input, error),
        };
        let (packet, rest) = input.split_at(extent.end);
        *input = rest;
        if extent.streamed > 0 {
            let pending = Pending { body_left: extent.streamed, yielded: true, ..Pending::default() };
            self.pending = Some(Box::new(pending));
        }
        decode(&mut self.stream, limits, packet, extent)
    }

    /// The rest of something.
    #[inline(never)]
    fn next_of_pieces<'a, 'i: 'a>(
        &'a mut self,
        limits: &Limits,
        input: &mut &'i [u8],
    ) -> Result<Option<Item<'a>>, DecodeError> {
        if let Some(error) = self.stream.failed {
            self.pending = None;
            return Err(error);
        }
        if self.pending.as_ref().is_some_and(|pending| pending.yielded && pending.body_left == 0) {
            self.pending = None;
            return self.next(limits, input);
        }
        let Self { pending: Some(pending), stream } = self else { return Ok(None) };
        if pending.body_left > 0 {
            pending.bytes = Vec::new();
            return Ok(pending.take_body(input).map(Item::Body));
        }
        let Pending { bytes, yielded, body_left } = &mut **pending;
        let extent = match fill(bytes, stream.mode, limits, input) {
            Ok(Some(extent)) => extent,
            Ok(None) => return Ok(None),
            Err(error) => return refuse(stream, limits, bytes, error),
        };
        (*yielded, *body_left) = (true, extent.streamed);
        decode(stream, limits, bytes, extent)
    }
}

impl Pending {
    fn take_body<'i>(&mut self, input: &mut &'i [u8]) -> Option<&'i [u8]> {
        let length = input.len().min(self.body_left as usize);
        let (piece, rest) = input.split_at(length);
        *input = rest;
        self.body_left -= u32::try_from(length).unwrap_or(self.body_left);
        (!piece.is_empty()).then_some(piece)
    }
}

/// The end of the stream, as far as it can be trusted.
#[cold]
fn fail<'a>(failed: &mut Option<DecodeError>, error: DecodeError) -> Result<Option<Item<'a>>, DecodeError> {
    *failed = Some(error);
    Err(error)
}

/// The end of the stream, by a packet whose `beginning` is enough to refuse it. Whoever refuses a CONNECT has to say so
/// in the words of its version.
#[cold]
fn refuse<'a>(
    stream: &mut Stream,
    limits: &Limits,
    beginning: &[u8],
    error: DecodeError,
) -> Result<Option<Item<'a>>, DecodeError> {
    if stream.mode.version.is_none()
        && let Some(version) = fixed_header::version_of_connect(beginning, limits.lenient)
    {
        stream.mode.version = Some(version);
        stream.may_be_limited = true;
    }
    fail(&mut stream.failed, error)
}

/// Takes all of `input`, the beginning of a packet whose end, if it is known, is not there.
fn begin(input: &mut &[u8], extent: Told<Extent>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let all = core::mem::take(input);
    let likely = match extent {
        Told::All(extent) => extent.end,
        Told::Needs(end) => end.max(HEADER),
    };
    reserve(&mut bytes, all.len(), likely);
    bytes.extend_from_slice(all);
    bytes
}

/// Moves from `input` to `bytes`, which have begun, what is missing; `None` if that is not all there.
fn fill(
    bytes: &mut Vec<u8>,
    mode: Mode,
    limits: &Limits,
    input: &mut &[u8],
) -> Result<Option<Extent>, DecodeError> {
    loop {
        let end = match extent(bytes, mode, limits)? {
            Told::All(extent) if extent.end == bytes.len() => return Ok(Some(extent)),
            // Its payload is streamed only by limits that are new since it began.
            Told::All(extent) if extent.end < bytes.len() => {
                return fill(bytes, mode, &Limits { streamed_from: u32::MAX, ..*limits }, input);
            }
            Told::All(extent) => extent.end,
            Told::Needs(end) => end,
        };
        let missing = end - bytes.len();
        let (more, rest) = input.split_at(missing.min(input.len()));
        if more.is_empty() {
            return Ok(None);
        }
        reserve(bytes, more.len(), missing.max(HEADER));
        bytes.extend_from_slice(more);
        *input = rest;
    }
}

/// Makes room for `more` bytes: by doubling, so that many small pieces cost no more than few large ones, but not
/// beyond what is `likely` to come. A length is only a claim, and what it claims is not reserved.
fn reserve(bytes: &mut Vec<u8>, more: usize, likely: usize) {
    if bytes.capacity() - bytes.len() < more {
        bytes.reserve_exact(bytes.capacity().max(RESERVED_MIN).min(likely).max(more));
    }
}

/// A Fixed Header and a little more: an acknowledgement.
const HEADER: usize = 8;

/// Enough for most packets.
const RESERVED_MIN: usize = 256;

/// Nearly all packets of a busy connection: PUBLISH and its answers, whose first byte is right, whoever reads.
#[inline(always)]
fn is_common(byte: u8) -> bool {
    matches!(byte, 0x30..=0x35 | 0x3a..=0x3d | first::PUBACK | first::PUBREC | first::PUBREL | first::PUBCOMP)
}

/// The one item that `packet` is.
#[inline]
fn decode<'p>(
    stream: &mut Stream,
    limits: &Limits,
    packet: &'p [u8],
    extent: Extent,
) -> Result<Option<Item<'p>>, DecodeError> {
    let (header, body) = packet.split_at(extent.body);
    let first = as_it_must_be(header[0]);
    let Some(version) = stream.mode.version else {
        return decode_connect(stream, limits, header, body);
    };
    let Stream { mode, failed, forgave, .. } = stream;
    *forgave |= first != header[0] && check_first(header[0], *mode, Leniency::NONE).is_err();
    let context = Context { role: mode.role, version, limits };
    if is_common(first) {
        decode_common(context, failed, first, body, extent.streamed)
    } else {
        decode_other(context, failed, first, body)
    }
}

/// An item is built where it is returned to: it is too large to be handed on.
#[inline(always)]
fn decode_common<'p>(
    context: Context<'_>,
    failed: &mut Option<DecodeError>,
    first: u8,
    body: &'p [u8],
    streamed: u32,
) -> Result<Option<Item<'p>>, DecodeError> {
    let kind = match first {
        first::PUBACK => AckKind::Puback,
        first::PUBREC => AckKind::Pubrec,
        first::PUBREL => AckKind::Pubrel,
        first::PUBCOMP => AckKind::Pubcomp,
        _ => {
            return match publish::decode(context, first, body) {
                Ok(publish) if streamed == 0 => Ok(Some(Item::Packet(Packet::Publish(publish)))),
                Ok(publish) => {
                    Ok(Some(Item::Head(Publish { payload: Payload::Streamed(streamed), ..publish })))
                }
                Err(error) => fail(failed, error),
            };
        }
    };
    match ack::decode(kind, context, body) {
        Ok(ack) => Ok(Some(Item::Packet(kind.packet(ack)))),
        Err(error) => fail(failed, error),
    }
}

/// The first one says how all that follows is to be read.
#[inline(never)]
fn decode_connect<'p>(
    stream: &mut Stream,
    limits: &Limits,
    header: &[u8],
    body: &'p [u8],
) -> Result<Option<Item<'p>>, DecodeError> {
    match connect::decode(limits, header, body) {
        Ok(connect) => {
            stream.mode.version = Some(connect.version);
            let flags_are_fine = are_flags_fine(header[0], stream.mode.version, Leniency::NONE);
            stream.forgave |= !flags_are_fine || connect.bridge;
            Ok(Some(Item::Packet(Packet::Connect(connect))))
        }
        Err(error) => {
            // Whoever refuses it has to say so in the words of its version.
            if let Ok(version) = connect::version(body, limits.lenient) {
                stream.mode.version = Some(version);
            }
            stream.may_be_limited = !connect::takes_any_size(body, limits.lenient);
            fail(&mut stream.failed, error)
        }
    }
}

#[inline(never)]
fn decode_other<'p>(
    context: Context<'_>,
    failed: &mut Option<DecodeError>,
    first: u8,
    body: &'p [u8],
) -> Result<Option<Item<'p>>, DecodeError> {
    let packet = match first {
        first::CONNACK => connack::decode(context, body).map(Packet::Connack),
        first::SUBSCRIBE => subscribe::decode_subscribe(context, body).map(Packet::Subscribe),
        first::SUBACK => suback::decode_suback(context, body).map(Packet::Suback),
        first::UNSUBSCRIBE => subscribe::decode_unsubscribe(context, body).map(Packet::Unsubscribe),
        first::UNSUBACK => suback::decode_unsuback(context, body).map(Packet::Unsuback),
        first::PINGREQ => end(body).map(|()| Packet::Pingreq),
        first::PINGRESP => end(body).map(|()| Packet::Pingresp),
        first::DISCONNECT => disconnect::decode_disconnect(context, body).map(Packet::Disconnect),
        first::AUTH => disconnect::decode_auth(context, body).map(Packet::Auth),
        _ => Err(DecodeError::ReservedPacketType),
    };
    match packet {
        Ok(packet) => Ok(Some(Item::Packet(packet))),
        Err(error) => fail(failed, error),
    }
}
