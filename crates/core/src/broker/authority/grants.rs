//! Who may do what: the grants that sessions and messages rest on, by identity and variant.
use super::policy::{Access, Grant};
use crate::id::IdentityId;
use crate::slab::Slab;
use crate::time::Instant;
use alloc::collections::BTreeMap;

pub(crate) struct Granted {
    pub(crate) identity: IdentityId,
    pub(crate) variant: u32,
    /// `None`: nobody knows what this identity may do, so nothing is delivered to it.
    pub(crate) grant: Option<Grant>,
    /// Sessions that rest on it, and those of them that are connected.
    pub(crate) sessions: u32,
    pub(crate) connections: u32,
    /// When its timer goes off: one at a time.
    pub(crate) armed: Option<Instant>,
}

/// The table of grants. A place in it stands for an identity and a variant as long as a session rests on it.
#[derive(Default)]
pub(crate) struct Grants {
    table: Slab<Granted>,
    by_name: BTreeMap<(IdentityId, u32), u32>,
}

impl Grants {
    pub(crate) fn find(&self, identity: IdentityId, variant: u32) -> Option<u32> {
        self.by_name.get(&(identity, variant)).copied()
    }

    /// The places of all variants of an identity.
    pub(crate) fn of(&self, identity: IdentityId) -> impl Iterator<Item = u32> {
        self.by_name.range((identity, 0)..=(identity, u32::MAX)).map(|(_, place)| *place)
    }

    /// The place of what somebody is granted, who may do that from here on.
    pub(crate) fn set(&mut self, grant: &Grant) -> u32 {
        let place = self.place(grant.identity, grant.variant);
        self.table[place].grant = Some(grant.clone());
        place
    }

    /// The place of this variant; what may be done there is not known if it is new.
    pub(crate) fn place(&mut self, identity: IdentityId, variant: u32) -> u32 {
        *self.by_name.entry((identity, variant)).or_insert_with(|| {
            let granted =
                Granted { identity, variant, grant: None, sessions: 0, connections: 0, armed: None };
            self.table.insert(granted)
        })
    }

    /// A session more, or fewer, rests on it.
    pub(crate) fn begin_session(&mut self, place: u32) {
        self.table[place].sessions += 1;
    }

    pub(crate) fn end_session(&mut self, place: u32) {
        self.table[place].sessions -= 1;
        self.release_if_idle(place);
    }

    /// One of its sessions has a connection, or loses it.
    pub(crate) fn begin_connection(&mut self, place: u32) {
        self.table[place].connections += 1;
    }

    pub(crate) fn end_connection(&mut self, place: u32) {
        self.table[place].connections -= 1;
    }

    /// Connections and sessions of an identity.
    pub(crate) fn count(&self, identity: IdentityId) -> (u32, u32) {
        let of_variants = self.of(identity).map(|place| &self.table[place]);
        of_variants.fold((0, 0), |(c, s), granted| (c + granted.connections, s + granted.sessions))
    }

    /// May any client of an identity, with any of its variants? Where the identity is not known, yes.
    pub(crate) fn may_any(&self, identity: IdentityId, access: Access<'_>) -> bool {
        let mut places = self.of(identity).peekable();
        places.peek().is_none()
            || places.any(|place| self.grant(place).is_some_and(|grant| grant.rights.may_any(access)))
    }

    /// Forgets an identity that no session rests on.
    pub(crate) fn release_if_idle(&mut self, place: u32) {
        let granted = &self.table[place];
        if granted.sessions == 0 && granted.connections == 0 {
            self.by_name.remove(&(granted.identity, granted.variant));
            self.table.remove(place);
        }
    }

    /// Whose it is; nobody's where there is none.
    pub(crate) fn identity(&self, place: u32) -> IdentityId {
        self.table.get(place).map_or(IdentityId(0), |granted| granted.identity)
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut Granted> {
        self.table.get_mut(place)
    }

    /// The same, and which variant.
    pub(crate) fn name(&self, place: u32) -> (IdentityId, u32) {
        self.table.get(place).map_or((IdentityId(0), 0), |granted| (granted.identity, granted.variant))
    }

    pub(crate) fn grant(&self, place: u32) -> Option<&Grant> {
        self.table.get(place)?.grant.as_ref()
    }

    /// Why that client may not, for whoever asks when it was refused: the policy's rule.
    pub(crate) fn rule(&self, place: u32, client_id: &str, access: Access<'_>) -> u32 {
        self.grant(place).map_or(0, |g| g.rights.may(client_id, access).rule)
    }

    /// May this client of that identity? What nobody knows is not allowed.
    pub(crate) fn may(&self, place: u32, client_id: &str, access: Access<'_>) -> bool {
        self.grant(place).is_some_and(|g| g.rights.may(client_id, access).allow)
    }

    /// `sessions` and `connections` are how many rest on a place.
    pub(crate) fn check(&self, rest: impl Fn(u32) -> (u32, u32)) {
        self.table.check();
        assert_eq!(self.by_name.len(), self.table.len(), "each is known once");
        for (place, granted) in self.table.iter() {
            let found = self.find(granted.identity, granted.variant);
            assert_eq!(found, Some(place), "an identity is found at its place");
            assert_eq!((granted.sessions, granted.connections), rest(place), "who rests on it is counted");
        }
    }

    /// Those that exist, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Granted)> {
        self.table.iter()
    }
}

impl core::ops::Index<u32> for Grants {
    type Output = Granted;

    fn index(&self, place: u32) -> &Granted {
        &self.table[place]
    }
}

impl core::ops::IndexMut<u32> for Grants {
    fn index_mut(&mut self, place: u32) -> &mut Granted {
        &mut self.table[place]
    }
}
