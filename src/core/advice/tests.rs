//! Advice, by the vectors that its canonical forms are defined by, and drawn.

use super::address::canonical;
use super::*;
use proptest::prelude::*;

#[test]
fn addresses_have_the_canonical_forms_that_the_vectors_say() {
    for (raw, form) in [
        ("http://host/%25%32%35", "host/%25"),
        ("http://host/%25%32%35%25%32%35", "host/%25%25"),
        ("http://host/%2525252525252525", "host/%25"),
        ("http://host/asdf%25%32%35asd", "host/asdf%25asd"),
        ("http://host/%%%25%32%35asd%%", "host/%25%25%25asd%25%25"),
        ("http://3279880203/blah", "195.127.0.11/blah"),
        ("http://www.example.com/blah#frag", "www.example.com/blah"),
        ("http://example.com/foo#bar#baz", "example.com/foo"),
        ("http://www.EXAmple.com/", "www.example.com/"),
        ("http://www.example.com.../", "www.example.com/"),
        ("http://www.example.com/foo\tbar\rbaz\n2", "www.example.com/foobarbaz2"),
        ("http://www.example.com/q?", "www.example.com/q"),
        ("http://www.example.com/q?r?s", "www.example.com/q?r?s"),
        ("http://www.example.com/q%3Fr", "www.example.com/q?r"),
        ("http://example.com/foo;", "example.com/foo;"),
        ("http://notrailingslash.example", "notrailingslash.example/"),
        ("http://www.example.com:1234/", "www.example.com/"),
        ("  http://www.example.com/  ", "www.example.com/"),
        ("http:// leadingspace.example/", "%20leadingspace.example/"),
        ("http://%20leadingspace.example/", "%20leadingspace.example/"),
        ("%20leadingspace.example/", "%20leadingspace.example/"),
        ("http://%01%80.example/", "%01%80.example/"),
        ("http://some%1bhost.example/%1b", "some%1Bhost.example/%1B"),
        ("http://www.\u{fc}mlat.example/", "www.xn--mlat-zra.example/"),
        ("http://www.%C3%BCmlat.example/", "www.xn--mlat-zra.example/"),
        ("http://[2001:470:1:18::114]/", "[2001:470:1:18::114]/"),
        ("http://[2001:470:1:18::ABC]:80/", "[2001:470:1:18::abc]/"),
        ("http%3A%2F%2Fexample.com:80/", "example.com/"),
        ("http://W!eird<>Ho$^.example/", "w!eird<>ho$^.example/"),
        ("http://example.com.:8080/foo.html", "example.com/foo.html"),
        ("http://example...com/", "example.com/"),
        ("http://..example.com/", "example.com/"),
        ("http://a.example/foo/.././bar/./../foo.html", "a.example/foo.html"),
        ("http://a.example//a//b///c////", "a.example/a/b/c/"),
        (
            "http://%31%36%38%2e%31%38%38%2e%39%39%2e%32%36/%2E%73%65%63%75%72%65/",
            "168.188.99.26/.secure/",
        ),
        ("https://example.com/a", "example.com/a"),
        ("example.com/a", "example.com/a"),
        ("http://user:word@example.com/a", "example.com/a"),
        ("http://h:5./", "h/"),
        ("http://h2:1:11/", "h2/"),
        ("http://255.0.0.1/", "255.0.0.1/"),
        ("http://12.0x12.01234/", "12.18.2.156/"),
        ("http://276.2.3/", "20.2.0.3/"),
        ("http://012.034.01.055/", "10.28.1.45/"),
        ("http://0x12.0x43.0x44.0x01/", "18.67.68.1/"),
        ("http://167838211/", "10.1.2.3/"),
        ("http://4294967295/", "255.255.255.255/"),
        ("http://10.192.95.89 xy/", "10.192.95.89/"),
        ("http://123.123.0.0.1/", "123.123.0.0.1/"),
        ("http://1.2.3.00x0/", "1.2.3.00x0/"),
    ] {
        assert_eq!(canonical(raw).as_deref(), Some(form), "{raw}");
    }
    for raw in [
        "",
        ":",
        "/blah",
        "#ref",
        "/",
        "?query#ref",
        "/blah;param",
        "http://#ref",
        "http:///blah",
        "http://?query",
        "mailto:a@b.example",
        "http://[2001:470",
        "http://a]b/",
    ] {
        assert_eq!(canonical(raw), None, "{raw}");
    }
    assert_eq!(canonical(&"a".repeat(address::BYTES_MAX + 1)), None);
}

