//! Topic Filters against Topic Names, in every place that matches them.
use crate::broker::retained::index::{Index, Step};
use crate::broker::router::{Audience, Options, Router, Subscriber};
use crate::qos::QoS;
use crate::text::Text;
use crate::topic::{TopicFilter, check_filter, check_levels, check_name, matches};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

/// Names and filters of more levels are checked, and get into no index: the decoder refuses them.
const LEVELS_MAX: u32 = 200;

const LINES_MAX: usize = 64;

/// The subscription trie and the Retained Messages say the same of each filter and each name as one plain matcher.
///
/// The input is lines: `s1a/+` subscribes session 1, `n1a/+` does with No Local, `u1a/+` ends that, `r1a/b` retains a
/// message, `c1a/b` clears it, `?1a/b` asks who gets one; whatever else a line begins with. A capital letter repeats
/// the text until it has 65,535 bytes.
pub fn topic(input: &[u8]) {
    let mut bench = Bench::new();
    for line in input.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let [operation, who, text @ ..] = line else { continue };
        let text = if operation.is_ascii_uppercase() { long(text) } else { text.into() };
        valid_is_valid(&text);
        if let Ok(text) = String::from_utf8(text) {
            bench.play(operation.to_ascii_lowercase(), u32::from(*who % 10), &text);
        }
    }
    bench.compare();
}

fn long(text: &[u8]) -> Vec<u8> {
    text.iter().copied().cycle().take(65_535).collect()
}

/// What may be a name or a filter, by the letter of section 4.7.
fn valid_is_valid(bytes: &[u8]) {
    let text = core::str::from_utf8(bytes).ok();
    let is_text = |text: &&str| (1..=65_535).contains(&text.len()) && !text.contains(char::is_control);
    let name = text.filter(is_text).filter(|name| !name.contains(['#', '+']));
    assert_eq!(check_name(bytes).ok().map(Text::as_str), name, "{text:?} as a name");
    let Some(text) = text else { return };
    let filter = is_text(&text) && has_valid_wildcards(text);
    assert_eq!(check_filter(text).is_ok(), filter, "{text:?} as a filter");
    assert_eq!(TopicFilter::new(text).is_ok(), filter && has_valid_share(text), "{text:?} as a TopicFilter");
    for max in [1, 2, LEVELS_MAX] {
        let few = text.split('/').count() <= max as usize;
        assert_eq!(check_levels(text, max).is_ok(), few, "{text:?} has at most {max} levels");
    }
}

/// [MQTT-4.7.1-1] [MQTT-4.7.1-2]
fn has_valid_wildcards(filter: &str) -> bool {
    let last = filter.split('/').count() - 1;
    filter.split('/').enumerate().all(|(at, level)| match level {
        "#" => at == last,
        "+" => true,
        level => !level.contains(['#', '+']),
    })
}

/// [MQTT-4.8.2-1] [MQTT-4.8.2-2]
fn has_valid_share(filter: &str) -> bool {
    let mut levels = filter.splitn(3, '/');
    levels.next() != Some("$share")
        || filter == "$share"
        || levels.next().is_some_and(|name| !name.is_empty() && !name.contains(['#', '+']))
            && levels.next().is_some_and(|filter| !filter.is_empty())
}

/// Section 4.7, level by level, with nothing done to be fast.
fn plainly_matches(filter: &str, name: &str) -> bool {
    fn levels(filter: Option<&str>, name: Option<&str>) -> bool {
        let Some(filter) = filter else { return name.is_none() };
        let (wanted, deeper) = first_level(filter);
        if wanted == "#" {
            return true;
        }
        let Some(name) = name else { return false };
        let (level, rest) = first_level(name);
        (wanted == "+" || wanted == level) && levels(deeper, rest)
    }
    let hidden = name.starts_with('$') && (filter.starts_with('#') || filter.starts_with('+'));
    !hidden && levels(Some(filter), Some(name))
}

fn first_level(topic: &str) -> (&str, Option<&str>) {
    topic.split_once('/').map_or((topic, None), |(level, rest)| (level, Some(rest)))
}

/// What the indexes are told, and a model that is told the same.
struct Bench {
    router: Router,
    retained: Index<usize>,
    subscriptions: BTreeMap<(String, u32), Options>,
    messages: BTreeMap<String, usize>,
    /// All names that occurred.
    names: BTreeSet<String>,
    filters: BTreeSet<String>,
    hints: [u32; 10],
    count: usize,
}

