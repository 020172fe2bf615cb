use super::{FORGET_AT, Note, Post};
use crate::id::ShardId;
use alloc::format;

/// Something is always under way, and filters come and go.
#[test]
fn interest_that_is_known_is_forgotten_under_steady_traffic() {
    let mut post = Post::new(ShardId(0), 2);
    let other = ShardId(1);
    for n in 0..10_000_u64 {
        let filter = format!("filter/{n}");
        let number = post.write(other, &Note::Interest { filter: &filter, wanted: true });
        post.remember_interest(&filter, [0, number].into(), true);
        post.settled(other, n, n, &[], |_, _| {});
        post.forget_settled_interest();
        assert!(post.interest.len() <= FORGET_AT, "{} filters after {n}", post.interest.len());
        assert_eq!(post.unsettled_interest(&filter).count(), 1, "what is not known is remembered");
    }
}
