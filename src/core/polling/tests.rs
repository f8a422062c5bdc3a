//! What sources are asked, and that nothing of them is passed over.

mod lookups;
mod votes;

use super::*;
use crate::core::bank::EntryState;
use crate::core::exchange::{
    ExchangeSettings, FilePlace, Ncmec, NcmecPlace, Publication, Secret, Site, StopNcii,
    StopNciiPlace, ThreatExchange, ThreatExchangePlace, Written, create_exchange,
};
use crate::core::exchange_file::{NcmecPage, StopNciiPage, ThreatExchangePage};
use crate::core::id::{BankId, EntryId, ExchangeId};
use crate::core::list_file::Format;
use crate::core::signal::SignalType;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

fn site() -> Site {
    Site { address: "https://hashes.example/hashsharing".into(), ca: String::new() }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn ncmec() -> Kind {
    Kind::Ncmec(Box::new(Ncmec {
        site: site(),
        username: "platform".into(),
        password: secret("word"),
        members: vec![],
        since: Time::from_millis(0),
        negative_reason: String::new(),
    }))
}

fn stopncii() -> Kind {
    Kind::StopNcii(Box::new(StopNcii {
        site: Site { address: "https://cases.example/api".into(), ca: String::new() },
        fetch_key: secret("fetch"),
        feedback_key: secret("tell"),
        subscription_key: secret("subscribed"),
        page_size: 800,
        start: 10,
    }))
}

fn threatexchange() -> Kind {
    Kind::ThreatExchange(Box::new(ThreatExchange {
        site: Site { address: "https://graph.example/v21.0".into(), ca: String::new() },
        privacy_group: "4711".into(),
        access_token: secret("app|token"),
        types: vec!["HASH_PDQ".into(), "HASH_VIDEO_MD5".into()],
        page_size: 100,
    }))
}

fn file() -> Kind {
    Kind::File(Box::new(Publication {
        site: Site { address: "https://lists.example".into(), ca: String::new() },
        authorization: secret("Bearer x"),
        written: Written::List(Format::Text(SignalType::Md5)),
    }))
}

fn exchange(kind: Kind) -> Exchange {
    let settings = ExchangeSettings {
        display_name: String::new(),
        kind,
        bank: BankId::parse("learned").unwrap(),
        enters_as: EntryState::Active,
        enabled: true,
        gives_feedback: true,
        pause: Duration::from_secs(600),
        drop_percent_max: 20,
        new_per_day: None,
    };
    create_exchange(None, ExchangeId::parse("hub").unwrap(), settings, seconds(0)).unwrap()
}

const fn seconds(seconds: i64) -> Time {
    Time::from_millis(seconds * 1000)
}

fn day(days: i64) -> Time {
    seconds(days * 86_400)
}

/// A progress at a place, of an exchange that was heard in full.
fn at(place: Place) -> Progress {
    let mut progress = Progress::nothing("hub".into(), String::new(), seconds(0));
    (progress.place, progress.whole) = (Some(place), true);
    progress
}

fn asked(next: Next) -> Ask {
    match next {
        Next::Ask(ask) => *ask,
        other => panic!("{other:?}"),
    }
}

fn target(next: Next) -> String {
    asked(next).target.reveal().to_owned()
}

#[test]
fn each_source_is_asked_in_its_own_words_and_in_utc() {
    let now = Time::read("2026-03-01T12:00:07.9Z").unwrap();
    let from = Time::read("2026-03-01T11:00:00Z").unwrap();
    let place = NcmecPlace { from, width: 86_400, light: 0, range: None, heard: None };
    let ask = asked(next(&exchange(ncmec()), &at(Place::Ncmec(place)), now, false));
    assert_eq!(
        ask.target.reveal(),
        "/hashsharing/v2/entries?from=2026-03-01T11%3A00%3A00Z&to=2026-03-01T12%3A00%3A02Z"
    );
    assert_eq!(ask.headers, [("authorization", secret("Basic cGxhdGZvcm06d29yZA=="))]);
    let shown = format!("{ask:?}");
    assert!(!shown.contains("entries") && !shown.contains("Basic"), "{shown}");

    let place = StopNciiPlace { start: 77, token: Some("a b&c".into()), heard: None };
    let ask = asked(next(&exchange(stopncii()), &at(Place::StopNcii(place)), now, false));
    assert_eq!(
        ask.target.reveal(),
        "/api/FetchHashes?startTimestamp=77&pageSize=800&nextPageToken=a+b%26c"
    );
    let keys =
        [("x-functions-key", secret("fetch")), ("ocp-apim-subscription-key", secret("subscribed"))];
    assert_eq!(ask.headers, keys);

    let place = ThreatExchangePlace {
        since: seconds(1_700_000_000),
        newest: seconds(1_700_000_009),
        after: Some("QV".into()),
        heard: None,
    };
    let place = at(Place::ThreatExchange(place));
    assert_eq!(
        target(next(&exchange(threatexchange()), &place, now, false)),
        "/v21.0/4711/threat_updates/?start_time=1700000000&limit=100&fields=indicator%2Ctype%2C\
         last_updated%2Cshould_delete%2Cdescriptors%7Bid%2Creactions%2Cowner%7Bid%7D%2Ctags%2C\
         status%7D&types=HASH_PDQ%2CHASH_VIDEO_MD5&after=QV&access_token=app%7Ctoken"
    );

    let place = FilePlace { etag: Some("\"v7\"".into()), ..FilePlace::default() };
    let ask = asked(next(&exchange(file()), &at(Place::File(place)), now, false));
    assert_eq!(ask.target.reveal(), "/");
    let headers = [("authorization", secret("Bearer x")), ("if-none-match", secret("\"v7\""))];
    assert_eq!(ask.headers, headers);
}

#[test]
fn a_source_that_was_heard_rests_until_its_pause_is_over_or_somebody_wants_it_asked() {
    let heard = Some(seconds(1000));
    let places = [
        (
            ncmec(),
            Place::Ncmec(NcmecPlace {
                from: seconds(995),
                width: 60,
                light: 0,
                range: None,
                heard,
            }),
        ),
        (stopncii(), Place::StopNcii(StopNciiPlace { start: 20, token: None, heard })),
        (
            threatexchange(),
            Place::ThreatExchange(ThreatExchangePlace {
                since: seconds(9),
                newest: seconds(9),
                after: None,
                heard,
            }),
        ),
        (file(), Place::File(FilePlace { heard, ..FilePlace::default() })),
    ];
    for (kind, place) in places {
        let (exchange, progress) = (exchange(kind), at(place));
        let rest = next(&exchange, &progress, seconds(1100), false);
        assert_eq!(rest, Next::Rest(Duration::from_secs(500)));
        assert!(matches!(next(&exchange, &progress, seconds(1100), true), Next::Ask(_)));
        assert!(matches!(next(&exchange, &progress, seconds(1600), false), Next::Ask(_)));
    }
}

#[test]
fn a_source_that_forgets_what_it_deleted_is_taken_in_anew_once_that_may_be_so() {
    let heard = Some(day(100));
    let stop = at(Place::StopNcii(StopNciiPlace { start: 20, token: None, heard }));
    let threat = at(Place::ThreatExchange(ThreatExchangePlace {
        since: day(100),
        newest: day(100),
        after: None,
        heard,
    }));
    for (kind, progress, days) in [(stopncii(), stop, 30), (threatexchange(), threat, 85)] {
        let exchange = exchange(kind);
        assert!(matches!(next(&exchange, &progress, day(100 + days), false), Next::Ask(_)));
        let late = day(100 + days).plus(Duration::from_secs(1));
        assert_eq!(next(&exchange, &progress, late, false), Next::Anew);
        // What is taken in anew begins at the beginning, and is not begun anew again.
        let anew = Progress { place: None, whole: false, anew: true, ..progress };
        assert!(matches!(next(&exchange, &anew, late, false), Next::Ask(_)));
    }
}

#[test]
fn an_answer_that_goes_back_or_in_a_circle_is_not_followed() {
    let now = seconds(10_000);
    let page = |more: bool, token: Option<&str>, next: Option<i64>| {
        Page::StopNcii(StopNciiPage {
            count: None,
            next_page_token: token.map(str::to_owned),
            next_set_timestamp: next,
            has_more: Some(more),
        })
    };
    let place =
        || Some(Place::StopNcii(StopNciiPlace { start: 50, token: Some("t".into()), heard: None }));
    let turned = |page: &Page| turn(&stopncii(), place(), page, now);
    assert_eq!(turned(&page(false, None, Some(49))), Err(BadAnswer::GoesBack));
    assert_eq!(turned(&page(true, Some("t"), None)), Err(BadAnswer::GoesBack));
    assert!(turned(&page(true, None, Some(60))).is_err(), "more, and no way to it");
    assert!(turned(&page(false, None, None)).is_err());
    assert!(turned(&page(false, None, Some(50))).unwrap().is_whole);

    let page = |after: Option<&str>, has_next: bool| {
        Page::ThreatExchange(ThreatExchangePage {
            next: has_next.then(|| "https://elsewhere.example".to_owned()),
            after: after.map(str::to_owned),
            updated_max: Some(seconds(5)),
        })
    };
    let place = || {
        Some(Place::ThreatExchange(ThreatExchangePlace {
            since: seconds(9),
            newest: seconds(9),
            after: Some("a".into()),
            heard: None,
        }))
    };
    let turned = |page: &Page| turn(&threatexchange(), place(), page, now);
    assert_eq!(turned(&page(Some("a"), true)), Err(BadAnswer::GoesBack));
    assert!(turned(&page(None, true)).is_err());
    let end = turned(&page(Some("b"), false)).unwrap();
    assert_eq!(reached(&end.place), Some(seconds(9)), "a checkpoint never goes back");

    for link in [
        "https://elsewhere.example/v2/entries?x",
        "//elsewhere.example/v2/entries?x",
        "/v2/../secret",
        "/v2/status",
        "/v2/entries?x y",
        "",
    ] {
        let page = Page::Ncmec(NcmecPage { next: Some(link.into()), ..NcmecPage::default() });
        assert!(turn(&ncmec(), None, &page, now).is_err(), "{link}");
    }
    for link in [
        "/v2/entries?a=b",
        "/hashsharing/v2/entries?a=b",
        "https://hashes.example/hashsharing/v2/entries?a=b",
    ] {
        let page = Page::Ncmec(NcmecPage { next: Some(link.into()), ..NcmecPage::default() });
        let turned = turn(&ncmec(), None, &page, now).expect(link);
        let asked = target(next(&exchange(ncmec()), &at(turned.place), now, false));
        assert_eq!(asked, "/hashsharing/v2/entries?a=b");
    }
}

/// A source whose entries are times, and a reader of it that loses pages, links and its mind at will.
struct World {
    entries: Vec<i64>,
    page: usize,
    progress: Progress,
    read: BTreeSet<usize>,
    pages: usize,
    again: BTreeSet<String>,
    links_lost: usize,
}

impl World {
    fn query(target: &str, name: &str) -> Option<String> {
        let (_, query) = target.split_once('?')?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// What the source says to a question: the entries, and the page.
    fn answer(&self, target: &str) -> (Vec<usize>, NcmecPage) {
        let time = |name| Time::read(&Self::query(target, name).unwrap()).unwrap().millis() / 1000;
        let (from, to) = (time("from"), time("to"));
        let start: usize = Self::query(target, "start").map_or(0, |text| text.parse().unwrap());
        let is_in = |n: &usize| (from..=to).contains(&self.entries[*n]);
        let mut found: Vec<usize> = (0..self.entries.len()).filter(is_in).collect();
        // In no order.
        found.sort_by_key(|n| n.wrapping_mul(0x9e37_79b9) % 1009);
        let page: Vec<usize> = found.iter().skip(start).take(self.page).copied().collect();
        let next = (start + self.page < found.len()).then(|| {
            let (from, to) =
                (Time::from_millis(from * 1000).utc(), Time::from_millis(to * 1000).utc());
            let (next, max) = (start + self.page, found.len());
            format!("/v2/entries?from={from}&to={to}&start={next}&max={max}")
        });
        (page, NcmecPage { next, ..NcmecPage::default() })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is lost on the way: once the source was heard in full, every entry was.
    #[test]
    fn every_entry_is_heard_whatever_is_lost_on_the_way(
        entries in prop::collection::vec(prop_oneof![0_i64..3_000_000, Just(1_000_000), 999_990_i64..1_000_010], 0..400),
        page in 1_usize..40,
        losses in prop::collection::vec(0_u8..10, 0..60),
    ) {
        let exchange = exchange(ncmec());
        let now = seconds(3_000_100);
        let progress = exchange.begun(now);
        let mut world = World { entries, page, progress, read: BTreeSet::new(), pages: 0, again: BTreeSet::new(), links_lost: 0 };
        let mut losses = losses.into_iter();
        for step in 0.. {
            prop_assert!(step < 20_000, "it comes to an end");
            let ask = match next(&exchange, &world.progress, now, false) {
                Next::Ask(ask) => ask,
                Next::Rest(_) => break,
                Next::Anew => panic!("it tells everything"),
            };
            let asked = ask.target.reveal().to_owned();
            match losses.next().unwrap_or(9) {
                // The answer was lost, or what was kept of it.
                0 | 1 => continue,
                // The link is not known any more.
                2 => {
                    if let Some(place) = world.progress.place.as_ref().and_then(lost) {
                        world.progress.place = Some(place);
                        world.links_lost += 1;
                        continue;
                    }
                }
                _ => {}
            }
            let (entries, page) = world.answer(&asked);
            world.read.extend(entries);
            world.pages += 1;
            world.again.insert(asked);
            let turned = turn(&exchange.kind, world.progress.place.take(), &Page::Ncmec(page), now).unwrap();
            world.progress.whole |= turned.is_whole;
            world.progress.place = Some(turned.place);
        }
        prop_assert!(world.progress.whole);
        prop_assert_eq!(world.read.len(), world.entries.len());
        // What was kept is not asked for again, but for a range whose link was lost.
            prop_assert!(world.links_lost > 0 || world.again.len() == world.pages);
        prop_assert_eq!(world.progress.place.as_ref().and_then(reached), Some(seconds(3_000_095)));
    }
}

#[test]
fn a_range_that_is_too_full_is_narrowed_down_to_a_second_and_widens_where_little_happens() {
    let of = exchange(ncmec());
    let now = day(1000);
    let full = |start: u64| {
        let link = format!("/v2/entries?from=a&to=b&start={start}&max=1000000");
        Page::Ncmec(NcmecPage { next: Some(link), ..NcmecPage::default() })
    };
    let mut place = begun(&of.kind).unwrap();
    let width = |place: &Place| match place {
        Place::Ncmec(place) => (place.width, place.range.is_some()),
        _ => unreachable!(),
    };
    let mut widths = vec![];
    loop {
        place = turn(&of.kind, Some(place), &full(1000), now).unwrap().place;
        widths.push(width(&place).0);
        if width(&place).1 {
            break;
        }
    }
    assert_eq!(
        widths,
        [21_600, 5_400, 1_350, 337, 84, 21, 5, 1, 1],
        "the last is read on by its links"
    );
    for page in 2..80 {
        place = turn(&of.kind, Some(place), &full(page * 1000), now).unwrap().place;
    }
    let empty = Page::Ncmec(NcmecPage::default());
    place = turn(&of.kind, Some(place), &empty, now).unwrap().place;
    assert_eq!(reached(&place), Some(seconds(1)));
    for _ in 0..8 {
        place = turn(&of.kind, Some(place), &empty, now).unwrap().place;
    }
    assert_eq!(width(&place).0, 4);
}
