//! The filters, level by level.
use super::subscribers::{Subscribers, Subscription};
use crate::broker::base::table::{Row, Table};
use crate::text::Text;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};
use foldhash::quality::FixedState;
use hashbrown::HashTable;

const ROOT: u32 = 0;
const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Table<Node>,
    /// All nodes but the root, by their parent and label.
    edges: HashTable<u32>,
    hash: FixedState,
    /// Where `+` branches off while recipients are collected. Kept for its memory.
    stack: Vec<(u32, usize)>,
}

#[derive(Debug)]
struct Node {
    label: Label,
    parent: u32,
    children: u32,
    /// The children `+` and `#`, which each look-up tries: found without a hash.
    plus: u32,
    sharp: u32,
    subscribers: Subscribers,
}
const _: () = assert!(size_of::<Node>() <= 64); // about one for each subscription; 56 is what it takes

/// The text of one level. Nearly all of them fit where they stand.
#[derive(Debug)]
enum Label {
    Inline { length: u8, bytes: [u8; Label::INLINE] },
    Boxed(Box<[u8]>),
}

impl Label {
    const INLINE: usize = 22;

    fn new(text: &[u8]) -> Self {
        let mut bytes = [0; Self::INLINE];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text);
                Self::Inline { length, bytes }
            }
            _ => Self::Boxed(text.into()),
        }
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Self::Boxed(bytes) => bytes,
        }
    }
}

impl Node {
    fn new(parent: u32, label: &[u8]) -> Self {
        Self {
            label: Label::new(label),
            parent,
            children: 0,
            plus: NONE,
            sharp: NONE,
            subscribers: Subscribers::None,
        }
    }

    /// Children that a look-up by label could find.
    fn has_literal_children(&self) -> bool {
        self.children > u32::from(self.plus != NONE) + u32::from(self.sharp != NONE)
    }
}

impl Row for Node {
    fn vacant() -> Self {
        Self::new(NONE, b"")
    }
}

