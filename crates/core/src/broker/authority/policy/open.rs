//! Who may do what, as long as nobody is asked who they are.
use super::{Access, AuthStep, Authentication, Denial, Grant, Peer, Policy, Rights, Ruling};
use crate::id::IdentityId;
use crate::reason::ReasonCode;
use crate::time::Instant;
use alloc::sync::Arc;

/// The identity of everybody.
pub const ANONYMOUS: IdentityId = IdentityId(0);

/// Everybody is welcome, whatever user name and password they bring.
#[derive(Clone, Debug)]
pub struct Open {
    rights: Arc<Everything>,
}

impl Open {
    /// The policy.
    pub fn new() -> Self {
        Self { rights: Arc::new(Everything) }
    }

    /// What everybody is granted. Also for a local subscriber that may do as much as anybody.
    pub fn grant(&self) -> Grant {
        let rights: Arc<Everything> = Arc::clone(&self.rights);
        Grant { anonymous: true, ..Grant::new(ANONYMOUS, rights) }
    }
}

impl Default for Open {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Open {
    fn authenticate(&mut self, _: Instant, _: &Peer, step: &AuthStep) -> Authentication {
        match step {
            AuthStep::Connect { method: None, .. } => Authentication::Allow(self.grant()),
            // There is no method to go on with. [MQTT-4.12.0-1] [MQTT-4.12.0-4]
            _ => Authentication::Deny(Denial::new(ReasonCode::BadAuthenticationMethod)),
        }
    }

    fn known(&mut self, _: Instant, identity: IdentityId, _: u32) -> Option<Grant> {
        (identity == ANONYMOUS).then(|| self.grant())
    }
}

/// Everything, except to speak with the server's voice: topics that begin with `$` are not for publishing.
///
/// With one exception: on `$SYS/broker/connection/CLIENT/state` each client may tell of itself, by its will too. That is
/// where a bridge of mosquitto says whether it is connected, and its name is its Client Identifier.
#[derive(Clone, Copy, Debug)]
pub struct Everything;

impl Everything {
    /// The rule that allows.
    pub const ALLOW: u32 = 0;
    /// The rule that keeps topics which begin with `$` for the server itself.
    pub const SERVERS_TOPICS: u32 = 1;
    /// The rule that lets a client tell of its own connection.
    pub const OWN_CONNECTION: u32 = 2;
}

/// Who tells of its connection there. A Client Identifier of several levels has no such place.
fn whose_connection(topic: &[u8]) -> Option<&[u8]> {
    let name = topic.strip_prefix(b"$SYS/broker/connection/")?.strip_suffix(b"/state")?;
    (!name.is_empty() && !name.contains(&b'/')).then_some(name)
}

impl Rights for Everything {
    fn may(&self, client_id: &str, access: Access<'_>) -> Ruling {
        match access {
            Access::Publish { topic, .. } if topic.as_bytes().starts_with(b"$") => {
                let is_its_own = whose_connection(topic.as_bytes()) == Some(client_id.as_bytes());
                if is_its_own {
                    Ruling::allow(Self::OWN_CONNECTION)
                } else {
                    Ruling::deny(Self::SERVERS_TOPICS)
                }
            }
            _ => Ruling::allow(Self::ALLOW),
        }
    }

    fn may_any(&self, access: Access<'_>) -> bool {
        let is_a_connection =
            matches!(access, Access::Publish { topic, .. } if whose_connection(topic.as_bytes()).is_some());
        is_a_connection || self.may("", access).allow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qos::QoS;
    use crate::text::Text;
    use std::boxed::Box;

    fn connect(username: Option<&str>, method: Option<&str>) -> AuthStep {
        AuthStep::Connect {
            client_id: "c".into(),
            username: username.map(Into::into),
            password: username.map(|_| Box::from(*b"wrong")),
            method: method.map(|name| (name.into(), Box::default())),
        }
    }

    fn decide(step: &AuthStep) -> Authentication {
        let peer = Peer { address: ([127, 0, 0, 1], 1).into(), listener: 0 };
        Open::new().authenticate(Instant::default(), &peer, step)
    }

    #[test]
    fn everybody_is_let_in_as_nobody_in_particular() {
        for username in [None, Some("alice")] {
            let Authentication::Allow(grant) = decide(&connect(username, None)) else {
                panic!("refused {username:?}")
            };
            assert!(grant.anonymous && grant.identity == ANONYMOUS);
        }
    }

    #[test]
    fn whoever_wants_more_authentication_than_there_is_is_told() {
        let Authentication::Deny(denial) = decide(&connect(None, Some("SCRAM-SHA-256"))) else {
            panic!("let in")
        };
        assert_eq!(denial.reason, ReasonCode::BadAuthenticationMethod);
    }

    #[test]
    fn only_the_servers_own_topics_are_not_for_publishing() {
        let may = |access| Everything.may("c", access).allow;
        let publish = |topic: &'static str| Access::Publish {
            topic: Text::known_str(topic),
            qos: QoS::AtMostOnce,
            retain: false,
        };
        assert!(may(publish("a/$b")));
        assert!(!may(publish("$SYS/broker/version")));
        assert!(!may(publish("$SYS/broker/connection/other/state")));
        assert!(may(publish("$SYS/broker/connection/c/state")), "its own");
        assert!(may(Access::Subscribe { filter: "$SYS/#" }));
        assert!(may(Access::Receive { topic: Text::known_str("$SYS/broker/version") }));
    }

    #[test]
    fn a_name_of_several_levels_or_of_none_has_no_connection_to_tell_of() {
        for (client_id, topic) in [
            ("", "$SYS/broker/connection//state"),
            ("a/b", "$SYS/broker/connection/a/b/state"),
            ("c", "$SYS/broker/connection/c/state/more"),
            ("c", "$SYS/broker/connection/c"),
        ] {
            let publish =
                Access::Publish { topic: Text::known_str(topic), qos: QoS::AtMostOnce, retain: true };
            assert!(!Everything.may(client_id, publish).allow, "{client_id} on {topic}");
        }
    }

    /// What a bridge said of its connection stays when the same rights are told again, whoever it was.
    #[test]
    fn what_any_may_is_what_one_of_them_may() {
        for (topic, may_one, may_any) in [
            ("t", true, true),
            ("$SYS/broker/connection/bridge/state", true, true),
            ("$SYS/broker/connection/other/state", false, true),
            ("$SYS/broker/connection//state", false, false),
            ("$SYS/broker/connection/a/b/state", false, false),
            ("$SYS/broker/uptime", false, false),
        ] {
            let publish =
                Access::Publish { topic: Text::known_str(topic), qos: QoS::AtMostOnce, retain: true };
            assert_eq!(Everything.may("bridge", publish).allow, may_one, "{topic}");
            assert_eq!(Everything.may_any(publish), may_any, "{topic}");
        }
    }
}
