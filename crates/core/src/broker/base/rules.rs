//! The rules between shards, and some of the specification, each with a switch at the line that obeys it.
//!
//! All are on, always: `obeys` is then a constant, and costs nothing. Under the private feature `_rules` a test can
//! leave one out, to show what it is for: somebody loses a message, gets it twice or out of order, or waits for ever.
//! The numbers are those of the rules between shards; what of them is not here has no line that could be switched (1, and
//! half of 11, are the driver's; without the rest of 15 and 16 a test would not end, or nothing would be left to look at).

/// A rule of the protocol between shards, or of the specification.
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

    // From here on rules of the specification, which a conversation with one shard shows.
    /// Clean Start discards what there was of the session. [MQTT-3.1.2-4]
    DiscardedByCleanStart,
    /// CONNACK says whether there was a session. [MQTT-3.2.2-3]
    PresentIsSaid,
    /// Who is taken over is told, and closed. [MQTT-3.1.4-3]
    TakenOverIsTold,
    /// A session without a connection lives as long as its expiry says. [MQTT-4.1.0-2]
    ExpiresInTime,
    /// A connection that is lost publishes its will. [MQTT-3.1.2-8]
    WillWhenLost,
    /// DISCONNECT takes the will back. [MQTT-3.14.4-3]
    GoodbyeTakesItBack,
    /// A will waits for its delay. [MQTT-3.1.3-9]
    WillWaits,
    /// Until PUBREL what comes under a QoS 2 identifier is the same message. [MQTT-4.3.3-10]
    OnceUntilReleased,
    /// After PUBREL it is a new one. [MQTT-4.3.3-12]
    FreeOnceReleased,
    /// A PUBREC that refuses ends the exchange. [MQTT-4.3.3-4]
    RefusalEnds,
    /// A message with RETAIN takes the place of what was retained. [MQTT-3.3.1-5]
    ReplacedWhereRetained,
    /// An empty one clears it. [MQTT-3.3.1-6]
    EmptyClears,
    /// Retain Handling decides whether what is retained is sent. [MQTT-3.3.1-10]
    HandledAsAsked,
    /// What is forwarded has no RETAIN, unless that was asked for. [MQTT-3.3.1-12]
    ForwardedWithout,
    /// A message comes with the lesser of its QoS and the granted one. [MQTT-3.8.4-8]
    LesserOfBoth,
    /// No Local: nobody hears what it said. [MQTT-3.8.3-3]
    NotToOneself,
    /// A message has the identifiers of all subscriptions that it comes for. [MQTT-3.3.4-4]
    AllIdentifiers,
    /// What is sent again has DUP. [MQTT-3.3.1-1]
    AgainWithDup,
    /// No more is under way than the client's Receive Maximum. [MQTT-4.9.0-2]
    WithinTheWindow,
    /// Nothing is larger than the client's Maximum Packet Size. [MQTT-3.1.2-24]
    WithinTheSize,
    /// What has expired is not begun. [MQTT-3.3.2-5]
    ExpiredIsDropped,
    /// What is sent says how long it is still good. [MQTT-3.3.2-6]
    LeftIsSaid,
    /// One and a half times the Keep Alive without a packet ends the connection. [MQTT-3.1.2-22]
    SilenceEnds,
    /// SUBACK's Reason Codes stand in the order of the filters. [MQTT-3.9.3-1]
    VerdictsInOrder,
}

impl Rule {
    /// All of them.
    #[cfg(feature = "_rules")]
    pub const ALL: [Self; 63] = [
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
        Self::DiscardedByCleanStart,
        Self::PresentIsSaid,
        Self::TakenOverIsTold,
        Self::ExpiresInTime,
        Self::WillWhenLost,
        Self::GoodbyeTakesItBack,
        Self::WillWaits,
        Self::OnceUntilReleased,
        Self::FreeOnceReleased,
        Self::RefusalEnds,
        Self::ReplacedWhereRetained,
        Self::EmptyClears,
        Self::HandledAsAsked,
        Self::ForwardedWithout,
        Self::LesserOfBoth,
        Self::NotToOneself,
        Self::AllIdentifiers,
        Self::AgainWithDup,
        Self::WithinTheWindow,
        Self::WithinTheSize,
        Self::ExpiredIsDropped,
        Self::LeftIsSaid,
        Self::SilenceEnds,
        Self::VerdictsInOrder,
    ];

    /// The statement that it obeys, if it is one of the specification.
    #[cfg(feature = "_rules")]
    pub const fn statement(self) -> Option<&'static str> {
        Some(match self {
            Self::DiscardedByCleanStart => "MQTT-3.1.2-4",
            Self::PresentIsSaid => "MQTT-3.2.2-3",
            Self::TakenOverIsTold => "MQTT-3.1.4-3",
            Self::ExpiresInTime => "MQTT-4.1.0-2",
            Self::WillWhenLost => "MQTT-3.1.2-8",
            Self::GoodbyeTakesItBack => "MQTT-3.14.4-3",
            Self::WillWaits => "MQTT-3.1.3-9",
            Self::OnceUntilReleased => "MQTT-4.3.3-10",
            Self::FreeOnceReleased => "MQTT-4.3.3-12",
            Self::RefusalEnds => "MQTT-4.3.3-4",
            Self::ReplacedWhereRetained => "MQTT-3.3.1-5",
            Self::EmptyClears => "MQTT-3.3.1-6",
            Self::HandledAsAsked => "MQTT-3.3.1-10",
            Self::ForwardedWithout => "MQTT-3.3.1-12",
            Self::LesserOfBoth => "MQTT-3.8.4-8",
            Self::NotToOneself => "MQTT-3.8.3-3",
            Self::AllIdentifiers => "MQTT-3.3.4-4",
            Self::AgainWithDup => "MQTT-3.3.1-1",
            Self::WithinTheWindow => "MQTT-4.9.0-2",
            Self::WithinTheSize => "MQTT-3.1.2-24",
            Self::ExpiredIsDropped => "MQTT-3.3.2-5",
            Self::LeftIsSaid => "MQTT-3.3.2-6",
            Self::SilenceEnds => "MQTT-3.1.2-22",
            Self::VerdictsInOrder => "MQTT-3.9.3-1",
            _ => return None,
        })
    }
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
