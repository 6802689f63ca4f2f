//! Thumbnails: three functions for a job file (`docs/examples/thumbnails/job.toml`), in a program that is a whole command
//! line. A broken image costs its own instance, a decoder that crashes too.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use image::imageops::FilterType;
use image::{Rgb, RgbImage};
use pexec::Failure;

/// Makes a picture that fits into a square of `side` pixels.
#[pexec::task(name = "thumbnail")]
fn thumbnail(image: PathBuf, to: PathBuf, side: u32) -> Result<String, Failure> {
    let picture = image::ImageReader::open(&image)?
        .with_guessed_format()?
        .decode()?;
    let small = picture.resize(side, side, FilterType::Triangle).into_rgb8();
    save(&small, &to)?;
    Ok(format!(
        "{}: {} x {} to {} x {}",
        image.display(),
        picture.width(),
        picture.height(),
        small.width(),
        small.height()
    ))
}

/// The mean colour, as `#rrggbb`.
#[pexec::task(name = "mean_colour")]
fn mean_colour(image: PathBuf) -> Result<String, Failure> {
    let picture = image::open(image)?.into_rgb8();
    let count = u64::from(picture.width()) * u64::from(picture.height());
    let sums = picture.pixels().fold([0; 3], |mut sums, Rgb(pixel)| {
        for (sum, part) in sums.iter_mut().zip(pixel) {
            *sum += u64::from(*part);
        }
        sums
    });
    let [red, green, blue] = sums.map(|sum| sum / count.max(1));
    Ok(format!("#{red:02x}{green:02x}{blue:02x}"))
}

/// All thumbnails of a directory on one sheet, six in a row, in the order of their names.
#[pexec::task(name = "sheet")]
fn sheet(thumbs: PathBuf, to: PathBuf, side: u32) -> Result<String, Failure> {
    const ROW: u32 = 6;
    let mut files = std::fs::read_dir(thumbs)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.sort();
    let count = u32::try_from(files.len())?;
    let (width, height) = (ROW.min(count).max(1) * side, count.div_ceil(ROW).max(1) * side);
    let mut all = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    for (n, file) in (0..).zip(&files) {
        let small = image::open(file)?.into_rgb8();
        let centre = |place: u32, size: u32| i64::from(place * side + side.saturating_sub(size) / 2);
        let (x, y) = (centre(n % ROW, small.width()), centre(n / ROW, small.height()));
        image::imageops::overlay(&mut all, &small, x, y);
    }
    save(&all, &to)?;
    Ok(format!("{count} thumbnails"))
}

/// Whole or not at all.
fn save(picture: &RgbImage, to: &Path) -> Result<(), Failure> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let part = to.with_extension("part");
    picture.save_with_format(&part, image::ImageFormat::Png)?;
    Ok(std::fs::rename(part, to)?)
}

fn main() -> ExitCode {
    pexec_cli::main()
}
