//! Messages that nobody had taken when the connection ended: the server sends them again, if it still has their session.
use super::*;

const VERSIONS: [Version; 2] = [Version::V3_1_1, V5];

/// The connection ends, and the server has the session, or not, on the next.
fn until(version: Version, is_kept: &[bool]) -> Scripted {
    let none = PropertiesBuf::new();
    let mut s = Scripted::lasting(version, |_| {});
    s.says(version, &publish(1, 1, b"waits", &none));
    for present in is_kept {
        s.comes_again(version, *present);
    }
    s
}

#[test]
fn what_comes_again_is_not_given_twice() {
    for version in VERSIONS {
        let mut s = until(version, &[true]);
        assert_eq!(s.message(), None);
        assert_eq!(s.client.stats().superseded, 1);
    }
}

#[test]
fn what_was_of_a_lost_session_stays_whatever_session_comes_next() {
    for version in VERSIONS {
        for is_kept in [&[false][..], &[false, true], &[false, false, true, true]] {
            let mut s = until(version, is_kept);
            assert!(s.message().is_some(), "the server has forgotten it: {is_kept:?}");
            assert_eq!(s.sent(), [], "and hears nothing of it");
            assert_eq!(s.client.stats().superseded, 0);
        }
    }
}
