//! One plainly right broker: what may its clients have seen, and what must they?
use crate::history::{End, Got, History, NEVER, Pub, Sub};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with a history, if anything is. The last clients are the `probes`.
pub(crate) fn judge(history: &History, probes: &[usize]) -> Result<(), String> {
    if let Some(fault) = &history.fault {
        return Err(fault.clone());
    }
    only_what_was_wanted(history)?;
    nothing_twice(history)?;
    everything_that_had_to_come(history)?;
    in_order(history)?;
    acknowledged_for_good_reasons(history)?;
    sessions(history)?;
    retained(history, probes)
}

fn only_what_was_wanted(history: &History) -> Result<(), String> {
    for got in &history.gots {
        let message = &history.pubs[got.message];
        let wants = |own: bool| {
            history.subs.iter().any(|s| {
                // A Retained Message is sent for a SUBSCRIBE, whenever it was published.
                let from = if got.retain { 0 } else { message.sent };
                s.client == got.client
                    && s.matches(message.topic)
                    && s.may_stand(from, got.at)
                    && s.qos.min(message.qos) == got.qos
                    && !(own && s.no_local && !got.retain)
            })
        };
        if got.retain && !message.retain {
            return Err(format!("{got:?} was never retained"));
        }
        let line = &history.lines[message.line];
        let newer = history.lines[message.line + 1..].iter().any(|l| l.client == message.client);
        if message.will && (line.goodbye && !newer || line.left == NEVER && line.closed == NEVER && !newer) {
            return Err(format!("{got:?} is the will of somebody who lives, or said goodbye: {line:?}"));
        }
        if !wants(message.client == got.client) {
            return Err(format!("nobody asked for {got:?}: {message:?}"));
        }
    }
    Ok(())
}

fn live(history: &History, client: usize, message: usize) -> impl Iterator<Item = &Got> {
    history.gots.iter().filter(move |g| g.client == client && g.message == message && !g.retain && !g.again)
}

