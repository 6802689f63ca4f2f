//! `needs_each`: which instances of two tasks belong together. Pure.

use std::collections::HashMap;

use crate::text::Text;

/// One task of which each instance waits for those of another that are about the same.
#[derive(Clone, Debug)]
pub struct NeedEach {
    /// Position in [`Plan::tasks`](super::Plan::tasks) of the one that is waited for; smaller than its own.
    pub task: usize,
    /// Positions in the matrix of the waiting task of the keys that both have.
    pub own: Vec<usize>,
    /// The same in the matrix of the other.
    pub theirs: Vec<usize>,
    /// How many instances of the other belong to each pair; `None` while its source has not ended.
    pub partners: Option<HashMap<Pair, u32>>,
}

/// What two instances have in common that belong together: a digest of their item and of the matrix keys that both
/// tasks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair([u8; 16]);

impl Pair {
    /// Of all instances for this item.
    pub fn of_item(item: Option<&Text>) -> Pair {
        let mut digest = blake3::Hasher::new();
        if let Some(item) = item {
            digest.update(&[1]).update(item.as_bytes());
        }
        Pair::finish(&digest)
    }

    /// Of those of them that have these values.
    pub fn with<'a>(self, values: impl IntoIterator<Item = &'a Text>) -> Pair {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return self;
        }
        let mut digest = blake3::Hasher::new();
        digest.update(&self.0);
        for value in values {
            // The length first: no two lists of values give the same bytes.
            digest.update(&(value.as_bytes().len() as u64).to_le_bytes());
            digest.update(value.as_bytes());
        }
        Pair::finish(&digest)
    }

    fn finish(digest: &blake3::Hasher) -> Pair {
        let mut pair = [0; 16];
        pair.copy_from_slice(&digest.finalize().as_bytes()[..16]);
        Pair(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_anything_is_no_pair() {
        let of = |item: &str, values: &[&str]| {
            let values: Vec<Text> = values.iter().map(|value| Text::from(*value)).collect();
            Pair::of_item(Some(&item.into())).with(&values)
        };
        let all = [
            Pair::of_item(None),
            of("", &[]),
            of("a", &[]),
            of("a", &[""]),
            of("a", &["b"]),
            of("ab", &[]),
            of("a", &["b", "c"]),
            of("a", &["bc"]),
            of("a", &["c", "b"]),
        ];
        for (n, one) in all.iter().enumerate() {
            for (m, other) in all.iter().enumerate() {
                assert_eq!(one == other, n == m, "{n} {m}");
            }
        }
    }
}
