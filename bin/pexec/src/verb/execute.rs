//! A plan is carried out: what `run` and `each` share, from the plan to the exit code.

use std::io::Write;
use std::sync::Arc;

use pexec_job::history::{self, Forecast};
use pexec_job::plan::{Output, Plan};
use pexec_job::planner::Overrides;
use pexec_job::record::{Recorder, Store};
use pexec_job::run::{self, Glance, Options, RunClock, Stop};
use pexec_job::state::RunState;
use signal_hook::consts::SIGPIPE;

use crate::cli::RunFlags;
use crate::events_file::EventsFile;
use crate::exit::Exit;
use crate::keys::Keys;
use crate::output::Outputs;
use crate::pause::Pause;
use crate::progress::Progress;
use crate::records::{Opened, Place};
use crate::reports::{Of, Reports};
use crate::room::Room;
use crate::signals::{Interrupt, Watch};
use crate::sink::{Console, Fault};
use crate::speech::{complain, name};
use crate::terminal::Terminal;
use crate::writer::Writer;
use crate::{pool, summary};

/// What the flags say over the plan.
pub(super) fn overrides(flags: &RunFlags) -> Overrides {
    Overrides {
        retries: flags.retries,
        timeout: flags.timeout,
        workers: flags.jobs.clone(),
        halt: flags.halt.clone(),
        ..Overrides::default()
    }
}

