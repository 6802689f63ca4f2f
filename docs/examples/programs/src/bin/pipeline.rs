//! A producer, workers and a consumer: records are read from a file one after the other, worked on in processes, and
//! used in their order; no more than a few are ever held.
//!
//! `pipeline FILE..` tells of each file the longest word and how many different ones there are.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};

use pexec::{Executor, ProcessPool};

/// How many records may be under way.
const AHEAD: usize = 8;

/// The words of one paragraph, in order.
fn words(paragraph: String) -> BTreeSet<String> {
    let words = paragraph.split(|c: char| !c.is_alphabetic());
    words.filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

/// The paragraphs of a file, read as they are asked for.
fn paragraphs(path: &str) -> std::io::Result<impl Iterator<Item = String>> {
    let mut lines = BufReader::new(File::open(path)?).lines();
    Ok(std::iter::from_fn(move || {
        let mut text = String::new();
        for line in lines.by_ref().map_while(Result::ok) {
            match (line.trim().is_empty(), text.is_empty()) {
                (true, true) => {}
                (true, false) => break,
                (false, _) => text = text + &line + "\n",
            }
        }
        (!text.is_empty()).then_some(text)
    }))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pexec::init();
    let pool = ProcessPool::builder().name("words").build()?;
    for path in std::env::args().skip(1) {
        let produced = Cell::new(0);
        let counted = paragraphs(&path)?.inspect(|_| produced.set(produced.get() + 1));
        let (mut used, mut most) = (0, 0);
        let mut all = BTreeSet::new();
        for words in pool.map(words, counted).look_ahead(AHEAD) {
            all.append(&mut words?);
            used += 1;
            most = most.max(produced.get() - used);
        }
        assert!(most <= AHEAD, "the producer was {most} ahead");
        let longest = all.iter().max_by_key(|w| w.chars().count());
        println!(
            "{path}: {used} paragraphs, {} words, longest {longest:?}",
            all.len()
        );
    }
    Ok(())
}
