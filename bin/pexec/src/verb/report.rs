//! `pexec report [RUN] -o FILE.html`: tells of a past run, or of one that still lasts.

use crate::cli::{Exports, Report};
use crate::exit::Exit;
use crate::past;
use crate::reports::{Of, Reports};
use crate::speech::{complain, refuse};

/// Reads the run's record and writes what was asked for.
pub(crate) fn report(args: &Report) -> Exit {
    let Exports { junit, trace, joblog } = &args.exports;
    if [&args.output, junit, trace, joblog]
        .into_iter()
        .all(Option::is_none)
    {
        return refuse("say what to write: -o FILE.html, --junit FILE, --trace FILE or --joblog FILE");
    }
    let store = past::store(args.run_dir.as_deref());
    let record = match past::find(&store, &args.run) {
        Ok(record) => record,
        Err(exit) => return exit,
    };
    if let Ok(Some(_)) = record.holder() {
        complain(&format!(
            "run {} still lasts: this tells how far it is",
            record.id()
        ));
    }
    match Reports::open(args.output.as_deref(), &args.exports, Of::Past) {
        Ok(reports) => reports.write(&store, record.id()),
        Err(exit) => exit,
    }
}