impl Bench {
    fn new() -> Self {
        Self {
            router: Router::new(7, 8),
            retained: Index::new(),
            subscriptions: BTreeMap::new(),
            messages: BTreeMap::new(),
            names: BTreeSet::new(),
            filters: BTreeSet::new(),
            hints: [u32::MAX; 10],
            count: 0,
        }
    }

    fn play(&mut self, operation: u8, who: u32, text: &str) {
        if check_levels(text, LEVELS_MAX).is_err() {
            return;
        }
        if check_filter(text).is_ok() {
            self.filters.insert(text.into());
            match operation {
                b's' => self.subscribe(text, who, QoS::AtMostOnce),
                b'n' => self.subscribe(text, who, QoS::AtLeastOnce),
                b'u' => self.unsubscribe(text, who),
                _ => {}
            }
        }
        if check_name(text.as_bytes()).is_ok() {
            self.names.insert(text.into());
            match operation {
                b'r' => self.retain(text),
                b'c' => assert_eq!(self.retained.clear(text), self.messages.remove(text)),
                b'?' => self.live(text, who),
                _ => {}
            }
        }
        self.router.check();
        self.retained.check();
    }

    fn subscribe(&mut self, filter: &str, who: u32, qos: QoS) {
        let no_local = qos == QoS::AtLeastOnce;
        let options = Options { qos, no_local, retain_as_published: false, identifier: None };
        let (node, replaced) = self.router.subscribe(filter, Subscriber::session(who), options);
        let old = self.subscriptions.insert((filter.into(), who), options);
        assert_eq!(replaced.0, old.is_some(), "{filter:?} of {who} is new or not");
        assert_eq!(self.router.filter(node), filter);
    }

    fn unsubscribe(&mut self, filter: &str, who: u32) {
        let known = self.subscriptions.remove(&(filter.into(), who)).is_some();
        let node = self.router.find(filter);
        let found = node.is_some_and(|node| self.router.unsubscribe(node, Subscriber::session(who)));
        assert_eq!(found, known, "{filter:?} of {who} is there or not");
    }

    fn retain(&mut self, name: &str) {
        self.count += 1;
        let old = self.retained.set(name, self.count, name.len(), None);
        assert_eq!(old, self.messages.insert(name.into(), self.count), "what {name:?} had");
    }

    /// Who gets a message now.
    fn live(&mut self, name: &str, publisher: u32) {
        let hint = &mut self.hints[publisher as usize];
        let matches = self.router.resolve(Text::known_str(name), hint, |_| true);
        let found = matches.iter().filter(|found| found.audience != Audience::OnlySelf);
        let found: BTreeMap<_, _> = found.map(|found| (found.who.as_session(), found.qos)).collect();
        let mut expected = BTreeMap::new();
        for ((filter, who), options) in &self.subscriptions {
            if plainly_matches(filter, name) {
                let qos = expected.entry(Some(*who)).or_insert(options.qos);
                *qos = options.qos.max(*qos);
            }
        }
        assert_eq!(found, expected, "who gets {name:?}");
    }

    /// What a new subscription gets of what is retained, in order.
    fn replayed(&self, filter: &str) -> Vec<(&str, usize)> {
        let mut cursor = self.retained.cursor(filter);
        let mut found = Vec::new();
        loop {
            let mut budget = 3;
            match self.retained.next(&mut cursor, &mut budget) {
                Step::Found(topic, count) => found.push((topic, *count)),
                Step::Pause => assert_eq!(budget, 0, "a pause is for who has used up their budget"),
                Step::End => return found,
            }
        }
    }

    fn compare(&mut self) {
        for name in self.names.clone() {
            self.live(&name, 0);
        }
        for filter in &self.filters {
            for name in &self.names {
                assert_eq!(matches(filter, name), plainly_matches(filter, name), "{filter:?}, {name:?}");
            }
            let matching = self.messages.iter().filter(|(name, _)| plainly_matches(filter, name));
            let expected: Vec<_> = matching.map(|(name, count)| (name.as_str(), *count)).collect();
            assert_eq!(self.replayed(filter), expected, "what is retained for {filter:?}");
        }
        assert_eq!(self.router.subscriptions(), self.subscriptions.len());
        assert_eq!(self.retained.len(), self.messages.len());
    }
}
