//! SUBSCRIBE and UNSUBSCRIBE. (Sections 3.8, 3.10)
use super::encode::put_properties;
use super::primitives::{binary, byte, packet_id};
use super::properties::{self, place};
use super::{Context, DecodeError, FilterNames, Filters, Limits, RetainHandling, Subscribe};
use super::{EncodeError, SubscriptionOptions, Unsubscribe};
use crate::qos::QoS;
use crate::topic::{self, TopicError, TopicFilter};
use crate::version::Version;
use alloc::vec::Vec;

pub(super) fn decode_subscribe<'a>(
    context: Context<'_>,
    mut body: &'a [u8],
) -> Result<Subscribe<'a>, DecodeError> {
    let packet_id = packet_id(&mut body)?;
    let properties = properties::decode_in(context.version, place::SUBSCRIBE, context.limits, &mut body)?;
    let filters = Filters { encoded: body, version: context.version };
    each_filter(context.limits, body, |rest| {
        let is_shared = filter(rest, context)?;
        let options = check_options(byte(rest)?, context.version)?;
        // [MQTT-3.8.3-4]
        if is_shared && options & NO_LOCAL != 0 { Err(DecodeError::SharedNoLocal) } else { Ok(()) }
    })?;
    Ok(Subscribe { packet_id, properties, filters })
}

pub(super) fn decode_unsubscribe<'a>(
    context: Context<'_>,
    mut body: &'a [u8],
) -> Result<Unsubscribe<'a>, DecodeError> {
    let packet_id = packet_id(&mut body)?;
    let properties = properties::decode_in(context.version, place::UNSUBSCRIBE, context.limits, &mut body)?;
    each_filter(context.limits, body, |rest| filter(rest, context).map(|_is_shared| ()))?;
    Ok(Unsubscribe { packet_id, properties, filters: FilterNames { encoded: body } })
}

/// At least one, and no more than allowed. [MQTT-3.8.3-2] [MQTT-3.10.3-2]
#[inline(always)]
fn each_filter(
    limits: &Limits,
    mut rest: &[u8],
    mut check: impl FnMut(&mut &[u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    if rest.is_empty() {
        return Err(DecodeError::NoFilters);
    }
    let mut count = 0;
    while !rest.is_empty() {
        check(&mut rest)?;
        count += 1;
        if count > limits.filters_max {
            return Err(DecodeError::TooManyFilters);
        }
    }
    Ok(())
}

/// Checks one and says whether it is that of a Shared Subscription. [MQTT-3.8.3-1] [MQTT-3.10.3-1]
#[inline]
fn filter(rest: &mut &[u8], context: Context<'_>) -> Result<bool, DecodeError> {
    check_filter(binary(rest)?, context).map_err(DecodeError::TopicFilter)
}

#[inline]
fn check_filter(filter: &[u8], context: Context<'_>) -> Result<bool, TopicError> {
    if filter.len() > usize::from(context.limits.topic_bytes_max) {
        return Err(TopicError::TooLong);
    }
    topic::validate_filter(filter)?;
    topic::validate_levels(filter, context.limits.topic_levels_max)?;
    // Before 5.0 `$share` is a level like any other.
    if context.version.is_v5() { topic::validate_share(filter) } else { Ok(false) }
}

const NO_LOCAL: u8 = 1 << 2;
const RETAIN_AS_PUBLISHED: u8 = 1 << 3;

/// What is reserved must be zero; before 5.0 that is all but the QoS, and 3.1 doesn't use it. [MQTT-3.8.3-5]
#[inline]
fn check_options(bits: u8, version: Version) -> Result<u8, DecodeError> {
    let bits = used(bits, version);
    let reserved = if version.is_v5() { 0b1100_0000 } else { 0b1111_1100 };
    let is_valid = bits & reserved == 0 && bits & 0b11 != 0b11 && bits & 0b11_0000 != 0b11_0000;
    if is_valid { Ok(bits) } else { Err(DecodeError::SubscriptionOptions) }
}

/// What a version uses of the Subscription Options.
#[inline]
fn used(bits: u8, version: Version) -> u8 {
    if version == Version::V3_1 { bits & 0b11 } else { bits }
}

#[inline]
fn options(bits: u8, version: Version) -> Option<SubscriptionOptions> {
    let bits = used(bits, version);
    Some(SubscriptionOptions {
        qos: QoS::from_bits(bits & 0b11)?,
        no_local: bits & NO_LOCAL != 0,
        retain_as_published: bits & RETAIN_AS_PUBLISHED != 0,
        retain_handling: match bits >> 4 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return None,
        },
    })
}

fn bits(options: SubscriptionOptions, version: Version) -> u8 {
    if !version.is_v5() {
        return options.qos.bits();
    }
    options.qos.bits()
        | if options.no_local { NO_LOCAL } else { 0 }
        | if options.retain_as_published { RETAIN_AS_PUBLISHED } else { 0 }
        | (options.retain_handling as u8) << 4
}

impl<'a> Filters<'a> {
    /// In the order they came.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, SubscriptionOptions)> {
        let mut rest = self.encoded;
        core::iter::from_fn(move || {
            let filter = core::str::from_utf8(binary(&mut rest).ok()?).ok()?;
            Some((filter, options(byte(&mut rest).ok()?, self.version)?))
        })
    }

    /// How many. They are counted.
    pub fn len(self) -> usize {
        let mut rest = self.encoded;
        core::iter::from_fn(|| binary(&mut rest).and_then(|_| byte(&mut rest)).ok()).count()
    }

    /// None, which only happens before anything was pushed.
    pub fn is_empty(self) -> bool {
        self.encoded.is_empty()
    }
}

