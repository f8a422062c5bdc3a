//! The Merkle tree of RFC 6962: hashes of leaves and nodes, and an append-only frontier.

use sha2::{Digest as _, Sha256};

/// A hash of a leaf, a node or a whole tree.
pub type Hash = [u8; 32];

/// Height of a tile: the hashes of every subtree of height `TILE_HEIGHT · level` (level ≥ 1) are kept for good.
pub const TILE_HEIGHT: u32 = 8;

/// Hash of the tree without leaves: SHA-256 of nothing (RFC 6962, 2.1).
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Hash of a leaf (prefix 0x00).
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut digest = Sha256::new();
    digest.update([0]);
    digest.update(leaf);
    digest.finalize().into()
}

/// Hash of a node above two others (prefix 0x01).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut digest = Sha256::new();
    digest.update([1]);
    digest.update(left);
    digest.update(right);
    digest.finalize().into()
}

/// A complete subtree: `2^height` leaves from leaf `index · 2^height` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Height above the leaves.
    pub height: u32,
    /// Place among the nodes of this height, from 0.
    pub index: u64,
}

/// A complete subtree whose hash is kept beside the leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Height in tiles, at least 1.
    pub level: u32,
    /// Place among the subtrees of this level, from 0.
    pub index: u64,
    /// Its hash.
    pub hash: Hash,
}

/// The right edge of a growing tree: all that is needed to append to it, and to say its root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// Hashes of the complete subtrees of `size`, the greatest first.
    peaks: Vec<Hash>,
}

/// The complete subtrees that a tree of `size` leaves consists of, the greatest first.
#[must_use]
pub fn peaks(size: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut begin = 0;
    for height in (0..u64::BITS).rev() {
        if size >> height & 1 == 1 {
            nodes.push(Node { height, index: begin >> height });
            begin += 1 << height;
        }
    }
    nodes
}

impl Frontier {
    /// The frontier of a tree of `size` leaves, from the hashes of [`peaks`]; `None` where their number is wrong.
    #[must_use]
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash; `kept` is told of every subtree that is complete with it and has to be kept.
    pub fn append(&mut self, leaf: Hash, mut kept: impl FnMut(Kept)) {
        let mut hash = leaf;
        let mut height = 0;
        while self.size >> height & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            height += 1;
            if height % TILE_HEIGHT == 0 {
                kept(Kept { level: height / TILE_HEIGHT, index: self.size >> height, hash });
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition of RFC 6962, 2.1, word for word.
    pub fn naive_root(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => leaf_hash(leaf),
            _ => {
                let mut split = 1;
                while split * 2 < leaves.len() {
                    split *= 2;
                }
                node_hash(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
            }
        }
    }

    /// The eight leaves of the test vectors of certificate-transparency implementations.
    pub fn known_leaves() -> Vec<Vec<u8>> {
        [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ]
        .iter()
        .map(|text| hex::decode(text).unwrap())
        .collect()
    }

    #[test]
    fn the_roots_are_those_of_the_well_known_vectors() {
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Frontier::default();
        assert_eq!(hex::encode(tree.root()), roots[0]);
        for (leaf, root) in known_leaves().iter().zip(&roots[1..]) {
            tree.append(leaf_hash(leaf), |_| {});
            assert_eq!(hex::encode(tree.root()), *root);
        }
    }

    #[test]
    fn a_frontier_is_what_its_peaks_say() {
        assert_eq!(
            peaks(13),
            [
                Node { height: 3, index: 0 },
                Node { height: 2, index: 2 },
                Node { height: 0, index: 12 }
            ]
        );
        assert!(Frontier::from_peaks(3, vec![[0; 32]]).is_none());
    }

    #[test]
    fn a_subtree_of_each_tile_height_is_kept_once() {
        let mut tree = Frontier::default();
        let mut kept = Vec::new();
        for n in 0..65_536_u32 {
            tree.append(leaf_hash(&n.to_be_bytes()), |node| kept.push((node.level, node.index)));
        }
        assert_eq!(kept.iter().filter(|(level, _)| *level == 1).count(), 256);
        assert_eq!(kept.iter().filter(|(level, _)| *level == 2).count(), 1);
        assert_eq!(kept.len(), 257);
        assert_eq!(kept[1], (1, 1));
    }

    proptest! {
        #[test]
        fn the_root_is_that_of_the_recursive_definition(
            leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..600)
        ) {
            let mut tree = Frontier::default();
            for leaf in &leaves {
                tree.append(leaf_hash(leaf), |node| {
                    let width = 1_usize << (node.level * TILE_HEIGHT);
                    let begin = usize::try_from(node.index).unwrap() * width;
                    assert_eq!(node.hash, naive_root(&leaves[begin..begin + width]));
                });
            }
            prop_assert_eq!(tree.root(), naive_root(&leaves));
            prop_assert_eq!(Frontier::from_peaks(tree.size, tree.peaks.clone()), Some(tree));
        }
    }
}
