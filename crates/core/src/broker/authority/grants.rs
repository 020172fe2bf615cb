//! Who may do what: the grants that sessions and messages rest on, by identity.
use crate::broker::authority::policy::{Access, Grant};
use crate::id::IdentityId;
use crate::slab::Slab;
use crate::time::Instant;
use foldhash::quality::FixedState;
use hashbrown::HashMap;

pub(crate) struct Granted {
    pub(crate) identity: IdentityId,
    /// `None`: nobody knows what this identity may do, so nothing is delivered to it.
    pub(crate) grant: Option<Grant>,
    /// Sessions that rest on it, and those of them that are connected.
    pub(crate) sessions: u32,
    pub(crate) connections: u32,
    /// When its timer goes off: one at a time.
    pub(crate) armed: Option<Instant>,
}

/// The table of grants. A place in it stands for an identity as long as a session rests on it.
pub(crate) struct Grants {
    table: Slab<Granted>,
    by_identity: HashMap<IdentityId, u32, FixedState>,
}

impl Grants {
    pub(crate) fn new(seed: u64) -> Self {
        let by_identity = HashMap::with_hasher(FixedState::with_seed(seed));
        Self { table: Slab::default(), by_identity }
    }

    pub(crate) fn find(&self, identity: IdentityId) -> Option<u32> {
        self.by_identity.get(&identity).copied()
    }

    /// The place of this identity; what it may do is replaced, if `grant` says so.
    pub(crate) fn set(&mut self, identity: IdentityId, grant: Option<Grant>) -> u32 {
        if let Some(place) = self.find(identity) {
            if grant.is_some() {
                self.table[place].grant = grant;
            }
            return place;
        }
        let granted = Granted { identity, grant, sessions: 0, connections: 0, armed: None };
        let place = self.table.insert(granted);
        self.by_identity.insert(identity, place);
        place
    }

    /// Forgets an identity that no session rests on.
    pub(crate) fn release_if_idle(&mut self, place: u32) {
        let granted = &self.table[place];
        if granted.sessions == 0 && granted.connections == 0 {
            self.by_identity.remove(&granted.identity);
            self.table.remove(place);
        }
    }

    /// Whose it is; nobody's where there is none.
    pub(crate) fn identity(&self, place: u32) -> IdentityId {
        self.table.get(place).map_or(IdentityId(0), |granted| granted.identity)
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
        assert_eq!(self.by_identity.len(), self.table.len(), "each identity is known once");
        for (place, granted) in self.table.iter() {
            assert_eq!(self.find(granted.identity), Some(place), "an identity is found at its place");
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
