//! What is counted and timed.
use super::stamp::Stamp;
use super::track::Track;
use hdrhistogram::Histogram;
use std::collections::HashMap;
use tidewire_core::message::Payload;

/// No time is longer, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// How long something took, each time, and when the first and the last ended; in microseconds.
pub(super) struct Timing {
    latencies: Histogram<u64>,
    /// What takes as long as the one before is counted here until another comes: many leave and end together.
    alike: (u64, u64),
    /// From when on they count.
    pub(super) since: Option<u64>,
    pub(super) until: u64,
}

impl Timing {
    fn new() -> Self {
        let latencies = Histogram::new_with_bounds(1, LONGEST, 3).expect("these are bounds");
        Self { latencies, alike: (0, 0), since: None, until: 0 }
    }

    pub(super) fn record(&mut self, begun: u64, now: u64) {
        let micros = now.saturating_sub(begun);
        if micros != self.alike.0 {
            self.settle();
            self.alike.0 = micros;
        }
        self.alike.1 += 1;
        self.since.get_or_insert(now);
        self.until = now;
    }

    fn settle(&mut self) {
        let (micros, times) = std::mem::take(&mut self.alike);
        self.latencies.saturating_record_n(micros, times);
    }

    /// How often it was.
    pub(super) fn count(&self) -> u64 {
        self.latencies.len() + self.alike.1
    }

    /// The longest that so large a part of them took, in microseconds; nothing, if it never was.
    pub(super) fn quantile(&self, part: f64) -> Option<u64> {
        debug_assert_eq!(self.alike.1, 0, "it is settled");
        let is_known = !self.latencies.is_empty();
        is_known.then(|| self.latencies.value_at_quantile(part).min(self.latencies.max()))
    }

    /// How often in a second.
    pub(super) fn rate(&self) -> f64 {
        let micros = self.until.saturating_sub(self.since.unwrap_or(self.until));
        let times = self.count();
        #[expect(clippy::cast_precision_loss, reason = "a rate is not exact")]
        if micros == 0 { 0.0 } else { times as f64 * 1e6 / micros as f64 }
    }
}

/// What a subscriber has, by whose it is.
#[derive(Default)]
pub(super) struct Tracks {
    tracks: Vec<Track>,
    /// Where the one of this run and publisher is.
    places: HashMap<(u16, u32), usize>,
    /// The last one that was looked for: its messages often come together.
    last: Option<((u16, u32), usize)>,
}

impl Tracks {
    pub(super) fn of(&self, run: u16, publisher: u32) -> Option<&Track> {
        self.places.get(&(run, publisher)).map(|place| &self.tracks[*place])
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter()
    }

    /// It is new if nothing came from there yet.
    fn of_or(&mut self, run: u16, publisher: u32, new: impl FnOnce() -> Track) -> &mut Track {
        let key = (run, publisher);
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => *self.places.entry(key).or_insert_with(|| {
                self.tracks.push(new());
                self.tracks.len() - 1
            }),
        };
        self.last = Some((key, place));
        &mut self.tracks[place]
    }
}

pub(super) struct Figures {
    run: u16,
    /// Subscribers know what there was before the first message that came.
    is_whole: bool,
    pub(super) connects: Timing,
    pub(super) refused: u64,
    /// Messages that were handed over, by publisher.
    pub(super) sent: Vec<u64>,
    pub(super) publishes: Timing,
    pub(super) deliveries: Timing,
    /// Messages that came, each counted once.
    pub(super) received: u64,
    /// Messages that are not of a bench.
    pub(super) foreign: u64,
    pub(super) subscribers: Vec<Tracks>,
}

impl Figures {
    pub(super) fn new(run: u16, publishers: u32, subscribers: u32) -> Self {
        Self {
            run,
            is_whole: publishers > 0,
            connects: Timing::new(),
            refused: 0,
            sent: vec![0; publishers as usize],
            publishes: Timing::new(),
            deliveries: Timing::new(),
            received: 0,
            foreign: 0,
            subscribers: (0..subscribers).map(|_| Tracks::default()).collect(),
        }
    }

    /// From now on it is published.
    pub(super) fn begin(&mut self, now: u64) {
        self.publishes.since = Some(now);
        if self.is_whole {
            self.deliveries.since = Some(now);
        }
    }

    /// A message has come to this subscriber.
    pub(super) fn on_message(&mut self, subscriber: u32, payload: &Payload, now: u64) {
        let first = payload.pieces().first().and_then(|piece| Stamp::read(piece));
        // Somebody else's are not what this bench measures, where it knows its own.
        let Some(stamp) = first.filter(|stamp| !self.is_whole || stamp.run == self.run) else {
            self.foreign += 1;
            return;
        };
        self.deliveries.record(stamp.time, now);
        let begins = if self.is_whole { 0 } else { stamp.sequence };
        let tracks = &mut self.subscribers[subscriber as usize];
        let track = tracks.of_or(stamp.run, stamp.publisher, || Track::from(begins));
        self.received += u64::from(track.on_message(stamp.sequence));
    }

    /// Nothing more is timed.
    pub(super) fn settle(&mut self) {
        [&mut self.connects, &mut self.publishes, &mut self.deliveries].into_iter().for_each(Timing::settle);
    }

    pub(super) fn all_sent(&self) -> u64 {
        self.sent.iter().sum()
    }
}
