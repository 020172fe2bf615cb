//! Where a session subscribes.
use crate::broker::router::NodeId;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// So many are looked through one by one.
const FEW: usize = 64;

/// Places in the trie, each once. Most sessions have few; whoever has many gives each back as fast as another.
#[derive(Clone, Debug)]
pub(crate) enum Nodes {
    Few(Vec<NodeId>),
    #[expect(clippy::box_collection, reason = "few sessions have many, and each has this size")]
    Many(Box<BTreeSet<NodeId>>),
}

impl Default for Nodes {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Nodes {
    /// One that it has not.
    pub(crate) fn push(&mut self, node: NodeId) {
        match self {
            Self::Few(few) if few.len() < FEW => few.push(node),
            Self::Few(few) => {
                let mut many: BTreeSet<_> = core::mem::take(few).into_iter().collect();
                many.insert(node);
                *self = Self::Many(Box::new(many));
            }
            Self::Many(many) => {
                many.insert(node);
            }
        }
    }

    /// One that it has.
    pub(crate) fn remove(&mut self, node: NodeId) {
        match self {
            Self::Few(few) => few.retain(|other| *other != node),
            Self::Many(many) => {
                many.remove(&node);
                if many.is_empty() {
                    *self = Self::default();
                }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = NodeId> {
        let (few, many) = match self {
            Self::Few(few) => (few.as_slice(), None),
            Self::Many(many) => (&[][..], Some(many.iter())),
        };
        few.iter().chain(many.into_iter().flatten()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_become_many_and_none() {
        let mut nodes = Nodes::default();
        let numbers: Vec<u32> = (0..1000).collect();
        for (count, number) in numbers.iter().enumerate() {
            nodes.push(NodeId(*number));
            assert_eq!(nodes.len(), count + 1);
        }
        let mut all: Vec<u32> = nodes.iter().map(|node| node.0).collect();
        all.sort_unstable();
        assert_eq!(all, numbers);
        for number in numbers.iter().rev() {
            nodes.remove(NodeId(*number));
            nodes.remove(NodeId(*number));
            assert_eq!(nodes.len(), *number as usize);
        }
        assert_eq!(nodes.iter().count(), 0);
    }
}
