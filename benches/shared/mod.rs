//! What several benchmarks draw and fill a memory with.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use bulwark::core::access::{Environment, Scope};
use bulwark::core::bank::{
    Bank, BankMode, BankRole, BankedSignal, Entry, EntryState, RATIO_ALL, SignalRule,
};
use bulwark::core::event::Event;
use bulwark::core::id::{BankId, EntryId, TenantId};
use bulwark::core::signal::{Bits256, Signal, SignalType};
use bulwark::core::time::Time;
use bulwark::core::verdict::Provenance;

/// Numbers that look random and are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn bits(&mut self) -> Bits256 {
        Bits256(std::array::from_fn(|_| self.next()))
    }

    /// A copy with up to 20 bits changed.
    pub fn changed(&mut self, mut bits: Bits256) -> Bits256 {
        for _ in 0..20 {
            let bit = self.next() % 256;
            bits.0[bit as usize / 64] ^= 1 << (bit % 64);
        }
        bits
    }
}

/// Whether everything is only to be tried.
pub fn is_smoke() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// A number from the environment, or the usual one, or the one for trying.
pub fn set(name: &str, usual: u64, smoke: u64) -> u64 {
    let said = std::env::var(name).ok().and_then(|text| text.parse().ok());
    said.unwrap_or(if is_smoke() { smoke } else { usual })
}

pub fn scope() -> Scope {
    Scope { tenant: TenantId::parse("operator").expect("a name"), environment: Environment::Test }
}

pub fn bank() -> Bank {
    Bank {
        id: BankId::parse("known").expect("a name"),
        display_name: String::new(),
        role: BankRole::Positive,
        mode: BankMode::Enforce,
        enabled: true,
        ratio_millionths: RATIO_ALL,
        rules: vec![SignalRule::usual(SignalType::Pdq)],
        vetted: true,
        legal_basis: String::new(),
        freshness_max: None,
        quorum: None,
        version: 1,
        created: Time::default(),
        changed: Time::default(),
        learned: Time::default(),
    }
}

/// An entry of one hash, or its removal.
pub fn entry(name: &str, bits: Option<Bits256>) -> Entry {
    let signal = |bits| BankedSignal::new(Signal::Pdq(bits), None);
    Entry {
        background: None,
        id: EntryId::parse(name).expect("a name"),
        state: if bits.is_some() { EntryState::Active } else { EntryState::Removed },
        signals: bits.map(signal).into_iter().collect(),
        provenance: Provenance::default(),
        note: String::new(),
        version: 1,
        created: Time::default(),
    }
}

pub fn put(entries: Vec<Entry>) -> Event {
    Event::EntriesPut { scope: scope(), bank: bank().id, entries, at: Time::default() }
}
