//! One packet of each kind, those of 5.0 with properties, and who reads it.
use tidewire_core::codec::Mode;
use tidewire_core::version::{Role, Version};

const fn read_by(role: Role, version: Version) -> Mode {
    Mode { role, version: Some(version) }
}

pub(crate) const SERVER: Mode = Mode { role: Role::Server, version: None };
pub(crate) const SERVER_3_1_1: Mode = read_by(Role::Server, Version::V3_1_1);
pub(crate) const SERVER_5: Mode = read_by(Role::Server, Version::V5);
pub(crate) const CLIENT_5: Mode = read_by(Role::Client, Version::V5);

pub(crate) const PACKETS: &[(Mode, &[u8])] = &[
    (SERVER, b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c"),
    (
        SERVER,
        b"\x10\x3d\0\x04MQTT\x05\xee\0\x3c\x08\x11\0\0\0\x01\x21\0\x05\0\x02me\x09\x26\0\x01k\0\x01v\x01\x01\
          \0\x04will\0\x04gone\0\x04user\0\x08password",
    ),
    (CLIENT_5, b"\x20\x07\0\0\x04\x25\0\x24\x01"),
    (SERVER_3_1_1, b"\x30\x0b\0\x05topicdata"),
    (SERVER_5, b"\x3d\x16\0\x05topic\0\x07\x09\x02\0\0\0\x09\x03\0\x01tdata"),
    (SERVER_3_1_1, b"\x40\x02\0\x07"),
    (CLIENT_5, b"\x50\x0b\0\x07\x10\x07\x1f\0\x04none"),
    (SERVER_5, b"\x62\x03\0\x07\x92"),
    (CLIENT_5, b"\x70\x02\0\x07"),
    (SERVER_5, b"\x82\x13\0\x07\x02\x0b\x05\0\x01a\x01\0\x03b/+\x02\0\x01#\x00"),
    (CLIENT_5, b"\x90\x06\0\x07\0\x01\x02\x87"),
    (SERVER_3_1_1, b"\xa2\x08\0\x07\0\x01a\0\x01#"),
    (CLIENT_5, b"\xb0\x05\0\x07\0\0\x11"),
    (SERVER_5, b"\xc0\0"),
    (CLIENT_5, b"\xd0\0"),
    (CLIENT_5, b"\xe0\x09\x8b\x07\x1f\0\x04late"),
    (CLIENT_5, b"\xf0\x0b\x18\x09\x15\0\x01m\x16\0\x02xy"),
];