fn nothing_twice(history: &History) -> Result<(), String> {
    let mut pairs: Vec<_> = history.gots.iter().map(|g| (g.client, g.message)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    for (client, message) in pairs {
        let publication = &history.pubs[message];
        let first = live(history, client, message).filter(|g| !g.dup).count();
        // A publisher that sends a QoS 1 message again has sent two.
        let most = if publication.qos == 1 { publication.sends } else { 1 };
        if first > most {
            return Err(format!("client {client} got m{message} {first} times, which was sent {most} times"));
        }
        // Unless it has forgotten that it had it.
        let forgot = history.lines.iter().any(|l| l.client == client && l.clean);
        let exactly_once = publication.qos == 2 && !forgot;
        if exactly_once && live(history, client, message).filter(|g| g.qos == 2).count() > 1 {
            return Err(format!("client {client} got m{message} twice, and it is QoS 2"));
        }
        for got in live(history, client, message).filter(|g| g.dup) {
            let before = history.lines[..got.line].iter().any(|l| l.client == client);
            let on_this_line = live(history, client, message).filter(|g| g.line == got.line).count();
            if !before || on_this_line > most {
                return Err(format!("no reason to send this again: {got:?}"));
            }
        }
        let asked =
            history.subs.iter().filter(|s| s.client == client && s.matches(publication.topic)).count();
        let replayed = history.gots.iter().filter(|g| (g.client, g.message) == (client, message) && g.retain);
        let replayed = replayed.filter(|g| !g.dup && !g.again).count();
        if replayed > asked || (asked == 1 && replayed == 1 && publication.sends == 1 && first > 0) {
            return Err(format!("client {client} got m{message} for {asked} SUBSCRIBE live and retained"));
        }
    }
    Ok(())
}

/// Must this message have been taken by the server, and until when is that sure to be over?
fn certainly_routed(history: &History, message: &Pub) -> Option<usize> {
    if message.qos > 0 {
        return (message.is_accepted()).then_some(message.acked);
    }
    let line = &history.lines[message.line];
    if message.will {
        let gone = line.welcomed != NEVER && line.left != NEVER && line.closed == NEVER;
        return (gone && line.told.is_none() && !line.goodbye).then_some(NEVER - 1);
    }
    let latest = history.lines.iter().rposition(|l| l.client == message.client) == Some(message.line);
    let fin_only = line.end.is_none_or(|end| end == End::Fin);
    (latest && fin_only && line.closed == NEVER && line.told.is_none()).then_some(NEVER - 1)
}

fn everything_that_had_to_come(history: &History) -> Result<(), String> {
    for (n, message) in history.pubs.iter().enumerate() {
        let Some(routed) = certainly_routed(history, message) else { continue };
        for sub in &history.subs {
            let own = sub.no_local && sub.client == message.client;
            // A will is published when its connection has gone.
            let from = if message.will { history.lines[message.line].left } else { message.sent };
            if own || !sub.matches(message.topic) || !sub.stands(from, routed) {
                continue;
            }
            let client = sub.client;
            let lines = || history.lines.iter().enumerate().filter(|(_, l)| l.client == client);
            let Some((_, now)) = lines().next_back() else { continue };
            // Its session is there to the end, and so is its connection.
            let there =
                sub.ending == NEVER && now.welcomed != NEVER && now.left == NEVER && now.closed == NEVER;
            let stayed = now.welcomed < from;
            if !there || (sub.qos.min(message.qos) == 0 && !stayed) {
                continue;
            }
            if live(history, client, n).next().is_none() {
                return Err(format!("m{n} never came: {message:?} for {sub:?}"));
            }
        }
    }
    Ok(())
}

/// Messages of one publisher on one topic with one QoS arrive in its order.
fn in_order(history: &History) -> Result<(), String> {
    let mut last: BTreeMap<(usize, usize, &str, u8, u8), usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for got in history.gots.iter().filter(|g| !g.retain && !g.again) {
        let message = &history.pubs[got.message];
        // A publisher that sends QoS 1 again has sent another, later.
        if (message.qos == 1 && message.sends > 1) || !seen.insert((got.client, got.message)) {
            continue;
        }
        let key = (got.client, message.client, message.topic, message.qos, got.qos);
        if let Some(before) = last.insert(key, got.message)
            && history.pubs[before].rank(before) > message.rank(got.message)
        {
            return Err(format!("client {} got m{} after m{before}: {message:?}", got.client, got.message));
        }
    }
    Ok(())
}

fn acknowledged_for_good_reasons(history: &History) -> Result<(), String> {
    for (n, message) in history.pubs.iter().enumerate().filter(|(_, m)| m.acked != NEVER) {
        let matching = || {
            let own = |s: &&Sub| !(s.no_local && s.client == message.client);
            history.subs.iter().filter(|s| s.matches(message.topic)).filter(own)
        };
        match message.reason {
            0 => {
                // A QoS 2 message that came again is not judged again.
                let again = message.qos == 2 && message.sends > 1;
                if !again && !matching().any(|s| s.may_stand(message.sent, message.acked)) {
                    return Err(format!("m{n} is acknowledged as if somebody had subscribed: {message:?}"));
                }
            }
            0x10 => {
                if let Some(sub) = matching().find(|s| s.stands(message.sent, message.acked)) {
                    return Err(format!("m{n} is said to match nobody, and there is {sub:?}"));
                }
            }
            0x97 => {
                if let Some(got) = live(history, usize::MAX, n).next() {
                    return Err(format!("m{n} is said to be refused by all, and there is {got:?}"));
                }
                if history.gots.iter().any(|g| g.message == n) {
                    return Err(format!("m{n} is said to be refused by all, and somebody got it"));
                }
            }
            other => return Err(format!("m{n} is answered with {other:#x}")),
        }
    }
    Ok(())
}

/// Of two connections with one Client Identifier, the one accepted later keeps the session; and sessions last.
fn sessions(history: &History) -> Result<(), String> {
    for (n, line) in history.lines.iter().enumerate() {
        let mine = || history.lines.iter().enumerate().filter(|(_, l)| l.client == line.client);
        let keeps = history.keeps[line.client];
        let (latest, newest) = mine().next_back().expect("this one at least");
        if latest == n {
            if line.left == NEVER && (line.welcomed == NEVER || line.closed != NEVER) {
                return Err(format!("the latest line {n} was not let in, or thrown out: {line:?}"));
            }
        } else if newest.welcomed != NEVER && line.left == NEVER && line.closed == NEVER {
            return Err(format!("line {n} was taken over and never closed: {line:?}"));
        }
        if line.welcomed == NEVER {
            continue;
        }
        if line.present && (line.clean || !keeps) {
            return Err(format!("line {n} resumes a session that there can't be: {line:?}"));
        }
        let had = mine().any(|(m, before)| {
            let discarded = mine().any(|(k, l)| k > m && k <= n && l.clean);
            m < n && keeps && before.welcomed < line.opened && !discarded
        });
        if had && !line.present {
            return Err(format!("line {n} found no session, and there was one: {line:?}"));
        }
    }
    Ok(())
}

/// There is one order of the retained messages of a topic that explains all that was seen, and everybody ends with
/// the last one.
fn retained(history: &History, probes: &[usize]) -> Result<(), String> {
    let mut topics: Vec<_> = history.pubs.iter().filter(|p| p.retain).map(|p| p.topic).collect();
    topics.sort_unstable();
    topics.dedup();
    for topic in topics {
        retained_topic(history, probes, topic)?;
    }
    Ok(())
}

#[derive(Clone, Default)]
struct Order {
    after: BTreeMap<usize, BTreeSet<usize>>,
}

impl Order {
    fn put(&mut self, first: usize, then: usize) {
        if first != then {
            self.after.entry(first).or_default().insert(then);
        }
    }

    fn has_cycle(&self) -> bool {
        let mut nodes: BTreeSet<usize> =
            self.after.iter().flat_map(|(a, b)| b.iter().chain([a])).copied().collect();
        loop {
            let targets: BTreeSet<usize> = nodes
                .iter()
                .filter_map(|n| self.after.get(n))
                .flatten()
                .copied()
                .filter(|t| nodes.contains(t))
                .collect();
            let before = nodes.len();
            nodes.retain(|n| targets.contains(n));
            if nodes.is_empty() {
                return false;
            }
            if nodes.len() == before {
                return true;
            }
        }
    }
}

fn retained_topic(history: &History, probes: &[usize], topic: &'static str) -> Result<(), String> {
    let retained = Retained::new(history, topic);
    let order = retained.order();
    if order.has_cycle() {
        return Err(format!("no order of {topic} explains what was seen: {:?}", order.after));
    }
    let last = retained.last(probes)?;
    retained.explains(last, &order)?;
    ends_with_the_last(history, topic, last)
}

/// All that was published to a topic to be retained, and who saw it.
struct Retained<'a> {
    history: &'a History,
    topic: &'static str,
    /// Those of one publisher stand in its order.
    all: Vec<usize>,
}

