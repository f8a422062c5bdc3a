//! Walks about the edge of a list, and senders who mean no harm.

use super::*;

/// A stream of numbers that its seed determines (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    fn bits(&mut self) -> Bits256 {
        Bits256([self.roll(), self.roll(), self.roll(), self.roll()])
    }

    /// The picture with so many bits flipped, at most.
    fn changed(&mut self, mut of: Bits256, flips: u64) -> Bits256 {
        for _ in 0..flips {
            let bit = self.below(256);
            of.0[(bit / 64) as usize] ^= 1 << (bit % 64);
        }
        of
    }
}

const HASHES: usize = 1 << 18;
const THRESHOLD: u32 = 31;

fn at(second: u64) -> Time {
    Time::from_millis(i64::try_from(second).unwrap() * 1000)
}

fn see(
    detector: &mut Detector,
    sender: u64,
    hash: Bits256,
    bank: &[Bits256],
    now: Time,
) -> Thought {
    let matches = bank.iter().any(|listed| listed.distance(&hash) <= THRESHOLD);
    let hash = &[hash];
    detector.see(sender, Look { pictures: hash, forms: hash, matches }, now)
}

/// How somebody looks for the edge of what is listed.
#[derive(Clone, Copy, Debug)]
enum Walk {
    /// From the listed picture outwards, step by step.
    Outwards,
    /// Changes of one picture, each made anew, more of it while it matches and less while not.
    Bisecting,
    /// From a picture near the edge, to and fro without a plan.
    AboutTheEdge,
    /// From a picture that has nothing to do with it, drifting.
    FarOff,
}

/// After how many questions a walk is found out, within 50.
fn found_out(kind: Walk, dice: &mut Dice, detector: &mut Detector, sender: u64) -> Option<usize> {
    let bank = [dice.bits(), dice.bits(), dice.bits()];
    let listed = bank[dice.below(3) as usize];
    let mut here = match kind {
        Walk::Outwards | Walk::Bisecting => listed,
        Walk::AboutTheEdge => dice.changed(listed, 34),
        Walk::FarOff => dice.bits(),
    };
    let mut strength = 24;
    for question in 1..=50 {
        // Now and then they ask about something else, to look usual.
        if dice.below(10) == 0 {
            see(detector, sender, dice.bits(), &bank, at(question as u64 * 60));
            continue;
        }
        let step = 1 + dice.below(12);
        here = match kind {
            Walk::Bisecting => {
                let tried = dice.changed(listed, strength);
                let matches = listed.distance(&tried) <= THRESHOLD;
                strength = if matches { strength + step } else { strength.saturating_sub(step) };
                tried
            }
            Walk::Outwards | Walk::AboutTheEdge | Walk::FarOff => dice.changed(here, step),
        };
        if see(detector, sender, here, &bank, at(question as u64 * 60)) != Thought::Usual {
            return Some(question);
        }
    }
    None
}

#[test]
fn of_walks_about_the_edge_of_a_list_ninety_nine_in_a_hundred_are_found_out_within_fifty_questions()
{
    let (mut dice, mut detector) = (Dice(1), Detector::new(HASHES));
    for kind in [Walk::Outwards, Walk::Bisecting, Walk::AboutTheEdge, Walk::FarOff] {
        let walks = 2_000;
        let mut questions = Vec::new();
        for walk in 0..walks {
            questions.extend(found_out(
                kind,
                &mut dice,
                &mut detector,
                walk + 10_000 * kind as u64,
            ));
        }
        questions.sort_unstable();
        println!(
            "{kind:?}: {} of {walks}, half after {}",
            questions.len(),
            questions[questions.len() / 2]
        );
        assert!(questions.len() * 100 >= walks as usize * 99, "{kind:?}: {}", questions.len());
    }
}

