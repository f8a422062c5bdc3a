//! The same commands on SQLite and PostgreSQL: the same answers, and the same bytes in the journal.

use super::*;
use crate::core::advice::AdviceType;
use crate::core::signal::SignalType;
use crate::io::store::{KeepError, StoreError, Which, verify};
use std::fmt::Write as _;
use std::time::Duration;

/// Writes down what was answered.
macro_rules! say {
    ($to:expr, $($what:tt)*) => {
        write!($to, $($what)*).unwrap()
    };
}

/// Draws that follow from a seed.
struct Draws(Clock);

impl Draws {
    fn below(&self, bound: u64) -> u64 {
        u64::from_be_bytes(self.0.random()) % bound
    }
}

/// What is asked of a store in one change, as numbers, so that both are asked for the same.
#[derive(Debug, Clone, Copy)]
struct Command {
    what: u64,
    a: u64,
    b: u64,
}

fn state(n: u64) -> EntryState {
    [EntryState::Proposed, EntryState::Active, EntryState::Disputed, EntryState::Removed]
        [usize::try_from(n % 4).unwrap()]
}

/// Of each kind in turn.
fn advice(n: u64) -> Signal {
    let kind = AdviceType::ALL[usize::try_from(n % 4).unwrap()];
    let text = match kind {
        AdviceType::Account => format!("{n:064x}"),
        AdviceType::Url => format!("list.example/{n}"),
        AdviceType::Term | AdviceType::Tactic => format!("a{n}"),
    };
    Signal::parse(&SignalType::Advice(kind), &text).unwrap()
}

/// An entry with advice beside its other signals.
fn advised(n: u64, state: EntryState, version: u64) -> Entry {
    let mut entry = entry(n, state, version);
    if state != EntryState::Removed {
        entry.signals.push(BankedSignal::new(advice(n), None));
    }
    entry
}

/// An event that a command records, if it records one.
fn event(command: Command, seq: u64) -> Option<Event> {
    let Command { what, a, b } = command;
    Some(match what {
        0 => tenant(&format!("tenant{}", a % 40)),
        1 => credential(&format!("credential{}", a % 40)),
        2 => surface(),
        3 | 4 => bank(1 + b % 5),
        5 if a % 20 == 0 => Event::BankDeleted { scope: scope(), bank: bank_id(), at: START },
        5..=8 => {
            entries((0..=b % 4).map(|n| advised((a + n) % 300, state(a + b), 1 + b)).collect())
        }
        9..=12 => verdict(&format!("v{}", a % 2_000)),
        13 => outcome(&format!("v{}", a % 2_000)),
        14 => {
            let counts = Vec::new();
            Event::Counted { minute: START.plus(Duration::from_secs(60 * seq)).minute(), counts }
        }
        _ => return None,
    })
}

/// Runs commands in one change, and writes down everything that they were answered.
async fn change(store: &Store, commands: Vec<Command>, seq: u64) -> String {
    let first = commands[0];
    let request = if first.b.is_multiple_of(3) {
        key(&format!("r{}", first.a % 400), u8::try_from(first.b % 2).unwrap())
    } else {
        None
    };
    let kept = store.keep::<String, _>(request, move |tx| {
        Box::pin(async move {
            let mut said = String::new();
            for command in commands {
                let Command { what, a, b } = command;
                if let Some(event) = event(command, seq) {
                    match tx.record(event).await {
                        Ok(number) => say!(said, " {number}"),
                        Err(StoreError::Unfit(why)) => say!(said, " unfit {why}"),
                        Err(error) => return Err(error.into()),
                    }
                    continue;
                }
                match what {
                    15 => {
                        let signals: Vec<_> =
                            (a..a + 20).flat_map(|n| [pdq(n), md5(n), advice(n)]).collect();
                        let found = tx.entries_by_signal(&scope(), &bank_id(), &signals).await?;
                        say!(said, " {found:?}");
                    }
                    16 => {
                        let count = tx.entry_count(&scope(), &bank_id()).await?;
                        let one = tx.entry(&scope(), &bank_id(), &entry_id(a % 300)).await?;
                        say!(said, " {count} {one:?}");
                    }
                    17 if b % 8 == 0 => return Err(KeepError::Refused(said)),
                    _ => {
                        let id = VerdictId::parse(&format!("v{}", a % 2_000)).unwrap();
                        say!(said, " {:?}", tx.verdict_number(&scope(), &id).await?);
                    }
                }
            }
            Ok(said.into_bytes())
        })
    });
    format!("{:?}", kept.await.map(|answer| (answer.number, answer.first, answer.bytes)))
}

