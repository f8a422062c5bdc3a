//! A model of what happens at one time: changes, a merge and searches, in every order that processors may see.
//!
//! The ends are the very file that the matcher is built of, over the memory of `loom`. Layers are names only; pictures are
//! planned, merged, published and read as [`crate::core::matcher`] and `io/store/memory` do it.

mod sync {
    //! As beside the file of the ends, with memory whose every order is tried.

    pub(super) use loom::sync::atomic::{AtomicU32, Ordering};

    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(super) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}

#[allow(clippy::duplicate_mod, reason = "the very file, over other memory")]
#[allow(dead_code, reason = "the model reads nothing that was written")]
#[path = "../ends.rs"]
mod ends;

use ends::Ends;
use std::sync::Arc;

struct Layer {
    names: Vec<char>,
    ends: Ends,
}

impl Layer {
    fn of(names: Vec<char>, sequence: u64) -> Arc<Self> {
        Arc::new(Self { ends: Ends::none(names.len(), sequence), names })
    }

    fn find(&self, name: char, sequence: u64) -> Option<u32> {
        let is_it = |at: &u32| self.names[*at as usize] == name;
        (0..self.names.len() as u32).filter(is_it).find(|at| self.ends.is_alive(*at, sequence))
    }
}

#[derive(Clone)]
struct Picture {
    sequence: u64,
    layers: Vec<Arc<Layer>>,
}

impl Picture {
    /// How often a search of this picture finds a name.
    fn found(&self, name: char) -> usize {
        self.layers.iter().filter(|layer| layer.find(name, self.sequence).is_some()).count()
    }

    fn take(&mut self, name: char) {
        for layer in &self.layers {
            if let Some(at) = layer.find(name, u64::MAX) {
                layer.ends.end(at, self.sequence);
            }
        }
    }
}

struct Memory {
    latest: sync::Mutex<Arc<Picture>>,
    next: sync::Mutex<Picture>,
}

impl Memory {
    fn read(&self) -> Arc<Picture> {
        Arc::clone(&self.latest.lock())
    }

    fn change(&self, change: impl FnOnce(&mut Picture)) {
        let mut next = self.next.lock();
        next.sequence += 1;
        change(&mut next);
        *self.latest.lock() = Arc::new(next.clone());
    }

    /// Makes one layer of all there are.
    fn merge(&self) {
        let planned = self.read();
        let ended: Vec<_> = planned.layers.iter().map(|layer| layer.ends.ended()).collect();
        let mut names = Vec::new();
        for layer in &planned.layers {
            let alive = |at: &u32| layer.ends.is_alive(*at, u64::MAX);
            let alive = (0..layer.names.len() as u32).filter(alive);
            names.extend(alive.map(|at| layer.names[at as usize]));
        }
        let output = Layer::of(names, planned.sequence);
        let mut next = self.next.lock();
        for (layer, ended) in planned.layers.iter().zip(ended) {
            for at in layer.ends.since(ended) {
                if let Some(copy) = output.find(layer.names[at as usize], u64::MAX) {
                    output.ends.end(copy, next.sequence);
                }
            }
        }
        next.layers.retain(|layer| !planned.layers.iter().any(|input| Arc::ptr_eq(input, layer)));
        next.layers.push(output);
        *self.latest.lock() = Arc::new(next.clone());
    }
}

fn hold(picture: &Picture) {
    // The first change replaces one entry by another of the same name; the second removes another.
    assert_eq!(picture.found('a'), 1, "half of a replacement was seen");
    assert_eq!(
        picture.found('b'),
        usize::from(picture.sequence < 12),
        "an end was seen too early or late"
    );
}

#[test]
fn in_every_order_of_memory_a_picture_shows_whole_changes_and_merging_loses_none() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let first = Picture { sequence: 10, layers: vec![Layer::of(vec!['a', 'b'], 10)] };
        let memory = Arc::new(Memory {
            latest: sync::Mutex::new(Arc::new(first.clone())),
            next: sync::Mutex::new(first),
        });
        let at_once = [Arc::clone(&memory), Arc::clone(&memory)];
        let [writer, merger] = at_once;
        let writer = loom::thread::spawn(move || {
            writer.change(|next| {
                next.take('a');
                let sequence = next.sequence;
                next.layers.push(Layer::of(vec!['a'], sequence));
            });
            writer.change(|next| next.take('b'));
        });
        let merger = loom::thread::spawn(move || merger.merge());
        let before = memory.read();
        hold(&before);
        hold(&memory.read());
        writer.join().unwrap();
        merger.join().unwrap();
        // What was read before stays what it was.
        hold(&before);
        let after = memory.read();
        hold(&after);
        assert_eq!(after.sequence, 12);
    });
}