#[test]
fn of_senders_who_mean_no_harm_fewer_than_one_in_a_thousand_are_suspected() {
    let (mut dice, mut detector) = (Dice(2), Detector::new(HASHES));
    let bank: Vec<_> = (0..20).map(|_| dice.bits()).collect();
    let (senders, mut suspected) = (8_000, 0);
    for sender in 0..senders {
        let (mut second, mut is_suspected) = (0, false);
        let items = 1 + dice.below(60);
        let mut sent = 0;
        while sent < items {
            let picture = dice.bits();
            let times = match dice.below(10) {
                // One picture to many places: as it is.
                0 => 1 + dice.below(20),
                // A burst of the camera, or a picture that its sender works on.
                1 => 1 + dice.below(12),
                _ => 1,
            };
            let is_worked_on = dice.below(2) == 0;
            for _ in 0..times {
                let changes = if is_worked_on { dice.below(40) } else { 0 };
                let hash = dice.changed(picture, changes);
                second += dice.below(600);
                is_suspected |=
                    see(&mut detector, sender, hash, &bank, at(second)) != Thought::Usual;
                sent += 1;
            }
        }
        suspected += u64::from(is_suspected);
    }
    println!("{suspected} of {senders} suspected");
    assert!(suspected * 1000 < senders, "{suspected} of {senders}");
}

#[test]
fn who_is_suspected_is_so_for_changed_pictures_only_and_for_a_day() {
    let (mut dice, mut detector) = (Dice(3), Detector::new(HASHES));
    let listed = dice.bits();
    let mut thoughts = Vec::new();
    for second in 0..40 {
        let changed = dice.changed(listed, 20);
        thoughts.push(see(&mut detector, 1, changed, &[listed], at(second)));
    }
    let first = thoughts.iter().position(|thought| *thought != Thought::Usual).unwrap();
    assert_eq!((first, thoughts[first]), (CHANGES_WITH_MATCH, Thought::Suspected));
    assert!(thoughts[first + 1..].iter().all(|thought| *thought == Thought::Again));
    assert_eq!(see(&mut detector, 1, dice.bits(), &[listed], at(50)), Thought::Usual);
    assert_eq!(see(&mut detector, 2, dice.changed(listed, 20), &[listed], at(50)), Thought::Usual);
    let day = 86_400;
    let thought = see(&mut detector, 1, dice.changed(listed, 20), &[listed], at(day));
    assert_eq!(thought, Thought::Again);
    let thought = see(&mut detector, 1, dice.changed(listed, 20), &[listed], at(3 * day));
    assert_eq!(thought, Thought::Usual, "all is forgotten");
}

#[test]
fn the_same_picture_is_no_change_of_itself_and_a_turned_one_is() {
    let (mut dice, mut detector) = (Dice(4), Detector::new(HASHES));
    let listed = dice.bits();
    for second in 0..200 {
        assert_eq!(see(&mut detector, 1, listed, &[listed], at(second)), Thought::Usual);
    }
    // Every picture is turned: what is remembered is far away, and one of the other forms is near.
    let mut found = 0;
    for second in 0..40 {
        let (turned, original) = (dice.bits(), dice.changed(listed, 9));
        let look = Look { pictures: &[turned], forms: &[turned, original], matches: true };
        let thought = detector.see(1, look, at(300 + second));
        found += u32::from(thought != Thought::Usual);
    }
    assert!(found > 0);
}

#[test]
fn a_changed_picture_does_not_hide_behind_one_that_stays_the_same() {
    let (mut dice, mut detector) = (Dice(5), Detector::new(HASHES));
    let (decoy, picture) = (dice.bits(), dice.bits());
    let mut found = 0;
    for second in 0..50 {
        let both = [decoy, dice.changed(picture, 8)];
        let look = Look { pictures: &both, forms: &both, matches: false };
        found += u32::from(detector.see(1, look, at(second)) != Thought::Usual);
    }
    assert!(found > 0);
}

#[test]
fn memory_is_bounded_and_who_asked_longest_ago_is_forgotten() {
    let (mut dice, mut detector) = (Dice(6), Detector::new(500));
    for step in 0..5_000 {
        see(&mut detector, dice.below(300), dice.bits(), &[], at(step));
        let counted: usize = detector.senders.iter().map(|(_, sender)| sender.hashes()).sum();
        assert!(detector.hashes == counted && counted <= 500);
    }
    for step in 0..500 {
        see(&mut detector, 1_000, dice.bits(), &[], at(6_000 + step));
    }
    assert_eq!(detector.senders.peek(&1_000).unwrap().items.len(), ITEMS_MAX);
}
