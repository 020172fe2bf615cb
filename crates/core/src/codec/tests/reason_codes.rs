//! Each of the 256 codes in each packet, from either side, by the tables of the standard.
use super::support::{bytes, packet, read_whole};
use crate::codec::DecodeError;
use crate::version::Role::{self, Client, Server};
use crate::version::Version::{self, V3_1, V3_1_1, V5};

/// Version, who reads, first byte, what stands before the code and behind it, and the codes that are valid.
type Row = (Version, Role, u8, &'static str, &'static str, &'static [u8]);

/// Tables 3-1, 3-4 to 3-9, 3-11 and those of sections 3.9 and 3.14; of 3.1.1, table 3.1 and section 3.9.
const TABLE: &[Row] = &[
    (
        V5,
        Client,
        0x20,
        "00",
        "00",
        b"\x00\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8c\x90\x95\x97\x99\x9a\x9b\x9c\x9d\x9f",
    ),
    (V5, Client, 0x40, "0001", "", b"\x00\x10\x80\x83\x87\x90\x91\x97\x99"),
    (V5, Server, 0x40, "0001", "", b"\x00\x80\x83\x87\x90\x91\x97\x99"),
    (V5, Client, 0x50, "0001", "00", b"\x00\x10\x80\x83\x87\x90\x91\x97\x99"),
    (V5, Server, 0x50, "0001", "", b"\x00\x80\x83\x87\x90\x91\x97\x99"),
    (V5, Client, 0x62, "0001", "", b"\x00\x92"),
    (V5, Server, 0x62, "0001", "00", b"\x00\x92"),
    (V5, Client, 0x70, "0001", "", b"\x00\x92"),
    (V5, Server, 0x70, "0001", "", b"\x00\x92"),
    (V5, Client, 0x90, "0001 00", "", b"\x00\x01\x02\x80\x83\x87\x8f\x91\x97\x9e\xa1\xa2"),
    (V5, Client, 0xb0, "0001 00", "", b"\x00\x11\x80\x83\x87\x8f\x91"),
    (V5, Server, 0xe0, "", "", b"\x00\x04\x80\x81\x82\x83\x90\x93\x94\x95\x96\x97\x98\x99"),
    // 0x8c stands in table 2-6 and not in section 3.14.2.1.
    (
        V5,
        Client,
        0xe0,
        "",
        "00",
        b"\x00\x80\x81\x82\x83\x87\x89\x8b\x8c\x8d\x8e\x8f\x90\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f\
          \xa0\xa1\xa2",
    ),
    (V5, Server, 0xf0, "", "04 15 s:m", b"\x18\x19"),
    (V5, Client, 0xf0, "", "04 15 s:m", b"\x00\x18"),
    (V3_1_1, Client, 0x20, "00", "", b"\x00\x01\x02\x03\x04\x05"),
    (V3_1, Client, 0x20, "00", "", b"\x00\x01\x02\x03\x04\x05"),
    (V3_1_1, Client, 0x90, "0001", "", b"\x00\x01\x02\x80"),
];

#[test]
fn each_code_is_taken_where_a_table_has_it_and_nowhere_else() {
    for (version, role, first, before, after, valid) in TABLE {
        for code in 0..=0xff {
            let body = [bytes(before), [code].into(), bytes(after)].concat();
            let error = read_whole(&packet(*first, &body), *version, *role).error;
            let expected = (!valid.contains(&code)).then_some(DecodeError::ReasonCode(code));
            assert_eq!(error, expected, "{first:#04x} with {code:#04x}, read by {role:?} in {version:?}");
        }
    }
}