#[test]
fn an_address_and_the_digest_of_its_canonical_form_are_the_same_advice() {
    let by_digest = Advice::parse(
        AdviceType::Url,
        // SHA-256 of `example.com/a?b`.
        &hex::encode(Sha256::digest("example.com/a?b")),
    );
    for raw in ["http://example.com/a?b", "HTTPS://user@EXAMPLE.com:443/./a?b#c"] {
        assert_eq!(Advice::parse(AdviceType::Url, raw), by_digest, "{raw}");
    }
    assert_ne!(Advice::parse(AdviceType::Url, "http://example.com/A?b"), by_digest);
}

#[test]
fn a_term_is_compared_whatever_its_case_width_and_spaces() {
    let form = |text: &str| Advice::parse(AdviceType::Term, text).map(|term| term.text());
    for text in ["Blue  FROG", " blue frog\u{a0}", "\u{ff22}lue\u{3000}\u{ff26}rog"] {
        assert_eq!(form(text).as_deref(), Ok("blue frog"), "{text}");
    }
    assert_eq!(form("Stra\u{df}e"), form("STRASSE"));
    assert_eq!(form("cafe\u{301}"), form("CAF\u{c9}"));
    for bad in [String::new(), "   ".into(), "a\u{7}b".into(), "a".repeat(TERM_BYTES_MAX + 1)] {
        assert_eq!(form(&bad), Err(Malformed::Term));
    }
}

#[test]
fn an_account_is_taken_by_its_keyed_hash_only_and_a_tactic_by_its_code() {
    let account = |text: &str| Advice::parse(AdviceType::Account, text);
    assert_eq!(account(&"AB".repeat(32)), Ok(Advice::Account([0xab; 32])));
    for plain in ["someone@example.com", "someone", "+3112345678", &"ab".repeat(31)] {
        assert_eq!(account(plain), Err(Malformed::Account));
        assert_eq!(
            Advice::from_bytes(AdviceType::Account, plain.as_bytes()),
            Err(Malformed::Account)
        );
    }
    let tactic = |text: &str| Advice::parse(AdviceType::Tactic, text).map(|one| one.text());
    assert_eq!(tactic("T12.a:Move-Platform").as_deref(), Ok("t12.a:move-platform"));
    for bad in ["", "a b", "\u{e9}", &"a".repeat(TACTIC_BYTES_MAX + 1)] {
        assert_eq!(tactic(bad), Err(Malformed::Tactic));
    }
}

#[test]
fn debug_output_shows_no_value() {
    let term = Advice::parse(AdviceType::Term, "blue frog").unwrap();
    assert_eq!(format!("{term:?}"), "Advice(term)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_canonical_form_of_a_canonical_form_is_itself(
        raw in prop_oneof![
            "\\PC{0,40}",
            "(http://)?[a-c%.:@0-9xX\\[\\]\u{e9}\u{3002}\u{ff10} -]{0,20}[/?#%a-c0-9. ]{0,20}",
            "http://[0-9a-fx.]{1,15}(%[0-9a-fA-F]{2}){0,4}(/[%2305.]{0,9})?",
        ],
    ) {
        if let Some(form) = canonical(&raw) {
            prop_assert!(form.is_ascii());
            prop_assert_eq!(canonical(&format!("http://{form}")), Some(form.clone()));
        }
    }

    #[test]
    fn reading_what_was_written_gives_the_same_advice(
        kind in prop::sample::select(&AdviceType::ALL[..]), text in "\\PC{0,30}|[0-9a-f]{64}",
    ) {
        if let Ok(advice) = Advice::parse(kind, &text) {
            prop_assert_eq!(advice.kind(), kind);
            prop_assert_eq!(Advice::parse(kind, &advice.text()), Ok(advice.clone()));
            prop_assert_eq!(Advice::from_bytes(kind, advice.bytes()), Ok(advice));
        }
    }
}
