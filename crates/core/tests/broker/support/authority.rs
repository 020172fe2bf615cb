//! A policy that a test can program while the shards run.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tidewire_core::broker::policy::{
    Access, Admission, AuthStep, Authentication, Denial, Grant, Peer, Policy, QueuePolicy, Rights, Ruling,
};
use tidewire_core::codec::Publish;
use tidewire_core::id::IdentityId;
use tidewire_core::reason::ReasonCode;
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicFilter;

/// What is said of a client that wants in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allow,
    Later,
    Continue,
    Deny(ReasonCode),
}

/// What a right is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Publish,
    Subscribe,
    Receive,
}

/// Who is who, and who may what. Unless told otherwise everybody may come in as who they say they are (by user
/// name, or by Client Identifier without one) and do everything, except publish where a topic begins with `$`.
#[derive(Default)]
pub(crate) struct Authority {
    names: Vec<String>,
    verdicts: BTreeMap<String, Verdict>,
    denied: BTreeMap<String, Vec<(Kind, String)>>,
    queues: BTreeMap<String, QueuePolicy>,
    ends: BTreeMap<String, Instant>,
    variants: BTreeMap<String, u32>,
    admissions: BTreeMap<String, Admission>,
    change: Option<fn(&mut Grant)>,
    /// How many CONNECTs and AUTHs it has judged.
    pub(crate) steps: usize,
    /// How often its grants were asked who may receive something.
    pub(crate) judged: Arc<AtomicUsize>,
}

impl Authority {
    /// What is said of whoever comes with this name.
    pub(crate) fn says(&mut self, name: &str, verdict: Verdict) {
        self.verdicts.insert(name.to_owned(), verdict);
    }

    /// Takes a right away, in the next grant.
    pub(crate) fn deny(&mut self, name: &str, kind: Kind, filter: &str) {
        self.denied.entry(name.to_owned()).or_default().push((kind, filter.to_owned()));
    }

    pub(crate) fn queue(&mut self, name: &str, policy: QueuePolicy) {
        self.queues.insert(name.to_owned(), policy);
    }

    pub(crate) fn until(&mut self, name: &str, at: Instant) {
        self.ends.insert(name.to_owned(), at);
    }

    /// Which of its rights it has from here on; what is denied is denied to all.
    pub(crate) fn variant(&mut self, name: &str, variant: u32) {
        self.variants.insert(name.to_owned(), variant);
    }

    /// What is done to every grant.
    pub(crate) fn changes(&mut self, change: fn(&mut Grant)) {
        self.change = Some(change);
    }

    /// What is said of messages to this topic.
    pub(crate) fn admit(&mut self, topic: &str, admission: Admission) {
        self.admissions.insert(topic.to_owned(), admission);
    }

    pub(crate) fn identity(&mut self, name: &str) -> IdentityId {
        let at = self.names.iter().position(|n| n == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        IdentityId(u32::try_from(at).expect("names are few"))
    }

    pub(crate) fn grant(&mut self, name: &str) -> Grant {
        let denied = self.denied.get(name).cloned().unwrap_or_default();
        let denied = denied
            .into_iter()
            .map(|(kind, filter)| (kind, TopicFilter::new(&filter).expect("a filter")))
            .collect();
        let mut grant = Grant::new(self.identity(name), Arc::new(AllBut(denied, Arc::clone(&self.judged))));
        grant.variant = self.variants.get(name).copied().unwrap_or_default();
        grant.queue_policy = self.queues.get(name).copied().unwrap_or_default();
        grant.expires_at = self.ends.get(name).copied();
        if let Some(change) = self.change {
            change(&mut grant);
        }
        grant
    }
}

struct AllBut(Vec<(Kind, TopicFilter)>, Arc<AtomicUsize>);

impl Rights for AllBut {
    fn may(&self, _client_id: &str, access: Access<'_>) -> Ruling {
        let (kind, topic) = match access {
            Access::Publish { topic, .. } => (Kind::Publish, topic.as_str()),
            Access::Subscribe { filter, .. } => (Kind::Subscribe, filter),
            Access::Receive { topic, .. } => (Kind::Receive, topic.as_str()),
            _ => return Ruling::deny(0),
        };
        self.1.fetch_add(usize::from(kind == Kind::Receive), Ordering::Relaxed);
        let named = self.0.iter().position(|(k, f)| *k == kind && (f.as_str() == topic || f.matches(topic)));
        let reserved = kind == Kind::Publish && topic.starts_with('$');
        let rule = named.map_or(0, |at| u32::try_from(at + 1).expect("rules are few"));
        if named.is_none() && !reserved { Ruling::allow(rule) } else { Ruling::deny(rule) }
    }

    fn may_any(&self, access: Access<'_>) -> bool {
        self.may("", access).allow
    }
}

/// The authority as each shard asks it.
pub(super) struct Asked(pub(super) Arc<Mutex<Authority>>);

impl Policy for Asked {
    fn authenticate(&mut self, _now: Instant, _peer: &Peer, step: &AuthStep) -> Authentication {
        let mut authority = self.0.lock().expect("nobody panics while holding this");
        authority.steps += 1;
        let name = match step {
            AuthStep::Connect { client_id, username, .. } => {
                username.as_ref().unwrap_or(client_id).to_string()
            }
            AuthStep::Again { data, .. } | AuthStep::Continue { data, .. } => {
                String::from_utf8_lossy(data).into_owned()
            }
            _ => return Authentication::Deny(Denial::new(ReasonCode::NotAuthorized)),
        };
        match authority.verdicts.get(&name).copied().unwrap_or(Verdict::Allow) {
            Verdict::Allow => Authentication::Allow(authority.grant(&name)),
            Verdict::Later => Authentication::Later,
            Verdict::Continue => Authentication::continue_with(*b"who?"),
            Verdict::Deny(reason) => Authentication::Deny(Denial::new(reason)),
        }
    }

    fn known(&mut self, _now: Instant, _identity: IdentityId, _variant: u32) -> Option<Grant> {
        None
    }

    fn admit(&mut self, _now: Instant, _publisher: &Grant, publish: &Publish<'_>) -> Admission {
        let authority = self.0.lock().expect("nobody panics while holding this");
        authority.admissions.get(publish.topic.as_str()).cloned().unwrap_or(Admission::AsIs)
    }
}
