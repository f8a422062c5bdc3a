//! Proofs that a leaf is in a tree, that a tree grew out of another (RFC 6962, 2.1; RFC 9162, 2.1.3), and their verification.

use super::merkle::{Hash, Node, empty_root, node_hash, peaks};
use std::collections::HashMap;

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf or the smaller tree lies outside the tree.
    #[error("outside the tree")]
    Range,
    /// Too few or too many hashes.
    #[error("wrong number of hashes")]
    Length,
    /// The hashes lead to another root.
    #[error("leads to another root")]
    Root,
}

/// A run of leaves, `begin` to `end` (exclusive), as it is met on the way down an RFC 6962 tree.
type Run = (u64, u64);

/// Greatest power of two below `size`; `size` is at least 2.
const fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// Runs of leaves whose hashes prove that leaf `index` is in a tree of `size`, from the leaf upwards.
fn inclusion_runs(index: u64, size: u64) -> Vec<Run> {
    let (mut begin, mut end) = (0, size);
    let mut runs = Vec::new();
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            runs.push((middle, end));
            end = middle;
        } else {
            runs.push((begin, middle));
            begin = middle;
        }
    }
    runs.reverse();
    runs
}

/// Runs of leaves whose hashes prove that the tree of `size` grew out of that of `old`.
fn consistency_runs(old: u64, size: u64) -> Vec<Run> {
    let (mut begin, mut end) = (0, size);
    let mut runs = Vec::new();
    let mut whole = true;
    while begin + (old - begin) != end {
        let middle = begin + split(end - begin);
        if old <= middle {
            runs.push((middle, end));
            end = middle;
        } else {
            runs.push((begin, middle));
            begin = middle;
            whole = false;
        }
    }
    if !whole {
        runs.push((begin, end));
    }
    runs.reverse();
    runs
}

/// Complete subtrees that a run consists of, from left to right. A run begins at a multiple of its width's power of two.
fn nodes((begin, end): Run) -> Vec<Node> {
    peaks(end - begin)
        .into_iter()
        .map(|node| Node { height: node.height, index: node.index + (begin >> node.height) })
        .collect()
}

fn fold(hashes: &[Hash]) -> Hash {
    let mut hashes = hashes.iter().rev();
    let Some(last) = hashes.next() else { return empty_root() };
    hashes.fold(*last, |right, left| node_hash(left, &right))
}

/// A proof still to be filled in: which complete subtrees it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    runs: Vec<Vec<Node>>,
}

impl Plan {
    /// The proof that leaf `index` is in the tree of `size` leaves.
    ///
    /// # Errors
    /// [`ProofError::Range`] where it is not.
    pub fn inclusion(index: u64, size: u64) -> Result<Self, ProofError> {
        if index >= size {
            return Err(ProofError::Range);
        }
        Ok(Self { runs: inclusion_runs(index, size).into_iter().map(nodes).collect() })
    }

    /// The proof that the tree of `size` leaves grew out of that of `old`.
    ///
    /// # Errors
    /// [`ProofError::Range`] where `old` is greater than `size`.
    pub fn consistency(old: u64, size: u64) -> Result<Self, ProofError> {
        if old > size {
            return Err(ProofError::Range);
        }
        if old == 0 || old == size {
            return Ok(Self { runs: Vec::new() });
        }
        Ok(Self { runs: consistency_runs(old, size).into_iter().map(nodes).collect() })
    }

    /// Complete subtrees whose hashes [`Self::fill`] asks for.
    #[must_use]
    pub fn needs(&self) -> Vec<Node> {
        self.runs.concat()
    }

    /// The proof, from the hashes of [`Self::needs`]; `None` where one is missing.
    #[must_use]
    pub fn fill(&self, known: &HashMap<Node, Hash>) -> Option<Vec<Hash>> {
        self.runs
            .iter()
            .map(|run| {
                let hashes: Option<Vec<Hash>> =
                    run.iter().map(|node| known.get(node).copied()).collect();
                hashes.map(|hashes| fold(&hashes))
            })
            .collect()
    }
}

