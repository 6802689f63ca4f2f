//! A random forest, trained tree by tree in worker processes, on the breast cancer data of Wisconsin (569 patients, 30
//! measurements each; it comes with the library).
//!
//! Each worker reads the data once, in its initializer. A task is a seed, its result a tree. The library is smartcore.

use pexec::{Executor, ProcessPool};
use serde::{Deserialize, Serialize};
use smartcore::dataset::breast_cancer;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::tree::decision_tree_classifier::{DecisionTreeClassifier, DecisionTreeClassifierParameters};

const TREES: u64 = 60;
/// How many measurements a tree looks at.
const COLUMNS: usize = 8;

type Matrix = DenseMatrix<f32>;
type Tree = DecisionTreeClassifier<f32, u32, Matrix, Vec<u32>>;

/// Patients: their measurements, and whether the lump was malignant.
struct Data {
    rows: Vec<Vec<f32>>,
    classes: Vec<u32>,
}

impl Data {
    fn load() -> Data {
        let all = breast_cancer::load_dataset();
        let rows = all.data.chunks(all.num_features).map(<[f32]>::to_vec).collect();
        Data {
            rows,
            classes: all.target,
        }
    }

    /// Every fourth patient is kept for the test.
    fn numbers(&self, test: bool) -> Vec<usize> {
        (0..self.rows.len()).filter(|n| (n % 4 == 0) == test).collect()
    }

    fn matrix(&self, rows: &[usize], columns: &[usize]) -> Result<Matrix, pexec::Failure> {
        let row = |&n: &usize| columns.iter().map(|&c| self.rows[n][c]).collect();
        let rows: Vec<Vec<f32>> = rows.iter().map(row).collect();
        Ok(DenseMatrix::from_2d_vec(&rows)?)
    }
}

/// A tree and the columns that it looks at.
#[derive(Serialize, Deserialize)]
struct Grown {
    columns: Vec<usize>,
    tree: Tree,
}

/// Numbers that a seed determines (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % n as u64) as usize
    }
}

/// Trains one tree on as many patients as there are, drawn with repetition, and on some of the columns.
fn grow(seed: u64) -> Result<Grown, pexec::Failure> {
    let data = pexec::worker::state::<Data>().ok_or_else(|| pexec::Failure::msg("no data"))?;
    let mut numbers = Numbers(seed);
    let train = data.numbers(false);
    let rows: Vec<usize> = train.iter().map(|_| train[numbers.below(train.len())]).collect();
    let mut columns: Vec<usize> = (0..data.rows[0].len()).collect();
    while columns.len() > COLUMNS {
        columns.swap_remove(numbers.below(columns.len()));
    }
    let classes: Vec<u32> = rows.iter().map(|&n| data.classes[n]).collect();
    let parameters = DecisionTreeClassifierParameters {
        seed: Some(seed),
        ..DecisionTreeClassifierParameters::default()
    };
    let tree = Tree::fit(&data.matrix(&rows, &columns)?, &classes, parameters)?;
    Ok(Grown { columns, tree })
}

/// The share of test patients that the trees, by majority, get right.
fn accuracy(data: &Data, trees: &[Grown]) -> Result<f64, pexec::Failure> {
    let test = data.numbers(true);
    let mut votes = vec![0usize; test.len()];
    for grown in trees {
        let said = grown.tree.predict(&data.matrix(&test, &grown.columns)?)?;
        votes
            .iter_mut()
            .zip(said)
            .for_each(|(v, class)| *v += class as usize);
    }
    let right = |&(&n, &votes): &(&usize, &usize)| u32::from(2 * votes > trees.len()) == data.classes[n];
    let right = test.iter().zip(&votes).filter(right).count();
    Ok(right as f64 / test.len() as f64)
}

#[pexec::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = ProcessPool::builder()
        .name("forest")
        .initializer(Data::load, ())
        .build()?;
    let data = Data::load();
    let mut trees = Vec::new();
    for tree in pool.map(grow, 0..TREES) {
        trees.push(tree??);
    }
    println!("{} patients, {} trees", data.rows.len(), trees.len());
    println!("one tree:  {:.3}", accuracy(&data, &trees[..1])?);
    println!("all trees: {:.3}", accuracy(&data, &trees)?);
    Ok(())
}