/// Runs a plan and tells of it.
pub(super) fn execute(
    mut plan: Plan,
    flags: RunFlags,
    place: Place,
    job: &[u8],
    terminal: Terminal,
    logging: bool,
) -> Exit {
    // First, for a worker takes longer to start than everything until the run begins.
    let jobs = pool::jobs(&plan);
    let cgroup = pool::cgroup(&plan);
    let pool = pool::build(&plan, jobs);
    let events = match flags
        .events
        .as_deref()
        .map(|path| (path, EventsFile::create(path)))
    {
        None => None,
        Some((_, Ok(file))) => Some(file),
        Some((path, Err(error))) => {
            complain(&format!(
                "cannot write events to {}: {error}; nothing was started",
                path.display()
            ));
            return Exit::Record;
        }
    };
    let reports = match Reports::open(
        flags.reports.report.as_deref(),
        &flags.reports.exports,
        Of::Coming,
    ) {
        Ok(reports) => reports,
        Err(exit) => return exit,
    };
    // Removed when this returns, whatever the run comes to: signals only ever ask the run to end.
    let spill = match Room::make() {
        Ok(dir) => dir,
        Err(error) => {
            let place = std::env::temp_dir();
            complain(&format!(
                "no room for large output in {}: {error}; point TMPDIR elsewhere",
                place.display()
            ));
            return Exit::Pool;
        }
    };
    // Reports are made of a record, if need be of one that goes with the spilled output.
    let shelter = (!reports.is_empty()).then(|| Store::at(spill.path().join("record")));
    let run_id = place.id.clone();
    let show = place.show();
    let successes = place.successes(&plan);
    let history = place.history(&plan);
    let new = place.is_new();
    let first = history.is_empty() && new;
    let Opened { recorder, past } = match place.open(job, shelter) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let recorded = recorder.as_ref().and_then(|recorder| recorder.path().parent());
    let recorded = recorded.map(|store| (Store::at(store), run_id.clone()));
    let interrupt = Interrupt::new(Stop::new());
    let (pause, clock, glance) = (Pause::default(), RunClock::default(), Glance::default());
    let mode = flags
        .output
        .map(Output::from)
        .or(plan.output)
        .unwrap_or(Output::Grouped);
    // Who wants the output in order would wait for the first instance's behind all that were started before it.
    let workload = match history.is_empty() {
        true => history::Workload::default(),
        false => history::arrange(&mut plan, &history, mode != Output::Ordered),
    };
    let forecast = Forecast::new(Arc::new(history), workload, jobs);
    let progress = Progress::new(flags.progress, terminal, logging, clock.now());
    let started = Watch::start(interrupt.clone(), pause.clone(), glance.clone()).and_then(|watch| {
        Ok((
            watch,
            Writer::start(interrupt.clone(), progress.has_bar(), terminal)?,
        ))
    });
    let (_watch, writer) = match started {
        Ok(started) => started,
        Err(error) => {
            complain(&format!("cannot start a thread: {error}"));
            return Exit::Pool;
        }
    };
    let first_seq = recorder.as_ref().map_or(0, Recorder::next_seq);
    let curtain = writer.curtain();
    // Where a task's items are still to be read, they may come from the same terminal.
    let nobody_reads = plan.tasks.iter().all(|task| task.total.is_some());
    let keys = if progress.has_bar() && nobody_reads {
        Keys::start(glance.clone(), curtain.clone()).ok().flatten()
    } else {
        None
    };
    let outputs = Outputs::new(mode, writer, spill.path(), terminal);
    let mut console = Console::new(recorder, events, outputs, progress, clock.clone(), forecast);
    let pool = match pool {
        Ok(pool) => Arc::new(pool),
        Err(error) => {
            complain(&error.to_string());
            return Exit::Pool;
        }
    };
    let options = Options {
        stream: mode == Output::Line,
        successes: Arc::new(successes),
        follow: mode == Output::Ordered,
        glance,
        stop: interrupt.stop(),
        first_seq,
        past,
        clock: clock.clone(),
        cgroup: cgroup.as_ref().map(|base| base.path().to_owned()),
        ..Options::new(jobs, run_id, spill.path())
    };
    pause.take(Arc::clone(&pool), clock, curtain);
    let result = run::run(&*pool, plan, options, &mut console);
    // Before the last word: nothing of the run is left when it is said.
    pool.shutdown();
    pause.let_go();
    drop(keys);
    let (state, forecast, fault) = console.finish();
    let exit = judge(&result, &state, &fault, &interrupt);
    if exit != Exit::Signal(SIGPIPE) {
        let _ = std::io::stderr()
            .write_all(summary::render(&state, mode != Output::None, first, terminal.colour).as_bytes());
        for remark in summary::compared(&forecast) {
            complain(&remark);
        }
        if let (Some(show), Some(failure)) = (&show, state.failures().first()) {
            complain(&format!("see more: {} {show} {}", name(), failure.who.id));
        }
        // After a fault of the record it would promise too much.
        if new
            && show.is_some()
            && fault.is_none()
            && let Some(how) = summary::again(&state)
        {
            complain(how);
        }
    }
    match (&fault, &result) {
        (Some(Fault::Record(error)), _) => {
            complain(&format!("cannot write the record {error}; the run was ended"));
        }
        (Some(Fault::Events(error)), _) => {
            complain(&format!("cannot write events: {error}; the run was ended"));
        }
        (Some(Fault::Output(error)), _) => {
            complain(&format!(
                "cannot write standard output: {error}; the run was ended"
            ));
        }
        (None, Err(error)) => complain(&error.to_string()),
        (None, Ok(_)) => {}
    }
    match recorded {
        Some((store, id)) if !reports.is_empty() => match reports.write(&store, &id) {
            Exit::Success => exit,
            unwritten => unwritten,
        },
        _ => exit,
    }
}

fn judge(
    result: &Result<run::Finished, run::Error>,
    state: &RunState,
    fault: &Option<Fault>,
    interrupt: &Interrupt,
) -> Exit {
    let counts = state.counts();
    match (fault, result) {
        (Some(Fault::Record(_) | Fault::Events(_)), _) => Exit::Record,
        (Some(Fault::Output(_)), _) => Exit::Output,
        // The last bytes may find the pipe closed when the run is over.
        _ if interrupt.first() == Some(SIGPIPE) => Exit::Signal(SIGPIPE),
        (None, Err(_)) => Exit::Pool,
        (None, Ok(finished)) => match finished.signal {
            Some(signal) => Exit::Signal(signal),
            // What the run was for has been reached, whatever else became of it.
            None if finished.halted.is_some_and(|policy| policy.is_success()) => Exit::Success,
            None if counts.succeeded == counts.planned => Exit::Success,
            None if finished.halted.is_some() => Exit::Halted,
            None => Exit::Failed,
        },
    }
}
