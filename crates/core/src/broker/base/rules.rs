//! The rules between shards, each with a switch at the line that obeys it.
//!
//! All are on, always: `obeys` is then a constant, and costs nothing. Under the private feature `_rules` a test can
//! leave one out, to show what it is for: somebody loses a message, gets it twice or out of order, or waits for ever.
//! The numbers are those of the rules between shards; what is not here has no line that could be switched (1, and
//! half of 11, are the driver's; without the rest of 15 and 16 a test would not end, or nothing would be left to look at).

/// A rule of the protocol between shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
#[cfg_attr(not(feature = "_rules"), expect(unreachable_pub, reason = "only tests can name a rule"))]
pub enum Rule {
    /// 2: `Settled` never waits for a third shard.
    SettledAtOnce,
    /// 2: `Settled` names each message that nobody matched or that every queue refused.
    OutcomesByNumber,
    /// 3: what another shard ordered is answered when every shard has settled it.
    OrderedWaitsForAll,
    /// 4: mail is never held back for a full window; only sockets are.
    MailNeverWaits,
    /// 5: PUBACK and PUBREC leave in the order of their PUBLISHes.
    AnswersInOrder,
    /// 6: SUBACK and UNSUBACK wait until all shards know.
    SubackWaits,
    /// 6: also those that find the note of another under way.
    LaterOnesWait,
    /// 6: for the last note about the filter, not for any.
    LastNoteCounts,
    /// 6: subscribing again never removes the subscription in between.
    ReplacedInPlace,
    /// 7: a member's SUBACK waits until all shards know of its group's interest.
    JoinedWaits,
    /// 8: a PUBLISH with RETAIN is ordered by the shard that owns its topic.
    OwnerOrders,
    /// 8: it is taken from its socket when earlier direct messages on its topic are settled.
    RoadIsClear,
    /// 8: later messages on its topic take the road, too.
    LaterOnesFollow,
    /// 8: the road ends with the last message on it.
    RoadIsCounted,
    /// 9: the cursor of a new subscription stands in the queue at the place of its SUBSCRIBE.
    CursorInPlace,
    /// 9: it passes over what has changed since.
    CursorPassesOver,
    /// 10: an expiry removes the value that it was set for.
    ExpiryByIdentity,
    /// 11: the passage carries everything that was read after CONNECT.
    PassageCarriesAll,
    /// 12: the connection accepted later keeps the session, whichever verdict comes last.
    LatestKeeps,
    /// 13: an answer leaves on the connection on which its question came, or never.
    AnswersDieWithTheirConnection,
    /// 14: who refuses names the first offer that it means, and has those before.
    RefusedNamesTheFirst,
    /// 14: what comes back returns to its own place.
    BackToItsPlace,
    /// 15: who has refused says when there is room.
    RoomIsTold,
    /// 16: who loses its line gives back what it has not begun, and QoS 1.
    LostGivesBack,
    /// 16: only the member's shard gives back.
    OnlyMemberGivesBack,
    /// 16: a takeover is not a death.
    TakeoverIsNoDeath,
    /// 18: no packet leaves that asserts what is not durable.
    AssertsWhatIsDurable,
    /// 19: a message's receipt and its places in queues are one record.
    OneRecord,
    /// 20: a QoS 2 PUBLISH waits for the record that binds its Packet Identifier.
    BoundFirst,
    /// 20: what a group's member begins with QoS 2 is its own by a record, which its PUBLISH waits for.
    LentFirst,
    /// 21: the receipt of a QoS 2 message is durable with the message before that is mailed.
    ReceiptBeforeMail,
    /// 21: a restart mails again what was received and not recorded as distributed.
    MailedAgain,
    /// 21: it goes the way that it went before: by the owner of its topic, or direct.
    SameWayAgain,
    /// 21: with RETAIN it waits, as it did, until earlier direct messages on its topic are settled.
    RoadIsClearAgain,
    /// 21: with RETAIN on a topic of this shard's it is told to all again, not only to those who want it.
    OrderedAgain,
    /// 21: a receiver drops what its journal knows.
    KnownIsDropped,
    /// 21: who may forget an id hears so when that is durable.
    ForgottenLast,
    /// 21: who has nothing left of before a restart says so, for what it said of that before may be lost.
    AllForgotten,
    /// 22: after a restart no socket is read before all shards have exchanged interest again.
    InterestFirst,
}

impl Rule {
    /// All of them.
    #[cfg(feature = "_rules")]
    pub const ALL: [Self; 39] = [
        Self::SettledAtOnce,
        Self::OutcomesByNumber,
        Self::OrderedWaitsForAll,
        Self::MailNeverWaits,
        Self::AnswersInOrder,
        Self::SubackWaits,
        Self::LaterOnesWait,
        Self::LastNoteCounts,
        Self::ReplacedInPlace,
        Self::JoinedWaits,
        Self::OwnerOrders,
        Self::RoadIsClear,
        Self::LaterOnesFollow,
        Self::RoadIsCounted,
        Self::CursorInPlace,
        Self::CursorPassesOver,
        Self::ExpiryByIdentity,
        Self::PassageCarriesAll,
        Self::LatestKeeps,
        Self::AnswersDieWithTheirConnection,
        Self::RefusedNamesTheFirst,
        Self::BackToItsPlace,
        Self::RoomIsTold,
        Self::LostGivesBack,
        Self::OnlyMemberGivesBack,
        Self::TakeoverIsNoDeath,
        Self::AssertsWhatIsDurable,
        Self::OneRecord,
        Self::BoundFirst,
        Self::LentFirst,
        Self::ReceiptBeforeMail,
        Self::MailedAgain,
        Self::SameWayAgain,
        Self::RoadIsClearAgain,
        Self::OrderedAgain,
        Self::KnownIsDropped,
        Self::ForgottenLast,
        Self::AllForgotten,
        Self::InterestFirst,
    ];
}

/// Which rules are obeyed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// A bit for each that is not.
    #[cfg(feature = "_rules")]
    off: u64,
}

impl Rules {
    #[cfg(not(feature = "_rules"))]
    #[expect(clippy::unused_self, reason = "the same call as where there is a choice")]
    pub(crate) const fn obeys(self, _rule: Rule) -> bool {
        true
    }

    #[cfg(feature = "_rules")]
    pub(crate) const fn obeys(self, rule: Rule) -> bool {
        self.off & 1 << rule as u64 == 0
    }

    #[cfg(feature = "_rules")]
    pub(crate) fn leave_out(&mut self, rule: Rule) {
        self.off |= 1 << rule as u64;
    }
}
