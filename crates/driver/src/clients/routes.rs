//! Which streams a message is for.
use super::streams::StreamId;
use std::collections::HashMap;
use tidewire_core::client::Message;
use tidewire_core::topic::TopicFilter;

/// What is subscribed to, by Topic Filter, as it was asked for.
#[derive(Default)]
pub(super) struct Routes {
    by_filter: HashMap<Box<str>, Route>,
    /// Those that match other topics than the one that they spell.
    patterns: Vec<Box<str>>,
    by_identifier: HashMap<u32, Vec<Box<str>>>,
}

/// One subscription. Without streams it is being ended.
struct Route {
    filter: TopicFilter,
    /// All under which it was asked for: what is on its way may have an earlier one. One is believed only if the filter
    /// matches, so an old one does no harm.
    identifiers: Vec<u32>,
    streams: Vec<StreamId>,
}

/// For whom a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// For streams.
    Streams,
    /// It matches only what is being ended.
    Leaving,
    Nobody,
}

impl Routes {
    /// From now on what comes for this goes to that stream as well; false if it did already.
    pub(super) fn add(&mut self, filter: &TopicFilter, identifier: u32, stream: StreamId) -> bool {
        let name = filter.as_str();
        if !self.by_filter.contains_key(name) && is_pattern(filter) {
            self.patterns.push(name.into());
        }
        let route = self.by_filter.entry(name.into()).or_insert_with(|| Route {
            filter: filter.clone(),
            identifiers: Vec::new(),
            streams: Vec::new(),
        });
        if !route.identifiers.contains(&identifier) {
            route.identifiers.push(identifier);
            self.by_identifier.entry(identifier).or_default().push(name.into());
        }
        let is_new = !route.streams.contains(&stream);
        if is_new {
            route.streams.push(stream);
        }
        is_new
    }

    /// It no longer goes there; true if nobody wants it then.
    pub(super) fn leave(&mut self, filter: &TopicFilter, stream: StreamId) -> bool {
        let Some(route) = self.by_filter.get_mut(filter.as_str()) else { return false };
        let had = route.streams.len();
        route.streams.retain(|other| *other != stream);
        had > 0 && route.streams.is_empty()
    }

    /// Nothing comes for it any more.
    pub(super) fn forget(&mut self, filter: &TopicFilter) {
        let name = filter.as_str();
        let Some(route) = self.by_filter.remove(name) else { return };
        for identifier in route.identifiers {
            if let Some(names) = self.by_identifier.get_mut(&identifier) {
                names.retain(|other| **other != *name);
                if names.is_empty() {
                    self.by_identifier.remove(&identifier);
                }
            }
        }
        self.patterns.retain(|other| **other != *name);
    }

    /// Which streams have it; `None` if it is no subscription.
    pub(super) fn streams(&self, filter: &TopicFilter) -> Option<&[StreamId]> {
        self.by_filter.get(filter.as_str()).map(|route| route.streams.as_slice())
    }

    /// Puts the streams that a message is for into `found`.
    pub(super) fn find(&self, message: &Message, found: &mut Vec<StreamId>) -> Found {
        found.clear();
        let topic = message.topic.as_str();
        let mut matches = false;
        let mut last = None;
        for identifier in message.properties().subscription_identifiers() {
            // One that is repeated says nothing new, however often.
            if last.replace(identifier) == Some(identifier) {
                continue;
            }
            for name in self.by_identifier.get(&identifier).into_iter().flatten() {
                let route = &self.by_filter[name];
                if route.filter.matches(topic) {
                    matches = true;
                    for id in &route.streams {
                        if !found.contains(id) {
                            found.push(*id);
                        }
                    }
                }
            }
        }
        if !matches {
            let exact = self.by_filter.get(topic).filter(|route| !is_pattern(&route.filter));
            let others = self.patterns.iter().map(|name| &self.by_filter[name]);
            let others = others.filter(|route| route.filter.matches(topic));
            for route in exact.into_iter().chain(others) {
                matches = true;
                found.extend(&route.streams);
            }
            found.sort_unstable();
            found.dedup();
        }
        match (matches, found.is_empty()) {
            (_, false) => Found::Streams,
            (true, true) => Found::Leaving,
            (false, true) => Found::Nobody,
        }
    }

    /// States what must hold between two calls.
    #[cfg(test)]
    pub(super) fn check(&self, has: impl Fn(StreamId, &TopicFilter) -> bool) {
        for (name, route) in &self.by_filter {
            assert!(route.identifiers.iter().all(|n| self.by_identifier[n].contains(name)), "{name}");
            assert_eq!(self.patterns.contains(name), is_pattern(&route.filter), "{name}");
            assert!(route.streams.iter().all(|id| has(*id, &route.filter)), "both sides know of {name}");
        }
        let listed = self.by_filter.values().map(|route| route.identifiers.len()).sum::<usize>();
        assert_eq!(self.by_identifier.values().map(Vec::len).sum::<usize>(), listed, "and nothing else is");
    }
}

fn is_pattern(filter: &TopicFilter) -> bool {
    filter.share().is_some() || filter.as_str().contains(['+', '#'])
}
