//! The decoder, over every way in which a stream can come.
use super::{FORGIVING, mode_of};
use crate::codec::{DecodeError, Decoder, Item, Leniency, Limits, Mode, Packet, Payload, Publish};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Streams up to here are cut at every place.
const SHORT: usize = 64;

/// Limits that short packets reach.
const TIGHT: Limits = Limits {
    maximum_packet_size: 60,
    property_bytes_max: 16,
    user_properties_max: 1,
    filters_max: 2,
    topic_bytes_max: 10,
    topic_levels_max: 3,
    streamed_from: 20,
    lenient: Leniency::NONE,
};

/// Any split of the same bytes gives the same items, whether payloads are streamed or not; each packet is read from
/// its own bytes and no others; an error is final; what is held stays in proportion to what came.
///
/// The first byte chooses who reads which version and how strictly, the second how many bytes come at a time, the
/// third from where on a payload is streamed.
pub fn decode(input: &[u8]) {
    let [first, step, streamed_from, stream @ ..] = input else { return };
    let mode = mode_of(*first);
    let base = if first & 8 == 0 { Limits::default() } else { TIGHT };
    let base = if first & 16 == 0 { base } else { Limits { lenient: FORGIVING, ..base } };
    let limits = Limits { streamed_from: u32::from(*streamed_from).max(1), ..base };
    let whole = read(mode, &limits, [stream]);
    for size in [1, usize::from(*step).max(1), stream.len() / 2 + 1] {
        assert_eq!(whole, read(mode, &limits, stream.chunks(size)), "in pieces of {size}");
    }
    assert_eq!(whole, read(mode, &limits, growing(stream)), "in longer and longer pieces");
    if stream.len() <= SHORT {
        for at in 1..stream.len() {
            let (front, back) = stream.split_at(at);
            assert_eq!(whole, read(mode, &limits, [front, back]), "cut at {at}");
        }
    }
    let never = Limits { streamed_from: u32::MAX, ..base };
    streaming_changes_nothing(mode, &limits, stream, &whole);
    each_is_read_alone(mode, &never, stream);
}

/// Pieces of 1, 2, 3 … bytes.
fn growing(mut stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut size = 0;
    core::iter::from_fn(move || {
        size += 1;
        let (piece, rest) = stream.split_at(size.min(stream.len()));
        stream = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// What a stream holds, in a form that does not depend on how it came.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// Packets that were whole.
    packets: Vec<String>,
    /// A PUBLISH whose payload has not come to its end.
    unfinished: Option<String>,
    error: Option<DecodeError>,
}

/// A PUBLISH whose payload is under way: all but that as it will be shown, and the payload so far.
struct Open {
    head: String,
    body: Vec<u8>,
    length: u32,
}

impl Open {
    fn shown(&self) -> String {
        format!("{} {:?}", self.head, self.body)
    }
}

fn read<'p>(mode: Mode, limits: &Limits, pieces: impl IntoIterator<Item = &'p [u8]>) -> Seen {
    let mut decoder = Decoder::new(mode);
    let mut seen = Seen::default();
    let mut open: Option<Open> = None;
    // How much has come since the last packet began, at most.
    let mut came = 0;
    for mut piece in pieces {
        came += piece.len();
        loop {
            match decoder.next(limits, &mut piece) {
                Ok(Some(Item::Packet(packet))) => {
                    assert!(open.is_none(), "a payload comes to its end before the next packet");
                    seen.packets.push(shown(&packet));
                    came = piece.len();
                }
                Ok(Some(Item::Head(publish))) => {
                    assert!(open.is_none(), "a payload comes to its end before the next head");
                    open = Some(begin(&publish, limits));
                }
                Ok(Some(Item::Body(bytes))) => {
                    let payload = open.as_mut().expect("a head comes first");
                    assert!(!bytes.is_empty(), "a piece of a payload is something");
                    payload.body.extend_from_slice(bytes);
                }
                Ok(None) => break,
                Err(error) => {
                    error_is_final(&mut decoder, limits, error);
                    seen.error = Some(error);
                    return seen;
                }
            }
            if let Some(payload) = open.take_if(|open| open.body.len() == open.length as usize) {
                seen.packets.push(payload.shown());
                came = piece.len();
            }
            let left = open.as_ref().map_or(0, |open| open.length as usize - open.body.len());
            assert_eq!(decoder.body_left() as usize, left, "what is to come of a payload is known");
        }
        assert!(piece.is_empty(), "None means that the input is used up");
        // A payload that passes through is not kept.
        let kept = if open.is_some() { 0 } else { came };
        assert!(decoder.held() <= 2 * kept + 512, "{} bytes are held for {kept}", decoder.held());
    }
    seen.unfinished = open.map(|open| open.shown());
    seen
}

fn begin(publish: &Publish<'_>, limits: &Limits) -> Open {
    let Payload::Streamed(length) = publish.payload else { panic!("a head has no payload: {publish:?}") };
    assert!(length >= limits.streamed_from, "a payload of {length} bytes is not streamed");
    Open { head: shown_head(publish), body: Vec::new(), length }
}

/// A PUBLISH shows the same whether its payload was streamed or not.
fn shown(packet: &Packet<'_>) -> String {
    let Packet::Publish(publish) = packet else { return format!("{packet:?}") };
    let Payload::Whole(payload) = publish.payload else { panic!("a packet is whole: {publish:?}") };
    format!("{} {payload:?}", shown_head(publish))
}

fn shown_head(publish: &Publish<'_>) -> String {
    let Publish { delivery, retain, topic, properties, payload: _ } = publish;
    format!("{delivery:?} {retain} {topic:?} {properties:?}")
}

fn error_is_final(decoder: &mut Decoder, limits: &Limits, error: DecodeError) {
    for mut more in [&b""[..], b"\xc0\x00", b"\x30"] {
        assert_eq!(decoder.next(limits, &mut more), Err(error), "an error is final");
    }
    assert_eq!(decoder.held(), 0, "nothing is kept of a stream that can't be trusted");
}

/// With payloads that are streamed the same packets come, and nothing passes that would be refused in one piece.
fn streaming_changes_nothing(mode: Mode, limits: &Limits, stream: &[u8], streamed: &Seen) {
    let whole = read(mode, &Limits { streamed_from: u32::MAX, ..*limits }, [stream]);
    assert_eq!(streamed.packets, whole.packets, "a payload that comes in pieces is the same payload");
    assert!(whole.error.is_none() || streamed.error.is_some(), "{:?} is noticed", whole.error);
}

/// The bytes that a packet was read from are that packet by themselves, and fewer of them are nothing yet.
fn each_is_read_alone(mode: Mode, limits: &Limits, mut stream: &[u8]) {
    let mut decoder = Decoder::new(mode);
    loop {
        let (mode, before) = (decoder.mode(), stream);
        let Ok(Some(Item::Packet(packet))) = decoder.next(limits, &mut stream) else { return };
        let own = &before[..before.len() - stream.len()];
        assert!(before.ends_with(stream), "what is left is the rest");
        let (mut alone, mut cut) = (Decoder::new(mode), Decoder::new(mode));
        assert_eq!(alone.next(limits, &mut &own[..]), Ok(Some(Item::Packet(packet))));
        assert_eq!(
            cut.next(limits, &mut &own[..own.len() - 1]),
            Ok(None),
            "a packet that is not whole waits"
        );
    }
}
