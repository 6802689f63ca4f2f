//! Each example does what it says: its output, on real data, against what is known about it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use image::{ImageFormat, Rgb, RgbImage};

/// Runs an example to its good end and gives its standard output.
#[track_caller]
fn run(exe: &str, args: &[&str]) -> String {
    let done = Command::new(exe).args(args).output().expect("it starts");
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).expect("text")
}

#[test]
fn sums_are_the_same_wherever_they_are_made() {
    let table = run(env!("CARGO_BIN_EXE_sums"), &[]);
    let rows: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["where", "primes", "ms", "speed"]);
    let primes: Vec<&str> = rows[1..].iter().map(|row| row[row.len() - 3]).collect();
    let is_prime = |n: u64| (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    let known: usize = (1..=48u64)
        .map(|k| (2..k * 500).filter(|&n| is_prime(n)).count())
        .sum();
    assert_eq!(primes, vec![known.to_string(); 3], "{table}");
}

#[test]
fn the_pipeline_counts_the_words_of_real_texts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let files =
        ["README.md", "ARCHITECTURE.md", "docs/gotchas.md"].map(|f| root.join(f).display().to_string());
    let said = run(
        env!("CARGO_BIN_EXE_pipeline"),
        &files.each_ref().map(String::as_str),
    );
    for (file, line) in files.iter().zip(said.lines()) {
        let text = std::fs::read_to_string(file).expect("a text");
        let words: BTreeSet<String> = text
            .split(|c: char| !c.is_alphabetic())
            .filter(|w| !w.is_empty())
            .map(str::to_lowercase)
            .collect();
        let paragraphs = text.split("\n\n").filter(|p| !p.trim().is_empty()).count();
        let wanted = format!(
            "{file}: {paragraphs} paragraphs, {} words, longest Some(",
            words.len()
        );
        assert!(line.starts_with(&wanted), "{line}\nis not\n{wanted}");
    }
    assert_eq!(said.lines().count(), files.len());
}

#[test]
fn a_forest_knows_more_than_a_tree() {
    let said = run(env!("CARGO_BIN_EXE_forest"), &[]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "569 patients, 60 trees");
    let share = |line: &str| {
        line.rsplit(' ')
            .next()
            .and_then(|n| n.parse::<f64>().ok())
            .expect("a share")
    };
    let (tree, forest) = (share(lines[1]), share(lines[2]));
    assert!(forest >= tree && forest > 0.93, "{said}");
    // Which worker grows which tree makes no difference.
    assert_eq!(said, run(env!("CARGO_BIN_EXE_forest"), &[]));
}

#[test]
fn the_loader_hands_decoded_images_over_in_their_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut files = Vec::new();
    let mut wanted = Vec::new();
    for n in 0..10u32 {
        let format = [ImageFormat::Png, ImageFormat::Jpeg][n as usize % 2];
        let path = directory
            .path()
            .join(format!("{n}.{}", format.extensions_str()[0]));
        let colour = [n as u8 * 20, 255 - n as u8 * 20, 60];
        let image = RgbImage::from_pixel(100 + n * 31, 80 + n * 17, Rgb(colour));
        image.save_with_format(&path, format).expect("it is written");
        files.push(path.display().to_string());
        wanted.push((n as usize / 4, colour));
    }
    let broken = directory.path().join("broken.png");
    std::fs::write(&broken, b"\x89PNG\r\n\x1a\nand no more").expect("it is written");
    files.push(broken.display().to_string());
    let said = run(
        env!("CARGO_BIN_EXE_loader"),
        &files.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let lines: Vec<&str> = said.lines().collect();
    for (line, (batch, colour)) in lines.iter().zip(&wanted) {
        let numbers = line.strip_prefix(&format!("batch {batch}: rgb ")).expect(line);
        let seen: Vec<i32> = numbers.split(' ').map(|n| n.parse().expect("a number")).collect();
        // JPEG rounds.
        let close = seen
            .iter()
            .zip(colour)
            .all(|(&a, &b)| (a - i32::from(b)).abs() <= 3);
        assert!(close, "{line}, and not {colour:?}");
    }
    assert_eq!(lines.len(), 11, "{said}");
    assert!(
        lines[10].starts_with(&format!("batch 2: {}: ", broken.display())),
        "{said}"
    );
}

#[test]
fn a_c_library_that_crashes_is_contained() {
    let said = run(env!("CARGO_BIN_EXE_contained"), &[]);
    let lines: Vec<&str> = said.lines().collect();
    let sum = |word: &str| word.bytes().map(u64::from).sum::<u64>();
    assert_eq!(lines[0], format!("\"ordinary\": {}", sum("ordinary")));
    assert!(
        lines[1].starts_with("\"\": ") && said.contains("SIGSEGV"),
        "{said}"
    );
    let fine = format!("\"fine\": {}", sum("fine"));
    assert!(lines.contains(&fine.as_str()), "{said}");
    assert!(said.contains("SIGABRT"), "{said}");
    let last = lines
        .last()
        .expect("lines")
        .split(' ')
        .filter_map(|w| w.parse::<u64>().ok());
    let numbers: Vec<u64> = last.collect();
    assert!(
        numbers[0] >= 64 && numbers[1] < 16,
        "the leak is in the workers: {said}"
    );
}

