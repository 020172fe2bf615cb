use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::string::String;
use std::vec::Vec;

/// As an argument of which somebody makes a topic.
fn named(of: impl TryInto<TopicName>) -> Option<TopicName> {
    of.try_into().ok()
}

fn filtering(of: impl TryInto<TopicFilter>) -> Option<TopicFilter> {
    of.try_into().ok()
}

#[test]
fn whatever_std_has_for_text_is_a_topic_if_it_is_valid() {
    let (owned, checked) = (String::from("a/b"), TopicName::new("a/b").unwrap());
    for made in [named("a/b"), named(&owned), named(owned.clone()), named(&checked), named(checked.clone())] {
        assert_eq!(made.as_ref(), Some(&checked));
    }
    let (wild, checked) = (String::from("a/+"), TopicFilter::new("a/+").unwrap());
    for made in [
        filtering("a/+"),
        filtering(&wild),
        filtering(wild.clone()),
        filtering(&checked),
        filtering(checked.clone()),
    ] {
        assert_eq!(made.as_ref(), Some(&checked));
    }
    assert_eq!(TopicName::try_from(&wild), Err(TopicError::Wildcard));
    assert_eq!(TopicFilter::try_from("$share/g"), Err(TopicError::ShareName));
}

#[test]
fn levels_may_be_empty() {
    for (topic, levels) in [("a", &["a"][..]), ("/a", &["", "a"]), ("a//", &["a", "", ""]), ("/", &["", ""])]
    {
        assert!(TopicName::new(topic).unwrap().levels().eq(levels.iter().copied()), "{topic}");
    }
}

#[test]
fn names() {
    for name in ["a", "/", "//", "$SYS/x", " ", "\u{feff}topic", "A\u{2a6d4}", "$share/a/b", "a b/c"] {
        assert_eq!(check_name(name.as_bytes()), Ok(Text::known_str(name)));
        assert_eq!(TopicName::new(name).unwrap().as_str(), name);
    }
    let refused: [(&[u8], TopicError); 10] = [
        (b"", TopicError::Empty),
        (b"a/#", TopicError::Wildcard),
        (b"+", TopicError::Wildcard),
        (b"longer than a word/a+", TopicError::Wildcard),
        (b"\xc3\xa4/+", TopicError::Wildcard),
        (b"a\0", TopicError::Nul),
        (b"a\x1f", TopicError::ControlCharacter),
        (b"a\xc2\x9f", TopicError::ControlCharacter),
        (b"a\xef\xbf\xbf", TopicError::NonCharacter),
        (b"to\xed\xa0\x80", TopicError::NotUtf8),
    ];
    for (name, error) in refused {
        assert_eq!(check_name(name), Err(error), "{name:x?}");
    }
}

#[test]
fn filters() {
    for filter in ["a", "#", "+", "+/+", "a/#", "/+", "+/", "/#", "a/+/b/#", "$share", "\u{e4}/+"] {
        assert_eq!(check_filter(filter), Ok(()), "{filter}");
        assert_eq!(TopicFilter::new(filter).unwrap().share(), None);
    }
    let refused = [
        ("", TopicError::Empty),
        ("a#", TopicError::MisplacedWildcard),
        ("#/a", TopicError::MisplacedWildcard),
        ("a/#/", TopicError::MisplacedWildcard),
        ("##", TopicError::MisplacedWildcard),
        ("a+", TopicError::MisplacedWildcard),
        ("+a/b", TopicError::MisplacedWildcard),
        ("a/b+/c", TopicError::MisplacedWildcard),
        ("a\0/+", TopicError::Nul),
        ("a\u{7f}/+", TopicError::ControlCharacter),
        ("a\u{1fffe}/+", TopicError::NonCharacter),
    ];
    for (filter, error) in refused {
        assert_eq!(check_filter(filter), Err(error), "{filter:?}");
    }
}

