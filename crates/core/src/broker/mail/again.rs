//! QoS 2 messages over a crash: durable before they are mailed, mailed again after a restart, dropped where they are
//! known.
use super::super::Broker;
use super::super::connection::NONE;
use super::super::publish::Routed;
use super::super::rules::Rule;
use super::super::settle::Waiter;
use super::note::{Note, Posted};
use crate::id::{MessageId, ShardId};
use crate::qos::QoS;
use crate::text::Text;
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

impl Broker {
    /// What is mailed from here on rests on what the journal says by now, and is posted when that is durable.
    pub(super) fn hold_mail(&mut self, rule: Rule) {
        if !self.rules.obeys(rule) {
            return;
        }
        let end = self.journal.end();
        for shard in self.post.others() {
            self.post.hold(shard, end);
        }
    }

    /// A QoS 2 message whose receipt outlives a crash may be mailed again, until all have it.
    pub(super) fn hold_receipt(&mut self, posted: &Posted<'_>, settlement: Option<u32>) {
        let Some(settlement) = settlement else { return };
        if self.journal.is_on() && posted.qos == QoS::ExactlyOnce && posted.tracked {
            self.settlements.add(settlement, Waiter::Distributed(posted.view.id));
        }
    }

    /// All shards have a QoS 2 message of ours durably: it is not mailed again, and they may forget its id.
    pub(in super::super) fn distributed(&mut self, id: MessageId) {
        if self.undistributed.remove(&id).is_some() {
            self.journal_distributed(id);
            // Who forgets an id must not get it again: not even after a crash that forgets this record.
            self.hold_mail(Rule::ForgottenLast);
            for shard in self.post.others() {
                self.post.write(shard, &Note::Distributed { id });
            }
        }
    }

    /// Says in a note whether its message may be mailed again after a crash.
    pub(super) fn tracked<'a>(&self, posted: &Posted<'a>) -> Posted<'a> {
        Posted { tracked: posted.tracked || self.undistributed.contains_key(&posted.view.id), ..*posted }
    }

    /// Has this message come before a restart?
    pub(super) fn is_known(&self, posted: &Posted<'_>, again: bool) -> bool {
        again && self.mailed_here.contains(&posted.view.id) && self.rules.obeys(Rule::KnownIsDropped)
    }

    /// After a restart: what was accepted and had perhaps not reached all shards is mailed again.
    pub(super) fn mail_again(&mut self) {
        let left =
            if self.rules.obeys(Rule::MailedAgain) { self.undistributed.clone() } else { BTreeMap::new() };
        for (id, left) in left {
            let view = left.message.view(&left.topic);
            let posted =
                Posted { view, qos: QoS::ExactlyOnce, retain: left.retain, tracked: true, kept: None };
            let owner = self.owner(Text::known_str(&left.topic));
            let mut routed = Routed::default();
            if left.retain && owner != self.shard {
                self.take_the_road(owner, &posted, self.origin(NONE), true);
            } else if left.retain {
                self.tell_order(&posted, self.origin(NONE), true);
                self.open_settlement(&mut routed, QoS::ExactlyOnce);
                self.hold_receipt(&posted, routed.settlement);
            } else {
                let mut hint = NONE;
                let matches = self.router.resolve(Text::known_str(&left.topic), &mut hint, |_| true);
                let shards: Vec<_> = matches.iter().filter_map(|m| m.who.as_shard()).collect();
                if shards.is_empty() {
                    self.distributed(id);
                } else {
                    self.mail_direct(&posted, &shards, &mut routed, true);
                }
            }
        }
        // What was remembered of the topics was judged for nobody.
        self.router.forget_all();
    }

    /// After a restart: no socket is read before all shards have told their interest.
    pub(in super::super) fn gather(&mut self) {
        if self.rules.obeys(Rule::InterestFirst) {
            self.awaited = self.post.others().collect();
        }
        for shard in self.post.others() {
            self.post.write(shard, &Note::Ready);
        }
    }

    /// Another shard has told all its interest.
    pub(super) fn on_ready(&mut self, now: Instant, from: ShardId) {
        if !self.awaited.remove(&from) || !self.awaited.is_empty() {
            return;
        }
        self.mail_again();
        let waiting: Vec<u32> = self
            .connections
            .iter()
            .filter(|(_, c)| c.lane.as_deref().is_some_and(|l| !l.kept.is_empty()))
            .map(|(index, _)| index)
            .collect();
        for index in waiting {
            let id = self.connections.id(index);
            self.go_on(now, id, crate::Input::More);
        }
    }
}
