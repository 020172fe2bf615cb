//! What is said at the end, and while it runs.
use super::figures::{Figures, Timing};
use super::member::Shared;
use super::run::End;
use super::setup::{Kind, Setup};
use crate::say::{self, Failure};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Which publishers' messages each subscriber is to get.
pub(super) struct Expected {
    publishers: Vec<Vec<u32>>,
    run: u16,
}

/// What became of the messages.
#[derive(Debug, Default)]
struct Fates {
    lost: u64,
    duplicates: u64,
    disorder: u64,
}

impl Expected {
    pub(super) fn of(setup: &Setup) -> Result<Self, Failure> {
        let mut topics: HashMap<String, Vec<u32>> = HashMap::new();
        for number in 0..setup.publishers {
            topics.entry(setup.topic_of(number)?.as_str().to_owned()).or_default().push(number);
        }
        let mut publishers = Vec::new();
        for number in 0..setup.subscribers {
            let filter = setup.filter_of(number)?;
            publishers.push(match topics.get(filter.as_str()) {
                Some(numbers) => numbers.clone(),
                None => {
                    let matching = topics.iter().filter(|(topic, _)| filter.matches(topic));
                    matching.flat_map(|(_, numbers)| numbers).copied().collect()
                }
            });
        }
        Ok(Self { publishers, run: setup.run })
    }

    fn messages(&self, figures: &Figures) -> u64 {
        self.publishers.iter().flatten().map(|number| figures.sent[*number as usize]).sum()
    }

    /// All of them are there.
    pub(super) fn have_come(&self, figures: &Figures) -> bool {
        figures.received >= self.messages(figures)
    }

    fn fates(&self, figures: &Figures) -> Fates {
        let mut fates = Fates::default();
        for (tracks, publishers) in figures.subscribers.iter().zip(&self.publishers) {
            for track in tracks.all() {
                fates.duplicates += track.duplicates;
                fates.disorder += track.disorder;
            }
            if figures.sent.is_empty() {
                fates.lost += tracks.all().map(|track| track.lost(None)).sum::<u64>();
            }
            for number in publishers {
                let sent = figures.sent[*number as usize];
                fates.lost += tracks.of(self.run, *number).map_or(sent, |track| track.lost(Some(sent)));
            }
        }
        fates
    }
}

/// How it goes.
pub(super) fn live(shared: &Shared) -> String {
    let figures = &shared.state().figures;
    let mut said = format!(
        "{}: {} of {} clients",
        shared.setup.kind.word(),
        figures.connects.count(),
        shared.setup.clients()
    );
    if shared.setup.publishers > 0 {
        let (sent, timing) = (figures.all_sent(), &figures.publishes);
        said += &format!(", {sent} sent, {} {}, {:.0}/s", timing.count(), word(shared), timing.rate());
    }
    if shared.setup.subscribers > 0 {
        let timing = &figures.deliveries;
        said += &format!(", {} delivered, {:.0}/s", timing.count(), timing.rate());
    }
    said
}

/// Of messages that have ended well.
fn word(shared: &Shared) -> &'static str {
    match shared.setup.qos {
        tidewire_core::qos::QoS::AtMostOnce => "written",
        _ => "acknowledged",
    }
}

/// A table, or an object of JSON.
pub(super) fn print(shared: &Shared, expected: &Expected, end: Option<&End>) {
    let figures = &mut shared.state().figures;
    figures.settle();
    let fates = expected.fates(figures);
    if shared.setup.json {
        say::line(object(shared, figures, expected, &fates, end));
    } else {
        table(shared, figures, &fates);
    }
}

fn table(shared: &Shared, figures: &Figures, fates: &Fates) {
    let setup = &shared.setup;
    let what = match setup.kind {
        Kind::Conn => String::new(),
        Kind::Sub => format!(", QoS {}", setup.qos.bits()),
        Kind::Pub | Kind::Pubsub => format!(", QoS {}, {} bytes", setup.qos.bits(), setup.size),
    };
    say::line(format_args!("bench {}: {} clients{what}", setup.kind.word(), setup.clients()));
    say::line(format_args!(
        "{:12} {:>10} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11}",
        "", "count", "rate/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"
    ));
    row("connected", &figures.connects);
    if setup.publishers > 0 {
        row(word(shared), &figures.publishes);
        let left = figures.all_sent().saturating_sub(figures.publishes.count());
        if left > 0 {
            say::line(format_args!("sent and not {}: {left}", word(shared)));
        }
    }
    if setup.subscribers > 0 {
        row("delivered", &figures.deliveries);
        let Fates { lost, duplicates, disorder } = fates;
        say::line(format_args!("lost {lost}, duplicates {duplicates}, disorder {disorder}"));
        if figures.foreign > 0 {
            say::line(format_args!("messages that are not of this bench: {}", figures.foreign));
        }
    }
}

fn row(word: &str, timing: &Timing) {
    let times = quantiles(timing).map(|(_, micros)| match micros {
        Some(micros) => format!("{:>11.3}", millis(micros)),
        None => format!("{:>11}", "-"),
    });
    let (count, rate) = (timing.count(), timing.rate());
    say::line(format_args!("{word:12} {count:>10} {rate:>11.1} {}", times.join(" ")));
}

#[expect(clippy::cast_precision_loss, reason = "an hour has fewer microseconds")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// In microseconds; none where there was nothing.
fn quantiles(timing: &Timing) -> [(&'static str, Option<u64>); 5] {
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)]
        .map(|(name, part)| (name, timing.quantile(part)))
}

fn object(
    shared: &Shared,
    figures: &Figures,
    expected: &Expected,
    fates: &Fates,
    end: Option<&End>,
) -> Value {
    let setup = &shared.setup;
    let end = match end {
        None => "done",
        Some(End::Told(_)) => "interrupted",
        Some(End::Failed(_)) => "failed",
    };
    let mut object = json!({
        "bench": setup.kind.word(),
        "end": end,
        "clients": setup.clients(),
        "refused": figures.refused,
        "connected": timed(&figures.connects),
    });
    if setup.publishers > 0 {
        object["qos"] = setup.qos.bits().into();
        object["size_bytes"] = setup.size.into();
        object["sent"] = figures.all_sent().into();
        object["published"] = timed(&figures.publishes);
    }
    if setup.subscribers > 0 {
        object["qos"] = setup.qos.bits().into();
        object["delivered"] = timed(&figures.deliveries);
        object["lost"] = fates.lost.into();
        object["duplicates"] = fates.duplicates.into();
        object["disorder"] = fates.disorder.into();
        object["foreign"] = figures.foreign.into();
    }
    if setup.kind == Kind::Pubsub {
        object["expected"] = expected.messages(figures).into();
    }
    object
}

fn timed(timing: &Timing) -> Value {
    let latencies: serde_json::Map<_, _> =
        quantiles(timing).into_iter().map(|(name, micros)| (name.to_owned(), micros.into())).collect();
    json!({ "count": timing.count(), "rate": timing.rate(), "latency_us": latencies })
}