#[test]
fn shared_filters() {
    assert_eq!(TopicFilter::new("$share/g/a/#").unwrap().share(), Some(("g", "a/#")));
    assert_eq!(TopicFilter::new("$share/g//").unwrap().share(), Some(("g", "/")));
    assert!(TopicFilter::new("$share/g/+").unwrap().matches("a"));
    assert!(!TopicFilter::new("$share/g/#").unwrap().matches("$SYS"));
    for refused in ["$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/+/#"] {
        assert_eq!(TopicFilter::new(refused), Err(TopicError::ShareName), "{refused}");
        assert_eq!(check_filter(refused), Ok(()), "an ordinary filter before 5.0");
    }
}

#[test]
fn as_long_as_may_be() {
    let mut name = "/".repeat(65_535);
    assert!(TopicName::new(&name).is_ok());
    assert_eq!(check_levels(&name, 65_535), Err(TopicError::TooManyLevels));
    name.push('/');
    assert_eq!(TopicName::new(&name), Err(TopicError::TooLong));
    assert_eq!(TopicFilter::new(&name), Err(TopicError::TooLong));
}

#[test]
fn levels_are_counted_at_the_limit() {
    for (topic, levels) in [("a", 1), ("/", 2), ("a/b", 2), ("///", 4), ("abc/def/ghi", 3)] {
        assert_eq!(check_levels(topic, levels), Ok(()));
        assert_eq!(check_levels(topic, levels - 1), Err(TopicError::TooManyLevels), "{topic}");
    }
}

#[test]
fn what_matches() {
    let cases = [
        ("sport/#", "sport", true),
        ("sport/#", "sport/", true),
        ("sport/#", "sports", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("#", "/", true),
        ("#", "$SYS/a", false),
        ("+/a", "$SYS/a", false),
        ("$SYS/#", "$SYS/a", true),
        ("$SYS/+", "$SYS/a", true),
        ("a/+/#", "a", false),
        ("a", "A", false),
        ("\u{e9}", "e\u{301}", false),
    ];
    for (filter, name, expected) in cases {
        assert_eq!(matches(filter, name), expected, "{filter} {name}");
    }
}

/// Section 4.7 read aloud.
fn plainly(filter: &[&str], name: &[&str]) -> bool {
    match (filter, name) {
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, name @ ..]) => plainly(filter, name),
        ([wanted, filter @ ..], [level, name @ ..]) => wanted == level && plainly(filter, name),
        _ => false,
    }
}

fn levels(from: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(from), 1..6)
}

fn name() -> impl Strategy<Value = String> {
    levels(&["", "a", "b", "$"])
        .prop_map(|levels| levels.join("/"))
        .prop_filter("empty", |name| !name.is_empty())
}

fn filter() -> impl Strategy<Value = String> {
    (levels(&["", "a", "b", "$", "+"]), any::<bool>())
        .prop_map(|(levels, all_below)| levels.join("/") + if all_below { "/#" } else { "" })
        .prop_filter("empty", |filter| !filter.is_empty())
}

proptest! {
    #[test]
    fn matches_as_the_plain_matcher_does(filter in filter(), name in name()) {
        prop_assert_eq!(check_filter(&filter), Ok(()));
        let split = |text| Vec::from_iter(str::split(text, '/'));
        let hidden = name.starts_with('$') && filter.starts_with(['+', '#']);
        prop_assert_eq!(matches(&filter, &name), !hidden && plainly(&split(&filter), &split(&name)));
    }

    #[test]
    fn a_name_is_a_filter_that_matches_itself(name in name()) {
        prop_assert_eq!(check_filter(&name), Ok(()));
        prop_assert!(matches(&name, &name));
    }

    #[test]
    fn bytes_and_text_are_checked_alike(text in "[a/+#\u{0}\u{1f}\u{7f}\u{85}\u{e9}]{0,12}") {
        let wildcards = text.contains(['#', '+']);
        match (check_name(text.as_bytes()), check_filter(&text)) {
            (Ok(name), filter) => prop_assert!(name == *text && filter == Ok(()) && !wildcards),
            (Err(TopicError::Wildcard), filter) => {
                prop_assert!(wildcards && matches!(filter, Ok(()) | Err(TopicError::MisplacedWildcard)));
            }
            (name, filter) => prop_assert_eq!(name.err(), filter.err()),
        }
    }
}