impl Trie {
    pub(crate) fn new(seed: u64) -> Self {
        let mut nodes = Table::default();
        nodes.insert(|_| Node::vacant());
        Self {
            nodes,
            edges: HashTable::new(),
            // Topics are the attacker's choice.
            hash: FixedState::with_seed(seed),
            stack: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn find(&self, filter: &str) -> Option<u32> {
        filter.as_bytes().split(|b| *b == b'/').try_fold(ROOT, |node, level| self.child(node, level))
    }

    /// The node of this filter, made if need be.
    pub(crate) fn grow_to(&mut self, filter: &str) -> u32 {
        filter
            .as_bytes()
            .split(|b| *b == b'/')
            .fold(ROOT, |node, level| self.child(node, level).unwrap_or_else(|| self.grow(node, level)))
    }

    pub(crate) fn subscribers(&self, node: u32) -> Option<&Subscribers> {
        Some(&self.nodes.get(node)?.subscribers)
    }

    pub(crate) fn subscribers_mut(&mut self, node: u32) -> &mut Subscribers {
        &mut self.nodes[node].subscribers
    }

    /// The text of the filter that ends here.
    pub(crate) fn filter(&self, mut node: u32) -> String {
        let mut labels = Vec::new();
        while node != ROOT {
            let Node { label, parent, .. } = &self.nodes[node];
            labels.push(label.as_bytes());
            node = *parent;
        }
        labels.reverse();
        String::from_utf8(labels.join(&b'/')).expect("what was cut at slashes is text when joined again")
    }

    /// Gives back this node, and those above it, as far as nothing needs them.
    pub(crate) fn prune(&mut self, mut at: u32) {
        while at != ROOT {
            let node = &self.nodes[at];
            if node.children > 0 || !node.subscribers.is_empty() {
                return;
            }
            let parent = node.parent;
            let hash = edge_hash(&self.hash, parent, node.label.as_bytes());
            self.edges
                .find_entry(hash, |&other| other == at)
                .expect("each node but the root is in the table of edges")
                .remove();
            self.nodes[at] = Node::vacant();
            self.nodes.vacate(at);
            let above = &mut self.nodes[parent];
            above.children -= 1;
            for child in [&mut above.plus, &mut above.sharp] {
                if *child == at {
                    *child = NONE;
                }
            }
            at = parent;
        }
    }

    /// Adds the subscriptions that match this topic, node by node.
    pub(crate) fn collect(&mut self, topic: Text<'_>, found: &mut Vec<Subscription>) {
        let topic = topic.as_bytes();
        let mut stack = core::mem::take(&mut self.stack);
        stack.push((ROOT, 0));
        while let Some((mut at, mut from)) = stack.pop() {
            loop {
                let node = &self.nodes[at];
                // Wildcards do not match a leading $. [MQTT-4.7.2-1]
                let wild = at != ROOT || topic.first() != Some(&b'$');
                // `#` includes the level above it. [MQTT-4.7.1-2]
                if wild && node.sharp != NONE {
                    self.nodes[node.sharp].subscribers.append_to(found);
                }
                let Some(rest) = topic.get(from..) else {
                    node.subscribers.append_to(found);
                    break;
                };
                let length = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
                let next = from + length + 1;
                if wild && node.plus != NONE {
                    stack.push((node.plus, next));
                }
                if !node.has_literal_children() {
                    break;
                }
                match self.child(at, &rest[..length]) {
                    Some(child) => (at, from) = (child, next),
                    None => break,
                }
            }
        }
        self.stack = stack;
    }

    #[inline]
    fn child(&self, parent: u32, label: &[u8]) -> Option<u32> {
        self.edges
            .find(edge_hash(&self.hash, parent, label), |&at| {
                let node = &self.nodes[at];
                node.parent == parent && node.label.as_bytes() == label
            })
            .copied()
    }

    fn grow(&mut self, parent: u32, label: &[u8]) -> u32 {
        let at = self.nodes.insert(|_| Node::new(parent, label));
        let above = &mut self.nodes[parent];
        above.children += 1;
        match label {
            b"+" => above.plus = at,
            b"#" => above.sharp = at,
            _ => {}
        }
        let (nodes, hash) = (&self.nodes, &self.hash);
        self.edges.insert_unique(edge_hash(hash, parent, label), at, |&at| {
            let node = &nodes[at];
            edge_hash(hash, node.parent, node.label.as_bytes())
        });
        at
    }

    #[cfg(test)]
    pub(crate) fn bytes_estimate(&self) -> usize {
        let beside = |node: &Node| {
            let label = if let Label::Boxed(bytes) = &node.label { bytes.len() } else { 0 };
            label + node.subscribers.bytes_estimate()
        };
        self.nodes.capacity() * size_of::<Node>()
            + self.nodes.iter_from(ROOT).map(|(_, node)| beside(node)).sum::<usize>()
            + self.edges.allocation_size()
    }

    /// States what must hold; returns how many subscriptions there are.
    pub(crate) fn check(&self) -> usize {
        assert_eq!(self.edges.len() + 1, self.len(), "each node but the root has one edge to it");
        let mut children = vec![0; self.nodes.rows()];
        let mut subscriptions = Vec::new();
        let mut detached = 0;
        for (at, node) in self.nodes.iter_from(ROOT) {
            node.subscribers.append_to(&mut subscriptions);
            if node.parent == NONE {
                assert!(node.subscribers.is_empty(), "nobody subscribes at {at}");
                assert!(at == ROOT || node.children == 0, "nothing hangs on the free node {at}");
                detached += 1;
                continue;
            }
            assert!(node.children > 0 || !node.subscribers.is_empty(), "{at} is needed");
            assert_eq!(self.child(node.parent, node.label.as_bytes()), Some(at));
            children[node.parent as usize] += 1;
        }
        assert_eq!(
            detached,
            self.nodes.rows() - self.nodes.len() + 1,
            "only the root and free nodes have no parent"
        );
        for (at, node) in self.nodes.iter_from(ROOT) {
            assert_eq!(children[at as usize], node.children, "children of {at}");
            for (child, label) in [(node.plus, b"+"), (node.sharp, b"#")] {
                assert_eq!(self.child(at, label), (child != NONE).then_some(child), "wildcards of {at}");
            }
        }
        subscriptions.len()
    }
}

#[inline]
fn edge_hash(state: &FixedState, parent: u32, label: &[u8]) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write(label);
    hasher.write_u32(parent);
    hasher.finish()
}
