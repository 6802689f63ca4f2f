//! The combinations of a matrix, by number: nothing is held but what `exclude` leaves.

use crate::spec::Matrix;
use crate::text::Text;

/// The most combinations that are looked at one by one to see which of them `exclude` leaves out.
const COUNTED: u64 = 1_000_000;

/// The combinations, in the order in which the last key changes fastest.
#[derive(Clone, Debug)]
pub(super) struct Product {
    axes: Vec<Vec<Text>>,
    /// The numbers of those that are left; `None`: all.
    kept: Option<Vec<u64>>,
    len: u64,
}

impl Product {
    /// One combination of nothing: a task without a matrix.
    pub(super) fn none() -> Product {
        Product {
            axes: Vec::new(),
            kept: None,
            len: 1,
        }
    }

    /// The number of the first instance of the row that the instance with this number belongs to.
    pub(super) fn first_of_row(&self, index: u64) -> u64 {
        index - index.checked_rem(self.len()).unwrap_or(0)
    }

    /// The combinations of a matrix. The error says why there are too many.
    pub(super) fn new(matrix: &Matrix) -> Result<Product, String> {
        let axes: Vec<Vec<Text>> = matrix.axes.iter().map(|(_, values)| values.clone()).collect();
        let len = match axes.iter().any(Vec::is_empty) {
            true => 0,
            false => axes
                .iter()
                .try_fold(1u64, |len, values| len.checked_mul(values.len() as u64))
                .ok_or("the matrix has more combinations than can be counted")?,
        };
        let mut product = Product {
            axes,
            kept: None,
            len,
        };
        if !matrix.exclude.is_empty() {
            if len > COUNTED {
                return Err(format!(
                    "`exclude` works on up to {COUNTED} combinations, and the matrix has {len}"
                ));
            }
            let is_kept = |n: &u64| {
                let combination = product.combination(*n);
                !matrix.exclude.iter().any(|excluded| {
                    excluded
                        .iter()
                        .all(|(axis, value)| combination[*axis].as_bytes() == value.as_bytes())
                })
            };
            let kept: Vec<u64> = (0..len).filter(is_kept).collect();
            product.len = kept.len() as u64;
            product.kept = Some(kept);
        }
        Ok(product)
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The values of the `n`-th, in the order of the keys.
    pub(super) fn get(&self, n: u64) -> Vec<Text> {
        match &self.kept {
            Some(kept) => self.combination(kept[n as usize]),
            None => self.combination(n),
        }
    }

    fn combination(&self, mut n: u64) -> Vec<Text> {
        let mut values: Vec<Text> = Vec::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            values.push(axis[(n % axis.len() as u64) as usize].clone());
            n /= axis.len() as u64;
        }
        values.reverse();
        values
    }
}