/// Checks that the leaf with hash `leaf` stands at `index` of the tree of `size` leaves with root `root` (RFC 9162, 2.1.3.2).
///
/// # Errors
/// [`ProofError`] where the proof does not show it.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for other in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(other, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, other);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of `size` leaves with root `root` grew out of that of `old` with `old_root` (RFC 9162, 2.1.4.2).
///
/// # Errors
/// [`ProofError`] where the proof does not show it.
pub fn verify_consistency(
    old: u64,
    size: u64,
    proof: &[Hash],
    old_root: &Hash,
    root: &Hash,
) -> Result<(), ProofError> {
    if old > size {
        return Err(ProofError::Range);
    }
    if old == 0 || old == size {
        let expected = if old == 0 { &empty_root() } else { root };
        return match (proof.is_empty(), old_root == expected) {
            (false, _) => Err(ProofError::Length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    let mut path = proof.iter();
    let (mut node, mut last) = (old - 1, size - 1);
    let first =
        if old.is_power_of_two() { *old_root } else { *path.next().ok_or(ProofError::Length)? };
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut hash) = (first, first);
    for other in path {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(other, &old_hash);
            hash = node_hash(other, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, other);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if old_hash == *old_root && hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

#[cfg(test)]
mod tests {
    use super::super::merkle::leaf_hash;
    use super::super::merkle::tests::{known_leaves, naive_root};
    use super::*;
    use proptest::prelude::*;

    fn leaves(size: u64) -> Vec<Vec<u8>> {
        (0..size).map(|n| n.to_be_bytes().to_vec()).collect()
    }

    fn filled(plan: &Plan, leaves: &[Vec<u8>]) -> Vec<Hash> {
        let known = plan
            .needs()
            .into_iter()
            .map(|node| {
                let begin = usize::try_from(node.index << node.height).unwrap();
                (node, naive_root(&leaves[begin..begin + (1 << node.height)]))
            })
            .collect();
        plan.fill(&known).unwrap()
    }

    /// PATH(m, D[n]) of RFC 6962, 2.1.1, word for word.
    fn naive_path(m: usize, leaves: &[Vec<u8>]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let k = usize::try_from(split(leaves.len() as u64)).unwrap();
        let (mut path, other) = if m < k {
            (naive_path(m, &leaves[..k]), naive_root(&leaves[k..]))
        } else {
            (naive_path(m - k, &leaves[k..]), naive_root(&leaves[..k]))
        };
        path.push(other);
        path
    }

    /// SUBPROOF(m, D[n], b) of RFC 6962, 2.1.2, word for word.
    fn naive_subproof(m: usize, leaves: &[Vec<u8>], whole: bool) -> Vec<Hash> {
        if m == leaves.len() {
            return if whole { Vec::new() } else { vec![naive_root(leaves)] };
        }
        let k = usize::try_from(split(leaves.len() as u64)).unwrap();
        let (mut proof, other) = if m <= k {
            (naive_subproof(m, &leaves[..k], whole), naive_root(&leaves[k..]))
        } else {
            (naive_subproof(m - k, &leaves[k..], false), naive_root(&leaves[..k]))
        };
        proof.push(other);
        proof
    }

    #[test]
    fn every_leaf_of_every_small_tree_is_proved_as_the_definition_says() {
        for size in 1..=70 {
            let leaves = leaves(size);
            let root = naive_root(&leaves);
            for index in 0..size {
                let proof = filled(&Plan::inclusion(index, size).unwrap(), &leaves);
                assert_eq!(proof, naive_path(usize::try_from(index).unwrap(), &leaves));
                let leaf = leaf_hash(&leaves[usize::try_from(index).unwrap()]);
                assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
            }
        }
    }

    #[test]
    fn every_growth_of_every_small_tree_is_proved_as_the_definition_says() {
        for size in 1..=70 {
            let leaves = leaves(size);
            let root = naive_root(&leaves);
            for old in 0..=size {
                let at = usize::try_from(old).unwrap();
                let proof = filled(&Plan::consistency(old, size).unwrap(), &leaves);
                if old > 0 {
                    assert_eq!(proof, naive_subproof(at, &leaves, true));
                }
                let old_root = naive_root(&leaves[..at]);
                assert_eq!(verify_consistency(old, size, &proof, &old_root, &root), Ok(()));
            }
        }
    }

    #[test]
    fn the_known_inclusion_proof_is_made() {
        let leaves = known_leaves();
        let proof = filled(&Plan::inclusion(5, 8).unwrap(), &leaves);
        assert_eq!(
            proof.iter().map(hex::encode).collect::<Vec<_>>(),
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
    }

    #[test]
    fn what_lies_outside_the_tree_is_not_proved() {
        assert_eq!(Plan::inclusion(3, 3), Err(ProofError::Range));
        assert_eq!(Plan::consistency(4, 3), Err(ProofError::Range));
        assert_eq!(verify_inclusion(&[0; 32], 0, 0, &[], &[0; 32]), Err(ProofError::Range));
    }

    proptest! {
        #[test]
        fn a_changed_proof_does_not_hold(
            size in 2_u64..200, at in any::<u64>(), which in any::<usize>(), bit in 0_usize..256
        ) {
            let index = at % size;
            let leaves = leaves(size);
            let root = naive_root(&leaves);
            let leaf = leaf_hash(&leaves[usize::try_from(index).unwrap()]);
            let mut proof = filled(&Plan::inclusion(index, size).unwrap(), &leaves);
            let which = which % proof.len();
            proof[which][bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(
                verify_inclusion(&leaf, index, size, &proof, &root), Err(ProofError::Root));
            proof.pop();
            prop_assert!(verify_inclusion(&leaf, index, size, &proof, &root).is_err());

            let old = 1 + at % (size - 1);
            let old_root = naive_root(&leaves[..usize::try_from(old).unwrap()]);
            let mut proof = filled(&Plan::consistency(old, size).unwrap(), &leaves);
            let which = which % proof.len();
            proof[which][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify_consistency(old, size, &proof, &old_root, &root).is_err());
        }
    }
}
