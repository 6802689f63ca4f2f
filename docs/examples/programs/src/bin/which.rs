//! Threads, processes or async? Measured here: tasks a second for work of different length, that computes or that waits.
//!
//! `which` prints two tables in Markdown; `which --svg FILE` draws the first as well; `which --quick` does little, to see
//! that it works.

use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use pexec::{Executor, Inline, ProcessPool, ThreadPool};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Micro-seconds of work a task.
const LENGTHS: [u64; 6] = [0, 1, 10, 100, 1000, 10_000];
const WAYS: [&str; 5] = [
    "one thread",
    "threads",
    "processes, submit",
    "processes, map",
    "async (tokio)",
];

/// Computes for as long.
fn compute(us: u64) -> u64 {
    let start = Instant::now();
    let mut x = 1u64;
    while us > 0 && start.elapsed() < Duration::from_micros(us) {
        x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005));
    }
    x
}

/// Waits for as long, as for a disk or a network.
fn pause(us: u64) -> u64 {
    std::thread::sleep(Duration::from_micros(us));
    us
}

/// What there is to run tasks with.
struct Ways {
    inline: Inline,
    threads: ThreadPool,
    processes: ProcessPool,
    runtime: Runtime,
}

impl Ways {
    /// Tasks a second in each way; each of `n` tasks waits or computes for `us`.
    fn measure(&self, waits: bool, us: u64, n: usize) -> Result<Vec<f64>, Box<dyn Error>> {
        let timed = |run: &dyn Fn() -> Result<(), Box<dyn Error>>| {
            let mut rates = Vec::new();
            for _ in 0..3 {
                let start = Instant::now();
                run()?;
                rates.push(n as f64 / start.elapsed().as_secs_f64());
            }
            rates.sort_by(f64::total_cmp);
            Ok::<f64, Box<dyn Error>>(rates[1])
        };
        let submit = || {
            let one = || match waits {
                true => self.processes.submit(pause, us),
                false => self.processes.submit(compute, us),
            };
            let all: Vec<_> = (0..n).map(|_| one()).collect();
            Ok(all.into_iter().try_for_each(|f| f.result().map(drop))?)
        };
        Ok(vec![
            timed(&|| mapped(&self.inline, waits, us, n))?,
            timed(&|| mapped(&self.threads, waits, us, n))?,
            timed(&submit)?,
            timed(&|| mapped(&self.processes, waits, us, n))?,
            timed(&|| self.runtime.block_on(asynchronous(waits, us, n)))?,
        ])
    }
}

fn mapped(executor: &impl Executor, waits: bool, us: u64, n: usize) -> Result<(), Box<dyn Error>> {
    let inputs = std::iter::repeat_n(us, n);
    let mut all = match waits {
        true => executor.map(pause, inputs),
        false => executor.map(compute, inputs),
    };
    Ok(all.try_for_each(|result| result.map(drop))?)
}

async fn asynchronous(waits: bool, us: u64, n: usize) -> Result<(), Box<dyn Error>> {
    let mut all = JoinSet::new();
    for _ in 0..n {
        match waits {
            true => all.spawn(async move {
                tokio::time::sleep(Duration::from_micros(us)).await;
                us
            }),
            false => all.spawn(async move { compute(us) }),
        };
    }
    while let Some(result) = all.join_next().await {
        result?;
    }
    Ok(())
}

fn table(title: &str, rows: &[(u64, Vec<f64>)]) {
    println!(
        "{title}\n\n| a task takes | {} |\n|---:|{}",
        WAYS.join(" | "),
        "---:|".repeat(WAYS.len())
    );
    for (us, rates) in rows {
        let cells: Vec<String> = rates.iter().map(|r| format!("{r:.0}")).collect();
        println!("| {us} us | {} |", cells.join(" | "));
    }
    println!();
}

/// The rates over the length of a task, both axes logarithmic; what takes no time stands at a tenth of a microsecond.
fn picture(rows: &[(u64, Vec<f64>)]) -> String {
    const COLOURS: [&str; 5] = ["#6e7781", "#0072b2", "#c04f00", "#a0208c", "#00805d"];
    let x = |us: u64| 80.0 + 90.0 * ((us as f64).max(0.1).log10() + 1.0);
    let y = |rate: f64| 370.0 - 50.0 * (rate.max(10.0).log10() - 1.0);
    let mut svg = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 760 440' \
        font-family='system-ui,sans-serif' font-size='13'><rect width='760' height='440' fill='#fff'/>\
        <text x='80' y='30' font-size='16'>Tasks a second, by how long a task computes</text>"
        .to_owned();
    for power in 1..=7 {
        let y = y(10f64.powi(power));
        let _ = write!(
            svg,
            "<path d='M80 {y:.1}H530' stroke='#d8dee4'/><text x='72' y='{:.1}' text-anchor='end'>10^{power}</text>",
            y + 4.0
        );
    }
    for (us, _) in rows {
        let _ = write!(
            svg,
            "<text x='{:.1}' y='392' text-anchor='middle'>{us} us</text>",
            x(*us)
        );
    }
    for (way, (name, colour)) in WAYS.iter().zip(COLOURS).enumerate() {
        let points: Vec<String> = rows
            .iter()
            .map(|(us, rates)| format!("{:.1},{:.1}", x(*us), y(rates[way])))
            .collect();
        let legend = 90 + 24 * way;
        let dash = ["", "7 3", "2 3", "9 3 2 3", "4 4"][way];
        let _ = write!(
            svg,
            "<polyline points='{}' fill='none' stroke='{colour}' stroke-width='2.5' stroke-dasharray='{dash}'/>\
             <path d='M560 {legend}h36' stroke='{colour}' stroke-width='2.5' stroke-dasharray='{dash}'/>\
             <text x='604' y='{}'>{name}</text>",
            points.join(" "),
            legend + 4
        );
    }
    svg + "</svg>\n"
}

fn main() -> Result<(), Box<dyn Error>> {
    pexec::init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let quick = args.iter().any(|a| a == "--quick");
    let ways = Ways {
        inline: Inline::new(),
        threads: ThreadPool::new()?,
        processes: ProcessPool::new()?,
        runtime: Runtime::new()?,
    };
    // About as much work in each row.
    let enough = |us: u64| {
        if quick {
            4
        } else {
            (400_000 / (us + 4)).clamp(40, 100_000) as usize
        }
    };
    let rows = |waits: bool, lengths: &[u64]| {
        let row = |&us: &u64| Ok((us, ways.measure(waits, us, enough(us))?));
        lengths
            .iter()
            .map(row)
            .collect::<Result<Vec<_>, Box<dyn Error>>>()
    };
    rows(false, &LENGTHS[..1])?; // warms up
    let computing = rows(false, &LENGTHS)?;
    println!(
        "{} CPUs, tasks a second, median of 3\n",
        std::thread::available_parallelism()?
    );
    table("A task computes:", &computing);
    table("A task waits:", &rows(true, &LENGTHS[3..])?);
    if let Some(at) = args.iter().position(|a| a == "--svg") {
        std::fs::write(args.get(at + 1).ok_or("--svg FILE")?, picture(&computing))?;
    }
    Ok(())
}