/// The same filters with the same options. Bits that 3.1 does not use make no difference.
impl PartialEq for Filters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version && self.iter().eq(other.iter())
    }
}

impl<'a> FilterNames<'a> {
    /// In the order they came.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut rest = self.encoded;
        core::iter::from_fn(move || core::str::from_utf8(binary(&mut rest).ok()?).ok())
    }

    /// How many. They are counted.
    pub fn len(self) -> usize {
        let mut rest = self.encoded;
        core::iter::from_fn(|| binary(&mut rest).ok()).count()
    }

    /// None, which only happens before anything was pushed.
    pub fn is_empty(self) -> bool {
        self.encoded.is_empty()
    }
}

/// The Topic Filters of a SUBSCRIBE to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiltersBuf {
    encoded: Vec<u8>,
    version: Version,
}

impl FiltersBuf {
    /// None yet. A SUBSCRIBE needs at least one. [MQTT-3.8.3-2]
    pub const fn new(version: Version) -> Self {
        Self { encoded: Vec::new(), version }
    }

    /// Adds one at the end. Before 5.0 only the QoS of its options is sent.
    pub fn push(&mut self, filter: &TopicFilter, options: SubscriptionOptions) {
        put_filter(&mut self.encoded, filter);
        self.encoded.push(bits(options, self.version));
    }

    /// To put into a packet of the same version.
    pub fn as_filters(&self) -> Filters<'_> {
        Filters { encoded: &self.encoded, version: self.version }
    }
}

/// The Topic Filters of an UNSUBSCRIBE to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterNamesBuf {
    encoded: Vec<u8>,
}

impl FilterNamesBuf {
    /// None yet. An UNSUBSCRIBE needs at least one. [MQTT-3.10.3-2]
    pub const fn new() -> Self {
        Self { encoded: Vec::new() }
    }

    /// Adds one at the end.
    pub fn push(&mut self, filter: &TopicFilter) {
        put_filter(&mut self.encoded, filter);
    }

    /// To put into a packet.
    pub fn as_filters(&self) -> FilterNames<'_> {
        FilterNames { encoded: &self.encoded }
    }
}

fn put_filter(out: &mut Vec<u8>, filter: &TopicFilter) {
    let [.., high, low] = filter.as_str().len().to_be_bytes();
    out.extend_from_slice(&[high, low]);
    out.extend_from_slice(filter.as_str().as_bytes());
}

pub(super) fn encode_subscribe(
    subscribe: &Subscribe<'_>,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    out.extend_from_slice(&subscribe.packet_id.get().to_be_bytes());
    put_properties(subscribe.properties, version, out)?;
    if version == subscribe.filters.version && version > Version::V3_1 {
        out.extend_from_slice(subscribe.filters.encoded);
        return Ok(());
    }
    for (filter, options) in subscribe.filters.iter() {
        // Before 5.0 `$share` needs no form.
        if version.is_v5() && topic::check_share(filter).is_err() {
            return Err(EncodeError::NotInThisVersion);
        }
        super::write::put_binary(out, filter.as_bytes())?;
        out.push(bits(options, version));
    }
    Ok(())
}

pub(super) fn encode_unsubscribe(
    unsubscribe: &Unsubscribe<'_>,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    out.extend_from_slice(&unsubscribe.packet_id.get().to_be_bytes());
    put_properties(unsubscribe.properties, version, out)?;
    out.extend_from_slice(unsubscribe.filters.encoded);
    Ok(())
}