impl<'a> Retained<'a> {
    fn new(history: &'a History, topic: &'static str) -> Self {
        let mut retained = Self { history, topic, all: vec![] };
        retained.all = (0..history.pubs.len()).filter(|n| retained.is_here(*n)).collect();
        retained.all.sort_by_key(|n| history.pubs[*n].rank(*n));
        retained
    }

    fn is_here(&self, n: usize) -> bool {
        self.history.pubs[n].retain && self.history.pubs[n].topic == self.topic
    }

    /// What was sent twice with QoS 1 has two places in the order: it says nothing.
    fn is_plain(&self, n: usize) -> bool {
        !(self.history.pubs[n].qos == 1 && self.history.pubs[n].sends > 1)
    }

    fn gots(&self) -> impl Iterator<Item = &'a Got> {
        self.history.gots.iter().filter(|g| self.is_here(g.message))
    }

    /// What certainly came before what.
    fn order(&self) -> Order {
        let mut order = Order::default();
        self.put_as_published(&mut order);
        for client in 0..self.history.keeps.len() {
            self.put_as_seen_by(client, &mut order);
        }
        self.put_as_replayed(&mut order);
        order
    }

    fn put_as_published(&self, order: &mut Order) {
        for (i, &first) in self.all.iter().enumerate() {
            for &then in &self.all[i + 1..] {
                let (a, b) = (&self.history.pubs[first], &self.history.pubs[then]);
                let same = a.client == b.client && a.line == b.line;
                if self.is_plain(first) && self.is_plain(then) && (same || a.acked < b.sent) {
                    order.put(first, then);
                }
            }
        }
    }

    fn put_as_seen_by(&self, client: usize, order: &mut Order) {
        let mut before = [None; 3];
        let mut seen = BTreeSet::new();
        let gots = self.gots().filter(|g| g.client == client && !g.again && !g.dup);
        for got in gots.filter(|g| self.is_plain(g.message)) {
            // QoS 0 passes what waits for quota.
            let class = if self.history.narrow.contains(&client) { usize::from(got.qos) } else { 0 };
            if !got.retain && !seen.insert(got.message) {
                continue;
            }
            seen.insert(got.message);
            if let Some(before) = before[class].replace(got.message) {
                order.put(before, got.message);
            }
        }
    }

    fn put_as_replayed(&self, order: &mut Order) {
        let pubs = &self.history.pubs;
        for got in self.gots().filter(|g| g.retain && !g.dup && self.is_plain(g.message)) {
            let asks = |s: &&Sub| s.client == got.client && s.matches(self.topic) && s.sent < got.at;
            // Sent for one of these, so what was retained before the first of them is older.
            let asked = self.history.subs.iter().filter(asks).map(|s| s.sent).min().unwrap_or(0);
            for &old in self.all.iter().filter(|n| self.is_plain(**n) && pubs[**n].acked < asked) {
                order.put(old, got.message);
            }
        }
    }

    /// What is retained in the end. All shards have the same.
    fn last(&self, probes: &[usize]) -> Result<Option<usize>, String> {
        let kept =
            |probe: usize| self.gots().filter(|g| g.client == probe).map(|g| g.message).collect::<Vec<_>>();
        let last = probes.first().map(|p| kept(*p)).unwrap_or_default();
        for probe in probes {
            if kept(*probe) != last || last.len() > 1 {
                let topic = self.topic;
                return Err(format!(
                    "shards differ in what {topic} retains: {:?} and {last:?}",
                    kept(*probe)
                ));
            }
        }
        Ok(last.first().copied())
    }

    /// What was certainly retained: accepted, or seen by somebody.
    fn held(&self) -> Vec<usize> {
        let pubs = &self.history.pubs;
        let is_routed = |n: usize| certainly_routed(self.history, &pubs[n]).is_some();
        let is_seen = |n: usize| self.gots().any(|g| g.message == n);
        let held = self.all.iter().copied().filter(|n| is_routed(*n) || is_seen(*n));
        held.filter(|n| pubs[*n].reason < 0x80).collect()
    }

    /// Nothing that was retained came after the last one; or there is none, and something cleared the topic.
    fn explains(&self, last: Option<usize>, order: &Order) -> Result<(), String> {
        let (topic, pubs, held) = (self.topic, &self.history.pubs, self.held());
        let can_be_last = |last: usize| {
            let mut order = order.clone();
            for &n in held.iter().filter(|n| self.is_plain(**n)) {
                order.put(n, last);
            }
            !self.is_plain(last) || !order.has_cycle()
        };
        let is_cleared = || self.all.iter().any(|n| pubs[*n].empty && can_be_last(*n));
        match last {
            Some(last) if !can_be_last(last) => {
                Err(format!("{topic} retains m{last}, and something came after it: {:?}", order.after))
            }
            None if held.iter().any(|n| !pubs[*n].empty) && !is_cleared() => {
                Err(format!("{topic} retains nothing, and nobody cleared it"))
            }
            _ => Ok(()),
        }
    }
}

