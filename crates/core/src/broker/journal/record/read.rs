//! From bytes to records. Bytes from a disk are judged like a peer's.
use super::*;

/// What the beginning of some bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read<'a> {
    /// A record, and how long it is.
    Record(Record<'a>, usize),
    /// Its end has not come.
    Torn,
    /// It is of another version.
    Version,
    /// It is not a record.
    Corrupt,
}

/// Reads the first record. Bytes from a disk are judged like a peer's.
pub(crate) fn read(bytes: &[u8]) -> Read<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Read::Torn };
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length < 2 {
        return Read::Corrupt;
    }
    let Some(body) = rest.get(..length) else { return Read::Torn };
    if check(body) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Read::Corrupt;
    }
    let [FORMAT, fields @ ..] = body else { return Read::Version };
    let mut reader = Reader(fields);
    match reader.record() {
        Some(record) if reader.0.is_empty() => Read::Record(record, HEADER + length),
        _ => Read::Corrupt,
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn record(&mut self) -> Option<Record<'a>> {
        Some(match self.u8()? {
            START => Record::Start { at: Instant::from_micros(self.u64()?) },
            SESSION => Record::Session(SessionRecord {
                who: self.who()?,
                at: Instant::from_micros(self.u64()?),
                client_id: self.text()?,
                identity: IdentityId(self.u32()?),
                variant: self.u32()?,
                expiry: self.u32()?,
                version: self.u8()?,
                connected: self.u8()? != 0,
                ends_at: self.instant()?,
                will_at: self.instant()?,
            }),
            SESSION_END => Record::SessionEnd(self.who()?),
            SUBSCRIBED => Record::Subscribed {
                who: self.who()?,
                filter: self.filter()?,
                options: self.u8()?,
                identifier: self.u32()?,
            },
            UNSUBSCRIBED => Record::Unsubscribed { who: self.who()?, filter: self.filter()? },
            MESSAGE => {
                let message = self.message()?;
                let mail = InMail::from_bits(self.u8()?);
                let taken = match self.u8()? {
                    0 => Taken::Nothing,
                    1 => Taken::Receipt(self.who()?, self.u16()?),
                    2 => Taken::Will(self.who()?),
                    _ => return None,
                };
                Record::Message { message, taken, places: self.places()?, mail }
            }
            QUEUED => Record::Queued { message: self.message()?, name: self.id()?, place: self.place()? },
            ENDED => Record::Ended { who: self.who()?, name: self.id()? },
            BOUND => Record::Bound { who: self.who()?, name: self.id()?, packet_id: self.u16()? },
            RELEASED => Record::Released { who: self.who()?, name: self.id()? },
            RECEIPT => Record::Receipt { who: self.who()?, packet_id: self.u16()? },
            RECEIPT_END => Record::ReceiptEnd { who: self.who()?, packet_id: self.u16()? },
            RETAINED => Record::Retained { message: self.message()?, qos: QoS::from_bits(self.u8()?)? },
            RETAINED_END => Record::RetainedEnd { topic: self.topic()?.as_str() },
            WILL => Record::Will { who: self.who()?, will: Box::new(self.will()?) },
            WILL_END => Record::WillEnd(self.who()?),
            DISTRIBUTED => Record::Distributed { id: self.id()? },
            KNOWN => Record::Known { id: self.id()? },
            FORGET => Record::Forget { id: self.id()? },
            GROUP => Record::Group { who: self.who()?, name: self.group()? },
            LENT => Record::Lent { who: self.who()?, name: self.id()?, group: self.group()? },
            _ => return None,
        })
    }

    fn places(&mut self) -> Option<Vec<Place>> {
        let n = self.u32()?;
        let mut places = Vec::new();
        for _ in 0..n {
            places.push(self.place()?);
        }
        Some(places)
    }

    fn place(&mut self) -> Option<Place> {
        let (who, bits, count) = (self.who()?, self.u8()?, self.u32()?);
        let mut identifiers = Vec::new();
        for _ in 0..count {
            identifiers.push(self.u32().filter(|i| (1..1 << 28).contains(i))?);
        }
        Some(Place { who, qos: QoS::from_bits(bits & 3)?, retain: bits & 4 != 0, identifiers })
    }

    fn message(&mut self) -> Option<MessageRecord<'a>> {
        Some(MessageRecord {
            id: self.id()?,
            origin: IdentityId(self.u32()?),
            expires_at: self.instant()?,
            topic: self.topic()?,
            properties: self.bytes()?,
            payload: Payload::Whole(self.bytes()?),
        })
    }

    fn will(&mut self) -> Option<Will> {
        let (topic, properties, payload) = (self.topic()?, self.bytes()?, self.bytes()?);
        let (bits, expiry, expires, delay) = (self.u8()?, self.u32()?, self.u8()?, self.u32()?);
        Some(Will {
            topic: topic.into(),
            properties: properties.into(),
            payload: payload.into(),
            qos: QoS::from_bits(bits & 3)?,
            retain: bits & 4 != 0,
            expiry: (expires != 0).then_some(expiry),
            delay,
        })
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn id(&mut self) -> Option<MessageId> {
        self.take().map(u128::from_le_bytes).map(MessageId::from_u128)
    }

    fn instant(&mut self) -> Option<Option<Instant>> {
        self.u64().map(|at| (at != NEVER).then(|| Instant::from_micros(at)))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.bytes()?).ok()
    }

    fn topic(&mut self) -> Option<Text<'a>> {
        crate::topic::check_name(self.bytes()?).ok()
    }

    fn filter(&mut self) -> Option<&'a str> {
        self.text().filter(|filter| crate::topic::check_filter(filter).is_ok())
    }

    fn group(&mut self) -> Option<&'a str> {
        let is_one = |name: &&str| crate::topic::check_filter(crate::topic::filter_of_group(name)).is_ok();
        self.text().filter(is_one)
    }

    fn who(&mut self) -> Option<Recipient> {
        Some(Recipient { session: self.u32()?, generation: self.u32()? })
    }
}