/// What a store says to whoever only reads.
async fn look(store: &Store, at: u64) -> String {
    let from = entry_id(at % 300).to_string();
    let (all, removed) = (Which::All, Which::In(EntryState::Removed));
    let id = VerdictId::parse(&format!("v{}", at % 2_000)).unwrap();
    let mut said = String::new();
    for which in [all, removed, Which::NotRemoved] {
        let found = store.entries(&scope(), &bank_id(), which, Some(&from), 20).await.unwrap();
        say!(said, "{found:?}");
    }
    say!(said, "{:?}", store.tenants(Some("tenant2"), 9).await.unwrap());
    say!(said, "{:?}", store.credentials(None, None, 50).await.unwrap());
    say!(said, "{:?}", store.banks(&scope(), None, 9).await.unwrap());
    say!(said, "{:?}", store.entry_counts(&scope(), &bank_id()).await.unwrap());
    say!(said, "{:?}", store.verdict(&scope(), &id).await.unwrap());
    say!(said, "{:?}", store.outcomes(&scope(), &id).await.unwrap());
    let size = store.head_number().await.unwrap();
    if size > 0 {
        say!(said, "{:?}", store.receipt(1 + at % size).await.unwrap());
        say!(said, "{:?}", store.consistency(1 + at % size, size).await.unwrap());
        say!(said, "{:?}", answered(store, &key(&format!("r{}", at % 400), 0).unwrap()).await);
    }
    said
}

/// Every plain column of the journal, and every signed checkpoint.
async fn bytes(home: &Home) -> Vec<Vec<u8>> {
    let mut conn = super::super::dialect::connect_reading(&home.settings()).await.unwrap();
    let mut all = Vec::new();
    let sql = "SELECT number, kind, envelope, salt, leaf FROM journal ORDER BY number";
    for row in conn.rows(sql, Vec::new()).await.unwrap() {
        let numbers = [row.number(0).unwrap().to_be_bytes(), row.number(1).unwrap().to_be_bytes()];
        let rest = [row.bytes(2).unwrap(), row.bytes(3).unwrap(), row.bytes(4).unwrap()].concat();
        all.push([numbers.concat(), rest].concat());
    }
    let sql = "SELECT size, note FROM checkpoint ORDER BY size";
    for row in conn.rows(sql, Vec::new()).await.unwrap() {
        all.push(
            [row.number(0).unwrap().to_be_bytes().to_vec(), row.text(1).unwrap().into()].concat(),
        );
    }
    let sql = "SELECT level, place, hash FROM subtree ORDER BY level, place";
    for row in conn.rows(sql, Vec::new()).await.unwrap() {
        all.push(row.bytes(2).unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_commands_give_the_same_answers_and_the_same_bytes_on_both() {
    let commands = if std::env::var_os("BULWARK_LONG").is_some() { 100_000 } else { 10_000 };
    let homes = [
        KIND.scope(Kind::Sqlite, async { Home::new(91) }).await,
        KIND.scope(Kind::Postgres, async { Home::new(91) }).await,
    ];
    let open = |home: &Home| {
        let settings = Settings { snapshot_changes: 0, ..home.settings() };
        Store::open(settings, Arc::clone(&home.keys), home.clock.clone())
    };
    let mut stores = [open(&homes[0]).await.unwrap(), open(&homes[1]).await.unwrap()];
    let draws = Draws(Clock::set(START, 17));
    let (mut done, mut seq) = (0, 0);
    while done < commands {
        let part: Vec<Command> = (0..=draws.below(8))
            .map(|_| Command { what: draws.below(20), a: draws.below(5_000), b: draws.below(100) })
            .collect();
        done += part.len();
        seq += 1;
        let (here, there) = tokio::join!(
            change(&stores[0], part.clone(), seq),
            change(&stores[1], part.clone(), seq)
        );
        assert_eq!(here, there, "change {seq}: {part:?}");
        if seq % 10 == 0 {
            let at = draws.below(5_000);
            let (here, there) = tokio::join!(look(&stores[0], at), look(&stores[1], at));
            assert_eq!(here, there, "after change {seq}");
            homes.iter().for_each(|home| home.clock.advance(Duration::from_secs(1 + at)));
        }
        if seq % 500 == 0 {
            for (store, home) in stores.iter_mut().zip(&homes) {
                store.close().await.unwrap();
                *store = open(home).await.unwrap();
            }
        }
    }
    for (store, home) in stores.iter().zip(&homes) {
        store.close().await.unwrap();
        let report = verify(&home.settings(), &home.keys, Duration::ZERO).await.unwrap();
        assert_eq!(report.faults, []);
    }
    let (here, there) = (bytes(&homes[0]).await, bytes(&homes[1]).await);
    assert!(here.len() > commands / 4, "{}", here.len());
    assert_eq!(here, there);
    println!(
        "{done} commands in {seq} changes: {} rows of the journal and its tree alike",
        here.len()
    );
}
