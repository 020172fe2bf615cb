//! A server that lets everybody in.
use std::sync::Arc;
use tidewire_core::broker::policy::{
    Access, Admission, AuthStep, Authentication, Grant, Peer, Policy, Rights, Ruling,
};
use tidewire_core::codec::Publish;
use tidewire_core::id::IdentityId;
use tidewire_core::time::Instant;

struct Everything;

impl Rights for Everything {
    fn may(&self, _client_id: &str, _access: Access<'_>) -> Ruling {
        Ruling { allow: true, rule: 0 }
    }
}

pub(crate) fn anybody() -> Grant {
    Grant::new(IdentityId(1), Arc::new(Everything))
}

pub(crate) struct Open;

impl Policy for Open {
    fn authenticate(&mut self, _now: Instant, _peer: &Peer, _step: &AuthStep) -> Authentication {
        Authentication::Allow(anybody())
    }

    fn known(&mut self, _now: Instant, _identity: IdentityId) -> Option<Grant> {
        Some(anybody())
    }

    fn admit(&mut self, _now: Instant, _publisher: &Grant, _publish: &Publish<'_>) -> Admission {
        Admission::AsIs
    }
}
