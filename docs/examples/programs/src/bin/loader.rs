//! A data loader: worker processes decode and scale images, and batches come in order, a bounded number ahead.
//!
//! `loader FILE..` takes PNG and JPEG files. Whatever a decoder does with a broken or hostile file happens to a worker.

use image::imageops::FilterType;
use pexec::sync::SharedBytes;
use pexec::{Executor, ProcessPool};

/// Width and height of what the model would see.
const SIDE: u32 = 64;
const BATCH: usize = 4;
const AHEAD: usize = 3;

/// One batch: pixels of all its images, one after the other, and what could not be read.
#[derive(serde::Serialize, serde::Deserialize)]
struct Batch {
    pixels: SharedBytes,
    bad: Vec<String>,
}

/// One image as `SIDE * SIDE` RGB pixels.
fn pixels(path: &str) -> Result<Vec<u8>, image::ImageError> {
    let image = image::ImageReader::open(path)?.with_guessed_format()?.decode()?;
    Ok(image
        .resize_exact(SIDE, SIDE, FilterType::Triangle)
        .into_rgb8()
        .into_raw())
}

/// The task: files in, a batch out. The pixels are in shared memory: nobody copies them on the way.
fn load(paths: Vec<String>) -> Batch {
    let (mut all, mut bad) = (Vec::new(), Vec::new());
    for path in paths {
        match pixels(&path) {
            Ok(mut one) => all.append(&mut one),
            Err(error) => bad.push(format!("{path}: {error}")),
        }
    }
    Batch {
        pixels: SharedBytes::from(all),
        bad,
    }
}

#[pexec::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = ProcessPool::builder().name("loader").build()?;
    let files: Vec<String> = std::env::args().skip(1).collect();
    let batches: Vec<Vec<String>> = files.chunks(BATCH).map(<[String]>::to_vec).collect();
    // One batch is one task; the next few are decoded while this one is used.
    for (n, batch) in pool
        .map(load, batches)
        .chunk_size(1)
        .look_ahead(AHEAD)
        .enumerate()
    {
        let batch = batch?;
        let image = (SIDE * SIDE * 3) as usize;
        // Training would happen here; the mean colour of each image stands for it.
        for one in batch.pixels.chunks(image) {
            let mean = |c: usize| {
                let sum: u64 = one.iter().skip(c).step_by(3).map(|&p| u64::from(p)).sum();
                sum / u64::from(SIDE * SIDE)
            };
            println!("batch {n}: rgb {} {} {}", mean(0), mean(1), mean(2));
        }
        batch.bad.iter().for_each(|b| println!("batch {n}: {b}"));
    }
    Ok(())
}