#[test]
fn thousands_are_awaited_selected_and_timed_out() {
    let squares: u64 = (0..5000).map(|n| n * n).sum();
    assert_eq!(
        run(env!("CARGO_BIN_EXE_awaits"), &[]),
        format!(
            "sum of 5000 squares: {squares}\nthe quick one was first: 1 ms\n\
             still running after the timeout: true\nkilled: true\ntimed out: true\n"
        )
    );
}

#[test]
fn the_comparison_measures_each_way_and_draws_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let picture = directory.path().join("which.svg");
    let said = run(
        env!("CARGO_BIN_EXE_which"),
        &["--quick", "--svg", picture.to_str().expect("text")],
    );
    let rows = said
        .lines()
        .filter(|l| l.starts_with("| ") && l.contains(" us | "));
    let cells: Vec<usize> = rows.map(|row| row.matches(" | ").count()).collect();
    assert_eq!(cells, [5; 9], "{said}");
    let picture = std::fs::read_to_string(picture).expect("a picture");
    assert_eq!(picture.matches("<polyline").count(), 5, "{picture}");
    assert!(!picture.contains("NaN") && picture.ends_with("</svg>\n"));
}

/// One request; the status line's code and the body.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let code = text
        .split(' ')
        .nth(1)
        .and_then(|c| c.parse().ok())
        .expect("a code");
    (code, text.split_once("\r\n\r\n").expect("a body").1.to_owned())
}

#[test]
fn the_service_answers_while_requests_crash_and_hang() {
    let mut service = Command::new(env!("CARGO_BIN_EXE_service"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut address = String::new();
    let mut out = BufReader::new(service.stdout.take().expect("a pipe"));
    out.read_line(&mut address).expect("a line");
    let address = address.trim();
    let answers = std::thread::scope(|scope| {
        let good: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| get(address, "/factors/1001")))
            .collect();
        let bad = [
            ("/crash", 500),
            ("/hang", 504),
            ("/factors/x", 400),
            ("/nothing", 404),
        ];
        for (path, code) in bad {
            assert_eq!(get(address, path).0, code, "{path}");
        }
        good.into_iter()
            .map(|t| t.join().expect("no panic"))
            .collect::<Vec<_>>()
    });
    service.kill().expect("it runs");
    service.wait().expect("a child");
    assert_eq!(answers, vec![(200, "[7, 11, 13]".to_owned()); 20]);
    // Its workers end with it, however it ends.
    out.read_to_string(&mut String::new())
        .expect("nobody holds its output any more");
}

#[test]
fn thumbnails_go_through_a_pipeline_each_and_onto_one_sheet() {
    let directory = tempfile::tempdir().expect("a directory");
    let photos = directory.path().join("photos");
    std::fs::create_dir(&photos).expect("made");
    // A screenshot, and what is cut out of it: pictures as people have them.
    let shot = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guide/report.png");
    let shot = image::open(shot).expect("a picture").into_rgb8();
    for n in 0..8u32 {
        let part = image::imageops::crop_imm(&shot, n * 40, n * 20, 300 + n * 10, 200).to_image();
        let format = [ImageFormat::Png, ImageFormat::Jpeg][n as usize % 2];
        let name = format!("{n}.{}", format.extensions_str()[0]);
        part.save_with_format(photos.join(name), format).expect("written");
    }
    let job = Path::new(env!("CARGO_MANIFEST_DIR")).join("../thumbnails/job.toml");
    let to = directory.path().join("out");
    let thumbs = |more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_thumbs"))
            .args(["run", "--no-record", "--set"])
            .arg(format!("photos={}", photos.display()))
            .arg("--set")
            .arg(format!("to={}", to.display()))
            .args(more)
            .arg(&job)
            .output()
            .expect("it runs")
    };
    let output = thumbs(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("17 of 17 succeeded"), "{said}");
    for n in 0..8 {
        let thumb = image::open(to.join(format!("thumbs/{n}.png"))).expect("a picture");
        assert_eq!(thumb.width(), 96, "the longer side fits");
        let colour = std::fs::read_to_string(to.join(format!("colours/{n}.txt"))).expect("a colour");
        assert!(
            colour.starts_with('#') && colour.trim_end().len() == 7,
            "{colour}"
        );
    }
    let sheet = image::open(to.join("sheet.png")).expect("a picture");
    assert_eq!((sheet.width(), sheet.height()), (6 * 96, 2 * 96));

    std::fs::write(photos.join("broken.png"), b"\x89PNG\r\n\x1a\nand no more").expect("written");
    let output = thumbs(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("16 of 19 succeeded, 1 failed, 2 blocked"), "{said}");
}