/// Whoever has subscribed and stayed ends with what is retained.
fn ends_with_the_last(history: &History, topic: &'static str, last: Option<usize>) -> Result<(), String> {
    for sub in history.subs.iter().filter(|s| s.matches(topic)) {
        let stays = sub.acked != NEVER && sub.unsubscribed == NEVER && sub.ending == NEVER;
        let same_line = history.lines.iter().rposition(|l| l.client == sub.client) == Some(sub.line);
        let line = &history.lines[sub.line];
        if !stays
            || sub.no_local
            || history.narrow.contains(&sub.client)
            || !same_line
            || line.left != NEVER
            || line.closed != NEVER
        {
            continue;
        }
        // Of messages on their way with other QoS nothing is said here but by the same rule: they come in order.
        let mut gots =
            history.gots.iter().rev().filter(|g| g.client == sub.client && !g.again && g.at > sub.sent);
        let known = gots.find(|g| history.pubs[g.message].retain && history.pubs[g.message].topic == topic);
        if last.is_none() && known.is_some_and(|g| g.at < sub.acked) {
            continue; // for an earlier subscription, perhaps
        }
        let known = known.map(|g| g.message);
        let same = match (known, last) {
            (Some(known), Some(last)) => known == last || history.pubs[known].sends > 1,
            (Some(known), None) => history.pubs[known].empty,
            (None, Some(_)) => false,
            (None, None) => true,
        };
        if !same {
            return Err(format!("{sub:?} ends with {known:?} on {topic}, which retains {last:?}"));
        }
    }
    Ok(())
}
