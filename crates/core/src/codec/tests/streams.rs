//! Packets in a stream, cut wherever the network cuts.
use super::strategies;
use super::support::{Transcript, bytes, decoder, packet, read};
use crate::codec::*;
use crate::version::Role;
use crate::version::Role::{Client, Server};
use crate::version::Version::{self, V3_1_1, V5};
use proptest::collection::vec;
use proptest::prelude::*;
use std::vec::Vec;

fn stream() -> impl Strategy<Value = (Version, Role, Vec<u8>)> {
    strategies::mode().prop_flat_map(|(version, role)| {
        vec(strategies::packet(version, role), 1..6).prop_map(move |samples| {
            (version, role, samples.into_iter().flat_map(|sample| sample.bytes).collect())
        })
    })
}

/// Cuts `bytes` into pieces of these lengths, over and over.
fn cut<'b>(mut bytes: &'b [u8], lengths: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
        if bytes.is_empty() {
            break;
        }
    }
    pieces
}

proptest! {
    #[test]
    fn any_cut_reads_the_same((version, role, bytes) in stream(), lengths in vec(1..50_usize, 1..10)) {
        let whole = read(decoder(version, role), &Limits::default(), [&bytes[..]]);
        let pieces = read(decoder(version, role), &Limits::default(), cut(&bytes, &lengths));
        prop_assert_eq!(whole.error, None);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn any_cut_streams_the_same(
        (version, role, bytes) in stream(),
        lengths in vec(1..50_usize, 1..10),
        streamed_from in 0..200_u32,
    ) {
        let limits = Limits { streamed_from, ..Limits::default() };
        let whole = read(decoder(version, role), &limits, [&bytes[..]]);
        let pieces = read(decoder(version, role), &limits, cut(&bytes, &lengths));
        prop_assert_eq!(whole.error, None);
        prop_assert_eq!(whole, pieces);
    }
}

const STREAMED: Limits = Limits { streamed_from: 10, ..Limits::NONE };

fn publish(version: Version, payload: usize) -> Vec<u8> {
    let head = if version == V5 { bytes("s:topic 0007 07 26 s:k s:v") } else { bytes("s:topic 0007") };
    packet(0x32, &[head, std::vec![b'x'; payload]].concat())
}

#[test]
fn a_payload_is_streamed_from_its_limit_on() {
    for version in [V3_1_1, V5] {
        for (payload, streamed) in [(9, false), (10, true), (11, true)] {
            let packet = publish(version, payload);
            for step in 1..=packet.len() {
                let transcript = read(decoder(version, Server), &STREAMED, packet.chunks(step));
                assert_eq!(transcript.items.len(), 1);
                let bodies: Vec<usize> = transcript.bodies.iter().map(Vec::len).collect();
                assert_eq!(bodies, if streamed { std::vec![payload] } else { std::vec![] }, "{payload}");
            }
        }
    }
}

#[test]
fn a_streamed_payload_is_never_held() {
    let packet = publish(V5, 100_000);
    let mut decoder = decoder(V5, Server);
    let mut body = 0;
    for mut piece in packet.chunks(1000) {
        while let Some(item) = decoder.next(&STREAMED, &mut piece).unwrap() {
            if let Item::Body(bytes) = item {
                body += bytes.len();
            }
        }
        assert!(decoder.held() < 1000);
        assert_eq!(decoder.body_left() as usize, 100_000 - body);
    }
    assert_eq!((body, decoder.body_left()), (100_000, 0));
}

#[test]
fn a_body_may_be_read_elsewhere() {
    let packet = publish(V3_1_1, 100);
    let mut decoder = decoder(V3_1_1, Server);
    let mut input = &packet[..18];
    let Ok(Some(Item::Head(head))) = decoder.next(&STREAMED, &mut input) else {
        panic!("a head comes first")
    };
    assert_eq!(head.payload, Payload::Streamed(100));
    assert_eq!(decoder.next(&STREAMED, &mut input), Ok(Some(Item::Body(&b"xxxxxxx"[..]))));
    decoder.skip_body(90);
    assert_eq!(decoder.body_left(), 3);
    let mut rest = &b"xxx\xc0\x00"[..];
    assert_eq!(decoder.next(&STREAMED, &mut rest), Ok(Some(Item::Body(&b"xxx"[..]))));
    assert_eq!(decoder.next(&STREAMED, &mut rest), Ok(Some(Item::Packet(Packet::Pingreq))));
}

#[test]
fn a_body_read_elsewhere_to_its_end_is_over() {
    let packet = publish(V3_1_1, 100);
    let mut decoder = decoder(V3_1_1, Server);
    assert!(matches!(decoder.next(&STREAMED, &mut &packet[..11]), Ok(Some(Item::Head(_)))));
    decoder.skip_body(100);
    assert_eq!(decoder.next(&STREAMED, &mut &b"\xc0\x00"[..]), Ok(Some(Item::Packet(Packet::Pingreq))));
    assert_eq!(decoder.next(&STREAMED, &mut &b""[..]), Ok(None));
    assert_eq!(decoder.held(), 0);
}

#[test]
fn a_packet_that_has_begun_whole_stays_whole_whatever_the_limits_are_later() {
    let packet = publish(V5, 100);
    for cut in 1..packet.len() {
        let mut decoder = decoder(V5, Server);
        let (mut begin, mut end) = packet.split_at(cut);
        assert_eq!(decoder.next(&Limits::NONE, &mut begin), Ok(None));
        let mut length = 0;
        while let Some(item) = decoder.next(&STREAMED, &mut end).unwrap() {
            length += match item {
                Item::Packet(Packet::Publish(Publish { payload: Payload::Whole(bytes), .. })) => bytes.len(),
                Item::Head(_) => 0,
                Item::Body(bytes) => bytes.len(),
                Item::Packet(other) => panic!("{other:?}"),
            };
        }
        assert_eq!(length, 100, "cut at {cut}");
    }
}

#[test]
fn a_claim_of_256_megabytes_costs_nothing() {
    for (role, first) in [(Server, 0x82), (Client, 0x90), (Server, 0x30)] {
        let mut decoder = decoder(V5, role);
        let mut input = &[first, 0xff, 0xff, 0xff, 0x7f, 0, 1, 0][..];
        assert_eq!(decoder.next(&Limits::NONE, &mut input), Ok(None));
        assert!(decoder.held() < 1024, "{} bytes", decoder.held());
    }
}

#[test]
fn memory_grows_with_what_came_and_goes_with_the_packet() {
    let packet = packet(0x82, &[bytes("0001 00"), bytes("s:0123456789 00").repeat(1000)].concat());
    let mut decoder = decoder(V5, Server);
    let mut came = 0;
    for mut piece in packet.chunks(100) {
        came += piece.len();
        let item = decoder.next(&Limits::NONE, &mut piece).unwrap();
        assert_eq!(item.is_some(), came == packet.len());
        assert!(decoder.held() <= 2 * came + 512, "{} bytes held for {came}", decoder.held());
    }
    assert_eq!(decoder.next(&Limits::NONE, &mut &b""[..]), Ok(None));
    assert_eq!(decoder.held(), 0);
}

#[test]
fn an_error_ends_the_stream_for_good() {
    let mut decoder = decoder(V3_1_1, Server);
    let mut input = &b"\xc0\x00\xc1\x00\xc0\x00"[..];
    assert_eq!(decoder.next(&Limits::NONE, &mut input), Ok(Some(Item::Packet(Packet::Pingreq))));
    for _ in 0..3 {
        assert_eq!(decoder.next(&Limits::NONE, &mut input), Err(DecodeError::ReservedFlags));
        input = b"\xc0\x00";
    }
}

#[test]
fn a_client_says_the_version() {
    let mut decoder = decoder(None, Client);
    assert_eq!(decoder.mode().version, None);
    decoder.set_version(V5);
    let mut input = &b"\x20\x03\x00\x00\x00"[..];
    assert!(matches!(decoder.next(&Limits::NONE, &mut input), Ok(Some(Item::Packet(Packet::Connack(_))))));
}

#[test]
fn nothing_is_nothing() {
    assert_eq!(read(decoder(V5, Server), &Limits::NONE, [&b""[..]; 3]), Transcript::default());
}

/// How often the memory for what is unfinished was asked for anew.
fn growths(limits: &Limits, packet: &[u8]) -> usize {
    let mut decoder = decoder(V5, Server);
    let mut sizes = Vec::new();
    for mut piece in packet.chunks(1) {
        decoder.next(limits, &mut piece).unwrap();
        sizes.push(decoder.held());
    }
    sizes.dedup();
    sizes.len()
}

/// Whoever grows by a constant copies what came again and again.
#[test]
fn a_head_in_pieces_is_collected_by_doubling() {
    let packet = packet(0x30, &[bytes("fff0"), std::vec![b'a'; 0xfff0], std::vec![0; 70_000]].concat());
    let whole = Limits { streamed_from: u32::MAX, ..Limits::NONE };
    let streamed = Limits { streamed_from: 65_536, ..Limits::NONE };
    let (whole, streamed) = (growths(&whole, &packet), growths(&streamed, &packet));
    assert!(whole < 30, "{whole}");
    assert!(streamed < 30, "{streamed}");
}
