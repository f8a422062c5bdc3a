//! Opinions: what each party says of a listed item, and what all of them come to.

use crate::core::time::Time;
use serde::{Deserialize, Serialize};

/// Most opinions of one entry.
pub const OPINIONS_PER_ENTRY_MAX: usize = 256;

/// What one party says of an item. The numbers are those of python-threatexchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Value {
    /// It does not belong in the bank: it causes false matches, or is for tests.
    Negative,
    /// It gives reason to look: nobody has verified it.
    Seed,
    /// It is what the bank lists.
    Positive,
}

/// What the opinions on an item come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Merged {
    /// All say that it does not belong there.
    Negative,
    /// Nobody has verified it.
    Seed,
    /// At least one says that it belongs there, and nobody that it does not.
    Positive,
    /// Some say that it does not belong there, and others do not say so.
    Disputed,
}

impl From<Value> for Merged {
    fn from(value: Value) -> Self {
        match value {
            Value::Negative => Self::Negative,
            Value::Seed => Self::Seed,
            Value::Positive => Self::Positive,
        }
    }
}

impl Merged {
    /// Two opinions together, whichever came first: a negative one and one that is not make a dispute, which stays one.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let (less, more) = (self.min(other), self.max(other));
        if less == Self::Negative && more != Self::Negative { Self::Disputed } else { more }
    }

    /// Whether no automatic action may follow from it: a person looks first.
    #[must_use]
    pub const fn suspends(self) -> bool {
        matches!(self, Self::Negative | Self::Disputed)
    }
}

/// Whose opinion it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Party {
    /// This platform's own people.
    Here,
    /// A member of an exchange, in the exchange's words.
    Member {
        /// Name of the exchange.
        exchange: String,
        /// The member; at most 256 bytes.
        organisation: String,
    },
}

/// What one party says of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// Who.
    pub by: Party,
    /// What.
    pub value: Value,
    /// Why, in the party's own words or by its reason codes: at most 8, each of at most 128 bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// When the party said so, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// What opinions come to; nothing where there is none.
#[must_use]
pub fn merged<'a>(opinions: impl IntoIterator<Item = &'a Opinion>) -> Option<Merged> {
    opinions.into_iter().map(|opinion| Merged::from(opinion.value)).reduce(Merged::with)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Merged; 4] = [Merged::Negative, Merged::Seed, Merged::Positive, Merged::Disputed];

    #[test]
    fn two_opinions_come_to_what_the_table_says() {
        use Merged::{Disputed as D, Negative as N, Positive as P, Seed as S};
        let table = [[N, D, D, D], [D, S, P, D], [D, P, P, D], [D, D, D, D]];
        for (one, row) in ALL.into_iter().zip(table) {
            for (other, expected) in ALL.into_iter().zip(row) {
                assert_eq!(one.with(other), expected, "{one:?} with {other:?}");
            }
        }
    }

    fn any_values() -> impl Strategy<Value = Vec<Value>> {
        let value = prop_oneof![Just(Value::Negative), Just(Value::Seed), Just(Value::Positive)];
        proptest::collection::vec(value, 0..8)
    }

    fn of(values: &[Value]) -> Option<Merged> {
        let opinion = |value: &Value| Opinion {
            by: Party::Here,
            value: *value,
            reasons: Vec::new(),
            at: None,
        };
        merged(values.iter().map(opinion).collect::<Vec<_>>().iter())
    }

    proptest! {
        #[test]
        fn the_order_of_opinions_does_not_matter(values in any_values(), turn in 0_usize..8) {
            let mut turned = values.clone();
            turned.rotate_left(turn % values.len().max(1));
            prop_assert_eq!(of(&values), of(&turned));
            turned.reverse();
            prop_assert_eq!(of(&values), of(&turned));
        }

        #[test]
        fn one_negative_opinion_among_others_suspends_automatic_action(values in any_values()) {
            let mut values = values;
            values.push(Value::Negative);
            prop_assert!(of(&values).is_some_and(Merged::suspends));
        }
    }
}
