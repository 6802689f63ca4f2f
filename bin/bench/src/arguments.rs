//! The command line, and what each form of it starts.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};

use crate::record::{self, Records};
use crate::size::Size;
use crate::{child, hot, plot, suite, table};

/// Measures pexec beside its peers and beside what the machine allows.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Print records of these. None: all of the table, with the peers.
    #[arg(value_parser = PossibleValuesParser::new(suite::names()))]
    tests: Vec<String>,
    /// How often each test of the table runs; its rows give median, least and most.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Small numbers and no peers: only whether everything works.
    #[arg(long)]
    quick: bool,
    /// How many tasks noop and upfront submit.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    tasks: u64,
    /// Print the records of the table's run, the peers' among them, not the table; with tests: of these only.
    #[arg(long)]
    json: bool,
    /// Say which tests there are.
    #[arg(long)]
    list: bool,
    /// The folder of the peers' benchmarks [default: ../shared/peers, where it exists].
    #[arg(long, value_name = "DIR", env = "PEXEC_PEERS")]
    peers: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Sends N no-op tasks through one worker and says nothing: for counting instructions.
    Hot {
        /// How many tasks.
        n: u64,
        /// As the items of a map.
        #[arg(long)]
        map: bool,
    },
    /// Prints the table of the records in files: of one run, that is, since other runs say nothing about ratios.
    Table {
        /// Records, a line each.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Draws plots (SVG) of the records in files.
    Plot {
        /// Records, a line each; later ones of the same kind join the earlier ones.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The folder to draw into.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Does what the command line says.
pub(crate) fn run() -> Result<(), String> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Hot { n, map }) => {
            hot::run(n, map);
            return Ok(());
        }
        Some(Command::Table { files }) => {
            print!("{}", table::report(record::read(&files)?));
            return Ok(());
        }
        Some(Command::Plot { files, out }) => return plot::draw(record::read(&files)?, &out),
        None => {}
    }
    if arguments.list {
        for test in suite::ALL {
            println!("{:8} {}", test.name, test.about);
        }
        return Ok(());
    }
    let size = Size::new(arguments.quick, arguments.tasks);
    let Arguments {
        tests,
        rounds,
        peers,
        json,
        ..
    } = arguments;
    if json || tests.is_empty() {
        return table::run(&tests, size, rounds, peers, json);
    }
    match &tests[..] {
        [one] => {
            let mut records = Records::printing(one);
            suite::run(one, &mut records, size);
            Ok(())
        }
        several => {
            for name in several {
                let ran = child::own(name, size);
                ran.records.iter().for_each(|record| println!("{record}"));
                ran.complete
                    .map_err(|why| format!("the rest of {name} is missing: {why}"))?;
            }
            Ok(())
        }
    }
}
